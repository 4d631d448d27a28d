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
        """The next item. Raises SubscriptionEnded."""
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


class Shared:
    """A message on its way to any number of subscribers: its bytes are there once, and counted once."""

    __slots__ = ("_account", "_holders", "data")

    def __init__(self, data: bytes, account: Account) -> None:
        self.data = data
        self._account = account
        self._holders = 0

    def fits(self) -> bool:
        """Whether one more may hold it: one that is held already takes no more."""
        return self._holders > 0 or self._account.has_room_for(len(self.data))

    def hold(self) -> None:
        self._holders += 1
        if self._holders == 1:
            self._account.used += len(self.data)

    def let_go(self) -> None:
        self._holders -= 1
        if not self._holders:
            self._account.used -= len(self.data)


class Account:
    """The bytes that wait for subscribers, over all buffers of a kind."""

    def __init__(self, most: int = 4 * MOST_BYTES) -> None:
        self.used = 0
        self._most = most

    def has_room_for(self, size: int) -> bool:
        return self.used + size <= self._most


class MessageBuffer(StreamBuffer[Shared]):
    """What waits for a subscriber of events or requests, serialized. To be closed in the end."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._patience = SlowReaderTimer(lambda: len(self._waiting) > BUFFER, self._lose)

    def offer(self, shared: Shared) -> bool:
        """Put a message in line; False when it was lost, because too much waits already."""
        size = len(shared.data)
        if self._waiting and (self._bytes + size > MOST_BYTES or len(self._waiting) >= MOST_WAITING):
            return False
        if self._waiting and not shared.fits():
            return False
        self._bytes += size
        shared.hold()
        self.put(shared)
        if len(self._waiting) > BUFFER:
            self._patience.watch()
        return True

    async def next(self) -> Shared:
        """The next one, to be let go of when it is on the stream."""
        shared = await super().next()
        self._bytes -= len(shared.data)
        self._patience.moved()
        return shared

    def close(self) -> None:
        for shared in self._waiting:
            shared.let_go()
        self._waiting.clear()
        self._patience.stop()

    def _lose(self) -> None:
        self._bytes -= len(self._waiting[BUFFER].data)
        self._waiting[BUFFER].let_go()
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
        # By pattern, since many may share one: a long one is split and compared once.
        self._all: dict[str, dict[int, Subscription]] = {}
        self._wild: dict[str, Pattern] = {}
        self._known: dict[str, Listeners] = {}

    def add(self, subscription: Subscription) -> None:
        pattern = subscription.pattern
        if pattern not in self._all and ("*" in pattern or ">" in pattern):
            self._wild[pattern] = Pattern.of(pattern)
        self._all.setdefault(pattern, {})[id(subscription.buffer)] = subscription
        self._known.clear()

    def remove(self, subscription: Subscription) -> None:
        same = self._all.get(subscription.pattern, {})
        same.pop(id(subscription.buffer), None)
        if not same:
            self._all.pop(subscription.pattern, None)
            self._wild.pop(subscription.pattern, None)
        self._known.clear()

    def to(self, channel: str) -> Listeners:
        """Who listens to `channel`."""
        found = self._known.get(channel)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[channel] = self._find(channel)
        return found

    def deliver(self, channel: str, shared: Shared) -> int:
        """Hand a message to those who get it; how many have taken it."""
        return sum(buffer.offer(shared) for buffer in self.to(channel).chosen())

    def end(self, reason: str) -> None:
        """Nothing comes any more."""
        for same in self._all.values():
            for subscription in same.values():
                subscription.buffer.end(reason)

    def _find(self, channel: str) -> Listeners:
        words = channel.split(".")
        patterns = [channel, *(pattern for pattern, wild in self._wild.items() if wild.matches(words))]
        plain: list[MessageBuffer] = []
        groups: dict[str, list[MessageBuffer]] = {}
        for pattern in patterns:
            for subscription in self._all.get(pattern, {}).values():
                into = groups.setdefault(subscription.group, []) if subscription.group else plain
                into.append(subscription.buffer)
        return Listeners(plain, list(groups.values()))


class Pattern(NamedTuple):
    """A pattern with wildcards, split: `*` is any word, `>` at the end any one or more."""

    length: int
    open_ended: bool
    literals: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, pattern: str) -> Pattern:
        words = pattern.split(".")
        open_ended = words[-1] == ">"
        if open_ended:
            words.pop()
        return cls(len(words), open_ended, tuple((n, w) for n, w in enumerate(words) if w != "*"))

    def matches(self, words: list[str]) -> bool:
        """Whether a channel of these words fits."""
        if len(words) <= self.length if self.open_ended else len(words) != self.length:
            return False
        return all(words[n] == word for n, word in self.literals)


_MOST = 10_000  # channels of one kind; the ones longest unused are forgotten first
_MOST_IN_NAMES = 4 * 1024 * 1024  # characters of their names, likewise


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
        self._in_names = 0

    def of(self, channel: str, now: int) -> Usage:
        """The usage of `channel`, which is used now."""
        found = self._known.pop(channel, None)
        if found is None:
            self._in_names += len(channel)
            while len(self._known) >= _MOST or (self._known and self._in_names > _MOST_IN_NAMES):
                self.forget(next(iter(self._known)))
            found = Usage()
        self._known[channel] = found
        found.activity = now
        return found

    def known(self) -> dict[str, Usage]:
        """All of them, by name."""
        return dict(self._known)

    def forget(self, channel: str) -> bool:
        """Forget a channel; False when it was not known."""
        if self._known.pop(channel, None) is None:
            return False
        self._in_names -= len(channel)
        return True
