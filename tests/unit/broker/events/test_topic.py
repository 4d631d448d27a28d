"""Stored events without a wire: numbering, places, turns, and what happens when the disk fails. Both logs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.broker import subscribers
from kubemqctl.broker.events.event_store import Store
from kubemqctl.broker.events.topic import Member
from kubemqctl.broker.storage import journal
from kubemqctl.broker.storage.event_log import PAGE_BYTES, DiskLog, EventLog, MemoryLog
from kubemqctl.broker.storage.journal import JournalError, NoJournal, SqliteJournal
from kubemqctl.wire import kubemq_pb2 as pb

NOW = 1_700_000_000_000_000_000
FIRST, NEW = pb.Subscribe.StartFromFirst, pb.Subscribe.StartNewOnly

Scenario = Callable[[Store], Awaitable[None]]
Play = Callable[[Scenario], None]


@asynccontextmanager
async def opened(path: Path | None) -> AsyncIterator[Store]:
    """A store over the journal at `path`, or over none; it recovers what is there."""
    log: EventLog
    numbers = iter(range(100, 1000))
    if path is None:
        log = MemoryLog(NoJournal())
        yield Store(log, lambda: NOW, lambda: next(numbers))
        return
    if not path.exists():
        journal.create(path, 1)
    disk = SqliteJournal(path)
    store = Store(DiskLog(disk), lambda: NOW, lambda: next(numbers))
    for channel in disk.recover().channels:
        store.recover(channel)
    yield store
    await store.close()
    await disk.close()


@pytest.fixture(params=["memory", "disk"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario with a new store."""
    path = tmp_path / "journal" if request.param == "disk" else None

    async def run(scenario: Scenario) -> None:
        async with opened(path) as store:
            await scenario(store)

    return lambda scenario: asyncio.run(run(scenario))


@pytest.fixture
def restarts(tmp_path: Path) -> Callable[[], Any]:
    """Each call opens the store of one journal file once more."""
    return lambda: opened(tmp_path / "journal")


async def store_events(store: Store, count: int, channel: str = "c", size: int = 1) -> None:
    done = [await store.publish(event(channel, size)) for _ in range(count)]
    await asyncio.gather(*done)


def event(channel: str = "c", size: int = 1) -> pb.Event:
    return pb.Event(EventID="id", ClientID="sender", Channel=channel, Body=b"x" * size, Store=True)


async def subscribe(
    store: Store, start: Any = FIRST, client: str = "me", channel: str = "c", group: str = "", value: int = 0
) -> Member:
    request = pb.Subscribe(
        ClientID=client,
        Channel=channel,
        Group=group,
        EventsStoreTypeData=start,
        EventsStoreTypeValue=value,
    )
    return await store.subscribe(request)


async def take(member: Member, count: int) -> list[int]:
    """The sequences of the next events, each put on the stream."""
    taken = []
    for _ in range(count):
        taken.append((await asyncio.wait_for(member.next(), 5)).sequence)
        member.sent()
    return taken


def test_events_of_many_channels_stored_at_once_are_numbered_by_channel_without_holes(play: Play) -> None:
    async def scenario(store: Store) -> None:
        done = [await store.publish(event(channel)) for channel in ("a", "b", "a", "c", "a")]
        await asyncio.gather(*done)
        assert {name: topic.last for name, topic in store.topics.items()} == {"a": 3, "b": 1, "c": 1}
        assert await take(await subscribe(store, channel="a"), 3) == [1, 2, 3]

    play(scenario)


def test_no_two_events_of_a_channel_have_one_time_though_the_clock_stands_still(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store_events(store, 3)
        await store_events(store, 2)
        member = await subscribe(store)
        times = [pb.EventReceive.FromString((await member.next()).event).Timestamp for _ in range(5)]
        assert times == sorted(set(times))
        assert NOW <= times[0] <= times[-1] < NOW + 1000
        for sequence, at in enumerate(times, 1):
            late = await subscribe(store, pb.Subscribe.StartAtTime, f"t{sequence}", value=at)
            assert (await late.next()).sequence == sequence

    play(scenario)


def test_a_reader_of_more_than_a_page_gets_all_in_order_while_more_is_stored(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store_events(store, 350)
        member = await subscribe(store)
        assert await take(member, 120) == list(range(1, 121))
        await store_events(store, 300)
        assert await take(member, 530) == list(range(121, 651))

    play(scenario)


def test_a_member_is_dealt_no_more_than_it_has_room_for(play: Play) -> None:
    async def scenario(store: Store) -> None:
        member = await subscribe(store, NEW)
        await store_events(store, 150)
        assert len(member.holds()) == subscribers.BUFFER
        await store_events(store, 20, "large", 1024 * 1024)
        large = await subscribe(store, FIRST, "large", "large")
        assert 4 <= len(large.holds()) <= 5
        assert await take(large, 20) == list(range(1, 21))

    play(scenario)


def test_a_page_is_bounded_in_bytes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal") as store:
            await store_events(store, 20, size=PAGE_BYTES // 4)
            await subscribe(store)
            (number,) = [topic.number for topic in store.topics.values()]
            assert [stored.sequence for stored in store._log.page(number, 3)] == [4, 5, 6, 7]

    asyncio.run(scenario())


# --- places ------------------------------------------------------------------------------------


def test_what_was_dealt_and_never_got_on_the_stream_comes_to_the_next_subscription(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store_events(store, 200)
        member = await subscribe(store)
        assert member.backlog == 200
        assert await take(member, 7) == list(range(1, 8))
        store.leave(member, "me")
        again = await subscribe(store, NEW)
        assert again.backlog == 193
        assert await take(again, 193) == list(range(8, 201))
        assert again.backlog == 0

    play(scenario)


def test_what_a_subscription_held_is_not_lost_when_the_broker_ends(restarts: Callable[[], Any]) -> None:
    async def scenario() -> None:
        async with restarts() as store:
            await store_events(store, 20)
            member = await subscribe(store)
            await take(member, 3)
            store.end("over")
            with pytest.raises(subscribers.SubscriptionEnded, match="over"):
                await member.next()
            store.leave(member, "me")
        async with restarts() as store:
            assert await take(await subscribe(store), 17) == list(range(4, 21))

    asyncio.run(scenario())


def test_an_event_on_its_way_to_the_stream_is_not_gone_before_it_is_there(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store_events(store, 3)
        member = await subscribe(store)
        await take(member, 1)
        await member.next()
        assert member.reader.position() == (2, ())
        member.sent()
        assert member.reader.position() == (3, ())

    play(scenario)


def test_members_of_a_group_get_events_by_turns(play: Play) -> None:
    async def scenario(store: Store) -> None:
        one, two = [await subscribe(store, NEW, client, group="g") for client in ("one", "two")]
        await store_events(store, 6)
        assert await take(one, 3) == [1, 3, 5]
        assert await take(two, 3) == [2, 4, 6]

    play(scenario)


def test_what_a_member_held_goes_to_the_others_of_its_group_when_it_leaves(play: Play) -> None:
    async def scenario(store: Store) -> None:
        one, two = [await subscribe(store, NEW, client, group="g") for client in ("one", "two")]
        await store_events(store, 6)
        assert await take(one, 1) == [1]
        assert one.reader.position() == (2, ())
        store.leave(one, "one")
        assert sorted(await take(two, 5)) == [2, 3, 4, 5, 6]
        assert two.reader.position() == (7, ())

    play(scenario)


def test_what_came_back_and_nobody_has_room_for_counts_as_stored_for_the_group(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store_events(store, 300)
        one, two = await subscribe(store, group="g"), await subscribe(store, client="other", group="g")
        held = len(one.holds())
        store.leave(one, "me")
        assert held
        assert two.backlog == 300

    play(scenario)


def test_the_place_of_a_group_knows_what_one_member_has_and_another_has_not(play: Play) -> None:
    async def scenario(store: Store) -> None:
        one, two = [await subscribe(store, NEW, client, group="g") for client in ("one", "two")]
        await store_events(store, 8)
        await take(two, 3)
        assert one.reader.position() == (7, (1, 3, 5)) or one.reader.position() == (9, (1, 3, 5, 7, 8))
        store.leave(two, "two")
        store.leave(one, "one")
        late = await subscribe(store, NEW, "late", group="g")
        assert sorted(await take(late, 5)) == [1, 3, 5, 7, 8]

    play(scenario)


def test_a_member_that_has_no_room_gives_its_turn_to_the_others(play: Play) -> None:
    async def scenario(store: Store) -> None:
        stuck, other = [await subscribe(store, NEW, client, group="g") for client in ("stuck", "other")]
        await store_events(store, 400)
        got = await take(other, 400 - subscribers.BUFFER)
        assert sorted(got + stuck.holds()) == list(range(1, 401))

    play(scenario)


def test_places_survive_a_restart(restarts: Callable[[], Any]) -> None:
    async def scenario() -> None:
        async with restarts() as store:
            await store_events(store, 10)
            await take(await subscribe(store), 4)
            await take(await subscribe(store, FIRST, "one", group="g"), 2)
            await subscribe(store, NEW, "late")
        async with restarts() as store:
            await store_events(store, 2)
            assert await take(await subscribe(store, NEW), 8) == list(range(5, 13))
            assert await take(await subscribe(store, NEW, "two", group="g"), 10) == list(range(3, 13))
            assert await take(await subscribe(store, FIRST, "late"), 2) == [11, 12]

    asyncio.run(scenario())


def test_a_channel_that_was_only_subscribed_to_keeps_its_number_and_its_places(
    restarts: Callable[[], Any],
) -> None:
    async def scenario() -> None:
        async with restarts() as store:
            await subscribe(store)
            number = store.topics["c"].number
        async with restarts() as store:
            assert store.topics["c"].number == number

    asyncio.run(scenario())


# --- standing still ----------------------------------------------------------------------------


def test_a_reader_that_stands_still_loses_one_event_at_a_time_behind_its_buffer(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "STANDSTILL", 0.02)

    async def scenario(store: Store) -> None:
        await store_events(store, 200)
        member = await subscribe(store)
        while member.reader.position().next < 104:
            await asyncio.sleep(0.005)
        kept = await take(member, subscribers.BUFFER)
        assert kept == list(range(1, 101))
        assert (await take(member, 1))[0] >= 104

    play(scenario)


def test_a_reader_with_room_in_its_buffer_loses_nothing(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "STANDSTILL", 0.01)

    async def scenario(store: Store) -> None:
        member = await subscribe(store)
        await store_events(store, subscribers.BUFFER)
        await asyncio.sleep(0.1)
        monkeypatch.setattr(subscribers, "STANDSTILL", 60)
        await store_events(store, 1)
        assert await take(member, subscribers.BUFFER + 1) == list(range(1, subscribers.BUFFER + 2))

    play(scenario)


# --- channels ----------------------------------------------------------------------------------


def test_a_deleted_channel_begins_anew_under_its_subscribers(play: Play) -> None:
    async def scenario(store: Store) -> None:
        await store_events(store, 150)
        member = await subscribe(store)
        await take(member, 5)
        await member.next()  # on its way to the stream when the channel is deleted
        await store.delete("c")
        member.sent()
        await store_events(store, 2)
        assert await take(member, 2) == [1, 2]
        store.leave(member, "me")
        await store_events(store, 1)
        assert await take(await subscribe(store, NEW), 1) == [3]
        assert await take(await subscribe(store, FIRST, "other"), 3) == [1, 2, 3]

    play(scenario)


def test_a_channel_that_cannot_be_deleted_is_still_there() -> None:
    async def scenario() -> None:
        log = StubbornLog()
        store = Store(log, lambda: NOW, iter(range(1, 9)).__next__)
        await store_events(store, 3)
        member = await subscribe(store)
        log.fails = True
        with pytest.raises(JournalError):
            await store.delete("c")
        with pytest.raises(subscribers.SubscriptionEnded, match="could not be deleted"):
            await member.next()
        log.fails = False
        store.leave(member, "me")
        assert await take(await subscribe(store, FIRST, "other"), 3) == [1, 2, 3]

    asyncio.run(scenario())


# --- a disk that fails -------------------------------------------------------------------------


class StubbornLog(MemoryLog):
    """Refuses to write while told to, and waits with it while told to."""

    def __init__(self) -> None:
        super().__init__(NoJournal())
        self.fails = False
        self.held: asyncio.Future[None] | None = None

    def write(self, coming: Any) -> asyncio.Future[None]:
        if self.held is not None:
            super().write(coming)
            return self.held
        return failed() if self.fails else super().write(coming)

    def keep(self, positions: Any) -> asyncio.Future[None]:
        return failed() if self.fails else super().keep(positions)

    def drop(self, number: int) -> asyncio.Future[None]:
        return failed() if self.fails else super().drop(number)


def failed() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_exception(JournalError("disk full"))
    future.exception()
    return future


def test_what_cannot_be_stored_is_an_error_and_leaves_no_hole() -> None:
    async def scenario() -> None:
        log = StubbornLog()
        store = Store(log, lambda: NOW, iter(range(1, 9)).__next__)
        await store_events(store, 2)
        log.fails = True
        for done in [await store.publish(event()) for _ in range(3)]:
            with pytest.raises(JournalError, match="disk full"):
                await done
        with pytest.raises(JournalError):
            await subscribe(store)
        assert not store.has_subscription("me")
        log.fails = False
        await store_events(store, 1)
        assert await take(await subscribe(store), 3) == [1, 2, 3]

    asyncio.run(scenario())


def test_places_that_cannot_be_written_are_tried_again_but_do_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kubemqctl.broker.events.event_store._RETRY", 0.01)

    async def scenario() -> None:
        log = StubbornLog()
        store = Store(log, lambda: NOW, iter(range(1, 9)).__next__)
        await store_events(store, 3)
        member = await subscribe(store)
        await take(member, 2)
        log.fails = True
        store.leave(member, "me")
        await asyncio.sleep(0.03)
        log.fails = False
        while log.position((1, "client me")) != (3, ()):
            await asyncio.sleep(0.005)
        store.leave(await subscribe(store), "me")
        log.fails = True
        await asyncio.wait_for(store.close(), 5)

    asyncio.run(scenario())


def test_a_log_that_cannot_be_read_ends_the_subscription_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal") as store:
            await store_events(store, 2)

            def unreadable(self: DiskLog, number: int, after: int) -> list[Any]:
                raise JournalError(str(sqlite3.OperationalError("disk I/O error")))

            monkeypatch.setattr(DiskLog, "page", unreadable)
            member = await subscribe(store)
            with pytest.raises(subscribers.SubscriptionEnded, match="disk I/O error"):
                await member.next()

    asyncio.run(scenario())


def test_an_event_that_came_back_is_not_lost_when_the_log_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "journal") as store:
            await store_events(store, 3)
            store.leave(await subscribe(store), "me")
            reading = DiskLog.page

            def unreadable(self: DiskLog, number: int, after: int) -> list[Any]:
                raise JournalError("disk I/O error")

            monkeypatch.setattr(DiskLog, "page", unreadable)
            store.leave(await subscribe(store), "me")
            monkeypatch.setattr(DiskLog, "page", reading)
            assert await take(await subscribe(store), 3) == [1, 2, 3]

    asyncio.run(scenario())


def test_too_much_that_waits_to_be_stored_makes_its_senders_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubemqctl.broker.events.event_store.MOST_PENDING", 1000)

    async def scenario() -> None:
        log = StubbornLog()
        log.held = asyncio.get_running_loop().create_future()
        store = Store(log, lambda: NOW, iter(range(1, 9)).__next__)
        first = await store.publish(event(size=2000))
        second = asyncio.create_task(store.publish(event()))
        await asyncio.sleep(0.02)
        assert not second.done()
        log.held.set_result(None)
        await first
        await (await second)
        assert store.topics["c"].last == 2

    asyncio.run(scenario())
