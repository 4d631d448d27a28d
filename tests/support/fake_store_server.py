"""A gRPC server of stored events that a test makes drop events, break connections and lose old events.

For what no real broker can be made to do on demand: events dropped for a slow reader, a store with a hole.
It serves one channel, whatever it is called; `requests` has every subscription that was asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import serialized, serving

S = pb.Subscribe


class FakeStore:
    """Events 1 to n. `dropped` has sequences that the subscriptions numbered in `dropping` do not get."""

    def __init__(self) -> None:
        self.address = ""
        self.requests: list[pb.Subscribe] = []
        self.dropped: set[int] = set()
        self.dropping: Container[int] = ()
        self.answers_pings = True
        self.shows_life = True
        self.tells_stored = True  # how many events a subscription begins with, in its sign of life
        self.refuses = 0  # so many subscriptions from the first on, as a server that is not ready yet does
        self.ends_after: float | None = None  # seconds after which every subscription breaks off by itself
        self.takes = -1  # so many published events, then the connection breaks; -1: all
        self.answers = -1  # so many of them are answered, the rest is not; -1: all
        self.keeps = False  # whether what is published is stored
        self.taken: list[pb.Event] = []
        self._events: list[pb.EventReceive] = []
        self._changed = threading.Condition()
        self._breaks = 0
        self._closed = False

    def put(self, count: int, first: int = 0, **fields: Any) -> None:
        """Store `count` more events, with their sequence as body unless `fields` has another."""
        with self._changed:
            for _ in range(count):
                sequence = first or (self._events[-1].Sequence + 1 if self._events else 1)
                first = 0
                given = {"EventID": f"e{sequence}", "Body": str(sequence).encode(), **fields}
                event = pb.EventReceive(Sequence=sequence, **given)
                event.Timestamp = event.Timestamp or time.time_ns()
                self._events.append(event)
            self._changed.notify_all()

    def forget(self, upto: int) -> None:
        """Lose the events up to that sequence, as a retention does."""
        with self._changed:
            self._events = [event for event in self._events if event.Sequence > upto]

    def break_off(self) -> None:
        """End every subscription as a dying server does."""
        with self._changed:
            self._breaks += 1
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def starts(self) -> list[tuple[int, int]]:
        """Type and value of the start of each subscription that was asked for."""
        return [(request.EventsStoreTypeData, request.EventsStoreTypeValue) for request in self.requests]

    def subscribe(self, request: pb.Subscribe, context: Any) -> Iterator[pb.EventReceive]:
        with self._changed:
            self.requests.append(request)
            if len(self.requests) <= self.refuses:
                context.abort(grpc.StatusCode.UNAVAILABLE, "grpc server is not ready to accept requests")
            drops = self.dropped if len(self.requests) in self.dropping else set()
            breaks = self._breaks
            last = self._events[-1].Sequence if self._events else 0
        at = self._first(request, last)
        if self.shows_life:
            stored = sum(event.Sequence >= at and event.Sequence not in drops for event in self._events)
            told = (("kubemqctl-stored", str(stored)),) if self.tells_stored else ()
            context.send_initial_metadata(told)
        context.add_callback(self._wake)
        if self.ends_after is not None:
            time.sleep(self.ends_after)
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        while True:
            with self._changed:
                ready = [event for event in self._events if event.Sequence >= at]
                if self._breaks > breaks or self._closed:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                if not context.is_active():
                    return
                if not ready:
                    self._changed.wait()
                    continue
            at = ready[-1].Sequence + 1
            yield from (event for event in ready if event.Sequence not in drops)

    def _first(self, request: pb.Subscribe, last: int) -> int:
        value = request.EventsStoreTypeValue
        if request.EventsStoreTypeData == S.StartAtSequence:
            return value if value <= last else last + 1
        if request.EventsStoreTypeData == S.StartAtTime:
            return next((e.Sequence for e in self._events if e.Timestamp >= value), last + 1)
        return {S.StartFromFirst: 1, S.StartFromLast: max(1, last)}.get(request.EventsStoreTypeData, last + 1)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def take(self, events: Iterator[pb.Event], context: Any) -> Iterator[pb.Result]:
        """Answer stored events until the connection breaks, as `takes` says; refuse the body `no`."""
        for event in events:
            self._break_if_due(context)
            self.takes -= 1
            self.taken.append(event)
            if self.keeps:
                self.put(1, EventID=event.EventID, Body=event.Body, Metadata=event.Metadata)
            if event.Body == b"no":
                yield pb.Result(EventID=event.EventID, Error="Error 110: invalid message, cannot be empty")
            elif event.Store and self.answers:
                self.answers -= 1
                yield pb.Result(EventID=event.EventID, Sent=True)
        self._break_if_due(context)

    def _break_if_due(self, context: Any) -> None:
        if self.takes == 0:
            self.takes = -1
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    def ping(self, request: pb.Empty, context: Any) -> pb.PingResult:
        if not self.answers_pings:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self.answers_pings)
        return pb.PingResult(Host="fake", ServerStartTime=int(time.time()))


@contextmanager
def fake_store_server() -> Iterator[FakeStore]:
    """Such a server on a free port, without events."""
    store = FakeStore()
    handlers = {
        "SubscribeToEvents": grpc.unary_stream_rpc_method_handler(
            store.subscribe, pb.Subscribe.FromString, serialized
        ),
        "SendEventsStream": grpc.stream_stream_rpc_method_handler(
            store.take, pb.Event.FromString, serialized
        ),
        "Ping": grpc.unary_unary_rpc_method_handler(store.ping, pb.Empty.FromString, serialized),
    }
    service = grpc.method_handlers_generic_handler("kubemq.kubemq", handlers)
    # Each subscription takes a thread until it ends.
    with serving(service, threads=16) as store.address:
        try:
            yield store
        finally:
            store.close()
