"""Commands and queries over the wire: ask, subscribe to what is asked, answer."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    wire_kind = pb.Request.Command if kind == "commands" else pb.Request.Query
    out = convert.outgoing_request(request, wire_kind, client.client_id)
    began = time.monotonic_ns()
    try:
        answer = client.call("SendRequest", out, request.timeout + MARGIN)
    except ConnectionLost as e:
        e.message += ": whether it was carried out is unknown"
        raise
    except TimedOut as e:
        e.message = f"nobody answered on {request.channel} within {request.timeout:g} s"
        e.hint = "is there a responder? One that needs longer wants a longer --timeout"
        raise
    return convert.response(answer, request.channel, time.monotonic_ns() - began)


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
