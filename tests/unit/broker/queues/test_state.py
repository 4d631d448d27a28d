"""The broker's state without a network: what a journal that fails takes from nobody, and transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kubemqctl.broker.queues import queue as queue_module
from kubemqctl.broker.queues import state as state_module
from kubemqctl.broker.queues import transactions, visibility_stream
from kubemqctl.broker.queues.queue import Taker
from kubemqctl.broker.queues.state import BrokerState, TooLarge
from kubemqctl.broker.queues.transactions import SettlementRefused, Transaction, Transactions
from kubemqctl.broker.queues.visibility_stream import PlainCalls, VisibilityStream
from kubemqctl.broker.storage import journal
from kubemqctl.broker.storage.journal import JournalError, NoJournal, SqliteJournal
from kubemqctl.broker.storage.schema import Change, Entry
from kubemqctl.wire import kubemq_pb2 as pb

NOW = 1_700_000_000_000_000_000


class Failing(NoJournal):
    """Refuses every write while `full`."""

    def __init__(self) -> None:
        self.full = False

    def write(
        self,
        changes: list[Change],
        then: Callable[[], None] = journal.nothing,
        otherwise: Callable[[], None] = journal.nothing,
    ) -> asyncio.Future[None]:
        if not self.full:
            return super().write(changes, then, otherwise)
        otherwise()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_exception(JournalError("database or disk is full"))
        done.exception()
        return done


def with_core(work: Callable[[BrokerState, Failing], Awaitable[None]]) -> None:
    async def main() -> None:
        failing = Failing()
        state = BrokerState(failing, lambda: NOW)
        await work(state, failing)
        await state.close()

    asyncio.run(main())


def messages(*bodies: str, channel: str = "q", **policy: int | str) -> list[pb.QueueMessage]:
    made = pb.QueueMessagePolicy(**policy)  # type: ignore[arg-type]
    return [pb.QueueMessage(ClientID="me", Channel=channel, Body=b.encode(), Policy=made) for b in bodies]


async def peek(state: BrokerState, channel: str = "q", count: int = 1000) -> list[tuple[str, int, int]]:
    """Body, sequence and receive count of what is there."""
    found, _ = await PlainCalls(state).receive(channel, count, 0, peek=True)
    parsed = [pb.QueueMessage.FromString(m) for m in found]
    return [(m.Body.decode(), m.Attributes.Sequence, m.Attributes.ReceiveCount) for m in parsed]


async def get(state: BrokerState, most: int, wait: int = 1) -> tuple[Transactions, Transaction]:
    transactions = Transactions(state)
    got = await transactions.get("q", most, wait, auto_ack=False)
    found = transactions.find(got.transaction)
    assert found is not None
    return transactions, found


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Get's shortest wait is a second on the wire; these tests need none of it."""
    monkeypatch.setattr(transactions, "SHORTEST_WAIT", 1)


def test_a_full_disk_is_the_senders_error_and_leaves_no_hole() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        failing.full = True
        (result,) = await state.send(messages("lost"))
        assert result.IsError
        assert (result.Error, result.SentAt) == ("cannot store the message: database or disk is full", 0)
        failing.full = False
        await state.send(messages("kept"))
        assert await peek(state) == [("kept", 1, 1)]

    with_core(work)


def test_an_acknowledgement_that_cannot_be_written_is_refused_and_the_message_comes_again() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one", "two"))
        transactions, held = await get(state, 2)
        failing.full = True
        with pytest.raises(SettlementRefused, match="disk is full"):
            await held.ack([1])
        failing.full = False
        transactions.close()
        assert await peek(state) == [("one", 1, 1), ("two", 2, 1)]

    with_core(work)


def test_a_receive_that_cannot_be_written_takes_nothing() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        failing.full = True
        with pytest.raises(JournalError):
            await PlainCalls(state).receive("q", 1, 0, peek=False)
        failing.full = False
        assert await peek(state) == [("one", 1, 1)]

    with_core(work)


def test_a_rejection_that_cannot_be_written_leaves_the_message_where_it_was() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        transactions, held = await get(state, 1)
        failing.full = True
        with pytest.raises(SettlementRefused):
            await held.nack(None)
        failing.full = False
        transactions.close()
        assert await peek(state) == [("one", 1, 1)]

    with_core(work)


def test_an_ack_all_that_cannot_be_written_takes_nothing() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one", "two"))
        failing.full = True
        with pytest.raises(JournalError):
            await PlainCalls(state).ack_all("q", 0)
        failing.full = False
        assert [body for body, _, _ in await peek(state)] == ["one", "two"]

    with_core(work)


def test_an_ack_all_is_written_by_pieces_of_bounded_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility_stream, "_PIECE_BYTES", 1000)
    deleted: list[int] = []

    async def main() -> None:
        journal.create(tmp_path / "journal", 1)
        state = BrokerState(SqliteJournal(tmp_path / "journal"), lambda: NOW)
        await state.send(messages(*["x" * 400] * 7))
        state.queues["q"]._unread += 4
        state.queues["q"]._paged = 3
        while len(state.queues["q"]._ready) > 3:
            state.queues["q"]._ready.pop()
        before = state.journal.write

        def write(changes: list[Change], *after: Callable[[], None]) -> asyncio.Future[None]:
            deleted.extend(last - first + 1 for change in changes for first, last in change.rows)  # type: ignore[operator]
            return before(changes, *after)

        monkeypatch.setattr(state.journal, "write", write)
        assert await PlainCalls(state).ack_all("q", 0) == 7
        assert state.queues["q"].waiting == 0
        await state.close()

    asyncio.run(main())
    assert deleted[:3] == [3, 3, 1]


def test_a_queue_that_cannot_be_deleted_stays() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        failing.full = True
        with pytest.raises(JournalError):
            await state.delete_queue(state.queues["q"])
        failing.full = False
        assert await peek(state) == [("one", 1, 1)]

    with_core(work)


# ---- a journal that cannot be read for a while ----


class Unreadable(SqliteJournal):
    """Refuses to read while `broken`."""

    broken = False

    def page(self, *wanted: int, bodies: bool) -> list[Entry]:
        if self.broken:
            raise JournalError("disk I/O error")
        return super().page(*wanted, bodies=bodies)


def with_backlog(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[BrokerState], Awaitable[None]],
) -> None:
    """Six messages wait, of which the last three are in the journal only."""
    monkeypatch.setattr(queue_module, "WINDOW", 3)
    monkeypatch.setattr(visibility_stream, "_RETRY", 0.01)

    async def main() -> None:
        journal.create(tmp_path / "journal", 1)
        unreadable = Unreadable(tmp_path / "journal")
        state = BrokerState(unreadable, lambda: NOW)
        for body in "123456":
            await state.send(messages(body))
        unreadable.broken = True
        await work(state)
        unreadable.broken = False
        for _ in range(3):  # a refill may be on its way
            await asyncio.sleep(0.01)
        assert [body for body, _, _ in await peek(state)] == list("123456")
        assert state.queues["q"].waiting == 6
        await state.close()

    asyncio.run(main())


async def a_get(state: BrokerState) -> None:
    with pytest.raises(JournalError):
        await Transactions(state).get("q", 5, 1, auto_ack=False)


async def a_receive(state: BrokerState) -> None:
    with pytest.raises(JournalError):
        await PlainCalls(state).receive("q", 5, 0, peek=False)


async def an_end(state: BrokerState) -> None:
    """What one stream held goes to another that waits for more, and there is more that cannot be read."""
    first = Transactions(state)
    for _ in range(3):
        await first.get("q", 1, 1, auto_ack=False)
    waiting = Taker(6, lambda: None)
    with pytest.raises(JournalError):
        state.queues["q"].join(waiting, NOW)
    first.close()
    assert len(waiting.taken) == 3
    state.queues["q"].leave(waiting)
    state.give_up(state.queues["q"], waiting)


async def an_ack_all(state: BrokerState) -> None:
    state.journal.write = refusing  # type: ignore[method-assign,assignment]
    with pytest.raises(JournalError):
        await PlainCalls(state).ack_all("q", 0)
    del state.journal.write


def refusing(changes: list[Change], then: object, otherwise: Callable[[], None]) -> asyncio.Future[None]:
    otherwise()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_exception(JournalError("disk I/O error"))
    done.exception()
    return done


@pytest.mark.parametrize("taking", [a_get, a_receive, an_end, an_ack_all])
def test_what_was_taken_before_the_journal_could_not_be_read_is_there_again(
    taking: Callable[[BrokerState], Awaitable[None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_backlog(tmp_path, monkeypatch, taking)


def test_a_stream_hears_that_the_journal_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(state: BrokerState) -> None:
        transactions = Transactions(state)
        await transactions.get("q", 3, 1, auto_ack=False)
        answers: list[str] = []

        async def answer(request: pb.StreamQueueMessagesRequest, error: str, message: bytes) -> None:
            answers.append(error)

        async def requests() -> AsyncIterator[pb.StreamQueueMessagesRequest]:
            kind = pb.ReceiveMessage
            yield pb.StreamQueueMessagesRequest(ClientID="me", Channel="q", StreamRequestTypeData=kind)

        await VisibilityStream(state, answer).serve(requests())
        assert answers == ["cannot receive messages, the journal failed: disk I/O error"]
        transactions.close()

    with_backlog(tmp_path, monkeypatch, work)


def test_a_settlement_settles_what_it_can_and_names_the_first_foreign_sequence() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one", "two", "three"))
        transactions, held = await get(state, 3)
        with pytest.raises(SettlementRefused, match="invalid ack sequence id 99"):
            await held.ack([1, 99, 2])
        assert sorted(held.active()) == [2, 3]
        transactions.close()
        assert await peek(state) == [("two", 2, 1), ("three", 3, 1)]

    with_core(work)


def test_rejected_messages_go_to_the_tail_counted_and_in_the_order_given() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one", "two", "three"))
        transactions, held = await get(state, 2)
        await held.nack([2, 1])
        assert held.closed
        assert await peek(state) == [("three", 3, 1), ("two", 4, 2), ("one", 5, 2)]
        transactions.close()

    with_core(work)


def test_the_nth_rejection_is_the_last() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("poison", MaxReceiveCount=2, MaxReceiveQueue="dead"))
        for _ in range(2):
            assert await peek(state, "dead") == []
            _, held = await get(state, 1)
            await held.nack(None)
        assert (await peek(state), await peek(state, "dead")) == ([], [("poison", 1, 1)])

    with_core(work)


def test_a_requeue_to_a_bad_name_keeps_what_was_not_sent_on() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one", "two"))
        transactions, held = await get(state, 2)
        with pytest.raises(SettlementRefused, match="re-queue message with seq 1 failed, Error 120"):
            await held.requeue(None, "a b")
        assert sorted(held.active()) == [1, 2]
        await held.requeue([2], "other")
        transactions.close()
        assert (await peek(state), await peek(state, "other")) == ([("one", 1, 1)], [("two", 1, 1)])

    with_core(work)


def test_a_partly_filled_transaction_swallows_what_comes_until_it_is_closed() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        transactions, held = await get(state, 4)
        await state.send(messages("two", "three", "four", "five"))
        assert await peek(state) == [("five", 5, 1)]
        await held.ack(None)
        assert [body for body, _, _ in await peek(state)] == ["two", "three", "four", "five"]
        transactions.close()

    with_core(work)


def test_an_answer_over_the_limit_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_MESSAGE", 200)

    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("x" * 80, "y" * 80))
        with pytest.raises(TooLarge, match=r"larger than max \(\d+ vs. 200\)"):
            await get(state, 2)
        _, held = await get(state, 1)
        assert held.active() == [1]

    with_core(work)


def test_a_cancelled_get_gives_back_what_it_took() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        waiting = asyncio.ensure_future(get(state, 5, wait=60_000))
        while state.queues["q"].delivered < 1:
            await asyncio.sleep(0)
        assert await peek(state) == []
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await peek(state) == [("one", 1, 1)]
        assert state.queues["q"].takers == 0

    with_core(work)


def test_a_cancelled_receive_gives_back_what_it_took() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        waiting = asyncio.ensure_future(PlainCalls(state).receive("q", 5, 60, peek=False))
        while state.queues["q"].delivered < 1:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await peek(state) == [("one", 1, 1)]

    with_core(work)


def test_of_many_closed_transactions_the_last_are_remembered_and_the_open_ones_all() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("one"))
        transactions, held = await get(state, 1)
        names = [(await transactions.get("q", 1, 1, auto_ack=False)).transaction for _ in range(5)]
        assert [transactions.find(name) is not None for name in names] == [False, False, True, True, True]
        assert not held.closed
        transactions.close()
        assert held.closed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "_CLOSED_REMEMBERED", 4)
        with_core(work)


def test_a_message_deleted_with_its_queue_does_not_come_back_into_the_new_one() -> None:
    async def work(state: BrokerState, failing: Failing) -> None:
        await state.send(messages("old", "older"))
        transactions, _ = await get(state, 1)
        await state.delete_queue(state.queues["q"])
        await state.send(messages("new"))
        transactions.close()
        assert await peek(state) == [("new", 1, 1)]

    with_core(work)


def test_a_backlog_larger_than_memory_is_delivered_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "BODIES_IN_MEMORY", 20_000)
    path = tmp_path / "journal.db"
    journal.create(path, 1)

    async def main() -> None:
        state = BrokerState(SqliteJournal(path))
        state.recover()
        for n in range(0, 6000, 500):
            await state.send(messages(*(f"{i}:{'x' * 50}" for i in range(n, n + 500))))
        got: list[str] = []
        while len(got) < 6000:
            transactions = Transactions(state)
            answer = await transactions.get("q", 700, 1, auto_ack=True)
            got += [pb.QueueMessage.FromString(m).Body.decode().partition(":")[0] for m in answer.messages]
            assert state._memory.used <= 20_000
        assert got == [str(n) for n in range(6000)]
        assert (state.queues["q"].waiting, state._memory.used) == (0, 0)
        await state.close()

    asyncio.run(main())
