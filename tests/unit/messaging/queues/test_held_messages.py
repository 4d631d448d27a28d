"""Servers that give messages in another order than they came, or count while they still settle some."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.made_up_queue import Answers, Queue, Requests, served
from tests.support.program import Run
from tests.support.waiting import until


class OutOfOrder(Queue):
    """Two messages wait when a run begins, others come then, and are given before them so many `times`.

    Server 2.4.0 does so while another consumer settles what it has.
    """

    def __init__(self, channel: str, times: int, newer: int = 1) -> None:
        super().__init__(channel, 2 + newer)
        self.messages, self.newer = self.messages[:2], self.messages[2:]
        self.times = times
        self.comes = times > 0
        self.held: dict[str, list[pb.QueueMessage]] = {}
        self.given = 0
        self.arrived: list[bytes] = []

    def info(self, request: Any) -> pb.QueuesInfoResponse:
        waits = len(self.messages) + sum(map(len, self.held.values()))
        info = pb.QueueInfo(Name=self.channel, Messages=waits, Bytes=self.bytes, Waiting=waits)
        info.LastSequence = 2 if self.comes else 3
        if self.comes:
            self.comes = False
            self.messages += self.newer
        return pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=[info]))

    def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
        if not self.comes and self.times > 0:
            self.times -= 1
            there = [m for m in self.newer if m in self.messages]
            self.messages = there + [m for m in self.messages if m not in there]
        answer = super().got(request)
        self.given += 1
        answer.TransactionId = f"t{self.given}"
        self.held[answer.TransactionId] = list(answer.Messages)
        return answer

    def answer(self, request: pb.QueuesDownstreamRequest) -> Answers:
        held = self.held.get(request.RefTransactionId, [])
        if request.RequestTypeData == pb.CloseByClient:
            del self.held[request.RefTransactionId]
            self.messages = sorted(held + self.messages, key=lambda m: m.Attributes.Sequence)
        elif request.RequestTypeData == pb.AckRange:
            held[:] = [m for m in held if m.Attributes.Sequence not in request.SequenceRange]
        yield from super().answer(request)

    def offsets(self, request: pb.QueuesDownstreamRequest) -> Answers:
        open_ = [m.Attributes.Sequence for m in self.held.get(request.RefTransactionId, [])]
        yield pb.QueuesDownstreamResponse(
            RefRequestId=request.RequestID, RequestTypeData=pb.ActiveOffsets, ActiveOffsets=open_
        )

    def send(self, request: pb.QueueMessagesBatchRequest) -> pb.QueueMessagesBatchResponse:
        self.arrived += [m.Body for m in request.Messages]
        results = [pb.SendQueueMessageResult(MessageID=m.MessageID) for m in request.Messages]
        return pb.QueueMessagesBatchResponse(Results=results)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("handler", [[], ["--", "sh", "-c", "read n; echo $n"]], ids=["printed", "handled"])
def test_what_waited_is_taken_though_newer_messages_come_first(
    run: Run, channel: str, times: int, handler: list[str]
) -> None:
    queue = OutOfOrder(channel, times)
    with served(queue) as address:
        result = run("queue", "receive", channel, "--all", *handler, address=address)
    assert (result.code, result.out) == (0, b"0\n1\n"), result.err
    assert "2 acknowledged" in result.err
    assert queue.messages == queue.newer


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_waited_is_moved_though_newer_messages_come_first(run: Run, channel: str, times: int) -> None:
    queue = OutOfOrder(channel, times)
    with served(queue, SendQueueMessagesBatch=queue.send) as address:
        result = run("queue", "move", channel, f"{channel}-to", "--all", address=address)
    assert (result.code, result.out, queue.arrived) == (0, b"2\n", [b"0", b"1"]), result.err
    assert queue.messages == queue.newer


@pytest.mark.parametrize(("newer", "asked"), [(1, [2]), (3, [2, 3])])
@pytest.mark.parametrize("handler", [[], ["--", "cat"]], ids=["printed", "handled"])
def test_the_run_ends_where_only_newer_messages_are_counted(
    run: Run, channel: str, handler: list[str], newer: int, asked: list[int]
) -> None:
    class Taken(OutOfOrder):
        """Others take what waited."""

        def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
            self.messages = [m for m in self.messages if m in self.newer]
            return super().got(request)

    queue = Taken(channel, 99, newer)
    concurrency = ["--concurrency", "2"] if handler else []
    with served(queue) as address:
        result = run("queue", "receive", channel, "--all", *concurrency, *handler, address=address)
    assert (result.code, result.out) == (0, b""), result.err
    assert "gives none" not in result.err
    assert (queue.messages, queue.asked) == (queue.newer, asked)


class Generous(OutOfOrder):
    """Gives all there is, whatever is asked for: 2.4.0 gives whole what another consumer has left."""

    def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
        request.MaxItems = 99
        return super().got(request)

    def talk(self, requests: Requests) -> Answers:
        try:
            yield from super().talk(requests)
        finally:
            self.messages = [m for held in self.held.values() for m in held] + self.messages


@pytest.mark.parametrize("handler", [[], ["--", "cat"]], ids=["printed", "handled"])
def test_of_more_than_was_asked_for_the_rest_goes_back(run: Run, channel: str, handler: list[str]) -> None:
    queue = Generous(channel, 0)
    with served(queue) as address:
        result = run("queue", "receive", channel, "--count", "1", *handler, address=address)
        until(lambda: len(queue.messages) == 1, "the other is back")
    assert (result.code, result.out) == (0, b"0"), result.err
    assert [m.Body for m in queue.messages] == [b"1"]


def test_of_more_than_was_to_be_moved_the_rest_goes_back(run: Run, channel: str) -> None:
    queue = Generous(channel, 0)
    with served(queue, SendQueueMessagesBatch=queue.send) as address:
        result = run("queue", "move", channel, f"{channel}-to", "--count", "1", address=address)
    assert (result.code, queue.arrived) == (0, [b"0"]), result.err
    assert [m.Body for m in queue.messages] == [b"1"]


def test_more_than_was_asked_for_is_printed_where_the_server_has_acknowledged_it(
    run: Run, channel: str
) -> None:
    with served(Generous(channel, 0)) as address:
        result = run("queue", "receive", channel, "--count", "1", "--ack", "auto", address=address)
    assert (result.code, result.out) == (0, b"01"), result.err


class SlowToConfirm(OutOfOrder):
    """Gives the second stream nothing, and confirms what the first has acknowledged after that only."""

    def __init__(self, channel: str, go_on: Path) -> None:
        super().__init__(channel, 0)
        self.go_on = go_on
        self.bytes = 100_000_000  # so that they are asked for one by one
        self.counted, self.acked, self.was_empty = threading.Event(), threading.Event(), threading.Event()

    def info(self, request: Any) -> pb.QueuesInfoResponse:
        if self.was_empty.is_set():
            self.counted.set()
        return super().info(request)

    def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
        if self.was_empty.is_set() or not self.given:
            return super().got(request)
        self.go_on.touch()
        assert self.acked.wait(20)
        time.sleep(request.WaitTimeout / 1000)  # as a server waits for more
        self.was_empty.set()
        return pb.QueuesDownstreamResponse(TransactionId="none", RequestTypeData=pb.Get)

    def acknowledged(self, request: pb.QueuesDownstreamRequest) -> Answers:
        self.acked.set()
        yield from ()

    def offsets(self, request: pb.QueuesDownstreamRequest) -> Answers:
        assert self.was_empty.wait(20)
        self.counted.wait(0.5)
        yield from super().offsets(request)


def test_nothing_is_concluded_from_a_count_while_settlements_are_under_way(
    run: Run, channel: str, tmp_path: Path
) -> None:
    queue = SlowToConfirm(channel, tmp_path / "go-on")
    wait = f"read n; while ! [ -e {queue.go_on} ]; do sleep 0.05; done; echo $n"
    with served(queue) as address:
        result = run(
            "queue",
            "receive",
            channel,
            "--all",
            "--concurrency",
            "2",
            "--",
            "sh",
            "-c",
            wait,
            address=address,
        )
    assert (result.code, result.out) == (0, b"0\n1\n"), result.err
