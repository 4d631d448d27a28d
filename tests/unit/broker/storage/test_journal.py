"""The journal alone: what is written is there again, units are whole, failures told to the right one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from kubemqctl.broker.storage import journal, schema
from kubemqctl.broker.storage.journal import Journal, JournalError, NoJournal, SqliteJournal
from kubemqctl.broker.storage.schema import Change, Channel, Delay, Entry, runs

T = TypeVar("T")

BROKEN = Change("INSERT INTO nosuch VALUES (?)", [(1,)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "journal.db"
    journal.create(file, 1)
    return file


def using(path: Path, work: Callable[[SqliteJournal], Awaitable[T]]) -> T:
    """Open the journal, do `work`, close it."""

    async def main() -> T:
        opened = SqliteJournal(path)
        try:
            return await work(opened)
        finally:
            await opened.close()

    return asyncio.run(main())


def entries(*sequences: int, body: bytes = b"body") -> list[Entry]:
    return [Entry(n, 0, len(body), body) for n in sequences]


def a_queue(number: int, name: str, last: int) -> Change:
    return schema.channel_is(Channel(number, "queues", name, last, last * 4, 5, 0))


def numbers(found: list[Entry]) -> list[int]:
    return [entry.sequence for entry in found]


def test_what_was_written_is_recovered(path: Path) -> None:
    async def fill(opened: SqliteJournal) -> None:
        await opened.write([a_queue(1, "a", 3), schema.messages_come(1, entries(1, 2, 3))])
        await opened.write([a_queue(2, "b", 9), schema.messages_come(2, entries(9))])
        await opened.write([schema.delays_come([(Delay(77, 4, "b"), b"later")])])
        await opened.write([schema.messages_go(1, entries(2))])

    async def look(opened: SqliteJournal) -> None:
        found = opened.recover()
        assert found.channels == [
            Channel(1, "queues", "a", 3, 12, 5, 2),
            Channel(2, "queues", "b", 9, 36, 5, 1),
        ]
        assert found.delays == [Delay(77, 4, "b")]
        assert opened.delayed(4) == b"later"
        assert numbers(opened.page(1, 0, 3, 10, bodies=True)) == [1, 3]
        assert opened.message(2, 9) == b"body"

    using(path, fill)
    using(path, look)


def test_a_page_is_bounded_and_knows_sizes_without_bodies(path: Path) -> None:
    async def work(opened: SqliteJournal) -> None:
        big = entries(4, body=bytes(journal.SMALL + 1))
        await opened.write([schema.messages_come(1, [*entries(1, 2, 3), *big, *entries(5)])])
        found = opened.page(1, 1, 4, 10, bodies=True)
        assert [(e.sequence, e.size, e.message) for e in found] == [
            (2, 4, b"body"),
            (3, 4, b"body"),
            (4, journal.SMALL + 1, None),
        ]
        assert numbers(opened.page(1, 0, 5, 2, bodies=True)) == [1, 2]
        assert [e.message for e in opened.page(1, 0, 2, 10, bodies=False)] == [None, None]

    using(path, work)


def test_channels_do_not_reach_into_one_another(path: Path) -> None:
    async def work(opened: SqliteJournal) -> None:
        for number in (1, 2, 3):
            await opened.write([schema.messages_come(number, entries(1, 2))])
        await opened.write(schema.channel_gone(2))
        assert [len(opened.page(n, 0, 99, 99, bodies=True)) for n in (1, 2, 3)] == [2, 0, 2]

    using(path, work)


def test_a_unit_that_fails_leaves_nothing_behind_and_harms_no_other(path: Path) -> None:
    async def work(opened: SqliteJournal) -> None:
        told: list[str] = []

        def tell(what: str) -> Callable[[], None]:
            return lambda: told.append(what)

        units = [
            opened.write([schema.messages_come(1, entries(1))], tell("first"), tell("first failed")),
            opened.write([schema.messages_come(1, entries(2)), BROKEN], tell("bad"), tell("bad failed")),
            opened.write([schema.messages_come(1, entries(3))], tell("last"), tell("last failed")),
        ]
        outcomes = await asyncio.gather(*units, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None), JournalError, type(None)]
        assert sorted(told) == ["bad failed", "first", "last"]
        assert [word for word in told if "failed" not in word] == ["first", "last"]
        assert numbers(opened.page(1, 0, 9, 9, bodies=True)) == [1, 3]

    using(path, work)


def test_what_cannot_be_said_on_stderr_keeps_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> None:
        raise JournalError("disk I/O error")

    async def work(opened: SqliteJournal) -> None:
        write = opened.write([schema.messages_come(1, entries(1))], unreadable)
        await asyncio.wait_for(write, 10)

    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115  closing it fails too
    monkeypatch.setattr(sys, "stderr", full)
    using(path, work)
    with contextlib.suppress(OSError):
        full.close()


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    """No test can pull the plug: a kill leaves what the system has buffered."""
    with closing(journal.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_closing_finishes_what_was_begun(path: Path) -> None:
    async def fill(opened: SqliteJournal) -> None:
        for n in range(1, 500):
            opened.write([schema.messages_come(1, entries(n))])

    async def look(opened: SqliteJournal) -> int:
        return len(opened.page(1, 0, 1000, 1000, bodies=True))

    using(path, fill)
    assert using(path, look) == 499


def test_a_reader_that_asks_for_what_is_gone_hears_so(path: Path) -> None:
    async def work(opened: SqliteJournal) -> None:
        with pytest.raises(JournalError, match="not in the journal"):
            opened.message(1, 1)

    using(path, work)


def test_the_null_twin_succeeds_at_once_and_keeps_nothing() -> None:
    async def main() -> None:
        twin: Journal = NoJournal()
        told: list[str] = []
        await twin.write([BROKEN], lambda: told.append("then"), lambda: told.append("otherwise"))
        assert told == ["then"]
        assert twin.recover() == schema.Recovered([], [])
        assert twin.page(1, 0, 9, 9, bodies=True) == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("sequences", "found"),
    [([], []), ([5], [(5, 5)]), ([3, 1, 2], [(1, 3)]), ([1, 3, 4, 9], [(1, 1), (3, 4), (9, 9)])],
)
def test_runs_are_the_neighbours(sequences: list[int], found: list[tuple[int, int]]) -> None:
    assert runs(sequences) == found


def test_deleting_great_messages_writes_little(path: Path) -> None:
    """A system's SQLite may be built to overwrite what is deleted."""

    async def work(opened: SqliteJournal) -> None:
        for n in range(40):
            await opened.write([schema.messages_come(1, entries(n, body=bytes(100_000)))])
        log = path.with_name(path.name + "-wal")
        with closing(journal.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = log.stat().st_size
        await opened.write([schema.messages_go(1, entries(*range(40)))])
        assert log.stat().st_size - before < 1_000_000

    using(path, work)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_into_a_folder_that_was_removed_nothing_more_is_put_and_nobody_hangs(
    tmp_path: Path, is_replaced: bool
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    journal.create(folder / "journal.db", 1)

    async def work(opened: SqliteJournal) -> None:
        await opened.write([schema.messages_come(1, entries(1))])
        shutil.rmtree(folder)
        if is_replaced:
            folder.mkdir()
            journal.create(folder / "journal.db", 1)
        with pytest.raises(JournalError, match="the data directory was removed or replaced"):
            await asyncio.wait_for(opened.write([schema.messages_come(1, entries(2))]), 5)
        await asyncio.wait_for(opened.write([schema.messages_go(1, entries(1))]), 5)

    using(folder / "journal.db", work)


def test_what_adds_is_refused_beside_what_frees_when_there_is_no_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(opened: SqliteJournal) -> None:
        await opened.write([schema.messages_come(1, entries(1, 2))])
        monkeypatch.setattr(opened._room, "fits", lambda size: False)
        adding = opened.write([schema.messages_come(1, entries(3))])
        freeing = opened.write([schema.messages_go(1, entries(1))])
        with pytest.raises(JournalError, match="the disk is full"):
            await adding
        await freeing
        assert numbers(opened.page(1, 0, 9, 9, bodies=False)) == [2]

    using(path, work)
