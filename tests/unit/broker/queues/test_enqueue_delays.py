"""Delayed messages: their order, their crowd, what a failing journal and a deleted channel do to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kubemqctl.broker.queues.enqueue import Delays, Kept
from kubemqctl.broker.storage.schema import Delay

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def with_delays(work: Callable[[Delays, Clock], None]) -> None:
    async def main() -> None:
        clock = Clock()
        delays = Delays(lambda due: None, clock)
        work(delays, clock)
        delays.stop()

    asyncio.run(main())


def delayed(*dues: int, channel: str = "q") -> list[tuple[Delay, bytes]]:
    return [(Delay(due * SECOND, number, channel), b"%d" % number) for number, due in enumerate(dues, 1)]


def taken(due: list[Kept]) -> list[int]:
    return [delay.number for delay, _ in due]


def test_they_come_in_the_order_of_their_due_times() -> None:
    def work(delays: Delays, clock: Clock) -> None:
        delays.add(delayed(30, 10, 20), keep=True)
        assert delays.take_due(5 * SECOND) == []
        assert taken(delays.take_due(20 * SECOND)) == [2, 3]
        assert delays.take_due(30 * SECOND) == [(Delay(30 * SECOND, 1, "q"), b"1")]

    with_delays(work)


def test_of_equal_due_times_the_first_sent_comes_first() -> None:
    def work(delays: Delays, clock: Clock) -> None:
        delays.add(delayed(1, 1, 1), keep=True)
        assert taken(delays.take_due(SECOND)) == [1, 2, 3]

    with_delays(work)


def test_a_crowd_is_released_in_parts() -> None:
    def work(delays: Delays, clock: Clock) -> None:
        delays.add(delayed(*[1] * 2500), keep=False)
        assert [len(delays.take_due(SECOND)) for _ in range(4)] == [1000, 1000, 500, 0]

    with_delays(work)


def test_numbers_go_on_behind_those_recovered() -> None:
    def work(delays: Delays, clock: Clock) -> None:
        delays.recover([Delay(1, 41, "q"), Delay(2, 7, "q")])
        assert delays.number() == 42

    with_delays(work)


def test_a_release_that_failed_is_tried_again_with_its_body() -> None:
    def work(delays: Delays, clock: Clock) -> None:
        delays.add(delayed(1), keep=True)
        clock.now = 5 * SECOND
        delays.retry(delays.take_due(clock.now))
        assert delays.take_due(clock.now) == []
        assert delays.take_due(7 * SECOND) == [(Delay(6 * SECOND, 1, "q"), b"1")]

    with_delays(work)


def test_deleting_a_channel_drops_its_delayed_messages_alone() -> None:
    def work(delays: Delays, clock: Clock) -> None:
        delays.add(delayed(1, 2, channel="gone"), keep=True)
        delays.add([(Delay(3 * SECOND, 9, "stays"), b"9")], keep=True)
        delays.forget("gone")
        assert (delays.count("gone"), delays.count("stays")) == (0, 1)
        assert taken(delays.take_due(9 * SECOND)) == [9]
        assert delays.count("stays") == 0

    with_delays(work)


def test_the_timer_rings_when_the_first_is_due() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        rung: asyncio.Future[list[int]] = loop.create_future()
        delays = Delays(lambda due: rung.set_result(taken(due)), lambda: int(loop.time() * 1e9))
        soon = int((loop.time() + 0.02) * 1e9)
        delays.add([(Delay(soon + SECOND * 60, 1, "q"), b""), (Delay(soon, 2, "q"), b"")], keep=True)
        found = await asyncio.wait_for(rung, 5)
        delays.stop()
        return found

    assert asyncio.run(main()) == [2]
