"""Commands and queries over raw gRPC: the other side of what a test runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Stub

COMMAND, QUERY = pb.Request.Command, pb.Request.Query


def request(stub: Stub, kind: pb.Request.RequestType, channel: str, body: bytes, **fields: Any) -> pb.Request:
    """A request of this client; 10 s are its time unless `Timeout` (milliseconds) says otherwise."""
    given = {"ClientID": stub.client, "Timeout": 10_000, **fields}
    return pb.Request(RequestTypeData=kind, Channel=channel, Body=body, **given)


def ask(stub: Stub, kind: pb.Request.RequestType, channel: str, body: bytes, **fields: Any) -> pb.Response:
    """Ask and wait for the answer."""
    answer: pb.Response = stub.call("SendRequest", request(stub, kind, channel, body, **fields), 30)
    return answer


def asking(stub: Stub, kind: pb.Request.RequestType, channel: str, body: bytes, **fields: Any) -> Any:
    """Ask; the future of the answer."""
    return stub.waiting("SendRequest", request(stub, kind, channel, body, **fields), 60)


@contextlib.contextmanager
def responder(
    stub: Stub,
    kind: pb.Subscribe.SubscribeType,
    channel: str,
    answer: Callable[[pb.Request], pb.Response | None],
) -> Iterator[list[pb.Request]]:
    """Answers requests as `answer` says, None for silence; gives the list of what it got so far."""
    got: list[pb.Request] = []
    subscribe = pb.Subscribe(SubscribeTypeData=kind, ClientID=stub.client, Channel=channel)
    call = stub.subscribe("SubscribeToRequests", subscribe)
    call.initial_metadata()

    def serve() -> None:
        with contextlib.suppress(grpc.RpcError):
            for came in call:
                got.append(came)
                if (said := answer(came)) is not None:
                    said.ClientID = said.ClientID or stub.client
                    said.RequestID = said.RequestID or came.RequestID
                    said.ReplyChannel = came.ReplyChannel
                    stub.call("SendResponse", said)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        call.cancel()
        thread.join(10)
