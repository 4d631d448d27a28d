"""A small real server that records what it is asked and answers as a test tells it to.

For what no real broker can be made to do: an answer that gets lost, a refusal in the middle, silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb

Messages = Sequence[Any]
Results = list[Any]
# What a request comes to: its messages and gRPC's context in, a result for each message out.
Act = Callable[[Messages, Any], Results]


def accepted(messages: Messages) -> Results:
    return [pb.SendQueueMessageResult(MessageID=m.MessageID or f"id of {m.Body.decode()}") for m in messages]


def accept(messages: Messages, context: Any) -> Results:
    return accepted(messages)


def swallow(messages: Messages, context: Any) -> Results:
    """The messages are taken, but nobody hears of it: the connection is gone before the answer."""
    context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
    raise AssertionError("abort raises")


def deny(messages: Messages, context: Any) -> Results:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "Error 421: authentication verification failed, ")
    raise AssertionError("abort raises")


def overload(messages: Messages, context: Any) -> Results:
    context.abort(grpc.StatusCode.UNAVAILABLE, "grpc server is not ready to accept requests")
    raise AssertionError("abort raises")


def refuse(body: bytes, text: str) -> Act:
    """Accept all messages but those with this body."""

    def act(messages: Messages, context: Any) -> Results:
        results = accepted(messages)
        for message, result in zip(messages, results, strict=True):
            if message.Body == body:
                result.IsError, result.Error = True, text
        return results

    return act


class Held:
    """An act that waits until `release`; `arrived` is set when there is something to let go."""

    def __init__(self, then: Act = accept) -> None:
        self.arrived = threading.Event()
        self.release = threading.Event()
        self._then = then

    def __call__(self, messages: Messages, context: Any) -> Results:
        self.arrived.set()
        assert self.release.wait(30), "never released"
        return self._then(messages, context)


class Scripted:
    """The first requests are answered by `acts`, one each; all that follow are accepted."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.acts: list[Act] = []
        self.calls: list[tuple[str, list[Any]]] = []
        self.keeps = True  # False where a test sends more than memory should hold

    @property
    def methods(self) -> list[str]:
        """The methods called, in order."""
        return [method for method, _ in self.calls]

    @property
    def bodies(self) -> list[list[bytes]]:
        """The bodies of each request, in order."""
        return [[m.Body for m in messages] for _, messages in self.calls]

    def _answered(self, method: str, messages: Messages, context: Any) -> Results:
        act = self.acts[len(self.calls)] if len(self.calls) < len(self.acts) else accept
        if self.keeps:
            self.calls.append((method, list(messages)))
        return act(messages, context)

    def batch(self, request: Any, context: Any) -> Any:
        results = self._answered("SendQueueMessagesBatch", request.Messages, context)
        return pb.QueueMessagesBatchResponse(BatchID=request.BatchID, Results=results)

    def single(self, request: Any, context: Any) -> Any:
        return self._answered("SendQueueMessage", [request], context)[0]


@contextmanager
def scripted(*acts: Act) -> Iterator[Scripted]:
    """Such a server on a free port."""
    pool = futures.ThreadPoolExecutor(4)
    options = [("grpc.max_receive_message_length", 104_857_600), ("grpc.so_reuseport", 0)]
    server = grpc.server(pool, options=options)
    script = Scripted(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    script.acts = list(acts)
    server.add_generic_rpc_handlers((_handlers(script),))
    server.start()
    try:
        yield script
    finally:
        assert server.stop(0).wait(20), "a call outlives its server"
        pool.shutdown()


def _handlers(script: Scripted) -> Any:
    return grpc.method_handlers_generic_handler(
        "kubemq.kubemq",
        {
            "SendQueueMessagesBatch": grpc.unary_unary_rpc_method_handler(
                script.batch,
                request_deserializer=pb.QueueMessagesBatchRequest.FromString,
                response_serializer=pb.QueueMessagesBatchResponse.SerializeToString,
            ),
            "SendQueueMessage": grpc.unary_unary_rpc_method_handler(
                script.single,
                request_deserializer=pb.QueueMessage.FromString,
                response_serializer=pb.SendQueueMessageResult.SerializeToString,
            ),
        },
    )
