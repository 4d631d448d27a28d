"""`store sub`: where it begins, where it ends, and what it prints."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub, publish, store
from tests.support.waiting import until


@pytest.fixture
def five(stub: Stub, channel: str) -> str:
    """A channel with the events 1 to 5."""
    store(stub, channel, range(1, 6))
    return channel


def numbers(first: int, last: int) -> str:
    return "".join(f"{n}\n" for n in range(first, last + 1))


def rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def test_new_brings_only_what_comes_once_it_is_live(start: Start, stub: Stub, five: str) -> None:
    sub = start("store", "sub", five, "--count", "2", ready=True)
    store(stub, five, [6, 7])
    ended = sub.wait()
    assert (ended.code, ended.text) == (0, "6\n7\n")
    assert ended.err == "2 received\n"


def test_first_brings_everything_and_goes_on_with_what_comes(start: Start, stub: Stub, five: str) -> None:
    sub = start("store", "sub", five, "--from", "first", "--count", "6")
    sub.wait_for_stdout(b"5\n")
    store(stub, five, [6])
    assert sub.wait().text == numbers(1, 6)


def test_last_brings_the_newest_and_goes_on(start: Start, stub: Stub, five: str) -> None:
    sub = start("store", "sub", five, "--from", "last", "--count", "2")
    sub.wait_for_stdout(b"5\n")
    store(stub, five, [6])
    assert sub.wait().text == "5\n6\n"


def test_a_sequence_is_where_it_begins(run: Run, five: str) -> None:
    assert run("store", "sub", five, "--from", "3", "--until", "now").text == numbers(3, 5)


@pytest.mark.parametrize("there", [5, 0])
def test_before_a_sequence_that_is_not_there_yet_nothing_is_printed(
    start: Start, stub: Stub, channel: str, there: int
) -> None:
    store(stub, channel, range(1, there + 1))
    sub = start("store", "sub", channel, "--from", "8", "--count", "2", ready=True)
    store(stub, channel, range(there + 1, 11))
    ended = sub.wait()
    assert (ended.code, ended.text) == (0, "8\n9\n")


def test_a_time_is_where_it_begins(run: Run, five: str) -> None:
    records = run("store", "sub", five, "--from", "first", "--until", "now", "-o", "json").records()
    third = records[2]["timestamp"]
    assert run("store", "sub", five, "--from", third, "--until", "now").text == numbers(3, 5)


def test_a_time_to_come_is_waited_for(start: Start, stub: Stub, channel: str) -> None:
    at = time.time_ns() + 1_500_000_000
    sub = start("store", "sub", channel, "--from", rfc3339(at), "--count", "1", ready=True)
    publish(stub, channel, "too early", store=True)
    until(lambda: time.time_ns() > at, "the time")
    publish(stub, channel, "in time", store=True)
    assert sub.wait().text == "in time"


def test_a_duration_is_so_long_ago_by_the_clock_of_the_server(run: Run, stub: Stub, channel: str) -> None:
    store(stub, channel, ["old"])
    old = time.monotonic()
    until(lambda: time.monotonic() - old > 4.2, "some time to pass", timeout=10)
    store(stub, channel, ["new"])
    assert run("store", "sub", channel, "--from", "4s", "--until", "now").text == "new\n"
    assert run("store", "sub", channel, "--from", "1h", "--until", "now").text == "old\nnew\n"
    assert run("store", "sub", channel, "--from", "36500d", "--until", "now").text == "old\nnew\n"


@pytest.mark.parametrize(("last", "first"), [("-2", 4), ("-5", 1), ("-100", 1)])
def test_the_last_few_are_where_it_begins(run: Run, five: str, last: str, first: int) -> None:
    assert run("store", "sub", five, "--from", last, "--until", "now").text == numbers(first, 5)


def test_the_last_few_of_an_empty_channel_are_what_comes(start: Start, stub: Stub, channel: str) -> None:
    sub = start("store", "sub", channel, "--from", "-3", "--count", "1", ready=True)
    store(stub, channel, [1])
    assert sub.wait().text == "1"


@pytest.mark.parametrize("keeper", ["--group", "--durable"])
def test_the_last_few_have_no_meaning_where_the_server_keeps_the_position(
    run: Run, channel: str, keeper: str
) -> None:
    ended = run("store", "sub", channel, keeper, "x", "--from", "-3")
    assert ended.code == 2
    assert f"--from -3 cannot be used with {keeper}" in ended.err


def test_a_date_is_a_place_to_begin_and_to_end(run: Run, five: str) -> None:
    today = datetime.now().astimezone()
    day = [f"{today + timedelta(days):%Y-%m-%d}" for days in (-1, 0, 1)]
    assert run("store", "sub", five, "--from", day[0], "--until", "now").text == numbers(1, 5)
    assert run("store", "sub", five, "--from", day[2], "--until", "now").text == ""
    assert run("store", "sub", five, "--from", day[0], "--until", day[0]).text == ""


def test_a_place_to_begin_that_is_none_is_refused(run: Run, channel: str) -> None:
    ended = run("store", "sub", channel, "--from", "yesterday")
    assert ended.code == 2
    assert "--from: yesterday is not a start position: use new, first, last, -10 for" in ended.err


def test_sequence_and_time_are_in_every_record(run: Run, five: str) -> None:
    records = run("store", "sub", five, "--from", "first", "--until", "now", "-o", "json").records()
    assert [r["sequence"] for r in records] == [1, 2, 3, 4, 5]
    assert [list(r) for r in records] == [["id", "channel", "body", "timestamp", "sequence"]] * 5
    assert all(r["timestamp"].endswith("Z") for r in records)


def test_everything_that_an_event_has_is_in_its_record(run: Run, stub: Stub, channel: str) -> None:
    fields = {"EventID": "e1", "Metadata": "m", "Tags": {"k": "v"}}
    publish(stub, channel, b"\xff\x00", store=True, **fields)
    [record] = run("store", "sub", channel, "--from", "first", "--count", "1", "-o", "json").records()
    del record["timestamp"]
    assert record == {
        "id": "e1",
        "channel": channel,
        "metadata": "m",
        "body_base64": "/wA=",
        "tags": {"k": "v"},
        "sequence": 1,
    }


def test_one_event_is_its_exact_bytes_and_several_are_separated(run: Run, stub: Stub, channel: str) -> None:
    for body in (b"a\n\0", b"b"):
        publish(stub, channel, body, store=True)
    begin = ["store", "sub", channel, "--from", "first"]
    assert run(*begin, "--count", "1").out == b"a\n\0"
    assert run(*begin, "--count", "1", "-0").out == b"a\n\0\0"
    assert run(*begin, "--until", "now").out == b"a\n\0\nb\n"
    assert run(*begin, "--until", "now", "--delimiter", "").out == b"a\n\0b"
    assert run(*begin, "--until", "now", "--format", "{sequence}:{body}").out == b"1:a\n\0\n2:b\n"


# --until


def test_until_a_sequence_is_inclusive(run: Run, five: str) -> None:
    assert run("store", "sub", five, "--from", "first", "--until", "3").text == numbers(1, 3)


def test_until_a_sequence_to_come_waits_for_it(start: Start, stub: Stub, five: str) -> None:
    sub = start("store", "sub", five, "--from", "4", "--until", "7")
    sub.wait_for_stdout(b"5\n")
    store(stub, five, range(6, 10))
    assert sub.wait().text == numbers(4, 7)


def test_until_a_time_is_inclusive(run: Run, five: str) -> None:
    records = run("store", "sub", five, "--from", "first", "--until", "now", "-o", "json").records()
    third = records[2]["timestamp"]
    assert run("store", "sub", five, "--from", "first", "--until", third).text == numbers(1, 3)


def test_until_a_time_to_come_ends_when_it_has_passed(run: Run, five: str) -> None:
    at = rfc3339(time.time_ns() + 1_500_000_000)
    ended = run("store", "sub", five, "--from", "first", "--until", at)
    assert (ended.code, ended.text) == (0, numbers(1, 5))


def test_until_now_leaves_out_what_comes_meanwhile(run: Run, five: str) -> None:
    again = [sys.executable, "-m", "kubemqctl", "store", "pub", five, "one more"]
    ended = run("store", "sub", five, "--from", "4", "--until", "now", "-o", "json", "--", *again)
    assert [record["sequence"] for record in ended.records()] == [4, 5]
    assert run("store", "sub", five, "--from", "first", "--until", "now").text.endswith(
        "one more\none more\n"
    )


def test_until_with_nothing_stored_ends_soon(run: Run, channel: str) -> None:
    began = time.monotonic()
    ended = run("store", "sub", channel, "--from", "first", "--until", "now")
    assert (ended.code, ended.text, ended.err) == (0, "", "0 received\n")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("begin", ["new", "6", "2200-01-01T00:00:00Z", "0s"])
def test_until_now_ends_when_nothing_lies_before_it(run: Run, five: str, begin: str) -> None:
    ended = run("store", "sub", five, "--from", begin, "--until", "now")
    assert (ended.code, ended.text) == (0, "")


def test_an_end_that_idle_forestalls_was_not_looked_up_to(run: Run, five: str) -> None:
    ended = run("store", "sub", five, "--from", "6", "--until", "7", "--idle", "100ms")
    assert (ended.code, ended.text) == (6, "")


@pytest.mark.parametrize("keeper", ["--group", "--durable"])
def test_until_has_no_meaning_where_the_server_keeps_the_position(
    run: Run, channel: str, keeper: str
) -> None:
    ended = run("store", "sub", channel, keeper, "x", "--until", "now")
    assert ended.code == 2
    assert f"--until cannot be used with {keeper}" in ended.err


def test_an_end_before_the_start_is_refused(run: Run, channel: str) -> None:
    ended = run("store", "sub", channel, "--from", "5", "--until", "4")
    assert ended.code == 2
    assert "--until is before --from" in ended.err


# who keeps the position


@pytest.mark.parametrize(
    "pair",
    [
        ("--group", "g", "--durable", "d"),
        ("--group", "g", "--checkpoint", "c"),
        ("--durable", "d", "--checkpoint", "c"),
    ],
)
def test_only_one_can_keep_the_position(run: Run, channel: str, pair: tuple[str, ...]) -> None:
    ended = run("store", "sub", channel, *pair)
    assert ended.code == 2
    assert "cannot be used together" in ended.err


def test_two_subscribers_of_the_same_client_id_do_not_disturb_each_other(run: Run, five: str) -> None:
    begin = ["store", "sub", five, "--from", "first", "--until", "now", "--client-id", "same.id"]
    assert run(*begin).text == numbers(1, 5)
    assert run(*begin).text == numbers(1, 5)


def test_durable_goes_on_where_it_was_whatever_from_says(run: Run, stub: Stub, five: str) -> None:
    sub = ["store", "sub", five, "--durable", f"d-{five}", "--idle", "500ms"]
    assert run(*sub, "--from", "first").text == numbers(1, 5)
    store(stub, five, [6])
    assert run(*sub, "--from", "first").text == "6\n"
    assert run(*sub, "--from", "first").code == 6


def test_a_durable_name_in_use_is_not_ready(run: Run, start: Start, five: str) -> None:
    first = start("store", "sub", five, "--durable", f"d-{five}", ready=True)
    ended = run("store", "sub", five, "--durable", f"d-{five}")
    assert ended.code == 8
    assert ended.err.startswith("error: another subscription uses this client ID already\nhint: ")
    assert "--durable" in ended.err
    assert first.running


def test_a_durable_name_follows_the_rules_of_client_ids(run: Run, channel: str) -> None:
    for name, said in (("a.b", "a.b"), ("", "''")):
        ended = run("store", "sub", channel, "--durable", name)
        assert ended.code == 2
        assert ended.err.startswith(f"error: --durable: {said} is not a name: only letters, digits, - and _")


def test_a_group_shares_and_another_group_sees_everything(start: Start, stub: Stub, channel: str) -> None:
    members = [
        start("store", "sub", channel, "--group", group, ready=True) for group in ("two", "two", "one")
    ]
    store(stub, channel, range(100))
    whole = {b"%d" % n for n in range(100)}
    until(lambda: len(members[2].out.split()) == 100, "100 events in the group of one")
    until(lambda: len(members[0].out.split() + members[1].out.split()) >= 100, "100 in the group of two")
    ended = [member.stop() for member in members]
    shares = [one.out.split() for one in ended]
    assert sorted(shares[0] + shares[1]) == sorted(whole)
    assert min(len(shares[0]), len(shares[1])) > 20
    assert shares[2] == [b"%d" % n for n in range(100)]
    assert [one.code for one in ended] == [143, 143, 143]


# how it ends


def test_fewer_than_count_are_fine_when_the_time_is_up(run: Run, five: str) -> None:
    ended = run("store", "sub", five, "--from", "4", "--count", "9", "--idle", "500ms")
    assert (ended.code, ended.text) == (0, "4\n5\n")


def test_nothing_within_idle_is_6_and_within_for_is_0(run: Run, channel: str) -> None:
    idle = run("store", "sub", channel, "--idle", "200ms")
    assert (idle.code, idle.text) == (6, "")
    lasting = run("store", "sub", channel, "--for", "200ms")
    assert (lasting.code, lasting.text, lasting.err) == (0, "", "0 received\n")


def test_the_hint_tells_of_first_where_new_had_nothing(run: Run, five: str) -> None:
    assert "--from first" in run("store", "sub", five, "--idle", "200ms").err


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_summary(start: Start, five: str, signum: signal.Signals, code: int) -> None:
    sub = start("store", "sub", five, "--from", "first")
    sub.wait_for_stdout(b"5\n")
    sub.send(signum)
    ended = sub.wait()
    assert (ended.code, ended.text, ended.err) == (code, numbers(1, 5), "5 received\n")


def test_quiet_says_nothing(run: Run, five: str) -> None:
    assert run("store", "sub", five, "--from", "first", "--until", "now", "-q").err == ""


def test_a_reader_that_leaves_ends_it_at_once_and_quietly(start: Start, five: str) -> None:
    read, write = os.pipe()
    sub = start("store", "sub", five, "--from", "first", "-q", stdout=write, ready=True)
    os.close(write)
    os.close(read)
    ended = sub.wait(5)
    assert (ended.code, ended.err) == (141, "")


def test_a_bad_channel_is_refused_before_anything(run: Run) -> None:
    ended = run("store", "sub", "a.*", address="127.0.0.1:1")
    assert ended.code == 2
    assert "wildcards" in ended.err


def test_a_ready_file_of_an_earlier_run_tells_nothing(run: Run, channel: str, tmp_path: Path) -> None:
    file = tmp_path / "ready"
    file.write_text("old")
    ended = run("store", "sub", channel, "--ready-file", file, address="127.0.0.1:1")
    assert ended.code == 5
    assert not file.exists()
