"""When messages are due, and who sends which."""

from __future__ import annotations

from itertools import chain
from typing import Any

from kubemqctl.bench.workload import MEASURED as COUNTS
from kubemqctl.bench.workload import WARM, Due, Schedule
from kubemqctl.model.limits import SECOND
from tests.unit.bench.sample_run import MS, workload


class Clock:
    """Nanoseconds that pass when somebody waits, as an event that is never set."""

    def __init__(self) -> None:
        self.now = 0
        self.is_stopped = False

    def __call__(self) -> int:
        return self.now

    def is_set(self) -> bool:
        return self.is_stopped

    def wait(self, seconds: float) -> bool:
        self.now += max(1, round(seconds * SECOND))
        return False


def schedule(clock: Clock, producer: int = 0, **changes: Any) -> Schedule:
    event: Any = clock
    return Schedule(workload(**changes), producer, 0, event, clock)


def test_with_a_rate_messages_are_due_at_even_intervals_between_all_producers() -> None:
    clocks = [Clock(), Clock()]
    plans = [schedule(clock, at, producers=2, rate=10.0, total=6) for at, clock in enumerate(clocks)]
    found = [[plan.due(5)[0].at // MS for _ in range(3)] for plan in plans]
    assert found == [[0, 200, 400], [100, 300, 500]]
    assert [plan.due(5) for plan in plans] == [[], []]


def test_what_is_late_keeps_the_time_at_which_it_was_due() -> None:
    clock = Clock()
    plan = schedule(clock, rate=100.0)
    assert [due.at // MS for due in plan.due(5)] == [0]
    clock.now = 35 * MS
    assert [due.at // MS for due in plan.due(2)] == [10, 20]
    assert [due.at // MS for due in plan.due(9)] == [30]


def test_without_a_rate_a_message_is_due_when_it_is_asked_for() -> None:
    clock = Clock()
    plan = schedule(clock)
    clock.now = 7
    assert plan.due(2) == [Due(COUNTS, 0, 7), Due(COUNTS, 1, 7)]
    clock.now = SECOND
    assert plan.due(2) == []


def test_what_is_sent_to_warm_up_has_numbers_of_its_own_and_is_not_counted() -> None:
    clock = Clock()
    plan = schedule(clock, warm_up=0.02, rate=100.0, total=2, duration=None)
    found = list(chain.from_iterable(iter(lambda: plan.due(1), [])))
    assert [(due.phase, due.number) for due in found] == [(WARM, 0), (WARM, 1), (COUNTS, 0), (COUNTS, 1)]


def test_a_stop_ends_the_schedule() -> None:
    clock = Clock()
    plan = schedule(clock, rate=1.0, duration=None, total=5)
    assert plan.due(1)
    clock.is_stopped = True
    assert plan.due(1) == []


def test_a_count_is_shared_evenly() -> None:
    work = workload(producers=3, total=8, duration=None)
    assert [work.share(producer) for producer in range(3)] == [3, 3, 2]
