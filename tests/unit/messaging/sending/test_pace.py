"""When records are due that keep their gaps."""

from __future__ import annotations

from kubemqctl.messaging.input.message_parsers import MessageBatch
from kubemqctl.messaging.sending.pace import Pacer
from kubemqctl.model.messages import Message

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Clock:
    """A clock that goes on when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def wait(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


def job(*seconds: float | None) -> MessageBatch:
    times = [0 if s is None else START + round(s * SECOND) for s in seconds]
    count = len(times)
    return MessageBatch([Message(b"%d" % n) for n in range(count)], range(count), times)


def dues(factor: float, *seconds: float | None, most: int = 1000) -> list[tuple[list[int], float]]:
    clock = Clock()
    pacer = Pacer(factor, clock.wait, lambda: clock.now)
    found = []
    for part, due in pacer.portions(job(*seconds), most):
        found.append(([int(m.body) for m in part.messages], round(due - 100.0, 6)))
        pacer.wait(due)
    return found


def test_gaps_are_as_long_as_between_the_times_and_half_as_long_at_twice_the_pace() -> None:
    assert dues(1.0, 0, 1, 3) == [([0], 0.0), ([1], 1.0), ([2], 3.0)]
    assert dues(2.0, 0, 1, 3) == [([0], 0.0), ([1], 0.5), ([2], 1.5)]


def test_what_is_due_at_almost_the_same_moment_goes_out_together() -> None:
    assert dues(1.0, 0, 0.001, 0.004, 0.5, 0.501) == [([0, 1, 2], 0.0), ([3, 4], 0.5)]
    assert dues(1.0, 0, 0, 0, most=2) == [([0, 1], 0.0), ([2], 0.0)]


def test_what_has_no_time_or_an_earlier_one_follows_at_once() -> None:
    assert dues(1.0, None, 5, None, 2, 6) == [([0], 0.0 - 100.0), ([1, 2, 3], 0.0), ([4], 1.0)]


def test_a_delay_is_made_up_for() -> None:
    clock = Clock()
    pacer = Pacer(1.0, clock.wait, lambda: clock.now)
    parts = pacer.portions(job(0, 1, 2), 10)
    for _, due in (next(parts), next(parts)):
        pacer.wait(due)
        clock.now += 0.7  # what sending takes
    (_, due) = next(parts)
    pacer.wait(due)
    assert clock.now == 102.0
