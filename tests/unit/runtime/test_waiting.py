"""The arithmetic of a rate limit, and which signal is a second one, by a clock of the test's own."""

from __future__ import annotations

import signal

import pytest

from kubemqctl.model.limits import SAME_SIGNAL
from kubemqctl.runtime.waiting import RateLimiter, StopSignal


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


@pytest.mark.parametrize(
    ("second", "later", "ends"),
    [
        (signal.SIGTERM, 0.0, False),
        (signal.SIGTERM, 0.9 * SAME_SIGNAL, False),
        (signal.SIGTERM, 1.1 * SAME_SIGNAL, True),
        (signal.SIGINT, 0.0, True),
    ],
)
def test_the_same_signal_at_once_is_not_a_second_one_as_timeout_sends_it_twice(
    second: signal.Signals, later: float, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, codes = Clock(), list[int]()
    monkeypatch.setattr("kubemqctl.runtime.waiting.time.monotonic", clock.now)
    monkeypatch.setattr("kubemqctl.runtime.waiting.os._exit", codes.append)
    # A job in the background has SIGINT ignored.
    before = signal.signal(second, signal.SIG_DFL)
    with StopSignal() as stop:
        signal.raise_signal(signal.SIGTERM)
        clock.time += later
        signal.raise_signal(second)
    signal.signal(second, before)
    assert stop.signum == signal.SIGTERM
    assert codes == [128 + second] * ends


def test_a_signal_that_is_ignored_stays_ignored_as_nohup_wants_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop
            signal.raise_signal(signal.SIGTERM)
            assert stop.signum == signal.SIGTERM
    finally:
        signal.signal(signal.SIGHUP, before)
