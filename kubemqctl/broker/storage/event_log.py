"""Where stored events live, and the positions of those who read them: in the journal, or in memory.

An event is a row that never changes, found by its channel and sequence; sequences have no holes.
A position is where a subscription goes on: `next`, and what before it was handed out and never got away.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from kubemqctl.broker.storage.journal import Journal, JournalError, NoJournal, SqliteJournal
from kubemqctl.broker.storage.schema import MASK, SHIFT, Change, Channel, channel_gone, channel_is, runs

PAGE = 100  # events
PAGE_BYTES = 1024 * 1024  # bytes; a page holds one event more
Done = asyncio.Future[None]


class Stored(NamedTuple):
    """One event: `at` in Unix nanoseconds, `event` the EventReceive as delivered, serialized."""

    sequence: int
    at: int
    event: bytes


class Position(NamedTuple):
    """Where to go on; `missing` are sequences before `next` that are still wanted, in order."""

    next: int
    missing: tuple[int, ...] = ()


Owner = tuple[int, str]  # a channel's number, and who reads there
Coming = tuple[Channel, list[Stored]]  # events that enter a channel, and its figures with them


class EventLog(Protocol):
    """What stored events are kept in. Reading raises JournalError."""

    durable: bool

    def write(self, coming: Iterable[Coming]) -> Done:
        """Store events, all or none. Here and below: in the order of calls; JournalError is the future's."""

    def keep(self, positions: Iterable[tuple[Owner, Position]]) -> Done:
        """Remember positions."""

    def position(self, owner: Owner) -> Position | None:
        """A remembered position."""

    def drop(self, number: int) -> Done:
        """Delete a channel with its events and positions."""

    def page(self, number: int, after: int) -> list[Stored]:
        """The events of a channel that come after that sequence, as many as a page holds."""

    def since(self, number: int, at: int, last: int) -> int:
        """The first sequence that is not older than `at`; `last` + 1 when all are."""


class MemoryLog:
    """Nothing survives the process."""

    durable = False

    def __init__(self, journal: NoJournal) -> None:
        self._journal = journal
        self._events: defaultdict[int, list[Stored]] = defaultdict(list)
        self._positions: dict[Owner, Position] = {}

    def write(self, coming: Iterable[Coming]) -> Done:
        for channel, events in coming:
            self._events[channel.number] += events
        return self._journal.write([])

    def keep(self, positions: Iterable[tuple[Owner, Position]]) -> Done:
        self._positions.update(positions)
        return self._journal.write([])

    def position(self, owner: Owner) -> Position | None:
        return self._positions.get(owner)

    def drop(self, number: int) -> Done:
        self._events.pop(number, None)
        self._positions = {owner: p for owner, p in self._positions.items() if owner[0] != number}
        return self._journal.write([])

    def page(self, number: int, after: int) -> list[Stored]:
        return self._events[number][after : after + PAGE]

    def since(self, number: int, at: int, last: int) -> int:
        return bisect_left(self._events[number], at, hi=last, key=lambda stored: stored.at) + 1


class DiskLog:
    """Events and positions are rows of the journal."""

    durable = True

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    def write(self, coming: Iterable[Coming]) -> Done:
        changes = []
        for channel, events in coming:
            base = channel.number << SHIFT
            changes.append(channel_is(channel))
            changes.append(
                Change(
                    "INSERT INTO event (key, at, event) VALUES (?, ?, ?)",
                    [(base | e.sequence, e.at, e.event) for e in events],
                )
            )
        return self._journal.write(changes)

    def keep(self, positions: Iterable[tuple[Owner, Position]]) -> Done:
        rows = [(number, name, p.next, _joined(p.missing)) for (number, name), p in positions]
        statement = "INSERT OR REPLACE INTO position (channel, owner, next, missing) VALUES (?, ?, ?, ?)"
        return self._journal.write([Change(statement, rows)])

    def position(self, owner: Owner) -> Position | None:
        rows = self._journal.rows("SELECT next, missing FROM position WHERE channel = ? AND owner = ?", owner)
        try:
            return next((Position(next_, _split(missing)) for next_, missing in rows), None)
        except ValueError as e:
            raise JournalError(f"the position of {owner[1]} is damaged") from e

    def drop(self, number: int) -> Done:
        keys = (number << SHIFT, number << SHIFT | MASK)
        changes = [
            *channel_gone(number),
            Change("DELETE FROM event WHERE key BETWEEN ? AND ?", [keys]),
            Change("DELETE FROM position WHERE channel = ?", [(number,)]),
        ]
        return self._journal.write(changes)

    def page(self, number: int, after: int) -> list[Stored]:
        first, last = (number << SHIFT | after) + 1, number << SHIFT | MASK
        # Lengths cost no reading of long bodies, so a page of huge events is not read to be thrown away.
        sizes = self._journal.rows(
            "SELECT length(event) FROM event WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",
            (first, last, PAGE),
        )
        return [
            Stored(*row)
            for row in self._journal.rows(
                f"SELECT key & {MASK}, at, event FROM event WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",
                (first, last, _fit(size for (size,) in sizes)),
            )
        ]

    def since(self, number: int, at: int, last: int) -> int:
        def time_of(sequence: int) -> int:
            rows = self._journal.rows("SELECT at FROM event WHERE key = ?", (number << SHIFT | sequence,))
            return int(rows[0][0])

        return bisect_left(range(1, last + 1), at, key=time_of) + 1


def _fit(sizes: Iterable[int]) -> int:
    """How many events of those sizes make a page."""
    count = total = 0
    for size in sizes:
        count += 1
        total += size
        if total >= PAGE_BYTES:
            break
    return count


def _joined(sequences: Sequence[int]) -> str:
    """Sequences as text, runs of them short: "3-7 9-9"."""
    return " ".join(f"{first}-{last}" for first, last in runs(sequences))


def _split(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for run in text.split():
        first, _, last = run.partition("-")
        found += range(int(first), int(last) + 1)
    return tuple(found)


class Storage(NamedTuple):
    """Where a broker keeps what it was given: one store, as queues and as stored events see it."""

    journal: Journal
    events: EventLog


def in_memory() -> Storage:
    """Until the process ends."""
    journal = NoJournal()
    return Storage(journal, MemoryLog(journal))


def on_disk(path: Path) -> Storage:
    """In the SQLite file at `path`; raises as SqliteJournal."""
    journal = SqliteJournal(path)
    return Storage(journal, DiskLog(journal))
