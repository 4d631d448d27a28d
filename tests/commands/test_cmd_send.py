"""`kubemqctl cmd send`: carried out, refused, or nobody there."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub, responder
from tests.support.waiting import until

COMMANDS = pb.Subscribe.Commands


def done(_: pb.Request) -> pb.Response:
    return pb.Response(Executed=True)


def test_a_command_that_is_carried_out_ends_with_0_and_prints_nothing_to_a_pipe(
    run: Run, stub: Stub, channel: str
) -> None:
    with responder(stub, COMMANDS, channel, done):
        result = run("cmd", "send", channel, "on")
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_the_responder_gets_all_that_was_given(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, COMMANDS, channel, done) as got:
        words = ["--metadata", "m", "--tag", "a=1", "--tag", "b=", "--timeout", "1.5s", "--client-id", "me"]
        run("cmd", "send", channel, b"\xfe\xff", *words)
    (came,) = got
    assert (came.Channel, came.Metadata, dict(came.Tags)) == (channel, "m", {"a": "1", "b": ""})
    assert (came.Timeout, came.ClientID, came.RequestTypeData) == (1500, "me", pb.Request.Command)


def test_the_body_comes_from_an_argument_a_file_or_stdin(
    run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    body = bytes(range(256))
    (tmp_path / "body").write_bytes(body)
    with responder(stub, COMMANDS, channel, done) as got:
        assert run("cmd", "send", channel, "--file", tmp_path / "body").code == 0
        assert run("cmd", "send", channel, stdin=body).code == 0
        assert run("cmd", "send", channel, "-", stdin=body).code == 0
        assert run("cmd", "send", channel, "--metadata", "only", "").code == 0
    assert [came.Body for came in got] == [body, body, body, b""]


def test_a_command_that_has_its_body_leaves_stdin_alone(start: Start, stub: Stub, channel: str) -> None:
    read, write = os.pipe()
    os.write(write, b"next line\n")
    with responder(stub, COMMANDS, channel, done):
        assert start("cmd", "send", channel, "on", stdin=read).wait().code == 0
    assert os.read(read, 100) == b"next line\n"
    os.close(read)
    os.close(write)


def test_the_response_is_the_record(run: Run, stub: Stub, channel: str) -> None:
    def answer(_: pb.Request) -> pb.Response:
        return pb.Response(
            Executed=True,
            Tags={"k": "v"},
            Timestamp=1_700_000_000_000_000_001,
            ClientID="lamp",
            RequestID="r-1",
        )

    with responder(stub, COMMANDS, channel, answer):
        result = run("cmd", "send", channel, "on", "-o", "json")
    (record,) = result.records()
    assert re.fullmatch(r"[0-9.]+m?s", record.pop("elapsed"))
    assert record == {
        "id": "r-1",
        "channel": channel,
        "client_id": "lamp",
        "body": "",
        "tags": {"k": "v"},
        "timestamp": "2023-11-14T22:13:20.000000001Z",
        "executed": True,
    }


def test_a_refusal_is_9_with_the_responders_own_words(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, COMMANDS, channel, lambda _: pb.Response(Error="the lamp is broken")):
        result = run("cmd", "send", channel, "on")
    assert (result.code, result.out, result.err) == (9, b"", "error: the lamp is broken\n")


def test_a_refusal_under_json_is_a_record_and_an_error_object(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, COMMANDS, channel, lambda _: pb.Response(Error="broken", Tags={"why": "fuse"})):
        result = run("cmd", "send", channel, "on", "-o", "json")
    (record,) = result.records()
    assert (record["executed"], record["error"], record["tags"]) == (False, "broken", {"why": "fuse"})
    error = json.loads(result.err)
    assert (result.code, error["error"], error["exit_code"], error["retryable"]) == (9, "refused", 9, False)
    assert (error["message"], error["server_message"]) == ("broken", "broken")


def test_a_refusal_without_words_says_so(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, COMMANDS, channel, lambda _: pb.Response()):
        result = run("cmd", "send", channel, "on")
    assert result.code == 9
    assert "without a reason" in result.err


def test_control_characters_in_a_refusal_are_shown_not_obeyed(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, COMMANDS, channel, lambda _: pb.Response(Error="\x1b[2Jgone")):
        assert run("cmd", "send", channel, "on").err == "error: \\x1b[2Jgone\n"


def test_nobody_there_is_6_after_the_timeout(run: Run, channel: str) -> None:
    began = time.monotonic()
    result = run("cmd", "send", channel, "on", "--timeout", "300ms")
    assert time.monotonic() - began >= 0.3
    assert (result.code, result.out) == (6, b"")
    assert f"nobody answered on {channel} within 0.3 s" in result.err


def test_nobody_there_under_json_tells_what_the_server_said(run: Run, channel: str) -> None:
    result = run("cmd", "send", channel, "on", "--timeout", "100ms", "-o", "json")
    error = json.loads(result.err)
    assert (error["error"], error["retryable"], error["grpc_status"]) == ("timeout", True, "INTERNAL")
    assert error["server_message"] == "Error 301: timeout for request message"


def test_a_responder_of_queries_does_not_answer_commands(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, pb.Subscribe.Queries, channel, done) as got:
        assert run("cmd", "send", channel, "on", "--timeout", "200ms").code == 6
    assert not got


def test_a_server_that_goes_away_meanwhile_is_5(start: Start, new_broker: NewBroker, channel: str) -> None:
    broker = new_broker()
    seen = threading.Event()

    def silent(_: pb.Request) -> None:
        seen.set()

    with Stub(broker.address) as stub, responder(stub, COMMANDS, channel, silent):
        sender = start("cmd", "send", channel, "on", "--timeout", "30s", address=broker.address)
        until(seen.is_set, "the command under way")
        assert broker.process
        broker.process.kill()
        result = sender.wait()
    assert result.code == 5
    assert "lost" in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x.*", "on"], "wildcards"),
        (["a b", "on"], "white space"),
        (["a\tb", "on"], "control character"),
        (["", "on"], "empty"),
        (["c", ""], "the message is empty"),
        (["c", "on", "--timeout", "5"], "--timeout: 5 has no unit"),
        (["c", "on", "--timeout", "0s"], "--timeout must be between 1ms and 24d"),
        (["c", "on", "--timeout", "25d"], "--timeout must be between 1ms and 24d"),
        (["c", "on", "--tag", "x"], "has no value"),
        (["c", "on", "--format", "{nonsense}"], "no field nonsense"),
        (["c", "on", "--", "./handler"], ""),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(run: Run, words: list[str], said: str) -> None:
    result = run("cmd", "send", *words, address="127.0.0.1:1")
    assert (result.code, result.out) == (2, b"")
    assert said in result.err
