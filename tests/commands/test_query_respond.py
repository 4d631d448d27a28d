"""`kubemqctl query respond`: the ways to answer, and what a handler's output becomes."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.program import Run, Start
from tests.support.raw_grpc import QUERY, Stub, ask, asking
from tests.support.waiting import until


def query(stub: Stub, channel: str, body: bytes = b"x", **fields: object) -> pb.Response:
    return ask(stub, QUERY, channel, body, **fields)


# --- the ways to answer ---


def test_a_fixed_reply_answers_every_query(start: Start, stub: Stub, channel: str) -> None:
    words = ["--reply", "4.20", "--metadata", "EUR", "--tag", "k=v", "--count", "2"]
    started = start("query", "respond", channel, *words, ready=True)
    for _ in range(2):
        answer = query(stub, channel)
        assert (answer.Executed, answer.Body, answer.Metadata, dict(answer.Tags)) == (
            True, b"4.20", "EUR", {"k": "v"},
        )  # fmt: skip
        assert answer.Timestamp > 1_700_000_000 * 10**9, "nanoseconds"
    result = started.wait()
    assert (result.code, result.out, result.err) == (0, b"", "2 received, 2 executed\n")


def test_a_reply_can_be_empty(start: Start, stub: Stub, channel: str) -> None:
    start("query", "respond", channel, "--reply", "", ready=True)
    answer = query(stub, channel)
    assert (answer.Executed, answer.Body) == (True, b"")


def test_a_reply_comes_from_a_file_byte_for_byte(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    (tmp_path / "reply").write_bytes(bytes(range(256)) + b"\n")
    start("query", "respond", channel, "--reply-file", tmp_path / "reply", ready=True)
    assert query(stub, channel).Body == bytes(range(256)) + b"\n"


def test_a_reply_comes_from_stdin(start: Start, stub: Stub, channel: str, tmp_path: Path) -> None:
    (tmp_path / "reply").write_bytes(b"\x00piped")
    with (tmp_path / "reply").open("rb") as stdin:
        start("query", "respond", channel, "--reply", "-", stdin=stdin, ready=True)
        assert query(stub, channel).Body == b"\x00piped"


def test_echo_returns_body_metadata_and_tags(start: Start, stub: Stub, channel: str) -> None:
    start("query", "respond", channel, "--echo", ready=True)
    answer = query(stub, channel, b"\xff\x00", Metadata="m", Tags={"a": "b"})
    assert (answer.Body, answer.Metadata, dict(answer.Tags)) == (b"\xff\x00", "m", {"a": "b"})


def test_a_packed_body_is_printed_unpacked_and_answered_as_it_came(
    start: Start, stub: Stub, channel: str
) -> None:
    started = start(
        "query", "respond", channel, "--echo", "--decode", "gzip", "--count", "1", "-o", "json", ready=True
    )
    packed = gzip.compress(b"tea")
    assert query(stub, channel, packed).Body == packed
    (record,) = started.wait().records()
    assert record["body"] == "tea"


def test_what_is_given_goes_over_what_is_echoed(start: Start, stub: Stub, channel: str) -> None:
    start("query", "respond", channel, "--echo", "--metadata", "mine", "--tag", "a=mine", ready=True)
    answer = query(stub, channel, b"x", Metadata="m", Tags={"a": "b", "c": "d"})
    assert (answer.Metadata, dict(answer.Tags)) == ("mine", {"a": "mine", "c": "d"})


def test_error_refuses_every_query(start: Start, stub: Stub, channel: str) -> None:
    start("query", "respond", channel, "--error", "closed", ready=True)
    answer = query(stub, channel)
    assert (answer.Executed, answer.Error, answer.Body) == (False, "closed", b"")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "exactly one kind of response is required"),
        (["--reply", "x", "--echo"], 2, "exactly one kind of response is required"),
        (["--reply", "x", "--reply-file", "/dev/null"], 2, "exactly one kind of response is required"),
        (["--echo", "--", "cat"], 2, "exactly one kind of response is required"),
        (["--reply-file", "/no/such/file"], 3, "/no/such/file does not exist"),
        (["--reply-file", "/"], 2, "is a directory"),
        (["--", "/no/such/handler"], 3, "no command /no/such/handler"),
        (["--ok"], 2, "no such option"),
    ],
)
def test_what_is_wrong_is_refused_before_it_connects(
    run: Run, words: list[str], code: int, said: str
) -> None:
    result = run("query", "respond", "c", *words, address="127.0.0.1:1")
    assert result.code == code
    assert said in result.err


# --- handlers ---


def test_a_handlers_stdout_is_the_answer_byte_for_byte(start: Start, stub: Stub, channel: str) -> None:
    started = start("query", "respond", channel, "--metadata", "m", "--", "cat", ready=True)
    body = bytes(range(256)) * 1000
    answer = query(stub, channel, body)
    assert (answer.Executed, answer.Body, answer.Metadata) == (True, body, "m")
    assert started.stop().out == b""


def test_a_failure_carries_the_last_line_of_stderr_and_no_body(
    start: Start, stub: Stub, channel: str
) -> None:
    script = "echo half an answer; echo first >&2; echo 'it broke' >&2; exit 1"
    start("query", "respond", channel, "--", "sh", "-c", script, ready=True)
    answer = query(stub, channel)
    assert (answer.Executed, answer.Error, answer.Body) == (False, "it broke", b"")


def test_a_handler_can_write_the_whole_reply(start: Start, stub: Stub, channel: str) -> None:
    reply = {"body_base64": "/w==", "metadata": "m", "tags": {"a": "own"}}
    words = [
        "--tag",
        "a=given",
        "--tag",
        "b=given",
        "--handler-output",
        "json",
        "--",
        "echo",
        json.dumps(reply),
    ]
    start("query", "respond", channel, *words, ready=True)
    answer = query(stub, channel)
    assert (answer.Executed, answer.Body, answer.Metadata) == (True, b"\xff", "m")
    assert dict(answer.Tags) == {"a": "own", "b": "given"}


def test_a_handler_can_answer_with_what_it_was_given(start: Start, stub: Stub, channel: str) -> None:
    words = ["--handler-input", "json", "--handler-output", "json", "--", "cat"]
    start("query", "respond", channel, *words, ready=True)
    answer = query(stub, channel, b"\xff", Metadata="m", Tags={"a": "b"})
    assert (answer.Executed, answer.Body, answer.Metadata, dict(answer.Tags)) == (
        True, b"\xff", "m", {"a": "b"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ('{"error": "sold out", "body": "b"}', "sold out"),
        ('{"executed": false}', "the handler gave no reason"),
        ("no json", "the handler wrote no reply: not JSON: expecting value at column 1"),
        ("", "the handler wrote no reply: not JSON: the line is blank"),
        ('{"bodi": "x"}', "the handler wrote no reply: unknown field bodi"),
        ('{"body": 1}', "the handler wrote no reply: body must be a string, not a whole number"),
    ],
)
def test_a_reply_that_says_no_or_nothing_sensible_refuses(
    start: Start, stub: Stub, channel: str, reply: str, error: str
) -> None:
    words = ["--handler-output", "json", "--", "printf", "%s", reply]
    start("query", "respond", channel, *words, ready=True)
    answer = query(stub, channel)
    assert (answer.Executed, answer.Error) == (False, error)


def test_a_handler_that_writes_more_than_a_message_holds_is_refused(
    start: Start, stub: Stub, channel: str
) -> None:
    started = start("query", "respond", channel, "--count", "1", "--", "cat", "/dev/zero", ready=True)
    answer = ask(stub, QUERY, channel, b"x", Timeout=60_000)
    assert (answer.Executed, answer.Error) == (
        False, "the handler was stopped: it wrote more than a message can hold",
    )  # fmt: skip
    assert started.wait().code == 0


def test_a_reply_that_does_not_fit_with_its_metadata_is_refused(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(104_857_600 - 64)
    words = ["--metadata", "m" * 100, "--count", "1"]
    started = start("query", "respond", channel, "--reply-file", tmp_path / "big", *words, ready=True)
    answer = ask(stub, QUERY, channel, b"x", Timeout=60_000)
    assert not answer.Executed
    assert answer.Error.startswith("the reply is too large")
    assert started.wait().code == 0


def test_records_come_as_the_answers_do_and_the_slow_hold_up_nobody(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    script = f'read n; [ "$n" = fast ] || until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo "$n"'
    words = ["--concurrency", "2", "--count", "3", "-o", "json", "--", "sh", "-c", script]
    started = start("query", "respond", channel, *words, ready=True)
    slow = asking(stub, QUERY, channel, b"slow\n", RequestID="slow")
    assert query(stub, channel, b"fast\n", RequestID="1").Body == b"fast\n"
    assert query(stub, channel, b"fast\n", RequestID="2").Body == b"fast\n"
    (tmp_path / "go").touch()
    assert slow.result().Body == b"slow\n"
    assert [r["id"] for r in started.wait().records()] == ["1", "2", "slow"]


def test_a_burst_is_answered_to_the_last(start: Start, stub: Stub, channel: str) -> None:
    started = start("query", "respond", channel, "--echo", "--count", "800", ready=True)
    waiting = [asking(stub, QUERY, channel, b"%d" % n, Timeout=60_000) for n in range(800)]
    assert [future.result(60).Body for future in waiting] == [b"%d" % n for n in range(800)]
    assert started.wait().err == "800 received, 800 executed\n"


def test_two_of_ours_speak_to_each_other(start: Start, run: Run, channel: str) -> None:
    script = "import sys; sys.stdout.write(sys.stdin.read().upper())"
    start("query", "respond", channel, "--", sys.executable, "-c", script, ready=True)
    assert run("query", "send", channel, stdin=b"tea").out == b"TEA"


# --- in the background ---


def test_in_the_background_it_is_live_when_its_parent_ends(
    run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    started = run("query", "respond", channel, "--count", "1", "--background", "--log", log, "--", "cat")
    assert (started.code, started.err) == (0, "")
    assert os.getsid(int(started.text)) == int(started.text)
    assert query(stub, channel, b"at once").Body == b"at once"
    until(lambda: log.read_text() == "1 received, 1 executed\n", "the log has its summary")


def test_a_background_responder_that_cannot_connect_says_why(run: Run, channel: str) -> None:
    words = ["query", "respond", channel, "--echo", "--background", "--connect-timeout", "1s"]
    result = run(*words, address="127.0.0.1:1")
    assert (result.code, result.out) == (5, b"")
    assert result.err.startswith("error: cannot connect to 127.0.0.1:1")


def test_a_log_needs_the_background(run: Run, channel: str, tmp_path: Path) -> None:
    assert run("query", "respond", channel, "--echo", "--log", tmp_path / "log").code == 2
    assert not (tmp_path / "log").exists()
