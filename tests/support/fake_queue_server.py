"""A gRPC server that takes queue messages, records what it is asked and answers as a test tells it to.

For what no real broker can be made to do: an answer that gets lost, a refusal in the middle, silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import Abort, fake_server

Messages = Sequence[Any]
Results = list[Any]
# What a request comes to: its messages in, a result for each message out; or it raises Abort.
Act = Callable[[Messages], Results]


def accept(messages: Messages) -> Results:
    return [pb.SendQueueMessageResult(MessageID=m.MessageID or f"id of {m.Body.decode()}") for m in messages]


def lose_the_answer(messages: Messages) -> Results:
    """The messages are taken, but nobody hears of it: the connection is gone before the answer."""
    raise Abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def deny(messages: Messages) -> Results:
    raise Abort(grpc.StatusCode.UNAUTHENTICATED, "Error 421: authentication verification failed, ")


def overload(messages: Messages) -> Results:
    raise Abort(grpc.StatusCode.UNAVAILABLE, "grpc server is not ready to accept requests")


def refuse(body: bytes, text: str) -> Act:
    """Accept all messages but those with this body."""
    return refuse_some([body], text)


def refuse_some(bodies: Container[bytes], text: str) -> Act:
    """Accept all messages but those with these bodies."""

    def act(messages: Messages) -> Results:
        results = accept(messages)
        for message, result in zip(messages, results, strict=True):
            if message.Body in bodies:
                result.IsError, result.Error = True, text
        return results

    return act


class WaitForRelease:
    """An act that waits until `release`; `arrived` is set when there is something to let go."""

    def __init__(self, then: Act = accept) -> None:
        self.arrived = threading.Event()
        self.release = threading.Event()
        self._then = then

    def __call__(self, messages: Messages) -> Results:
        self.arrived.set()
        assert self.release.wait(30), "never released"
        return self._then(messages)


class FakeQueueServer:
    """The first requests are answered by `acts`, one each; all that follow are accepted."""

    def __init__(self, acts: Sequence[Act] = ()) -> None:
        self.address = ""
        self.acts = list(acts)
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

    def _answered(self, method: str, messages: Messages) -> Results:
        act = self.acts[len(self.calls)] if len(self.calls) < len(self.acts) else accept
        if self.keeps:
            self.calls.append((method, list(messages)))
        return act(messages)

    def batch(self, request: Any) -> Any:
        results = self._answered("SendQueueMessagesBatch", request.Messages)
        return pb.QueueMessagesBatchResponse(BatchID=request.BatchID, Results=results)

    def single(self, request: Any) -> Any:
        return self._answered("SendQueueMessage", [request])[0]


@contextmanager
def fake_queue_server(*acts: Act) -> Iterator[FakeQueueServer]:
    """Such a server on a free port; its first requests are answered by `acts`."""
    fake = FakeQueueServer(acts)
    with fake_server(SendQueueMessagesBatch=fake.batch, SendQueueMessage=fake.single) as fake.address:
        yield fake
