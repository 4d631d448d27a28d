"""Subscribers by channel, what waits for each, and how much each channel was used."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

BUFFER = 100  # messages
STANDSTILL = 2.0  # seconds
MOST_WAITING = 65_536  # messages in a backlog
MOST_BYTES = 32 * 1024 * 1024  # likewise, but for one that is larger by itself
T = TypeVar("T")


class SubscriptionEnded(Exception):
    """Nothing comes any more; the text says why."""


class StreamBuffer(Generic[T]):
    """A queue with one reader, who waits in `next`."""

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()
        self._woken: asyncio.Future[None] | None = None
        self._ended = ""

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def put(self, item: T) -> None:
        self._waiting.append(item)
        self._wake()

    def end(self, reason: str) -> None:
        """Whoever reads is sent away, now; what waits is not taken any more."""
        self._ended = reason
        self._wake()

    async def next(self) -> T:
        """The next item. Raises Ended."""
        while not self._waiting and not self._ended:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        if self._ended:
            raise SubscriptionEnded(self._ended)
        return self._waiting.popleft()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


class SlowReaderTimer:
    """Calls `lose` for each STANDSTILL seconds without `moved`, while `full` says that too much waits."""

    def __init__(self, full: Callable[[], bool], lose: Callable[[], None]) -> None:
        self._full = full
        self._lose = lose
        self._loop = asyncio.get_running_loop()
        self._moved = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Too much waits: begin to look at the clock."""
        if self._timer is None:
            self._timer = self._loop.call_later(STANDSTILL, self._notify)

    def moved(self) -> None:
        """Something was taken."""
        self._moved = self._loop.time()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _notify(self) -> None:
        self._timer = None
        if not self._full():
            return
        left = self._moved + STANDSTILL - self._loop.time()
        if left <= 0:
            self._lose()
            self._moved, left = self._loop.time(), STANDSTILL
        self._timer = self._loop.call_later(left, self._notify)


class MessageBuffer(StreamBuffer[bytes]):
    """What waits for a subscriber of events or requests, serialized. To be closed in the end."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._patience = SlowReaderTimer(lambda: len(self._waiting) > BUFFER, self._lose)

    def offer(self, data: bytes) -> bool:
        """Put `data` in line; False when it was lost, because too much waits already."""
        size = len(data)
        if self._waiting and (self._bytes + size > MOST_BYTES or len(self._waiting) >= MOST_WAITING):
            return False
        self._bytes += size
        self.put(data)
        if len(self._waiting) > BUFFER:
            self._patience.watch()
        return True

    async def next(self) -> bytes:
        data = await super().next()
        self._bytes -= len(data)
        self._patience.moved()
        return data

    def close(self) -> None:
        self._waiting.clear()
        self._patience.stop()

    def _lose(self) -> None:
        self._bytes -= len(self._waiting[BUFFER])
        del self._waiting[BUFFER]


_REMEMBERED = 4096  # channels whose listeners are remembered between two changes


class Subscription(NamedTuple):
    """One subscriber's interest; "" is no group."""

    pattern: str
    group: str
    buffer: MessageBuffer


class Listeners(NamedTuple):
    """Who listens to one channel: each of `plain`, and one of each of `groups`."""

    plain: list[MessageBuffer]
    groups: list[list[MessageBuffer]]

    def chosen(self) -> list[MessageBuffer]:
        """Those who get the next message: all that are plain, and a random member of each group."""
        if not self.groups:
            return self.plain
        return [*self.plain, *map(random.choice, self.groups)]


class Subscriptions:
    """All subscriptions of one kind: events, commands or queries."""

    def __init__(self) -> None:
        self._all: dict[int, Subscription] = {}
        self._known: dict[str, Listeners] = {}

    def add(self, subscription: Subscription) -> None:
        self._all[id(subscription.buffer)] = subscription
        self._known.clear()

    def remove(self, subscription: Subscription) -> None:
        self._all.pop(id(subscription.buffer), None)
        self._known.clear()

    def to(self, channel: str) -> Listeners:
        """Who listens to `channel`."""
        found = self._known.get(channel)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[channel] = self._find(channel)
        return found

    def end(self, reason: str) -> None:
        """Nothing comes any more."""
        for subscription in self._all.values():
            subscription.buffer.end(reason)

    def _find(self, channel: str) -> Listeners:
        plain: list[MessageBuffer] = []
        groups: dict[str, list[MessageBuffer]] = {}
        for subscription in self._all.values():
            if matches(subscription.pattern, channel):
                into = groups.setdefault(subscription.group, []) if subscription.group else plain
                into.append(subscription.buffer)
        return Listeners(plain, list(groups.values()))


def matches(pattern: str, channel: str) -> bool:
    """Whether a subscription to `pattern` gets what is sent to `channel`."""
    if pattern == channel:
        return True
    wanted, tokens = pattern.split("."), channel.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
        del tokens[len(wanted) :]
    return len(wanted) == len(tokens) and all(w in ("*", t) for w, t in zip(wanted, tokens, strict=True))


_MOST = 10_000  # channels of one kind; the ones longest unused are forgotten first


class Usage:
    """What went in and out of one channel; `activity` in Unix nanoseconds."""

    __slots__ = ("activity", "bytes_in", "bytes_out", "messages_in", "messages_out", "responses")

    def __init__(self) -> None:
        self.messages_in = self.bytes_in = 0
        self.messages_out = self.bytes_out = 0
        self.responses = 0
        self.activity = 0

    def came(self, size: int, deliveries: int) -> None:
        """A message of `size` bytes came in, and went out so many times."""
        self.messages_in += 1
        self.bytes_in += size
        self.messages_out += deliveries
        self.bytes_out += deliveries * size


class Usages:
    """The channels of one kind."""

    def __init__(self) -> None:
        self._known: dict[str, Usage] = {}

    def of(self, channel: str, now: int) -> Usage:
        """The usage of `channel`, which is used now."""
        found = self._known.pop(channel, None)
        if found is None:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            found = Usage()
        self._known[channel] = found
        found.activity = now
        return found

    def known(self) -> dict[str, Usage]:
        """All of them, by name."""
        return dict(self._known)

    def forget(self, channel: str) -> bool:
        """Forget a channel; False when it was not known."""
        return self._known.pop(channel, None) is not None
