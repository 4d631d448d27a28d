"""What waits to be put on one subscriber's stream, with an end to the patience for one that does not read.

Nobody waits for a slow subscriber. Up to BUFFER messages wait for it; of what lies beyond, one is lost each
STANDSTILL seconds in which it takes nothing, as on the real server, and what a backlog has no room for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

BUFFER = 100  # messages
STANDSTILL = 2.0  # seconds
MOST_WAITING = 65_536  # messages in a backlog
MOST_BYTES = 32 * 1024 * 1024  # likewise, but for one that is larger by itself

T = TypeVar("T")


class Ended(Exception):
    """Nothing comes any more; the text says why."""


class Outbox(Generic[T]):
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
            raise Ended(self._ended)
        return self._waiting.popleft()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


class Patience:
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
            self._timer = self._loop.call_later(STANDSTILL, self._ring)

    def moved(self) -> None:
        """Something was taken."""
        self._moved = self._loop.time()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if not self._full():
            return
        left = self._moved + STANDSTILL - self._loop.time()
        if left <= 0:
            self._lose()
            self._moved, left = self._loop.time(), STANDSTILL
        self._timer = self._loop.call_later(left, self._ring)


class Backlog(Outbox[bytes]):
    """What waits for a subscriber of events or requests, serialized. To be closed in the end."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._patience = Patience(lambda: len(self._waiting) > BUFFER, self._lose)

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
