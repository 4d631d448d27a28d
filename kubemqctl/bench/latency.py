"""Latencies: kept while they come, put into an HDR histogram, and written for people. Door to that library.

It is an extra of the package and no dependency of the whole program, because one command alone needs it, and
it brings setuptools and, where it has no wheel (Alpine), the need of a C compiler with it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from kubemqctl.model.errors import UsageError
from kubemqctl.model.values import SECOND

LONGEST = 86_400 * SECOND
FIGURES = 3
"""Significant figures of a latency."""
BITS = 11
"""The first bits of a number that make up those figures."""
BARS, LEAST_FACTOR = 16, 1.05
"""Of a histogram that is drawn: the most bars, and the least from the bound of one to the next."""
INSTALL = "install it beside kubemqctl: pip install hdrhistogram, or pipx inject kubemqctl hdrhistogram"


def rounded(nanoseconds: int) -> int:
    """To the bits that a histogram tells apart."""
    shift = nanoseconds.bit_length() - BITS
    return nanoseconds >> shift << shift if shift > 0 else nanoseconds


class Latencies:
    """A histogram of latencies in nanoseconds. Raises UsageError where the library is not installed."""

    def __init__(self) -> None:
        try:
            from hdrh.histogram import HdrHistogram
        except ImportError as e:
            raise UsageError(
                f"bench needs the library hdrhistogram, which is not installed ({e})",
                hint=INSTALL,
                code="extra-missing",
            ) from e
        self._make = HdrHistogram
        self._counts: Counter[int] = Counter()

    def add(self, counts: Iterable[tuple[int, int]]) -> None:
        """Count latencies: how long, how often. Not after the first question."""
        for nanoseconds, count in counts:
            self._counts[min(nanoseconds, LONGEST)] += count

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self._counts.values())

    @cached_property
    def _histogram(self) -> Any:
        """All of them, in one no wider than need be: each question takes a step for each of its cells."""
        histogram = self._make(1, max([2, *self._counts]), FIGURES)
        for nanoseconds, count in self._counts.items():
            histogram.record_value(nanoseconds, count)
        return histogram

    def at(self, percentile: float) -> int | None:
        """So much of all took no longer; None when there is none."""
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
