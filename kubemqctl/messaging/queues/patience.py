"""How long a run of `queue receive` goes on asking."""

from __future__ import annotations

import math
import time

from kubemqctl.messaging.queues.receive_options import ReceiveOptions


class Patience:
    """How long to go on asking. Only the seconds in which the server had our question count.

    That there is nothing is known from an empty answer alone: a question is asked at least once, and
    what connecting, counting and a slow reader take is no silence.
    """

    BEYOND = 1.0
    """Seconds for which an empty answer is doubted that comes while the server counts messages."""

    def __init__(self, options: ReceiveOptions) -> None:
        self._options = options
        self._began: float | None = None
        self._waited = 0.0
        self.answered = False
        self._was_empty = False
        self._came = False

    @property
    def _silence(self) -> float:
        limit = self._options.idle if self._came else self._options.wait
        return math.inf if limit is None else limit

    @property
    def left(self) -> float:
        """Seconds that the next question may wait."""
        return max(0.0, min(self._silence - self._waited, self.time_left))

    @property
    def time_left(self) -> float:
        """Seconds until the run has lasted as long as it may."""
        if self._options.lasting is None:
            return math.inf
        return self._options.lasting - (time.monotonic() - self._began if self._began else 0.0)

    @property
    def time_is_up(self) -> bool:
        """Whether it has, and the server was asked."""
        return self.answered and self.time_left <= 0

    @property
    def is_exhausted(self) -> bool:
        """Whether there was silence for as long as there may be."""
        return self._was_empty and self._waited >= self._silence

    @property
    def is_beyond(self) -> bool:
        """The same, and no doubt is left."""
        return self._was_empty and self._waited >= self._silence + self.BEYOND

    def asks(self) -> None:
        """A question goes out."""
        if self._began is None:
            self._began = time.monotonic()

    def came(self) -> None:
        """Messages did."""
        self.answered = self._came = True
        self._waited, self._was_empty = 0.0, False

    def was_empty(self, seconds: float) -> None:
        """The answer came after so long, and there was nothing in it."""
        self.answered = self._was_empty = True
        self._waited += seconds
