"""`events sub`: what arrives where, wildcards, groups, handlers, and how it ends."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub, publish
from tests.support.waiting import until


def test_what_is_published_once_it_is_live_arrives(start: Start, stub: Stub, channel: str) -> None:
    publish(stub, channel, "too early")
    sub = start("events", "sub", channel, "--count", "3", ready=True)
    for body in ("one", "two", "three"):
        publish(stub, channel, body)
    ended = sub.wait()
    assert (ended.code, ended.text, ended.err) == (0, "one\ntwo\nthree\n", "3 received\n")


def test_an_event_has_no_time_but_when_it_was_received_and_no_sequence(
    start: Start, stub: Stub, channel: str
) -> None:
    before = time.time()
    sub = start("events", "sub", channel, "--count", "1", "-o", "json", ready=True)
    publish(stub, channel, b"\xff", EventID="e1", Metadata="m", Tags={"k": "v"})
    [record] = sub.wait().records()
    received = datetime.fromisoformat(record.pop("received_at")[:19] + "+00:00").timestamp()
    assert int(before) <= received <= time.time()
    assert record == {
        "id": "e1",
        "channel": channel,
        "metadata": "m",
        "body_base64": "/w==",
        "tags": {"k": "v"},
    }


def test_one_event_is_its_exact_bytes(start: Start, stub: Stub, channel: str) -> None:
    sub = start("events", "sub", channel, "--count", "1", ready=True)
    publish(stub, channel, b"\0\n\xff")
    assert sub.wait().out == b"\0\n\xff"


def test_wildcards_stand_for_one_word_and_for_all_that_follow(start: Start, stub: Stub, channel: str) -> None:
    one = start("events", "sub", f"{channel}.*.end", "--format", "{channel}", ready=True)
    all_ = start("events", "sub", f"{channel}.>", "--format", "{channel}", ready=True)
    names = [f"{channel}.a.end", f"{channel}.b.c.end", f"{channel}.b.end", f"{channel}.x"]
    for name in [*names, channel]:
        publish(stub, name, "x")
    all_.wait_for_stdout(names[3].encode())
    one.wait_for_stdout(names[2].encode())
    assert all_.stop().text.split() == names
    assert one.stop().text.split() == [names[0], names[2]]


@pytest.mark.parametrize("name", ["a*", "a.>.b", "a b", "", "a\tb"])
def test_a_name_that_matches_nothing_or_breaks_the_server_is_refused(run: Run, name: str) -> None:
    assert run("events", "sub", name, address="127.0.0.1:1").code == 2


def test_a_group_shares_and_another_group_sees_everything(start: Start, stub: Stub, channel: str) -> None:
    members = [
        start("events", "sub", channel, "--group", group, ready=True) for group in ("two", "two", "one")
    ]
    bodies = [b"%d" % n for n in range(100)]
    for body in bodies:
        publish(stub, channel, body)
    until(lambda: len(members[2].out.split()) == 100, "100 events in the group of one")
    until(lambda: len(members[0].out.split() + members[1].out.split()) >= 100, "100 in the group of two")
    shares = [member.stop().out.split() for member in members]
    assert sorted(shares[0] + shares[1]) == sorted(bodies)
    assert min(len(shares[0]), len(shares[1])) > 10
    assert shares[2] == bodies


def test_stored_events_of_the_same_name_are_others(start: Start, stub: Stub, channel: str) -> None:
    sub = start("events", "sub", channel, "--count", "1", ready=True)
    publish(stub, channel, "stored", store=True)
    publish(stub, channel, "plain")
    assert sub.wait().text == "plain"


def test_nothing_within_idle_is_6_and_within_for_is_0(run: Run, channel: str) -> None:
    idle = run("events", "sub", channel, "--idle", "200ms")
    assert (idle.code, idle.text) == (6, "")
    assert f"error: nothing arrived on {channel}" in idle.err
    lasting = run("events", "sub", channel, "--for", "200ms")
    assert (lasting.code, lasting.text, lasting.err) == (0, "", "0 received\n")


@pytest.mark.parametrize("body", [b"meanwhile", b""])
def test_a_time_in_which_a_subscriber_was_stopped_is_no_silence(
    start: Start, stub: Stub, channel: str, body: bytes
) -> None:
    sub = start("events", "sub", channel, "--idle", "500ms", "-0", ready=True)
    sub.send(signal.SIGSTOP)
    if body:
        publish(stub, channel, body)
    time.sleep(2.5)  # longer than the silence may be, and than any machine is late
    sub.send(signal.SIGCONT)
    result = sub.wait()
    assert (result.code, result.out) == ((0, body + b"\0") if body else (6, b""))


def test_idle_counts_from_the_last_event(start: Start, stub: Stub, channel: str) -> None:
    sub = start("events", "sub", channel, "--idle", "700ms", ready=True)
    for body in ("one", "two"):
        publish(stub, channel, body)
        sub.wait_for_stdout(body.encode())
    ended = sub.wait()
    assert (ended.code, ended.text) == (0, "one\ntwo\n")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_a_summary(
    start: Start, channel: str, signum: signal.Signals, code: int
) -> None:
    sub = start("events", "sub", channel, ready=True)
    sub.send(signum)
    ended = sub.wait()
    assert (ended.code, ended.out, ended.err) == (code, b"", "0 received\n")


def test_a_reader_that_leaves_ends_it_at_once_and_quietly(start: Start, channel: str) -> None:
    read, write = os.pipe()
    sub = start("events", "sub", channel, "-q", stdout=write, ready=True)
    os.close(write)
    os.close(read)
    ended = sub.wait(5)
    assert (ended.code, ended.err) == (141, "")


def test_no_server_is_5_at_once(run: Run, channel: str) -> None:
    assert run("events", "sub", channel, address="127.0.0.1:1").code == 5


# Handlers


def test_a_handler_gets_body_and_environment_and_its_output_passes_through(
    start: Start, stub: Stub, channel: str
) -> None:
    script = 'cat; echo " $KUBEMQ_CHANNEL $KUBEMQ_ID $KUBEMQ_METADATA $KUBEMQ_TAGS"'
    sub = start("events", "sub", channel, "--count", "2", "--", "sh", "-c", script, ready=True)
    publish(stub, channel, "one", EventID="e1", Metadata="m", Tags={"k": "v"})
    publish(stub, channel, "$(two)", EventID="e2")
    ended = sub.wait()
    assert ended.code == 0
    assert ended.text == f'one {channel} e1 m {{"k":"v"}}\n$(two) {channel} e2  {{}}\n'
    assert ended.err == "2 handled\n"


def test_a_failing_handler_is_named_and_the_others_go_on(start: Start, stub: Stub, channel: str) -> None:
    script = 'test "$KUBEMQ_ID" != e2 && cat'
    sub = start("events", "sub", channel, "--count", "3", "--", "sh", "-c", script, ready=True)
    for number in range(1, 4):
        publish(stub, channel, str(number), EventID=f"e{number}")
    ended = sub.wait()
    assert (ended.code, ended.text) == (10, "13")
    assert "warning: event e2: the handler ended with exit code 1" in ended.err
    assert "error: the handler failed for 1 of 3 events" in ended.err


def test_of_many_failures_the_first_twenty_are_named_and_the_rest_are_counted(
    start: Start, stub: Stub, channel: str
) -> None:
    words = ("--count", "25", "--concurrency", "4", "--", "false")
    sub = start("events", "sub", channel, *words, ready=True)
    for number in range(25):
        publish(stub, channel, str(number))
    named = [line for line in sub.wait().err.splitlines() if line.startswith("warning: ")]
    assert (len(named), named[-1]) == (21, "warning: 5 more failed")


def test_json_tells_how_the_handler_ended_and_its_output_goes_to_stderr(
    start: Start, stub: Stub, channel: str
) -> None:
    sub = start(
        *("events", "sub", channel, "--count", "2", "-o", "json"),
        *("--", "sh", "-c", 'cat; test "$KUBEMQ_ID" = e1 || exit 3'),
        ready=True,
    )
    publish(stub, channel, "one\n", EventID="e1")
    publish(stub, channel, "two\n", EventID="e2")
    ended = sub.wait()
    records = ended.records()
    assert all(record.pop("received_at") for record in records)
    assert records == [
        {"id": "e1", "channel": channel, "body": "one\n"},
        {"id": "e2", "channel": channel, "body": "two\n", "handler_exit": 3},
    ]
    assert "one\ntwo\n" in ended.err


def test_events_that_arrive_while_handlers_run_are_handled_too(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"test $(cat) != 0 || read x < {gate}; echo done"
    sub = start("events", "sub", channel, "--count", "20", "--", "sh", "-c", script, ready=True)
    for number in range(20):
        publish(stub, channel, str(number))
    gate.write_text("go\n")
    ended = sub.wait()
    assert (ended.code, ended.text) == (0, "done\n" * 20)


def test_a_handler_that_is_not_there_is_3_before_anything(run: Run, channel: str) -> None:
    assert run("events", "sub", channel, "--", "./nothing", address="127.0.0.1:1").code == 3


def test_options_of_handlers_need_one(run: Run, channel: str) -> None:
    ended = run("events", "sub", channel, "--concurrency", "2", address="127.0.0.1:1")
    assert ended.code == 2
    assert "--concurrency needs a handler" in ended.err


def test_a_signal_waits_for_the_handler_that_runs(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f"echo begun >&2; read x < {gate}; echo ended"
    sub = start("events", "sub", channel, "--", "sh", "-c", script, ready=True)
    publish(stub, channel, "one")
    sub.wait_for_stderr("begun")
    sub.send(signal.SIGTERM)
    gate.write_text("go\n")
    ended = sub.wait()
    assert (ended.code, ended.text) == (143, "ended\n")


@pytest.mark.parametrize("kind", ["events", "store"])
def test_a_stop_that_reaches_the_handlers_too_makes_no_failures(
    kind: str, start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    script = f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid; sleep 60 & wait"
    options = ["--checkpoint", str(tmp_path / "mark")] if kind == "store" else []
    sub = start(kind, "sub", channel, *options, "--", "sh", "-c", script, ready=True)
    publish(stub, channel, "one", store=kind == "store")
    pid = int(sub.wait_for_file(tmp_path / "pid"))
    os.killpg(pid, signal.SIGTERM)
    ended = sub.stop()
    assert ended.code == 143
    assert "fail" not in ended.err
    assert "SIGTERM" not in ended.err
