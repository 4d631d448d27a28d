"""Latencies, counted in a histogram."""

from __future__ import annotations

import pytest

from kubemqctl.bench.recorder import Latencies, rounded


def test_percentiles_are_right_to_a_thousandth() -> None:
    exact = sorted(round(1000 * 1.0007**n) for n in range(20_000))
    latencies = Latencies()
    latencies.add((rounded(value), 1) for value in exact)
    for percentile in (50.0, 90.0, 99.0, 99.9):
        found = latencies.at(percentile)
        assert found == pytest.approx(exact[round(percentile / 100 * len(exact)) - 1], rel=0.002)
    assert latencies.at(100) == pytest.approx(exact[-1], rel=0.001)
    assert sum(count for _, count in latencies.bars()) == len(exact)


def test_nothing_measured_has_no_latencies_and_no_bars() -> None:
    empty = Latencies()
    assert (empty.at(50), empty.mean(), empty.bars()) == (None, None, ())


def test_a_latency_that_no_histogram_holds_is_its_greatest() -> None:
    latencies = Latencies()
    latencies.add([(10**18, 1)])
    assert latencies.count == 1
