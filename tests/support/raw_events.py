"""Events over raw gRPC, for tests of what subscribes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Stub


def event(stub: Stub, channel: str, body: bytes | str, store: bool = False, **fields: Any) -> pb.Event:
    """An event of this client."""
    data = body.encode() if isinstance(body, str) else body
    return pb.Event(**{"ClientID": stub.client, "Channel": channel, "Body": data, "Store": store, **fields})


def publish(stub: Stub, channel: str, body: bytes | str, store: bool = False, **fields: Any) -> pb.Result:
    """Publish one event by the unary call."""
    answer: pb.Result = stub.call("SendEvent", event(stub, channel, body, store, **fields))
    return answer


def store(stub: Stub, channel: str, bodies: Iterable[Any]) -> None:
    """Store events with these bodies, in order, as text."""
    wanted = [str(body) for body in bodies]
    stream = stub.exchange("SendEventsStream")
    for body in wanted:
        stream.send(event(stub, channel, body, store=True))
    answers = [stream.next() for _ in wanted]
    stream.half_close()
    assert all(answer.Sent for answer in answers)
