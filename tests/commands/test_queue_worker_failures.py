"""`queue receive -- COMMAND` whose handler fails: retries, attempts, dead letters, and what is told of it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import bodies
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.terminal.program import ProgramOnTerminal
from tests.support.waiting import until


def fails(
    stub: Stub, run: Run, channel: str, *options: str, command: str = "echo no stock >&2; exit 3"
) -> str:
    """What a worker says of a message that its handler fails for."""
    done = run("queue", "receive", channel, "--all", *options, "--", "sh", "-c", command)
    assert done.code == 10
    return done.err


def only(stub: Stub, channel: str, wait: int = 1) -> pb.QueueMessage:
    (message,) = stub.receive(channel, 1, wait).Messages
    return message


def test_a_retry_is_a_copy_with_a_delay_that_tells_what_went_wrong(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, "x", MessageID="m-1", Metadata="meta", Tags={"k": "v"})
    before = time.time()
    said = fails(stub, run, channel, "--on-fail", "retry=1s")
    assert "message m-1: the handler ended with exit code 3: no stock; retried in 1s" in said
    assert "1 message handled, 1 retried" in said
    assert not stub.receive(channel, 1).Messages or time.time() - before >= 1
    stub.send(channel, "x", MessageID="m-1", Metadata="meta", Tags={"k": "v"})
    fails(stub, run, channel, "--on-fail", "retry=1s")
    copy = only(stub, channel, 3)
    assert (copy.Body, copy.Metadata, copy.Attributes.ReceiveCount) == (b"x", "meta", 1)
    assert re.fullmatch("[0-9a-f]{32}", copy.MessageID)
    tags = dict(copy.Tags)
    assert re.fullmatch(r"20..-..-..T.*Z", tags.pop("kubemqctl-failed-at"))
    assert tags == {
        "k": "v",
        "kubemqctl-id": "m-1",
        "kubemqctl-attempts": "1",
        "kubemqctl-error": "exit code 3: no stock",
        "kubemqctl-failed-from": channel,
    }


def test_an_id_as_long_as_a_stranger_likes_fills_no_screen(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, "x", MessageID="i" * 99_000)
    said = fails(stub, run, channel).splitlines()
    assert f"message {'i' * 199}…: the handler ended with exit code 3: no stock; rejected" in said[1]
    assert max(map(len, said)) < 300


def test_a_message_that_goes_on_failing_is_tried_so_often_and_then_dead_lettered(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    dead, log = f"{channel}-dead", tmp_path / "log"
    stub.send(channel, "x", MessageID="m-1", Policy=pb.QueueMessagePolicy(MaxReceiveCount=5))
    options = ["--on-fail", "retry=1s..2s", "--max-attempts", "2", "--dead-letter", dead]
    handler = f"echo $KUBEMQ_ID >> {log}; exit 3"
    worker = start("queue", "receive", channel, "--follow", *options, "--", "sh", "-c", handler)
    until(lambda: stub.info(dead).Info.Waiting == 1, "it is dead-lettered", timeout=10)
    ended = worker.stop()
    assert log.read_text().split() == ["m-1", "m-1"]
    assert f"message m-1: the handler ended with exit code 3; it is now in {dead}" in ended.err
    assert "1 message handled, 1 retried, 1 dead-lettered" in ended.err
    assert "failed for 1 of 1" not in ended.err  # a stop says so by its exit code
    message = only(stub, dead)
    assert message.MessageID == "m-1"
    assert message.Tags["kubemqctl-attempts"] == "2"
    assert "kubemqctl-id" not in message.Tags


def test_with_rejecting_attempts_are_deliveries(run: Run, stub: Stub, channel: str) -> None:
    dead = f"{channel}-dead"
    stub.send(channel, "x", MessageID="m-1")
    options = ["--max-attempts", "2", "--dead-letter", dead]
    assert "1 rejected" in fails(stub, run, channel, *options)
    assert f"it is now in {dead}" in fails(stub, run, channel, *options)
    assert only(stub, dead).Tags["kubemqctl-failed-from"] == channel


def test_what_is_resent_tells_why(run: Run, stub: Stub, channel: str) -> None:
    other = f"{channel}-failed"
    stub.send(channel, "x", MessageID="m-1", Tags={"kubemqctl-error": "older", "kubemqctl-attempts": "7"})
    fails(stub, run, channel, "--on-fail", f"resend={other}", command="kill -SEGV $$")
    message = only(stub, other)
    assert message.MessageID == "m-1"
    assert (message.Tags["kubemqctl-error"], message.Tags["kubemqctl-attempts"]) == ("SIGSEGV", "8")


@pytest.mark.parametrize("attempts", ["many", "-3", "1e3", "", "9" * 400])
def test_a_count_of_attempts_that_is_none_counts_as_0(
    attempts: str, run: Run, stub: Stub, channel: str
) -> None:
    other = f"{channel}-failed"
    stub.send(channel, "x", Tags={"kubemqctl-attempts": attempts})
    fails(stub, run, channel, "--on-fail", f"resend={other}")
    assert only(stub, other).Tags["kubemqctl-attempts"] == "1"


def test_an_error_is_cut_at_a_character_and_its_controls_are_shown(
    run: Run, stub: Stub, channel: str
) -> None:
    other = f"{channel}-failed"
    stub.send(channel, "x")
    command = "printf '\\033[31m' >&2; i=0; while [ $i -lt 300 ]; do printf ü >&2; i=$((i+1)); done; exit 3"
    fails(stub, run, channel, "--on-fail", f"resend={other}", command=command)
    error = only(stub, other).Tags["kubemqctl-error"]
    assert error.startswith("exit code 3: \\x1b[31mü")
    assert 498 <= len(error.encode()) <= 500


def test_what_would_expire_before_it_is_due_is_a_dead_letter_at_once(
    run: Run, stub: Stub, channel: str
) -> None:
    dead = f"{channel}-dead"
    stub.send(channel, "soon", Policy=pb.QueueMessagePolicy(ExpirationSeconds=60))
    options = ["--on-fail", "retry=10min", "--max-attempts", "9", "--dead-letter", dead]
    assert f"it is now in {dead}" in fails(stub, run, channel, *options)
    message = only(stub, dead)
    assert (message.Body, message.Attributes.ExpirationAt) == (b"soon", 0)


def test_a_retry_keeps_when_its_message_expires(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, "late", Policy=pb.QueueMessagePolicy(ExpirationSeconds=600))
    expires = stub.peek(channel).Messages[0].Attributes.ExpirationAt
    fails(stub, run, channel, "--on-fail", "retry=1s")
    copy = only(stub, channel, 4)
    assert abs(copy.Attributes.ExpirationAt - expires) < 3_000_000_000


def test_move_takes_off_what_a_worker_has_told(run: Run, stub: Stub, channel: str) -> None:
    other = f"{channel}-failed"
    stub.send(channel, "x", Tags={"k": "v"})
    fails(stub, run, channel, "--on-fail", f"resend={other}")
    assert run("queue", "move", other, channel, "--all").code == 0
    assert dict(only(stub, channel).Tags) == {"k": "v"}


def test_a_record_tells_what_became_of_the_message(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, "x")
    done = run("queue", "receive", channel, "--on-fail", "retry=1s", "-o", "json", "--", "false")
    assert [json.loads(line)["outcome"] for line in done.out.splitlines()] == ["retried"]


def test_a_copy_that_the_server_does_not_take_leaves_the_message_where_it_is(
    run: Run, stub: Stub, channel: str
) -> None:
    # Server and client agree on names; this one is beyond what a server stores.
    other = "x/y"
    stub.send(channel, "x", MessageID="m-1")
    done = run("queue", "receive", channel, "--on-fail", f"resend={other}", "--", "false")
    assert done.code in (2, 7)
    assert bodies(stub.receive(channel, 1).Messages) == ["x"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--on-fail", "retry=500ms"], "whole seconds"),
        (["--on-fail", "retry=0s"], "retry"),
        (["--on-fail", "retry=13h"], "maximum"),
        (["--on-fail", "retry=5s..2s"], "shorter"),
        (["--on-fail", "retry="], "retry=DELAY"),
        (["--max-attempts", "3"], "--dead-letter"),
        (["--dead-letter", "d"], "--max-attempts"),
        (["--max-attempts", "3", "--dead-letter", "a b"], "a b"),
    ],
)
def test_options_that_make_no_sense_are_2(options: list[str], said: str, run: Run, channel: str) -> None:
    done = run("queue", "receive", channel, *options, "--", "false", address="")
    assert (done.code, said in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    "options", [["--on-fail", "retry=1s"], ["--max-attempts", "3"], ["--dead-letter", "d"]]
)
def test_options_of_failing_need_a_handler(options: list[str], run: Run, channel: str) -> None:
    done = run("queue", "receive", channel, *options, address="")
    assert (done.code, "needs a handler" in done.err) == (2, True)


def test_a_dead_letter_queue_that_is_the_queue_itself_is_2(run: Run, channel: str) -> None:
    options = ["--max-attempts", "3", "--dead-letter", channel]
    assert run("queue", "receive", channel, *options, "--", "false", address="").code == 2


def test_on_a_terminal_a_failure_is_one_line_that_fits(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "x", MessageID="m-1")
    handler = (
        "echo a reason that goes on and on and is by far too long for one line of this terminal >&2; exit 3"
    )
    words = ["queue", "receive", channel, "--all", "--", "sh", "-c", handler]
    with ProgramOnTerminal(tmp_path, broker.address, *words, size=(80, 20), env={"NO_COLOR": "1"}) as shown:
        shown.wait_for_text("failed for 1 of 1")
        lines = shown.written.decode().splitlines()
    (line,) = [line for line in lines if line.startswith("warning: ")]
    assert line.startswith("warning: message m-1: exit code 3: a reason that goes on")
    assert line.endswith("…; rejected")
    assert len(line) == 80


def test_a_message_that_fails_again_and_again_is_counted_once(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "x")
    log = tmp_path / "log"
    handler = f"echo >> {log}; exit 1"
    worker = start("queue", "receive", channel, "--follow", "--", "sh", "-c", handler)
    until(lambda: log.exists() and len(log.read_text()) == 3, "it has failed three times")
    assert "1 message handled, 1 rejected" in worker.stop().err
