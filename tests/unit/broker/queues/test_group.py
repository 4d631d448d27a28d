"""The consumers of a queue that is like the community server's: who has what others leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from kubemqctl.broker.queues import group
from kubemqctl.broker.queues.group import Group
from kubemqctl.broker.queues.queue import Memory, Queue
from tests.unit.broker.queues.test_queue import NOW, Consumer, Disk, put, sequences


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is dealt out when the loop comes to it."""
    monkeypatch.setattr(group, "_UNTIL_DEALT", 0.0)


async def dealt() -> None:
    """Wait until what was left before is dealt out: timers of one time ring in their order."""
    rung = asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, rung.set)
    await rung.wait()


def with_queue(work: Callable[[Queue, Disk, Memory], Awaitable[None]], limit: int | None = None) -> None:
    failed: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        memory, disk = Memory(limit), Disk()
        queue = Queue(1, "q", memory, disk)
        queue.group = Group(queue, lambda: NOW)
        await work(queue, disk, memory)

    asyncio.run(main())
    assert not failed


def came(queue: Queue, wants: float, *, skips_expired: bool = False) -> Consumer:
    consumer = Consumer(wants, skips_expired=skips_expired)
    queue.join(consumer, NOW)
    return consumer


def gone(queue: Queue, *consumers: Consumer) -> None:
    """They leave, in this order, and what they have goes back."""
    for consumer in consumers:
        queue.leave(consumer)
        queue.give_back(consumer.taken, NOW)


def test_what_came_back_while_nobody_was_there_is_with_the_first_who_comes() -> None:
    async def work(queue: Queue, disk: Disk, memory: Memory) -> None:
        put(queue, disk, 6)
        gone(queue, came(queue, 4))
        first, second = came(queue, 1), came(queue, 3)
        assert (sequences(first), sequences(second)) == ([1], [5, 6])
        gone(queue, second, first)
        assert sequences(came(queue, 6)) == [1, 2, 3, 4, 5, 6]

    with_queue(work)


def test_of_what_came_back_the_first_puts_aside_what_has_expired() -> None:
    async def work(queue: Queue, disk: Disk, memory: Memory) -> None:
        put(queue, disk, 2, expires=NOW)
        put(queue, disk, 3)
        gone(queue, came(queue, 5))
        looker = came(queue, 1, skips_expired=True)
        assert sequences(looker) == [3]
        assert [entry.sequence for entry in looker.expired] == [1, 2]

    with_queue(work)


def test_an_ack_all_has_what_came_back_and_leaves_what_others_hold() -> None:
    async def work(queue: Queue, disk: Disk, memory: Memory) -> None:
        put(queue, disk, 4)
        holder, other = came(queue, 1), came(queue, 3)
        gone(queue, other)
        await dealt()
        gone(queue, holder)
        drained = queue.drain()
        queue.removed(drained.entries, drained.unread)
        assert sequences(came(queue, 1)) == []
        assert (queue.waiting, memory.used) == (0, 0)

    with_queue(work)


def test_who_is_gone_before_it_is_dealt_out_leaves_it_to_the_others() -> None:
    async def work(queue: Queue, disk: Disk, memory: Memory) -> None:
        put(queue, disk, 6)
        one, two, three = came(queue, 3), came(queue, 3), came(queue, 6)
        gone(queue, one, two)
        await dealt()
        assert sequences(three) == [1, 2, 3, 4, 5, 6]

    with_queue(work)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_or_doubled_whoever_comes_and_goes(seed: int) -> None:
    async def work(queue: Queue, disk: Disk, memory: Memory) -> None:
        rng = random.Random(seed)
        there: list[Consumer] = []
        for _ in range(300):
            match rng.randrange(5):
                case 0:
                    put(queue, disk, rng.randrange(1, 5), size=rng.randrange(1, 60))
                case 1 if len(there) < 5:
                    there.append(came(queue, rng.randrange(1, 12)))
                case 2 if there:
                    rng.shuffle(there)
                    number = rng.randrange(1, len(there) + 1)
                    gone(queue, *there[:number])
                    del there[:number]
                case 3 if there:
                    consumer = rng.choice(there)
                    done = consumer.taken[: rng.randrange(1, 9)]
                    del consumer.taken[: len(done)]
                    queue.removed(done)
                    for entry in done:
                        del disk.rows[entry.sequence]
                    queue.go_on(consumer, len(done), NOW)
                case _:
                    await dealt()
            assert all(consumer.wants >= 0 for consumer in there), "nobody has more than it asked for"
        gone(queue, *there)
        assert queue.waiting == len(disk.rows)
        last = came(queue, queue.waiting)
        assert sequences(last) == sorted(disk.rows)
        queue.removed(last.taken)
        assert (queue.waiting, memory.used) == (0, 0)

    with_queue(work, 1_000)
