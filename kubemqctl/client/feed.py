"""What a subscription brings, as it comes, and a heartbeat on the same connection.

A thread of ours takes the answers off gRPC's iterator, because that cannot be waited on together with
signals and timers. It holds a limited amount; beyond that the connection itself is left to fill, so that a
slow reader costs memory nowhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc

from kubemqctl.client.connection import Client
from kubemqctl.client.error_translation import rpc_error
from kubemqctl.client.streams import Judge, as_it_is
from kubemqctl.model.errors import ConnectionLost
from kubemqctl.wire import kubemq_pb2 as pb
from kubemqctl.wire.convert import STORED

T = TypeVar("T")
MOST_HELD = 1_000
MOST_BYTES_HELD = 8 << 20
# Server 2.4.0 drops an event that a subscriber does not take within two seconds.
STALL = 1.0
# So long, in seconds, an ended stream has for the last of what it brought.
LAST_ITEMS = 1.0


class Feed(Generic[T]):
    """A server stream of `T`. `notify` is called in another thread when there is news."""

    def __init__(
        self,
        call: Any,
        convert: Callable[[Any], T],
        notify: Callable[[], None],
        address: str,
        judge: Judge = as_it_is,
    ) -> None:
        self.signed: float | None = None  # when the server gave a sign of the subscription; monotonic seconds
        self.stored: int | None = None  # how many stored events it begins with; None where it does not say
        self.stalled = False  # nobody took what was held, for so long that a server may drop what follows
        self._call = call
        self._convert = convert
        self._notify = notify
        self._address = address
        self._judge = judge
        self._items: list[T] = []
        self._bytes = 0
        self._end: Exception | None = None
        self._closed = False
        self._is_ending = False
        self._room = threading.Condition()
        self._listener = threading.Thread(target=self._listen, name="feed", daemon=True)
        self._listener.start()

    def take(self) -> list[T]:
        """All that has come, in order, perhaps nothing. Raises why the stream ended once all is taken."""
        with self._room:
            # Behind the end nothing comes; before it something may, as soon as this is let go.
            items, end = self._items, self._end
            self._items, self._bytes = [], 0
            self._room.notify()
        if end:
            if not items:
                raise self._judge(end)
            self._notify()  # it is told the next time, which must come
        return items

    def close(self) -> None:
        """End the subscription; nothing more comes of it."""
        with self._room:
            self._closed = True
            self._room.notify()
        self._call.cancel()

    def finish(self) -> list[T]:
        """End the subscription; gives what had come of it and nobody has taken."""
        with self._room:
            self._is_ending = True
            self._room.notify()
        self._call.cancel()
        # It may have one in its hands.
        self._listener.join(LAST_ITEMS)
        self.close()
        with self._room:
            items, self._items = self._items, []
        return items

    def _listen(self) -> None:
        try:
            # Ours sends it at once, server 2.4.0 with the first answer.
            self.stored = _stored(self._call.initial_metadata())
            self.signed = time.monotonic()
            self._notify()
            convert, put = self._convert, self._put
            for answer, size in self._call:
                item = convert(answer)
                del answer  # it may be large, and the next line may wait
                if not put(item, size):
                    return
                del item
            end: Exception = ConnectionLost(f"{self._address} ended the subscription")
        except grpc.RpcError as e:
            end = rpc_error(e, self._address)
        except Exception as e:
            # Whatever it is, nobody would hear of it in this thread.
            end = e
            self._call.cancel()
        self._end = end
        self._notify()

    def _put(self, item: T, size: int) -> bool:
        """Hand an item over, once there is room; False when nobody wants it any more."""
        with self._room:
            while not self._closed and self._is_full:
                if not self._room.wait(STALL):
                    self.stalled = True
            if self._closed:
                return False
            self._items.append(item)
            self._bytes += size
            first = len(self._items) == 1
        if first:
            self._notify()
        return True

    @property
    def _is_full(self) -> bool:
        much = len(self._items) >= MOST_HELD or self._bytes >= MOST_BYTES_HELD
        return much and not self._is_ending


def _stored(metadata: Any) -> int | None:
    """What the server says of the events that it holds for a subscription, if it says anything."""
    text = next((value for key, value in metadata or () if key == STORED), "")
    return int(text) if len(text) < 20 and text.isascii() and text.isdigit() else None


def subscribe(
    client: Client,
    method: str,
    request: pb.Subscribe,
    convert: Callable[[Any], T],
    notify: Callable[[], None],
) -> Feed[T]:
    """Open a subscription. What the server refuses it for comes out of `Feed.take`."""
    call, judge = client.listen(method, request)
    return Feed(call, convert, notify, client.address, judge)
