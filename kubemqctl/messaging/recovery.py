"""Servers that are lost during a move or a copy: waited for, and what that may have doubled is said."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from kubemqctl.model.errors import PASSING, KubemqctlError
from kubemqctl.model.text import count_text
from kubemqctl.runtime.waiting import Backoff, StopSignal

# So long a server that was lost is waited for, and so soon it is tried again: seconds.
REGAIN = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class Say(NamedTuple):
    """Where a run says what it has to say: warnings, and notes that -q leaves out."""

    warn: Callable[[str], None]
    note: Callable[[str], None] = lambda text: None


class Recovery:
    """Waits for servers that were lost. `doubt` is what may be said of the batch in flight meanwhile.

    `sends_again` is how many of it go to the target once more when the server is back. It is
    tried for REGAIN seconds, or `for_ever`: until a signal. A server that is lost as soon as it is back
    was not regained, unless something `went_well` in between.
    """

    def __init__(self, stop: StopSignal, say: Say, noun: str = "message", *, for_ever: bool = False) -> None:
        self.doubt = ""
        self.sends_again = 0
        self._stop = stop
        self._say = say
        self._noun = noun
        self._for_ever = for_ever
        # One for all: a server that lets itself be connected to and refuses the rest is asked less and less.
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._deadline = self._back_at = -math.inf

    def went_well(self) -> None:
        """Something arrived: the next loss is another one."""
        self._back_at = -math.inf
        self._backoff.reset()

    def regain(self, error: KubemqctlError, reconnect: Callable[[], None]) -> None:
        """Connect again; a signal ends that too. Raises `error` when the server is not back in time."""
        now = time.monotonic()
        if now > self._back_at + 2 * LONGEST_PAUSE:
            self._deadline = now + (math.inf if self._for_ever else REGAIN)
        elif now >= self._deadline:
            self._tell(is_back=False)
            raise error
        limit = "" if self._for_ever else f" for {REGAIN:g} s"
        self._say.note(f"{error.message}; trying again{limit}")
        is_back = False
        try:
            while not self._stop and not is_back:
                self._stop.wait(self._backoff.pause())
                try:
                    reconnect()
                    is_back = True
                    self._back_at = time.monotonic()
                except PASSING:
                    if time.monotonic() >= self._deadline:
                        raise error from None
        finally:
            self._tell(is_back)

    def _tell(self, is_back: bool) -> None:
        if is_back:
            self._say.note("connected again")
        if self.sends_again and is_back:
            what = in_flight(self.sends_again, self._noun)
            self._say.warn(f"{what} sent again, and may be in the target twice")
        elif self.doubt and not is_back:
            self._say.warn(self.doubt)
        self.doubt, self.sends_again = "", 0


def in_flight(count: int, noun: str = "message") -> str:
    """How what is said of the batch in flight begins."""
    return f"{count_text(count, noun)} of the batch in flight:"
