"""`queue tx` with a decision made beforehand: by a flag, or by a handler's exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import bodies, counts
from tests.conftest import NewBroker
from tests.support.fake_server import Abort, fake_server
from tests.support.program import Run, Start, Started
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

Policy = pb.QueueMessagePolicy


def waiting(stub: Stub, channel: str) -> int:
    return sum(q.Waiting for q in stub.info(channel).Info.Queues)


def the_one(stub: Stub, channel: str) -> pb.QueueMessage:
    """The only message of a queue, once it is there."""
    until(lambda: waiting(stub, channel) == 1, f"one message in {channel}")
    (message,) = stub.receive(channel, 1, wait=5).Messages
    return message


# ---- flags ----


def test_ack_prints_the_exact_bytes_and_takes_it_for_good(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, b"a\0b\xff")
    done = run("queue", "tx", channel, "--ack")
    assert (done.code, done.out) == (0, b"a\0b\xff")
    assert waiting(stub, channel) == 0


def test_under_json_the_message_is_the_one_record(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, "a", MessageID="m")
    (record,) = run("queue", "tx", channel, "--ack", "-o", "json").records()
    assert (record["id"], record["body"], record["receive_count"]) == ("m", "a", 1)


def test_reject_puts_it_at_the_end_and_counts(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    done = run("queue", "tx", channel, "--reject")
    assert (done.code, done.out) == (0, b"1")
    assert f"at the end of {channel}" in done.err
    messages = stub.receive(channel, 2).Messages
    assert (bodies(messages), counts(messages)) == (["2", "1"], [1, 2])


def test_resend_moves_it(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, "a", MessageID="m", Tags={"k": "v"})
    other = f"{channel}-other"
    assert run("queue", "tx", channel, "--resend", other).out == b"a"
    there = the_one(stub, other)
    assert (there.MessageID, dict(there.Tags), there.Attributes.ReceiveCount) == ("m", {"k": "v"}, 1)
    assert waiting(stub, channel) == 0


def test_modify_changes_what_it_names_and_keeps_the_rest(run: Run, stub: Stub, channel: str) -> None:
    policy = Policy(MaxReceiveCount=7)
    stub.send(channel, "a", MessageID="m", Metadata="old", Tags={"a": "1", "b": "2"}, Policy=policy)
    done = run("queue", "tx", channel, "--modify", "--body", "new", "--tag", "b=3", "--tag", "c=4")
    assert (done.code, done.out) == (0, b"a")
    there = the_one(stub, channel)
    assert (there.MessageID, there.Body, there.Metadata) == ("m", b"new", "old")
    assert dict(there.Tags) == {"a": "1", "b": "3", "c": "4"}
    assert (there.Policy.MaxReceiveCount, there.Attributes.ReceiveCount) == (7, 1)


@pytest.mark.parametrize("source", ["file", "stdin", "body"])
def test_a_modified_body_comes_from_where_it_is_said(
    source: str, run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    other = f"{channel}-other"
    file = tmp_path / "body"
    file.write_bytes(b"new\n")
    words = {"file": ["--file", str(file)], "stdin": ["--body", "-"], "body": ["--body", "new\n"]}[source]
    done = run("queue", "tx", channel, "--modify", *words, "--metadata", "m", "--to", other, stdin=b"new\n")
    assert done.code == 0
    there = the_one(stub, other)
    assert (there.Body, there.Metadata) == (b"new\n", "m")


def test_nothing_to_hold_is_6(run: Run, channel: str) -> None:
    done = run("queue", "tx", channel, "--ack")
    assert (done.code, done.out) == (6, b"")


def test_what_is_counted_and_not_given_is_said(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    stub.downstream().get(channel, 2)
    done = run("queue", "tx", channel, "--ack")
    assert (done.code, done.out) == (6, b"")
    assert "the server counts 2 more messages and gives none" in done.err
    assert f"nothing arrived on {channel}" in done.err


def test_a_message_that_comes_during_the_wait_is_taken(start: Start, stub: Stub, channel: str) -> None:
    held = start("queue", "tx", channel, "--ack", "--wait", "30s")
    until(lambda: stub.info(channel).Info.Queues, "the queue is there")
    stub.send(channel, "late")
    assert held.wait().out == b"late"


@pytest.mark.parametrize(
    "options",
    [
        ["--ack", "--reject"],
        ["--ack", "--", "true"],
        ["--modify"],
        ["--tag", "a=b"],
        ["--modify", "--body", "a", "--file", "b"],
        ["--resend", "a b"],
        ["--modify", "--to", "x/y"],
        ["--modify", "--body", "", "--metadata", ""],
        ["--ack", "--visibility", "1.5s"],
        ["--ack", "--visibility", "0s"],
        ["--ack", "--visibility", "13h"],
        ["--ack", "--handler-timeout", "1s"],
        ["--ack", "--on-fail", "stop"],
        ["-0", "--", "true"],
    ],
)
def test_what_makes_no_sense_is_2_and_takes_nothing(
    options: list[str], run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel)
    assert run("queue", "tx", channel, *options).code == 2
    assert the_one(stub, channel).Attributes.ReceiveCount == 1


def test_a_resend_that_the_server_refuses_gives_it_back(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel)
    done = run("queue", "tx", channel, "--modify", "--body", "")
    assert (done.code, "given back" in done.err) == (2, True)
    assert the_one(stub, channel).Attributes.ReceiveCount == 2


@pytest.mark.parametrize("dead", ["", "-dead"])
def test_the_last_reject_says_where_the_message_went(dead: str, run: Run, stub: Stub, channel: str) -> None:
    queue = channel + dead if dead else ""
    stub.send(channel, "a", Policy=Policy(MaxReceiveCount=1, MaxReceiveQueue=queue))
    done = run("queue", "tx", channel, "--reject")
    assert done.code == 0
    assert (f"it is now in {queue}" if dead else "it was discarded by the server") in done.err
    assert waiting(stub, channel) == 0
    if dead:
        assert the_one(stub, queue).Body == b"a"


# ---- output that cannot be written ----


def test_a_full_disk_acknowledges_nothing(start: Start, stub: Stub, channel: str) -> None:
    stub.send(channel, "a")
    with open("/dev/full", "wb") as full:
        done = start("queue", "tx", channel, "--ack", stdout=full).wait()
    assert (done.code, "given back" in done.err) == (1, True)
    assert the_one(stub, channel).Attributes.ReceiveCount == 2


def test_a_reader_that_is_gone_acknowledges_nothing(start: Start, stub: Stub, channel: str) -> None:
    stub.send(channel, b"x" * 300_000)
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
        gone.wait()
        assert gone.stdin
        done = start("queue", "tx", channel, "--ack", stdout=gone.stdin).wait()
        gone.stdin.close()
    assert done.code == 141
    assert the_one(stub, channel).Attributes.ReceiveCount == 2


def test_a_reader_that_leaves_half_way_acknowledges_nothing(start: Start, stub: Stub, channel: str) -> None:
    stub.send(channel, b"x" * 30_000)
    with subprocess.Popen(["head", "-c", "10000"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as head:
        assert head.stdin
        done = start("queue", "tx", channel, "--ack", stdout=head.stdin)
        head.stdin.close()
        assert done.wait().code in (0, 141)
    # head reads in blocks of its own size: what it took before it left was out.
    if done.process.returncode == 141:
        assert the_one(stub, channel).Attributes.ReceiveCount == 2


# ---- a handler ----


def test_a_handler_that_succeeds_acknowledges(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, "a", Metadata="meta")
    done = run("queue", "tx", channel, "--", "sh", "-c", "cat; echo $KUBEMQ_METADATA")
    assert (done.code, done.out) == (0, b"ameta\n")
    assert waiting(stub, channel) == 0


def test_a_handler_that_sleeps_three_visibilities_is_run_once(
    run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    log = tmp_path / "log"
    done = run("queue", "tx", channel, "--visibility", "1s", "--", "sh", "-c", f"echo x >> {log}; sleep 3")
    assert (done.code, log.read_text()) == (0, "x\n")
    assert waiting(stub, channel) == 0


@pytest.mark.parametrize(
    ("on_fail", "outcome", "where"),
    [("reject", "rejected", ""), ("stop", "returned", ""), ("resend", "resent", "-other")],
)
def test_a_handler_that_fails_is_10(
    on_fail: str, outcome: str, where: str, run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, "a")
    what = f"resend={channel}-other" if where else on_fail
    done = run("queue", "tx", channel, "-o", "json", "--on-fail", what, "--", "sh", "-c", "echo said; exit 3")
    assert done.code == 10
    (record,) = done.records()
    assert (record["body"], record["outcome"], record["handler_exit"]) == ("a", outcome, 3)
    assert "said\n" in done.err
    assert the_one(stub, channel + where).Attributes.ReceiveCount == (1 if where else 2)


def test_a_handler_that_is_not_found_takes_nothing(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel)
    assert run("queue", "tx", channel, "--", "no-such-command-here").code == 3
    assert the_one(stub, channel).Attributes.ReceiveCount == 1


def holding(start: Start, channel: str, log: Path, *options: str, **given: Any) -> Started:
    """A transaction whose handler runs, and sleeps."""
    command = f"echo $$ > {log}; trap 'echo ended >> {log}; exit 0' TERM; sleep 60 & wait"
    held = start("queue", "tx", channel, *options, "--", "sh", "-c", command, **given)
    until(lambda: log.exists() and log.read_text(), "the handler runs")
    return held


def test_on_a_signal_the_handler_has_its_grace_and_the_message_goes_back(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    held = holding(start, channel, tmp_path / "log", "--grace", "100ms")
    held.send(signal.SIGTERM)
    ended = held.wait()
    assert (ended.code, "given back" in ended.err) == (143, True)
    assert the_one(stub, channel).Attributes.ReceiveCount == 2


@pytest.mark.builtin
def test_a_server_that_goes_away_is_5_and_ends_the_handler(
    start: Start, new_broker: NewBroker, tmp_path: Path
) -> None:
    broker = new_broker()
    with Stub(broker.address) as stub:
        stub.send("q", "a")
    log = tmp_path / "log"
    held = holding(start, "q", log, address=broker.address)
    assert broker.process
    broker.process.kill()
    ended = held.wait()
    assert (ended.code, "was not decided" in ended.err) == (5, True)
    assert log.read_text().endswith("ended\n")


def test_a_visibility_that_runs_out_all_the_same_is_6(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    log = tmp_path / "log"
    held = holding(start, channel, log, "--visibility", "1s")
    held.send(signal.SIGSTOP)
    assert the_one(stub, channel).Attributes.ReceiveCount == 2
    held.send(signal.SIGCONT)
    ended = held.wait()
    assert (ended.code, "ran out" in ended.err) == (6, True)
    assert log.read_text().endswith("ended\n")


@pytest.mark.parametrize("handler_first", [False, True])
def test_a_stop_that_reaches_the_handler_too_makes_no_failure(
    handler_first: bool, start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "x")
    elsewhere = f"{channel}.elsewhere"
    pids = tmp_path / "pids"
    handler = f"echo $$ > {pids}; sleep 60 & wait"
    holding = start("queue", "tx", channel, "--on-fail", f"resend={elsewhere}", "--", "sh", "-c", handler)
    until(lambda: pids.exists() and pids.read_text(), "the handler runs")
    for reached in ("handler", "us") if handler_first else ("us", "handler"):
        if reached == "us":
            holding.send(signal.SIGTERM)
        else:
            os.killpg(int(pids.read_text()), signal.SIGTERM)
    ended = holding.wait()
    assert ended.code == 143
    assert "given back" in ended.err
    assert stub.info(elsewhere).Info.Waiting == 0


# ---- a server that ends the stream in good order, and has not answered: 2.4.0 does when it is busy ----


def ending_without_an_answer(requests: Iterator[Any]) -> Iterator[Any]:
    """A queue of one message, of which the stream says nothing more."""
    request = next(requests)
    answer = pb.StreamQueueMessagesResponse(RequestID=request.RequestID)
    answer.StreamRequestTypeData = pb.ReceiveMessage
    answer.Message.MessageID, answer.Message.Channel, answer.Message.Body = "1", "q", b"a"
    answer.Message.Attributes.Sequence = 1
    yield answer
    next(requests)


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        ("--ack", "acked"),
        ("--reject", "rejected"),
        ("--resend=other", "resent"),
        ("--modify --body=b", "modified"),
    ],
)
def test_that_the_stream_ends_well_is_an_answer_too(
    decision: str, outcome: str, run: Run, channel: str
) -> None:
    with fake_server(
        StreamQueueMessage=ending_without_an_answer,
        ReceiveQueueMessages=lambda _: pb.ReceiveQueueMessagesResponse(),
    ) as address:
        done = run("queue", "tx", channel, *decision.split(), address=address)
    assert (done.code, done.out, f"message 1 {outcome}" in done.err) == (0, b"a", True), done.err


def test_a_server_that_is_shutting_down_ends_the_stream_so_too_and_has_done_nothing(
    run: Run, channel: str
) -> None:
    def refuse(_: Any) -> Any:
        raise Abort(grpc.StatusCode.UNKNOWN, "Error 409: server is in shutdown mode")

    with fake_server(StreamQueueMessage=ending_without_an_answer, ReceiveQueueMessages=refuse) as address:
        done = run("queue", "tx", channel, "--ack", address=address)
    assert (done.code, "it is unknown whether message 1 was acked" in done.err) == (5, True), done.err


@pytest.mark.parametrize(
    ("lines", "visibility", "code", "words"),
    [
        (b"extend 1m\n", "30s", 5, "it is unknown whether message 1 was extended"),
        (b"ack\n", "1s", 6, "the visibility of message 1 ran out before it was acked"),
    ],
)
def test_an_end_that_may_have_another_reason_is_none(
    lines: bytes, visibility: str, code: int, words: str, run: Run, channel: str
) -> None:
    def late(requests: Iterator[Any]) -> Iterator[Any]:
        yield from ending_without_an_answer(requests)
        time.sleep(0.7 if visibility == "1s" else 0)

    with fake_server(StreamQueueMessage=late) as address:
        done = run("queue", "tx", channel, "--visibility", visibility, stdin=lines, address=address)
    assert (done.code, words in done.err) == (code, True), done.err


def test_a_wait_that_ends_well_without_an_answer_has_brought_nothing(run: Run, channel: str) -> None:
    def nothing(requests: Iterator[Any]) -> Iterator[Any]:
        next(requests)
        time.sleep(1)
        yield from ()

    with fake_server(StreamQueueMessage=nothing) as address:
        assert run("queue", "tx", channel, "--ack", address=address).code == 6
    with fake_server(StreamQueueMessage=lambda _: iter(())) as address:
        assert run("queue", "tx", channel, "--ack", address=address).code == 5
