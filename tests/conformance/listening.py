"""Subscriptions as tests hold them: live before the test goes on, everything that comes gathered in order."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import RETRY, Stub
from tests.support.server import SILENT
from tests.support.waiting import until

# The real server never says when a subscription is live; 0.4 s was always enough. Ours says so.
_SURELY_LIVE = 0.5 if SILENT else 10.0  # seconds


class Listener:
    """One subscription under way; `with` ends it. AssertionError when it is refused."""

    def __init__(self, stub: Stub, method: str, request: pb.Subscribe) -> None:
        self.call = stub.subscribe(method, request)
        self._came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._live = threading.Event()
        if not SILENT:  # there the first sign is an event or the end, which `_read` sees
            threading.Thread(target=self._await_sign, daemon=True).start()
        threading.Thread(target=self._read, daemon=True).start()
        if SILENT:
            stub.ping()  # behind it on the same connection: a busy server has read it then
        assert self._live.wait(_SURELY_LIVE) or SILENT, "no sign that the subscription is live"
        assert not self._ended.is_set(), f"refused: {self.call.code()}: {self.call.details()}"

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def take(self, count: int = 1, timeout: float = 30.0) -> list[Any]:
        """The next `count` messages; AssertionError with those that came when they do not all."""
        taken: list[Any] = []
        deadline = time.monotonic() + timeout
        while len(taken) < count:
            try:
                taken.append(self._came.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"only {len(taken)} of {count} came: {taken}") from None
        return taken

    def rest(self, seconds: float = 0.3) -> list[Any]:
        """What comes until nothing more has come for so long."""
        taken: list[Any] = []
        while True:
            try:
                taken.append(self._came.get(timeout=seconds))
            except queue.Empty:
                return taken

    def end(self) -> None:
        """Cancel, and wait until that is so on this side."""
        self.call.cancel()
        assert self._ended.wait(10)

    def _await_sign(self) -> None:
        self.call.initial_metadata()
        self._live.set()

    def _read(self) -> None:
        try:
            for message in self.call:
                self._came.put(message)
                self._live.set()
        except grpc.RpcError:
            pass  # code() tells
        self._ended.set()
        self._live.set()


def on_events(stub: Stub, channel: str, group: str = "", **fields: Any) -> Listener:
    return Listener(stub, "SubscribeToEvents", subscribe(stub, pb.Subscribe.Events, channel, group, **fields))


def on_store(stub: Stub, channel: str, start: Any, value: int = 0, **fields: Any) -> Listener:
    """A subscription to stored events from `start`."""
    return Listener(stub, "SubscribeToEvents", from_start(stub, channel, start, value, **fields))


def back_on_store(stub: Stub, channel: str, start: Any, value: int = 0, **fields: Any) -> Listener:
    """The same with a client id whose last subscription has just ended: it is free again within a second."""

    def again() -> Listener | None:
        try:
            return on_store(stub, channel, start, value, **fields)
        except AssertionError as e:
            # A server that is just ending the last one has no connection for it yet, and says: please retry.
            if not any(text in str(e) for text in ("already registered", RETRY)):
                raise
            return None

    return until(again, "the client id free again")  # type: ignore[return-value]


def on_requests(stub: Stub, kind: Any, channel: str, group: str = "", **fields: Any) -> Listener:
    return Listener(stub, "SubscribeToRequests", subscribe(stub, kind, channel, group, **fields))


def subscribe(stub: Stub, kind: Any, channel: str, group: str = "", **fields: Any) -> pb.Subscribe:
    values = {"SubscribeTypeData": kind, "ClientID": stub.client, "Channel": channel, "Group": group}
    return pb.Subscribe(**{**values, **fields})


def from_start(stub: Stub, channel: str, start: Any, value: int = 0, **fields: Any) -> pb.Subscribe:
    position = {"EventsStoreTypeData": start, "EventsStoreTypeValue": value}
    return subscribe(stub, pb.Subscribe.EventsStore, channel, **{**position, **fields})


def refusal(stub: Stub, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
    """The status that a call must fail with; a subscription fails before its first message."""
    try:
        if method.startswith("Subscribe"):
            call = stub.subscribe(method, request, timeout=10)
            next(call)
        else:
            stub.call(method, request)
    except grpc.RpcError as e:
        return e.code(), str(e.details())
    raise AssertionError("it was not refused")
