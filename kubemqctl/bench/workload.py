"""What a benchmark is to do, and when each message of it is due.

With a rate every message has its time, kept whatever the server does: one that goes out late counts from
when it should have, so that a stall is felt by all whom it would have kept waiting. Without one a slow
server slows its senders down, and what they then do not send is never measured.

Times are nanoseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from struct import Struct
from typing import Literal, NamedTuple

from kubemqctl.model.limits import SECOND

Pattern = Literal["queue", "events", "store", "cmd", "query"]
WARM, MEASURED = 0, 1


class Workload(NamedTuple):
    """`total` and `rate` (a second) are of all producers together; `duration` and `warm_up` are seconds.

    Either `total` or `duration` ends it. `timeout` is seconds that a request may take. With `existing`, the
    requests are answered by somebody who is there already, and there are no consumers.
    """

    pattern: Pattern
    channel: str
    producers: int
    consumers: int
    size: int
    total: int | None
    duration: float | None
    rate: float | None
    warm_up: float
    batch: int = 0
    in_flight: int = 0
    timeout: float = 0.0
    existing: bool = False

    @property
    def is_asking(self) -> bool:
        """Whether producers wait for answers of consumers."""
        return self.pattern in ("cmd", "query")

    @property
    def copies(self) -> int:
        """How many consumers get each message."""
        return self.consumers if self.pattern in ("events", "store") else 1

    def share(self, producer: int) -> int | None:
        """How many messages a producer sends; None when time ends the run."""
        if self.total is None:
            return None
        return self.total // self.producers + (producer < self.total % self.producers)


class Due(NamedTuple):
    """A message to send: its number within its phase, and when it is to go, or went."""

    phase: int
    number: int
    at: int


class Schedule:
    """One producer's messages, in order; may be asked from several threads."""

    def __init__(
        self,
        work: Workload,
        producer: int,
        begin: int,
        stop: threading.Event,
        now: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`begin` is when the warm-up begins."""
        self._stop = stop
        self._now = now
        self._interval = work.producers / work.rate * SECOND if work.rate else 0.0
        self._first = begin + round(self._interval * producer / work.producers)
        self._measured = begin + round(work.warm_up * SECOND)
        self._end = None if work.duration is None else self._measured + round(work.duration * SECOND)
        self._left = work.share(producer)
        self._given = 0
        self._numbers = [0, 0]
        self._lock = threading.Lock()

    def due(self, most: int) -> list[Due]:
        """What is due, up to `most`; waits for the first. Empty when there is no more to come."""
        with self._lock:
            self._wait()
            found: list[Due] = []
            while len(found) < most and (one := self._next()):
                found.append(one)
            return found

    def _at(self) -> int:
        """When the next message is due; without a rate, as soon as the run has begun."""
        return self._first + int(self._given * self._interval)

    def _wait(self) -> None:
        while not self._stop.is_set():
            left = self._at() - self._now()
            if left <= 0 or self._is_over(self._at()):
                return
            self._stop.wait(left / SECOND)

    def _next(self) -> Due | None:
        now = self._now()
        at = self._at() if self._interval else now
        if self._stop.is_set() or at > now or self._is_over(max(at, now)):
            return None
        phase = MEASURED if at >= self._measured else WARM
        if phase == MEASURED and self._left is not None:
            self._left -= 1
        number = self._numbers[phase]
        self._numbers[phase] += 1
        self._given += 1
        return Due(phase, number, at)

    def _is_over(self, at: int) -> bool:
        if self._left is not None:
            return self._left <= 0
        return self._end is not None and at >= self._end


# --- what tells messages apart ---

# The run, the producer, the phase, the number, the time in nanoseconds.
HEAD = Struct("<8sIIQQ")
SMALLEST = HEAD.size


def new_run() -> bytes:
    """What tells the messages of one run from all others."""
    return os.urandom(8)


def writer(run: bytes, producer: int, size: int) -> Callable[[Due], bytes]:
    """Makes bodies of `size` bytes; what fills them does not compress."""
    filling = os.urandom(size - SMALLEST)
    pack = HEAD.pack
    return lambda due: pack(run, producer, *due) + filling
