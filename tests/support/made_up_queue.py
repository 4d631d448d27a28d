"""A queue that is made up, for what no real broker can be made to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import fake_server

Requests = Iterator[pb.QueuesDownstreamRequest]
Answers = Iterator[pb.QueuesDownstreamResponse]


class Queue:
    """A queue made up: QueuesInfo and QueuesDownstream that work, for a test to spoil."""

    def __init__(self, channel: str, count: int) -> None:
        self.channel = channel
        self.messages = [
            pb.QueueMessage(Channel=channel, MessageID=f"m{n}", Body=b"%d" % n) for n in range(count)
        ]
        for n, message in enumerate(self.messages, start=1):
            message.Attributes.Sequence = n
            message.Attributes.ReceiveCount = 1
        self.asked: list[int] = []
        self.bytes = 100
        self.open = threading.Event()

    def info(self, request: Any) -> pb.QueuesInfoResponse:
        waits = len(self.messages)
        info = pb.QueueInfo(
            Name=self.channel, Messages=waits, Bytes=self.bytes, Waiting=waits, LastSequence=waits
        )
        return pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=[info]))

    def peek(self, request: Any) -> pb.ReceiveQueueMessagesResponse:
        return pb.ReceiveQueueMessagesResponse(Messages=self.messages[:1])

    def talk(self, requests: Requests) -> Answers:
        for request in requests:
            yield from self.answer(request)

    def answer(self, request: pb.QueuesDownstreamRequest) -> Answers:
        if request.RequestTypeData == pb.Get:
            yield self.got(request)
        elif request.RequestTypeData == pb.AckRange:
            yield from self.acknowledged(request)
        elif request.RequestTypeData == pb.ActiveOffsets:
            yield from self.offsets(request)

    def got(self, request: pb.QueuesDownstreamRequest) -> pb.QueuesDownstreamResponse:
        self.asked.append(request.MaxItems)
        taken, self.messages = self.messages[: request.MaxItems], self.messages[request.MaxItems :]
        if not taken:
            time.sleep(request.WaitTimeout / 1000)  # as a server waits for more
        return pb.QueuesDownstreamResponse(TransactionId="t", RequestTypeData=pb.Get, Messages=taken)

    def acknowledged(self, request: pb.QueuesDownstreamRequest) -> Answers:
        yield from ()

    def offsets(self, request: pb.QueuesDownstreamRequest) -> Answers:
        yield self.refusal(pb.ActiveOffsets, "cannot get active offsets with closed response ")

    @staticmethod
    def refusal(kind: Any, text: str) -> pb.QueuesDownstreamResponse:
        return pb.QueuesDownstreamResponse(TransactionId="t", RequestTypeData=kind, IsError=True, Error=text)


def served(queue: Queue, **answers: Any) -> Any:
    own: Any = {"QueuesInfo": queue.info, "QueuesDownstream": queue.talk, "ReceiveQueueMessages": queue.peek}
    return fake_server(**own, **answers)
