"""What Ping tells of time, also after the clock of the machine was set."""

from __future__ import annotations

import time

import pytest

from kubemqctl.broker.service.queues import Uptime


class Clocks:
    """The wall clock and the monotonic one, as a test sets them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = 1_700_000_000.4, 50.0
        patch.setattr(time, "time", lambda: self.wall)
        patch.setattr(time, "monotonic", lambda: self.monotonic)

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.mark.parametrize("step", [-7200, 7200])
def test_a_clock_that_is_set_takes_no_time_and_start_and_uptime_still_tell_it(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(monkeypatch)
    uptime = Uptime()
    clocks.go_on(90.0)
    assert uptime() == (1_700_000_000, 90)
    clocks.wall += step
    clocks.go_on(10.0)
    assert uptime() == (1_700_000_000 + step, 100)


def test_the_start_does_not_wander_with_small_differences_of_the_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks = Clocks(monkeypatch)
    uptime = Uptime()
    clocks.go_on(5.0)
    clocks.wall += 0.9
    assert uptime() == (1_700_000_000, 5)
