"""Commands and queries over the wire: ask, subscribe to what is asked, answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from kubemqctl.client.connection import Client
from kubemqctl.client.feed import Feed, subscribe
from kubemqctl.client.streams import Pending
from kubemqctl.model.errors import ConnectionLost, TimedOut
from kubemqctl.model.messages import Request, Response
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

Kind = Literal["commands", "queries"]
T = TypeVar("T")

# How much longer than the server we wait for what it says when a request's time is over: seconds.
MARGIN = 5.0
# What an answer may take to reach the server: seconds.
ANSWER_TIMEOUT = 30.0


def send(client: Client, request: Request, kind: Kind) -> Response:
    """Ask, and wait for the answer, also one with `executed` false. Raises TimedOut when nobody answers."""
    out = _outgoing(client, request, kind)
    began = time.monotonic_ns()
    with _explained(request):
        answer = client.call("SendRequest", out, request.timeout + MARGIN)
    return convert.response(answer, request.channel, time.monotonic_ns() - began)


class PendingResponse:
    """A request under way; `notify` is called, in another thread, when it is answered."""

    def __init__(self, client: Client, request: Request, kind: Kind, notify: Callable[[], None]) -> None:
        self._request = request
        self._began = time.monotonic_ns()
        self._elapsed = 0

        def answered() -> None:
            self._elapsed = time.monotonic_ns() - self._began
            notify()

        out = _outgoing(client, request, kind)
        self._pending = client.start("SendRequest", out, request.timeout + MARGIN, answered)

    def done(self) -> bool:
        """Whether `result` need not wait."""
        return self._pending.done()

    def result(self) -> Response:
        """Wait for the answer; raises as `send` does."""
        with _explained(self._request):
            answer = self._pending.result()
        elapsed = self._elapsed or time.monotonic_ns() - self._began
        return convert.response(answer, self._request.channel, elapsed)


def _outgoing(client: Client, request: Request, kind: Kind) -> pb.Request:
    wire_kind = pb.Request.Command if kind == "commands" else pb.Request.Query
    return convert.outgoing_request(request, wire_kind, client.client_id)


@contextmanager
def _explained(request: Request) -> Iterator[None]:
    """Says of errors what they mean for a request."""
    try:
        yield
    except ConnectionLost as e:
        e.message += ": whether it was carried out is unknown"
        raise
    except TimedOut as e:
        e.message = f"nobody answered on {request.channel} within {request.timeout:g} s"
        e.hint = "is there a responder? One that needs longer wants a longer --timeout"
        raise


def subscription(
    client: Client,
    kind: Kind,
    channel: str,
    group: str,
    wrap: Callable[[Request], T],
    notify: Callable[[], None],
) -> Feed[T]:
    """Open a subscription to requests; each goes through `wrap` as it arrives, in the feed's thread."""
    request = pb.Subscribe(
        SubscribeTypeData=pb.Subscribe.Commands if kind == "commands" else pb.Subscribe.Queries,
        ClientID=client.client_id,
        Channel=channel,
        Group=group,
    )
    return subscribe(client, "SubscribeToRequests", request, lambda r: wrap(convert.request(r)), notify)


def answer(client: Client, response: Response, when_done: Callable[[], None]) -> Pending:
    """Begin to answer a request; `when_done` runs in another thread. A late answer is dropped in silence."""
    out = convert.outgoing_response(response, client.client_id)
    return client.start("SendResponse", out, ANSWER_TIMEOUT, when_done)
