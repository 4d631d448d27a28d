"""How long to wait for an answer: as long as bytes move. A slow link is no dead one.

A message of megabytes takes minutes over some links, and gRPC hands it over only when it is whole: that it
is on its way is told by `link_progress` alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kubemqctl.model.errors import TimedOut

# How often the bytes are looked at, and a stop is: seconds.
STEP = 0.25
# Once a stop came, an answer that shows no sign of coming is waited for no longer: seconds.
LAST_ANSWER = 3.0

Traffic = Callable[[], int]


class AnswerTimer:
    """Says when to give up waiting for one answer: `timeout` seconds from now, and from the last progress.

    Once `stopping`, that is LAST_ANSWER seconds at most; without `insists` whatever moves.
    """

    def __init__(
        self,
        timeout: float,
        traffic: Traffic,
        stopping: Callable[[], bool] = lambda: False,
        insists: bool = False,
    ) -> None:
        self._quiet = timeout
        self._traffic = traffic
        self._stopping = stopping
        self._insists = insists
        self._stopped = False
        self._moved: int | None = None
        self._deadline = time.monotonic() + timeout
        self._look_at = time.monotonic()

    def step(self) -> float:
        """Seconds to wait before `is_over` should be asked again."""
        return max(0.0, min(STEP, self._quiet / 4, self._deadline - time.monotonic()))

    @property
    def is_over(self) -> bool:
        """Whether nothing has moved for too long."""
        now = time.monotonic()
        if not self._stopped and self._stopping():
            self._stopped = True
            self._quiet = min(self._quiet, LAST_ANSWER)
            self._deadline = min(self._deadline, now + LAST_ANSWER)
        if now >= self._look_at and (self._insists or not self._stopped):
            self._look_at = now + min(STEP, self._quiet / 4)
            before, self._moved = self._moved, self._traffic()
            if before is not None and before != self._moved:
                self._deadline = max(self._deadline, now + self._quiet)
        return now >= self._deadline

    def error(self, address: str) -> TimedOut:
        """What to raise then; it names the seconds that were given, fewer after a stop."""
        return TimedOut(f"{address} did not answer within {self._quiet:.3g} s")


def watch(call: Any, timer: AnswerTimer) -> None:
    """Cancel a call of gRPC's once `timer` is over; in a thread of its own, which ends with the call."""

    def look() -> None:
        while call.is_active():
            if timer.is_over:
                call.cancel()
                return
            time.sleep(timer.step())

    threading.Thread(target=look, name="watch", daemon=True).start()
