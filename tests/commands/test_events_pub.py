"""`events pub` and `store pub`: one and many, what is printed, and what is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_store_server import FakeStore, fake_store_server
from tests.support.program import Argument, Run, Start

OF_RECEIVING = {"timestamp", "sequence", "received_at"}
BOTH = pytest.mark.parametrize("group", ["events", "store"])


@BOTH
def test_one_event_arrives_as_it_was_given(start: Start, run: Run, channel: str, group: str) -> None:
    sub = start(group, "sub", channel, "--count", "1", "-o", "json", ready=True)
    sent = run(
        group, "pub", channel, "the body", "--metadata", "m", "--tag", "a=1", "--tag", "b=", "--id", "x"
    )
    assert (sent.code, sent.text, sent.err) == (0, "x\n", "")
    [record] = sub.wait().records()
    # A stored event has its time and number, a plain one when it reached us.
    assert record.keys() & OF_RECEIVING
    expected = {
        "id": "x",
        "channel": channel,
        "metadata": "m",
        "body": "the body",
        "tags": {"a": "1", "b": ""},
    }
    assert {name: value for name, value in record.items() if name not in OF_RECEIVING} == expected


@BOTH
def test_an_id_is_made_and_printed(start: Start, run: Run, channel: str, group: str) -> None:
    sub = start(group, "sub", channel, "--count", "1", "--format", "{id}", ready=True)
    printed = run(group, "pub", channel, "x").text
    assert len(printed.strip()) == 22
    assert sub.wait().text == printed


@BOTH
def test_bytes_from_stdin_are_exact(start: Start, run: Run, channel: str, group: str) -> None:
    sub = start(group, "sub", channel, "--count", "1", ready=True)
    run(group, "pub", channel, stdin=b"\0\xff\n")
    assert sub.wait().out == b"\0\xff\n"


@BOTH
def test_many_arrive_in_order_and_each_has_a_result(start: Start, run: Run, channel: str, group: str) -> None:
    sub = start(group, "sub", channel, "--count", "2500", "-o", "json", ready=True)
    lines = b"".join(b"%d\n" % n for n in range(2500))
    sent = run(group, "pub", channel, "--lines", "-o", "json", stdin=lines)
    assert sent.code == 0
    assert "2,500 sent" in sent.err
    records = sub.wait().records()
    assert [r["body"] for r in records] == [str(n) for n in range(2500)]
    assert [r["id"] for r in sent.records()] == [r["id"] for r in records]
    assert len({r["id"] for r in records}) == 2500


@BOTH
def test_a_live_pipe_is_published_as_it_comes(start: Start, channel: str, group: str) -> None:
    sub = start(group, "sub", channel, ready=True)
    pub = start(group, "pub", channel, "--lines", stdin=subprocess.PIPE)
    for body in (b"one\n", b"two\n"):
        pub.stdin.write(body)
        pub.stdin.flush()
        sub.wait_for_stdout(body)
    pub.stdin.close()
    assert pub.wait().code == 0


@BOTH
def test_records_of_a_subscription_can_be_published_again(
    start: Start, run: Run, channel: str, group: str
) -> None:
    given: list[dict[str, Any]] = [
        {"id": "a", "channel": "elsewhere", "metadata": "m", "body_base64": "/wA=", "tags": {"k": "v"}},
        {
            "id": "b",
            "channel": "elsewhere",
            "body": "text",
            "sequence": 9,
            "timestamp": "2024-01-01T00:00:00Z",
        },
    ]
    sub = start(group, "sub", channel, "--count", "2", "-o", "json", ready=True)
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in given)
    assert run(group, "pub", channel, "--json-lines", "--keep-id", stdin=lines).text == "a\nb\n"
    came = [
        {name: value for name, value in record.items() if name not in OF_RECEIVING}
        for record in sub.wait().records()
    ]
    assert came == [given[0] | {"channel": channel}, {"id": "b", "channel": channel, "body": "text"}]


@BOTH
def test_several_files_are_an_event_each(
    start: Start, run: Run, channel: str, group: str, tmp_path: Path
) -> None:
    sub = start(group, "sub", channel, "--count", "2", ready=True)
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(path.name)
    assert run(group, "pub", channel, "--file", paths[0], "--file", paths[1]).code == 0
    assert sub.wait().text == "a\nb\n"


@BOTH
def test_an_event_with_nothing_in_it_is_refused(run: Run, channel: str, group: str) -> None:
    assert run(group, "pub", channel, "", address="127.0.0.1:1").code == 2


@BOTH
@pytest.mark.parametrize("name", ["a.*", "a.>", "a b", ".a", "a/b", "a\nb", "x" * 241])
def test_names_that_a_server_would_break_on_are_refused(run: Run, group: str, name: str) -> None:
    assert run(group, "pub", name, "x", address="127.0.0.1:1").code == 2


@BOTH
def test_nobody_there_is_5_and_keeps_what_was_not_sent(
    run: Run, channel: str, group: str, tmp_path: Path
) -> None:
    failed = tmp_path / "failed"
    ended = run(
        group, "pub", channel, "--lines", "--failed", failed, stdin=b"one\ntwo\n", address="127.0.0.1:1"
    )
    assert ended.code == 5


@BOTH
def test_without_a_listener_publishing_is_fine(run: Run, channel: str, group: str) -> None:
    assert run(group, "pub", channel, "x").code == 0


def test_a_store_keeps_what_nobody_listened_to(run: Run, channel: str) -> None:
    run("store", "pub", channel, "--lines", stdin=b"one\ntwo\n")
    assert run("store", "sub", channel, "--from", "first", "--until", "now").text == "one\ntwo\n"


def test_a_store_can_be_copied_through_a_pipe(run: Run, channel: str) -> None:
    run("store", "pub", channel, "--lines", "--tag", "k=v", stdin=b"one\ntwo\n")
    read = run("store", "sub", channel, "--from", "first", "--until", "now", "-o", "json")
    run("store", "pub", f"{channel}-2", "--json-lines", "--keep-id", stdin=read.out)
    copy = run("store", "sub", f"{channel}-2", "--from", "first", "--until", "now", "-o", "json")
    plain = [
        [{k: v for k, v in r.items() if k not in ("channel", "timestamp")} for r in result.records()]
        for result in (read, copy)
    ]
    assert plain[0] == plain[1]


# What the server breaks off or refuses


@pytest.fixture
def fake() -> Iterator[FakeStore]:
    with fake_store_server() as opened:
        yield opened


def test_stored_events_that_were_answered_are_sent_and_the_rest_is_unknown(
    run: Run, fake: FakeStore, tmp_path: Path
) -> None:
    fake.takes = 3
    unknown, failed = tmp_path / "unknown", tmp_path / "failed"
    options: list[Argument] = ["--lines", "-o", "json", "--unknown", unknown, "--failed", failed]
    ended = run("store", "pub", "c", *options, stdin=b"1\n2\n3\n4\n5\n", address=fake.address)
    assert ended.code == 7
    results = ended.records()
    assert [r.get("error") for r in results] == [None] * 3 + ["outcome-unknown"] * 2
    kept = [json.loads(line) for line in unknown.read_text().splitlines()]
    assert [(r["id"], r["body"]) for r in kept] == [(results[3]["id"], "4"), (results[4]["id"], "5")]
    assert failed.read_text() == ""


def test_a_retry_sends_only_what_was_not_answered(run: Run, fake: FakeStore) -> None:
    fake.takes = 3
    ended = run(
        *("store", "pub", "c", "--lines", "--retry", "1"),
        stdin=b"1\n2\n3\n4\n5\n",
        address=fake.address,
    )
    assert ended.code == 0
    assert [event.Body for event in fake.taken] == [b"1", b"2", b"3", b"4", b"5"]
    assert ended.text.split() == [event.EventID for event in fake.taken]


def test_a_connection_that_breaks_behind_the_last_answer_takes_nothing_back(
    run: Run, fake: FakeStore
) -> None:
    fake.takes = 3
    ended = run("store", "pub", "c", "--lines", stdin=b"1\n2\n3\n", address=fake.address)
    assert (ended.code, len(ended.text.split()), ended.err) == (0, 3, "3 sent\n")
    assert [event.Body for event in fake.taken] == [b"1", b"2", b"3"]


def test_of_plain_events_none_is_known_when_the_stream_breaks(run: Run, fake: FakeStore) -> None:
    fake.takes = 3
    ended = run("events", "pub", "c", "--lines", "-o", "json", stdin=b"1\n2\n3\n4\n", address=fake.address)
    assert ended.code == 5
    assert [r["error"] for r in ended.records()] == ["outcome-unknown"] * 4


@BOTH
def test_an_event_that_is_refused_is_named_and_the_others_are_sent(
    run: Run, fake: FakeStore, group: str
) -> None:
    ended = run(group, "pub", "c", "--lines", "-o", "json", stdin=b"1\nno\n3\n", address=fake.address)
    assert ended.code == 7
    assert [r.get("error") for r in ended.records()] == [
        None,
        "Error 110: invalid message, cannot be empty",
        None,
    ]
    assert "line 2: Error 110" in ended.err
