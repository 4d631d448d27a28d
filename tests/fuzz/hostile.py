"""A server that does as it likes: a real gRPC server whose answers are bytes that a test made up.

It is honest where its `Plan` does not say otherwise, so that what it says falsely is met late as well as
early. Nothing of it outlasts `Plan.end`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz.wirebytes import LENGTH, METHODS, tagged
from tests.support.fake_server import serving

# Seconds: what a server that falls silent holds on to, at most.
SILENCE = 8.0


class Move(NamedTuple):
    """What to do in place of one honest answer: `kind`, with bytes or the details of a status."""

    kind: str = "honest"
    data: bytes = b""
    status: grpc.StatusCode = grpc.StatusCode.INTERNAL
    details: str = ""


class Plan:
    """The moves of each method, in order, then honesty. `asked` and `sent` tell what went."""

    def __init__(
        self,
        moves: Mapping[str, Sequence[Move]],
        messages: Sequence[bytes] = (),
        events: Sequence[bytes] = (),
        requests: Sequence[bytes] = (),
    ) -> None:
        self.asked: defaultdict[str, list[bytes]] = defaultdict(list)
        self.sent: defaultdict[str, list[bytes]] = defaultdict(list)
        self.over = threading.Event()
        self._drawn = f"{moves}, {messages}, {events}, {requests}"
        self._moves = {method: list(of_method) for method, of_method in moves.items()}
        self._messages = list(messages)
        self._events = list(events)
        self._requests = list(requests)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Plan({self._drawn})"

    def end(self) -> None:
        self.over.set()

    def next(self, method: str) -> Move:
        with self._lock:
            left = self._moves.get(method)
            return left.pop(0) if left else Move()

    def take(self, most: int) -> list[bytes]:
        with self._lock:
            taken, self._messages = self._messages[: max(0, most)], self._messages[max(0, most) :]
            return taken

    @property
    def waiting(self) -> int:
        return len(self._messages)

    def pushed(self, method: str) -> list[bytes]:
        return self._events if method == "SubscribeToEvents" else self._requests


Honest = Callable[[Plan, Any], list[bytes]]


def _wire(*messages: Any) -> list[bytes]:
    return [m.SerializeToString() for m in messages]


def _framed(head: Any, number: int, bodies: Sequence[bytes]) -> bytes:
    """`head` with messages that may be no messages at all."""
    return bytes(head.SerializeToString()) + b"".join(tagged(number, LENGTH, body) for body in bodies)


def _accepted(m: Any) -> Any:
    return pb.SendQueueMessageResult(MessageID=m.MessageID or "id", SentAt=1)


def _downstream(plan: Plan, r: Any) -> list[bytes]:
    head = pb.QueuesDownstreamResponse(
        TransactionId=r.RefTransactionId or "t", RefRequestId=r.RequestID, RequestTypeData=r.RequestTypeData
    )
    if r.RequestTypeData == pb.Get:
        return [_framed(head, 4, plan.take(r.MaxItems))]
    return _wire(head) if r.RequestTypeData == pb.ActiveOffsets else []


def _held(plan: Plan, r: Any) -> list[bytes]:
    head = pb.StreamQueueMessagesResponse(
        RequestID=r.RequestID, StreamRequestTypeData=r.StreamRequestTypeData
    )
    if r.StreamRequestTypeData != pb.ReceiveMessage:
        return _wire(head)
    if found := plan.take(1):
        return [_framed(head, 3, found)]
    head.IsError, head.Error = True, "Error 138: no new message in queue, wait time expired"
    return _wire(head)


def _answered(plan: Plan, r: Any) -> list[bytes]:
    body = b'[{"name":"q","isActive":true}]' if r.Metadata == "list-channels" else r.Body
    return _wire(pb.Response(RequestID=r.RequestID, Executed=True, Body=body, Timestamp=1))


HONEST: dict[str, Honest] = {
    "Ping": lambda plan, r: _wire(pb.PingResult(Host="hostile", ServerStartTime=1, ServerUpTimeSeconds=1)),
    "SendQueueMessage": lambda plan, r: _wire(_accepted(r)),
    "SendQueueMessagesBatch": lambda plan, r: _wire(
        pb.QueueMessagesBatchResponse(BatchID=r.BatchID, Results=[_accepted(m) for m in r.Messages])
    ),
    "ReceiveQueueMessages": lambda plan, r: [
        _framed(pb.ReceiveQueueMessagesResponse(IsPeak=r.IsPeak), 2, plan.take(r.MaxNumberOfMessages))
    ],
    "AckAllQueueMessages": lambda plan, r: _wire(
        pb.AckAllQueueMessagesResponse(AffectedMessages=len(plan.take(1000)))
    ),
    "QueuesInfo": lambda plan, r: _wire(
        pb.QueuesInfoResponse(
            Info=pb.QueuesInfo(
                Queues=[
                    pb.QueueInfo(
                        Name=r.QueueName or "q", Messages=plan.waiting, Waiting=plan.waiting, LastSequence=9
                    )
                ]
            )
        )
    ),
    "QueuesDownstream": _downstream,
    "StreamQueueMessage": _held,
    "SendEvent": lambda plan, r: _wire(pb.Result(EventID=r.EventID, Sent=True)),
    "SendEventsStream": lambda plan, r: _wire(pb.Result(EventID=r.EventID, Sent=True)) if r.Store else [],
    "SendRequest": _answered,
    "SendResponse": lambda plan, r: _wire(pb.Empty()),
}
SUBSCRIPTIONS = ("SubscribeToEvents", "SubscribeToRequests")


class HostileServer(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Serves the plan that is in force when a call begins."""

    def __init__(self) -> None:
        self.address = ""
        self.plan = Plan({})

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method, plan = details.method.rpartition("/")[2], self.plan
        call = self._push if method in SUBSCRIPTIONS else self._talk

        def serve(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            with suppress(_EndOfCall):
                for answer in call(plan, method, requests, context):
                    plan.sent[method].append(answer)
                    yield answer

        return grpc.stream_stream_rpc_method_handler(serve)

    def _talk(self, plan: Plan, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        kind = getattr(pb, METHODS[method].input_type.name)
        for data in requests:
            plan.asked[method].append(data)
            honest = HONEST[method](plan, kind.FromString(data))
            if honest or method.startswith("Send"):
                yield from _moved(plan, plan.next(method), honest, context)

    def _push(self, plan: Plan, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        next(requests, b"")
        for event in plan.pushed(method):
            yield from _moved(plan, plan.next(method), [event], context)
        yield from _moved(plan, plan.next(method), [], context)
        _silent(plan, context)


def _moved(plan: Plan, move: Move, honest: list[bytes], context: Any) -> Iterator[bytes]:
    """What the move makes of the honest answers."""
    if move.kind == "instead":
        yield move.data
    elif move.kind == "merged":  # of two values of a field the last one counts
        yield from (answer + move.data for answer in honest)
    elif move.kind == "cut":
        yield from (answer[: len(move.data) % (len(answer) + 1)] for answer in honest)
    elif move.kind == "twice":
        yield from honest + honest
    elif move.kind == "end":
        raise _EndOfCall
    elif move.kind == "status":
        context.abort(move.status, move.details)
    elif move.kind == "silence":
        _silent(plan, context)
    elif move.kind != "nothing":
        yield from honest


class _EndOfCall(Exception):
    """An end in good order, with status OK, before its time."""


def _silent(plan: Plan, context: Any) -> None:
    gone = threading.Event()
    if context.add_callback(gone.set):
        for _ in range(int(SILENCE / 0.02)):
            if plan.over.is_set() or gone.wait(0.02):
                return


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    """Such a server on a free port."""
    hostile = HostileServer()
    # A run of many calls leaves some in their silence behind, each in a thread.
    with serving(hostile, threads=32) as hostile.address:
        try:
            yield hostile
        finally:
            hostile.plan.end()
