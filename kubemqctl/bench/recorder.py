"""What a worker of a benchmark measures: messages and bytes by time, latencies in a histogram."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from kubemqctl.bench.workload import HEAD, MEASURED, SMALLEST, Due
from kubemqctl.model.errors import AuthError, KubemqctlError, Unreachable, UsageError
from kubemqctl.model.limits import SECOND

# Numbers beyond come from no run: a body that merely looks like ours must not cost memory.
MOST_NUMBERED = 1 << 36


class Measurements(NamedTuple):
    """What a producer or a consumer measured; of what was sent while it warmed up nothing counts.

    `latencies` has counts by nanoseconds, `seen` a bit for each number of each producer. `first` and `last`
    are when the first and the last message were dealt with, on the monotonic clock in nanoseconds, `busy`
    the processor time between them, in nanoseconds.
    """

    accepted: int
    errors: int
    error: KubemqctlError | None
    received: int
    disorder: int
    seen: list[bytes]
    latencies: dict[int, int]
    first: int
    last: int
    busy: int


class Recorder:
    """Of a producer: `accepted`, `answered`, `failed`. Of a consumer: `take`. `tell` may be asked any time.

    `measured` is called with what has been measured so far, whenever that changes.
    """

    def __init__(self, run: bytes, producers: int, measured: Callable[[int], None]) -> None:
        self._run = run
        self._measured = measured
        self._accepted = self._errors = self._received = self._disorder = 0
        self._error: KubemqctlError | None = None
        self._seen = [bytearray() for _ in range(producers)]
        self._highest = [-1] * producers
        self._latencies: dict[int, int] = {}
        self._first = self._last = 0
        self._cpu = [0, 0]
        self._lock = threading.Lock()

    # --- a producer ---

    def began(self) -> None:
        """Note when the first measured message is sent."""
        if not self._first:
            self._first, self._cpu[0] = time.monotonic_ns(), time.process_time_ns()

    def accepted(self, sent: Sequence[Due]) -> None:
        """The server has accepted these messages."""
        if count := sum(due.phase for due in sent):
            self._accepted += count
            self._touch(time.monotonic_ns())
            self._measured(self._accepted)

    def answered(self, asked: Due, at: int) -> None:
        """A request was answered, at that time."""
        if asked.phase == MEASURED:
            with self._lock:
                self._accepted += 1
                self._keep(at - asked.at)
                self._touch(at)
                self._measured(self._accepted)

    def failed(self, count: int, error: KubemqctlError) -> None:
        """Messages were refused, or nobody knows. Raises `error` where the next one would fail as well."""
        with self._lock:
            self._errors += count
            self._error = self._error or error
        if isinstance(error, Unreachable | AuthError | UsageError):
            raise error

    # --- a consumer ---

    def take(self, bodies: Iterable[bytes], at: int) -> bool:
        """Count messages that came at that time; returns whether any of them is of this run."""
        is_ours = False
        before = self._received
        for body in bodies:
            if len(body) < SMALLEST:
                continue
            run, producer, phase, number, due = HEAD.unpack_from(body)
            if run != self._run:
                continue
            is_ours = True
            if phase == MEASURED and producer < len(self._seen) and number < MOST_NUMBERED:
                self._count(producer, number)
                self._keep(at - due)
        if self._received > before:
            self._touch(at)
            self._measured(self._received)
        return is_ours

    def _count(self, producer: int, number: int) -> None:
        self.began()
        self._received += 1
        seen = self._seen[producer]
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(seen):
            seen.extend(bytes(at - len(seen) + 4096))
        if number > self._highest[producer]:
            self._highest[producer] = number
        elif not seen[at] & bit:
            self._disorder += 1
        seen[at] |= bit

    # --- both ---

    def _keep(self, latency: int) -> None:
        key = rounded(max(1, latency))
        self._latencies[key] = self._latencies.get(key, 0) + 1

    def _touch(self, at: int) -> None:
        self._last, self._cpu[1] = at, time.process_time_ns()

    def tell(self) -> Measurements:
        """What was measured so far."""
        return Measurements(
            self._accepted,
            self._errors,
            self._error,
            self._received,
            self._disorder,
            [bytes(seen) for seen in self._seen],
            self._latencies,
            self._first,
            self._last,
            max(0, self._cpu[1] - self._cpu[0]),
        )


LONGEST = 86_400 * SECOND
FIGURES = 3
"""Significant figures of a latency."""
BITS = 11
"""The first bits of a number that make up those figures."""
BARS, LEAST_FACTOR = 16, 1.05
"""Of a histogram that is drawn: the most bars, and the least from the bound of one to the next."""
INSTALL = "pip install hdrhistogram, or with pipx: pipx inject kubemqctl hdrhistogram"


def rounded(nanoseconds: int) -> int:
    """`nanoseconds` rounded to the significant bits that the histogram keeps."""
    shift = nanoseconds.bit_length() - BITS
    return nanoseconds >> shift << shift if shift > 0 else nanoseconds


class Latencies:
    """A histogram of latencies in nanoseconds. Raises UsageError where the library is not installed."""

    def __init__(self) -> None:
        try:
            from hdrh.histogram import HdrHistogram
        except ImportError as e:
            # One that is there and cannot be loaded says more than its absence.
            is_absent = isinstance(e, ModuleNotFoundError) and str(e.name).startswith("hdrh")
            why = "which is not installed" if is_absent else f"which cannot be loaded: {e}"
            raise UsageError(
                f"bench needs the library hdrhistogram, {why}",
                hint=INSTALL,
                code="extra-missing",
            ) from e
        self._make = HdrHistogram
        self._counts: Counter[int] = Counter()

    def add(self, counts: Iterable[tuple[int, int]]) -> None:
        """Count latencies, a number for each value. Not to be called after the first query."""
        for nanoseconds, count in counts:
            self._counts[min(nanoseconds, LONGEST)] += count

    @property
    def count(self) -> int:
        """The number of latencies."""
        return sum(self._counts.values())

    @cached_property
    def _histogram(self) -> Any:
        """All of them, in one no wider than need be: each question takes a step for each of its cells."""
        histogram = self._make(1, max([2, *self._counts]), FIGURES)
        for nanoseconds, count in self._counts.items():
            histogram.record_value(nanoseconds, count)
        return histogram

    def at(self, percentile: float) -> int | None:
        """The latency at a percentile; None when there are no latencies."""
        return self.each({"it": percentile})["it"]

    def each(self, percentiles: Mapping[str, float]) -> dict[str, int | None]:
        """Percentiles by name, in one go; 0 gives the shortest, 100 the longest."""
        if not self.count:
            return dict.fromkeys(percentiles)
        found = self._histogram.get_percentile_to_value_dict(percentiles.values())
        return {name: int(found[percentile]) for name, percentile in percentiles.items()}

    def mean(self) -> int | None:
        """The mean; None when there is none."""
        return round(self._histogram.get_mean_value()) if self.count else None

    def bars(self, most: int = BARS) -> tuple[tuple[int, int], ...]:
        """Counts between bounds that grow by a constant factor, from the shortest to the longest."""
        shortest, longest = self.each({"shortest": 0.0, "longest": 100.0}).values()
        if shortest is None or longest is None:
            return ()
        span = max(longest, 1) / max(shortest, 1)
        most = max(1, min(most, int(math.log(span, LEAST_FACTOR))))
        bounds = [round(max(shortest, 1) * span ** (at / most)) for at in range(1, most)] + [longest]
        counts: Counter[int] = Counter()
        for item in self._histogram.get_recorded_iterator():
            value = min(item.value_iterated_to, longest)
            counts[next(at for at, bound in enumerate(bounds) if value <= bound)] += (
                item.count_at_value_iterated_to
            )
        return tuple((bound, counts[at]) for at, bound in enumerate(bounds))
