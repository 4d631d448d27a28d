"""The arithmetic of a rate limit, by a clock of the test's own."""

from __future__ import annotations

import pytest

from kubemqctl.runtime.waiting import RateLimiter


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += max(0.0, seconds)


def test_portions_go_at_their_times() -> None:
    clock = Clock()
    limiter = RateLimiter(50, clock.wait, clock.now)
    assert limiter.portion == 5
    times = []
    for _ in range(4):
        limiter(limiter.portion)
        times.append(round(clock.time - 100, 6))
    assert times == [0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("rate", "portion", "second"), [(0.5, 1, 2.0), (3, 1, 1 / 3), (100_000, 10_000, 0.1)]
)
def test_a_portion_is_a_tenth_of_a_second_but_a_message_at_least(
    rate: float, portion: int, second: float
) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, clock.wait, clock.now)
    limiter(limiter.portion)
    limiter(limiter.portion)
    assert limiter.portion == portion
    assert clock.time - 100 == pytest.approx(second)


def test_time_that_was_lost_is_not_made_up_for() -> None:
    clock = Clock()
    limiter = RateLimiter(10, clock.wait, clock.now)
    limiter(1)
    clock.time += 60
    limiter(1)
    assert clock.time == 160
    limiter(1)
    assert clock.time == pytest.approx(160.1)
