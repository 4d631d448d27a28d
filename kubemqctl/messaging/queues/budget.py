"""When a worker takes more messages, how many, and when no more."""

from __future__ import annotations

import math
import time
from collections import deque

from kubemqctl.messaging.queues.held_messages import EmptyGet
from kubemqctl.messaging.queues.receive_options import (
    LONGEST_PAUSE,
    ROUND,
    SHORTEST_PAUSE,
    Expiring,
    ReceiveOptions,
)

MOST_IN_HAND = 500
"""Messages that a worker takes at most; slow handlers leave what they do not need to other workers."""
SLOW = 1.0
"""Seconds that a handler takes, when one that was quick before has become slow."""
DOUBT = 1.0
"""Seconds for which a queue is asked on that gives nothing although its server counts messages in it."""


class ReceiveBudget:
    """What a run may still take. `now` is monotonic seconds; `over` says that it takes no more.

    Patience counts while the server has our question and from the last message or free handler on; that
    nothing is there is concluded from an empty answer only.
    """

    def __init__(self, options: ReceiveOptions) -> None:
        self.over = False
        self.taken = 0
        self.has_asked = False  # whatever came of it
        self.uncounted = 0  # what the server counted and did not give
        self.newer = 0  # messages that the last Get brought, and that are not wanted
        self.last_sequence: int | None = None
        self._options = options
        self._left = options.most
        self._began = self._quiet_since = time.monotonic()
        self._answered = False
        self._failures = 0
        self._resume_at = 0.0
        self._doubted_since: float | None = None
        self._expiring = Expiring()
        self._finished: deque[float] = deque()

    def bound(self, waiting: int, last_sequence: int) -> None:
        """What waits now is all that is wanted."""
        self._left, self.last_sequence = waiting, last_sequence

    def time_left(self) -> float:
        """Seconds until it is over, for what time has to do with it."""
        options = self._options
        patience = options.idle if self.taken else options.wait
        silence = math.inf if patience is None else self._quiet_since + patience
        return min(silence - time.monotonic(), self.time_for_all)

    @property
    def time_for_all(self) -> float:
        """Seconds until the run is over, whatever comes."""
        lasting = self._options.lasting
        return math.inf if lasting is None else self._began + lasting - time.monotonic()

    @property
    def time_is_up(self) -> bool:
        """Whether the run has lasted as long as it may, and the server was asked."""
        return self.has_asked and self.time_for_all <= 0

    @property
    def pause(self) -> float:
        """Seconds until the next message should be taken."""
        return max(0.0, self._resume_at - time.monotonic())

    def want(self, concurrency: int, running: int) -> int:
        """How many to ask for: as many as were finished in the last second, but what handlers run."""
        want = self._pace(concurrency) - running
        return max(1, want if self._left is None else min(want, self._left))

    def _pace(self, concurrency: int) -> int:
        while self._finished and self._finished[0] < time.monotonic() - 1.0:
            self._finished.popleft()
        return min(max(concurrency, len(self._finished)), MOST_IN_HAND)

    def hoards(self, waiting: int, seconds: float, concurrency: int) -> bool:
        """Whether too many wait here, once a handler took so long: others may have time for them."""
        return seconds >= SLOW and waiting > 2 * self._pace(concurrency)

    def gave_back(self, count: int) -> None:
        """So many that came are to come again, here or elsewhere."""
        self.taken -= count
        if self._left is not None:
            self._left += count
        self.over = False

    def look(self) -> None:
        """See whether it is over."""
        in_vain = self._answered and self.time_left() <= 0 and self._doubted_since is None
        self.over = self.over or self._left == 0 or in_vain

    def counted(self, seconds: float) -> None:
        """Something was asked of the server meanwhile that patience is not meant for."""
        self._quiet_since += seconds
        self._began += 0.0 if self.taken else seconds

    def resumed(self, pause: float = 0.0) -> None:
        """A handler is free again, or the server there: silence counts from now on, or `pause` seconds on."""
        self._quiet_since = time.monotonic() + pause
        self._resume_at = max(self._resume_at, self._quiet_since)
        self._answered = False

    def finished(self) -> None:
        """A handler has ended."""
        self._finished.append(time.monotonic())
        self.resumed()

    @property
    def is_last_question(self) -> bool:
        """Whether an empty answer now is the end, but for what the server counts."""
        return self._options.everything or self.time_left() < ROUND * 0.1

    def came_empty(self, empty: EmptyGet, counted: int | None) -> None:
        """A Get brought nothing; the server counts so many messages beyond those that we hold.

        None where it was not asked, as nothing is concluded yet. A Get that came back early met an expired
        message, or newer ones than are wanted: servers may give those first while others settle theirs.
        """
        self._answered = self.has_asked = True
        self.newer = empty.newer
        if empty.newer:
            self._resume_at = time.monotonic() + SHORTEST_PAUSE
            if counted is not None:
                self._doubt(counted)
        elif empty.waited < ROUND * 0.9:
            if self._expiring.is_too_long(now := time.monotonic()):
                self._resume_at = now + SHORTEST_PAUSE
            else:
                self.resumed()
        else:
            self._expiring.ended()
            if counted is not None:
                self._doubt(counted)

    def _doubt(self, counted: int) -> None:
        now = time.monotonic()
        if self._doubted_since is None:
            self._doubted_since = now
        if counted <= 0 or now - self._doubted_since >= DOUBT:
            self.over = True
            # Of more newer messages than one Get brings there is no telling.
            self.uncounted = 0 if self.newer else max(0, counted)

    def came(self) -> bool:
        """One message more; whether it is wanted."""
        if self.over:
            return False
        self.has_asked = True
        self.taken += 1
        self.newer = 0
        self._expiring.ended()
        self._doubted_since = None
        if self._left is not None:
            self._left -= 1
            self.over = self._left == 0
        self.resumed()
        return True

    def succeeded(self) -> None:
        """A handler has done its work."""
        self._failures = 0
        self._resume_at = 0.0

    def failed(self, concurrency: int) -> bool:
        """Slow down while nothing succeeds; whether that begins now."""
        self._failures += 1
        in_vain = self._failures - concurrency
        if in_vain <= 0 or self._options.everything:
            return False
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(in_vain - 1, 10))
        self._resume_at = time.monotonic() + pause
        return in_vain == 1
