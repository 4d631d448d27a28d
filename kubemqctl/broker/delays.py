"""Messages that are not due yet, released in the order of their due times."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Iterable

from kubemqctl.broker.schema import Delay

# At most so many at once, so that a crowd that is due together does not stop everything else.
_CROWD = 1000
_RETRY = 1_000_000_000  # nanoseconds, after the journal refused

# A delayed message, and its body where no journal has it.
Kept = tuple[Delay, bytes | None]


class Delays:
    """A heap and one timer. `release` is given those that are due; they are out of here then."""

    def __init__(self, release: Callable[[list[Kept]], None], clock: Callable[[], int]) -> None:
        self._release = release
        self._clock = clock
        self._heap: list[Delay] = []
        self._bodies: dict[int, bytes] = {}
        self._counts: Counter[str] = Counter()
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def recover(self, delays: list[Delay]) -> None:
        """Take up what the journal holds."""
        self._last = max((delay.number for delay in delays), default=0)
        for delay in delays:
            self._push(delay, None)
        self._set_timer()

    def number(self) -> int:
        """A number for one more."""
        self._last += 1
        return self._last

    def count(self, channel: str) -> int:
        """How many wait for `channel`."""
        return self._counts[channel]

    def add(self, delayed: Iterable[tuple[Delay, bytes]], *, keep: bool) -> None:
        """Messages were stored until they are due; `keep` their bodies here when no journal has them."""
        for delay, message in delayed:
            self._push(delay, message if keep else None)
        self._set_timer()

    def retry(self, due: list[Kept]) -> None:
        """A release could not be written: try again soon."""
        again = self._clock() + _RETRY
        for delay, message in due:
            self._push(delay._replace(due=again), message)
        self._set_timer()

    def forget(self, channel: str) -> None:
        """Drop those on their way to `channel`."""
        for delay in self._heap:
            if delay.channel == channel:
                self._bodies.pop(delay.number, None)
        self._heap = [delay for delay in self._heap if delay.channel != channel]
        heapq.heapify(self._heap)
        del self._counts[channel]

    def stop(self) -> None:
        """Release nothing any more."""
        self._heap.clear()
        self._set_timer()

    def take_due(self, now: int) -> list[Kept]:
        """Those that are due at `now`, a crowd at most."""
        due: list[Kept] = []
        while self._heap and self._heap[0].due <= now and len(due) < _CROWD:
            delay = heapq.heappop(self._heap)
            self._counts[delay.channel] -= 1
            due.append((delay, self._bodies.pop(delay.number, None)))
        return due

    def _push(self, delay: Delay, message: bytes | None) -> None:
        heapq.heappush(self._heap, delay)
        self._counts[delay.channel] += 1
        if message is not None:
            self._bodies[delay.number] = message

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            seconds = max(0.0, (self._heap[0].due - self._clock()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if due := self.take_due(self._clock()):
            self._release(due)
        self._set_timer()
