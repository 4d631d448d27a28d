"""What a move or a copy sends at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from kubemqctl.model.messages import Event, Received
from kubemqctl.runtime.waiting import RateLimiter, StopSignal

T = TypeVar("T")


class Portions(Generic[T]):
    """Cuts items into portions of at most `most` messages, and about `most_bytes`, for a request each.

    Each is given when `rate`, messages a second, allows it, and none once it is to stop. `sent` gives the
    message that an item is sent as; None for one that is passed over, which takes no room.
    """

    def __init__(
        self,
        most: int,
        most_bytes: int,
        rate: float | None,
        stop: StopSignal,
        sent: Callable[[T], Received | Event | None],
    ) -> None:
        self._limiter = RateLimiter(rate, stop.wait) if rate else None
        self._stop = stop
        self._most = min(most, self._limiter.portion) if self._limiter else most
        self._most_bytes = most_bytes
        self._sent = sent

    def __call__(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """`items`, in order; one that is too great by itself is a portion of its own."""
        at = 0
        while at < len(items) and not self._stop:
            end, count = self._end(items, at)
            if self._limiter and count:
                self._limiter(count)
            if not self._stop:
                yield items[at:end]
            at = end

    def _end(self, items: Sequence[T], at: int) -> tuple[int, int]:
        """Where the portion that begins at `at` ends, and how many messages it is."""
        count = size = 0
        while at < len(items) and count < self._most and (size < self._most_bytes or not count):
            message = self._sent(items[at])
            if message is not None:
                count += 1
                size += len(message.body) + len(message.metadata)
            at += 1
        return at, count
