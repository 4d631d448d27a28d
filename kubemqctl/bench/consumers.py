"""Receiving as a benchmark does, one class or function a pattern: the calls that a program would make."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from kubemqctl.bench.workload import Workload
from kubemqctl.client import requests
from kubemqctl.client.connection import Client
from kubemqctl.client.error_translation import translated
from kubemqctl.client.events import StoredChannel
from kubemqctl.client.queues import Downstream
from kubemqctl.client.requests import Kind
from kubemqctl.model.errors import ConnectionLost
from kubemqctl.model.messages import Response
from kubemqctl.model.values import Start
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

GROUP = "bench"
"""The group of all responders, so that each request is answered by one of them."""
ROUND = 1.0
"""Seconds that a Get waits: servers wait at least one."""


class Consumer(NamedTuple):
    """What a consumer works with.

    `take` is given bodies and when they came. `claim` says how many messages to ask for, up to so many, and
    `unclaim` is told how many of those did not come.
    """

    client: Client
    work: Workload
    take: Callable[[Iterable[bytes], int], None]
    claim: Callable[[int], int]
    unclaim: Callable[[int], None]


class ConsumerRun(Protocol):
    """An open subscription."""

    def run(self) -> None:
        """Pass messages on until `close` is called; raises why the stream ended, also after `close`."""

    def close(self) -> None:
        """End `run`; to be called from another thread."""


def consume(taking: Consumer) -> ConsumerRun:
    """Open the subscription, or the stream, of this pattern."""
    return _DRAINS[taking.work.pattern](taking)


class _Queue:
    """Transactions: each is acknowledged as a whole once it was taken, behind a barrier."""

    def __init__(self, taking: Consumer) -> None:
        self._taking = taking
        self._down = Downstream(taking.client)

    def run(self) -> None:
        _, work, take, claim, unclaim = self._taking
        while True:
            asked = claim(work.batch)
            held = self._down.get(work.channel, asked, ROUND)
            at = time.monotonic_ns()
            unclaim(asked - len(held.messages))
            if held.messages:
                take((message.body for message in held.messages), at)
                self._down.ack(held, [message.sequence for message in held.messages])
                self._down.barrier(held)

    def close(self) -> None:
        self._down.close_stream()


class _Subscription:
    """A stream of what comes; `handle` is given each as it is on the wire."""

    def __init__(
        self, client: Client, method: str, request: pb.Subscribe, handle: Callable[[Any], None]
    ) -> None:
        self._address = client.address
        self._handle = handle
        self._call, _ = client.listen(method, request)

    def run(self) -> None:
        with translated(self._address):
            for found, _size in self._call:
                self._handle(found)
        raise ConnectionLost(f"{self._address} ended the subscription")

    def close(self) -> None:
        self._call.cancel()


def _events(taking: Consumer) -> ConsumerRun:
    client = taking.client
    request = convert.events_subscription(taking.work.channel, "", client.client_id)
    return _Subscription(client, "SubscribeToEvents", request, _taker(taking))


def _store(taking: Consumer) -> ConsumerRun:
    client, channel = taking.client, taking.work.channel
    # Servers remember a position by client id: each subscriber is a new one.
    fresh = StoredChannel(client, channel).fresh_id()
    request = convert.store_subscription(channel, "", fresh, Start("new"))
    return _Subscription(client, "SubscribeToEvents", request, _taker(taking))


def _taker(taking: Consumer) -> Callable[[Any], None]:
    take, now = taking.take, time.monotonic_ns
    return lambda event: take((event.Body,), now())


def _responder(kind: Kind) -> Callable[[Consumer], ConsumerRun]:
    """Answers every request: queries with their own body."""

    def opened(taking: Consumer) -> ConsumerRun:
        client = taking.client

        def respond(raw: pb.Request) -> None:
            taking.take((raw.Body,), time.monotonic_ns())
            request = convert.request(raw)
            response = Response(
                channel=request.channel,
                id=request.id,
                executed=True,
                body=request.body if kind == "queries" else b"",
                timestamp=time.time_ns(),
                reply_channel=request.reply_channel,
            )
            requests.answer(client, response, lambda: None)

        asked = pb.Subscribe(
            SubscribeTypeData=pb.Subscribe.Commands if kind == "commands" else pb.Subscribe.Queries,
            ClientID=client.client_id,
            Channel=taking.work.channel,
            Group=GROUP,
        )
        return _Subscription(client, "SubscribeToRequests", asked, respond)

    return opened


_DRAINS: dict[str, Callable[[Consumer], ConsumerRun]] = {
    "queue": _Queue,
    "events": _events,
    "store": _store,
    "cmd": _responder("commands"),
    "query": _responder("queries"),
}
