"""When a worker takes another message, how long it pauses before that, and when it takes no more."""

from __future__ import annotations

import math
import time

from kubemqctl.expiring import Expiring
from kubemqctl.intake import LONGEST_PAUSE, ROUND, SHORTEST_PAUSE, Source, Wish
from kubemqctl.model.messages import Received


class Quota:
    """When to take another message, and when no more."""

    def __init__(self, wish: Wish, source: Source) -> None:
        self.over = False
        self.taken = 0
        self._wish = wish
        self._left = wish.most
        self._last_sequence: int | None = None
        self._began = self._quiet_since = time.monotonic()
        self._failures = 0
        self._resume_at = 0.0
        self._expiring = Expiring()
        if wish.everything and (depth := source.depth()) and depth.is_sure:
            self._left, self._last_sequence = depth.waiting, depth.last_sequence

    def time_left(self) -> float:
        """Seconds until it is over, for what time has to do with it."""
        wish = self._wish
        patience = wish.idle if self.taken else wish.wait
        silence = math.inf if patience is None else self._quiet_since + patience
        end = math.inf if wish.lasting is None else self._began + wish.lasting
        return min(silence, end) - time.monotonic()

    @property
    def pause(self) -> float:
        """Seconds until the next message should be taken."""
        return max(0.0, self._resume_at - time.monotonic())

    def look(self) -> None:
        """See whether it is over."""
        self.over = self.over or self._left == 0 or self.time_left() <= 0

    def resumed(self) -> None:
        """A handler is free again: silence counts from now on."""
        self._quiet_since = time.monotonic()

    def came_empty(self, waited: float) -> None:
        """A Get brought nothing; one that came back early met an expired message."""
        if waited >= ROUND * 0.9:
            self._expiring.ended()
            self.over = self.over or self._wish.everything
        elif self._expiring.is_too_long(now := time.monotonic()):
            self._resume_at = now + SHORTEST_PAUSE
        else:
            self.resumed()

    def came(self, message: Received) -> bool:
        """Whether `message` is wanted."""
        if self._last_sequence is not None and message.sequence > self._last_sequence:
            self.over = True
        if self.over:
            return False
        self.taken += 1
        self._expiring.ended()
        if self._left is not None:
            self._left -= 1
        self.resumed()
        return True

    def succeeded(self) -> None:
        self._failures = 0
        self._resume_at = 0.0

    def failed(self, concurrency: int) -> bool:
        """Slow down while nothing succeeds; whether that begins now."""
        self._failures += 1
        in_vain = self._failures - concurrency
        if in_vain <= 0 or self._wish.everything:
            return False
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(in_vain - 1, 10))
        self._resume_at = time.monotonic() + pause
        return in_vain == 1
