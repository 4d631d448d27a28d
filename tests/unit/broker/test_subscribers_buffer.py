"""What waits for one subscriber: in order, bounded, and lost one by one when it stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kubemqctl.broker import subscribers
from kubemqctl.broker.subscribers import BUFFER, STANDSTILL, Account, MessageBuffer, Shared, SubscriptionEnded
from tests.support.simulated_clock import run_with_simulated_clock


def in_a_loop(test: Callable[[MessageBuffer], Awaitable[None]]) -> None:
    async def run() -> None:
        backlog = MessageBuffer()
        await test(backlog)
        backlog.close()

    run_with_simulated_clock(run())


def shared(data: bytes, account: Account | None = None) -> Shared:
    return Shared(data, account or Account())


async def taken(backlog: MessageBuffer, count: int) -> list[int]:
    return [int((await asyncio.wait_for(backlog.next(), 5)).data) for _ in range(count)]


def offered(backlog: MessageBuffer, count: int) -> list[bool]:
    return [backlog.offer(shared(b"%d" % n)) for n in range(count)]


def test_whoever_waits_is_woken() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        waiting = asyncio.create_task(backlog.next())
        await asyncio.sleep(0)
        backlog.offer(shared(b"1"))
        backlog.offer(shared(b"2"))
        assert (await waiting).data == b"1"
        assert (await backlog.next()).data == b"2"

    in_a_loop(scenario)


def test_a_cancelled_wait_loses_nothing() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        waiting = asyncio.create_task(backlog.next())
        await asyncio.sleep(0)
        waiting.cancel()
        backlog.offer(shared(b"1"))
        assert await taken(backlog, 1) == [1]

    in_a_loop(scenario)


def test_a_burst_that_is_read_loses_nothing() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        assert all(offered(backlog, 20 * BUFFER))
        for n in range(20 * BUFFER):
            assert await taken(backlog, 1) == [n]
            if n % 200 == 0:
                await asyncio.sleep(0.9 * STANDSTILL)

    in_a_loop(scenario)


def test_standing_still_loses_one_at_a_time_behind_the_buffer() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        offered(backlog, BUFFER + 3)
        await asyncio.sleep(2.5 * STANDSTILL)
        got = await taken(backlog, BUFFER + 1)
        assert got == [*range(BUFFER), BUFFER + 2]

    in_a_loop(scenario)


def test_a_full_buffer_that_gets_no_more_loses_nothing() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        offered(backlog, BUFFER)
        await asyncio.sleep(9 * STANDSTILL)
        assert await taken(backlog, BUFFER) == list(range(BUFFER))

    in_a_loop(scenario)


def test_no_more_waits_than_a_backlog_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "MOST_WAITING", 200)

    async def scenario(backlog: MessageBuffer) -> None:
        assert offered(backlog, 250) == [True] * 200 + [False] * 50
        await taken(backlog, 1)
        assert backlog.offer(shared(b"250"))
        assert await taken(backlog, 200) == [*range(1, 200), 250]

    in_a_loop(scenario)


def test_no_more_bytes_wait_than_a_backlog_holds_but_one_alone_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "MOST_BYTES", 10)

    async def scenario(backlog: MessageBuffer) -> None:
        assert backlog.offer(shared(b"1" * 20))
        assert not backlog.offer(shared(b"2"))
        await backlog.next()
        assert backlog.offer(shared(b"3" * 10))
        assert not backlog.offer(shared(b"4"))

    in_a_loop(scenario)


def test_an_end_with_a_reason_comes_at_once() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        waiting = asyncio.create_task(backlog.next())
        await asyncio.sleep(0)
        backlog.end("over")
        with pytest.raises(SubscriptionEnded, match="over"):
            await waiting
        backlog.offer(shared(b"1"))
        with pytest.raises(SubscriptionEnded, match="over"):
            await backlog.next()

    in_a_loop(scenario)


def test_what_waits_for_all_is_bounded_and_one_message_for_many_counts_once() -> None:
    async def scenario(first: MessageBuffer) -> None:
        account, second = Account(most=10), MessageBuffer()
        one = shared(b"1" * 6, account)
        assert first.offer(one)
        assert second.offer(one)
        assert account.used == 6
        assert not first.offer(shared(b"2" * 5, account))
        assert first.offer(shared(b"3" * 4, account))
        for buffer in (first, second):
            (await buffer.next()).let_go()
        assert account.used == 4
        first.close()
        second.close()
        assert account.used == 0

    in_a_loop(scenario)


def test_what_was_lost_counts_no_more() -> None:
    async def scenario(backlog: MessageBuffer) -> None:
        account = Account()
        for _ in range(BUFFER + 1):
            backlog.offer(shared(b"x", account))
        await asyncio.sleep(2 * STANDSTILL)
        assert account.used == BUFFER

    in_a_loop(scenario)
