"""Where a broker's messages live: one SQLite file, or nowhere (`NoJournal`, for --ephemeral).

One thread writes. It takes all that is waiting as one transaction, so that many senders share one fsync
and the event loop never waits for a disk. Each unit given to `write` is kept whole: if the shared
transaction fails (a full disk), its units are tried one by one. The loop reads over a connection of its own.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kubemqctl.broker.storage.room import Reserve, most_pages
from kubemqctl.broker.storage.schema import MASK, SCHEMA, SHIFT, Change, Channel, Delay, Entry, Recovered

# A page of the backlog brings bodies up to this size along; larger ones are read when they are delivered.
SMALL = 4096
PAGE_SIZE = 8192  # bytes, of the database
FULL = "the disk is full"
GONE = "the data directory was removed or replaced"


class JournalError(Exception):
    """The disk refused; the text says why."""


def nothing() -> None:
    """For a write whose end nobody needs to hear of."""


class Journal(Protocol):
    """What a broker keeps its messages in."""

    durable: bool

    def recover(self) -> Recovered:
        """What was there when it was opened; call it first."""

    def write(
        self,
        changes: list[Change],
        then: Callable[[], None] = nothing,
        otherwise: Callable[[], None] = nothing,
    ) -> asyncio.Future[None]:
        """Make `changes`, all or none. On the loop, in the order of the calls: `then` when they are on disk,
        `otherwise` when they cannot be; then the future ends, with JournalError in the second case.
        """

    def page(self, number: int, after: int, upto: int, limit: int, *, bodies: bool) -> list[Entry]:
        """Messages of a channel with `after` < sequence <= `upto`; `bodies`: with those of small ones."""

    def message(self, number: int, sequence: int) -> bytes:
        """One message's body."""

    def delayed(self, number: int) -> bytes:
        """One delayed message."""

    async def close(self) -> None:
        """Finish what was begun, and let go of the files."""


class NoJournal:
    """The null twin: nothing is kept, everything succeeds at once, and no message ever leaves memory."""

    durable = False

    def recover(self) -> Recovered:
        return Recovered([], [])

    def write(
        self,
        changes: list[Change],
        then: Callable[[], None] = nothing,
        otherwise: Callable[[], None] = nothing,
    ) -> asyncio.Future[None]:
        then()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def page(self, number: int, after: int, upto: int, limit: int, *, bodies: bool) -> list[Entry]:
        return []

    def message(self, number: int, sequence: int) -> bytes:
        raise JournalError(f"message {sequence} is gone")

    def delayed(self, number: int) -> bytes:
        raise JournalError(f"delayed message {number} is gone")

    async def close(self) -> None:
        pass


class _Unit(NamedTuple):
    changes: list[Change]
    then: Callable[[], None]
    otherwise: Callable[[], None]
    done: asyncio.Future[None]

    @property
    def frees(self) -> bool:
        """Whether it takes something away, also when it puts something in its place."""
        return any(change.statement.startswith("DELETE") for change in self.changes)

    @property
    def size(self) -> int:
        """About how many bytes it adds."""
        return sum(
            len(value)
            for change in self.changes
            for row in change.rows
            for value in row
            if isinstance(value, bytes)
        )


class SqliteJournal:
    """A journal in the SQLite file at `path`, which must have our schema. Made inside a running loop.

    Raises JournalError when the file cannot be opened.
    """

    durable = True

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        with _translated():
            self._writer = connect(path, for_another_thread=True)
            self._reader = connect(path)
        self._path = path
        self._file = _identity(path)
        self._room = Reserve(path)
        with _translated():
            # What the log holds beyond the database must fit into the reserve, should the disk be full.
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {self._room.size * 4 // 5 // PAGE_SIZE}")
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def recover(self) -> Recovered:
        with _translated():
            counted = self._reader.execute(f"SELECT key >> {SHIFT}, count(*) FROM message GROUP BY 1")
            counts: dict[int, int] = dict(counted)
            rows = self._reader.execute(
                "SELECT id, type, name, last, bytes, activity FROM channel ORDER BY id"
            )
            channels = [Channel._make((*row, counts.get(row[0], 0))) for row in rows]
            delays = [Delay(*row) for row in self._reader.execute("SELECT due, id, channel FROM delayed")]
        return Recovered(channels, delays)

    def write(
        self,
        changes: list[Change],
        then: Callable[[], None] = nothing,
        otherwise: Callable[[], None] = nothing,
    ) -> asyncio.Future[None]:
        done: asyncio.Future[None] = self._loop.create_future()
        self._units.put(_Unit(changes, then, otherwise, done))
        return done

    def page(self, number: int, after: int, upto: int, limit: int, *, bodies: bool) -> list[Entry]:
        base = number << SHIFT
        with _translated():
            rows = self._reader.execute(
                f"SELECT key & {MASK}, expires, length(message), "
                "CASE WHEN length(message) <= ? THEN message END "
                "FROM message WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",
                (SMALL if bodies else -1, base | after + 1, base | upto, limit),
            )
            return [Entry(*row) for row in rows]

    def message(self, number: int, sequence: int) -> bytes:
        return self._one("SELECT message FROM message WHERE key = ?", number << SHIFT | sequence)

    def rows(self, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """What a query finds; all of it is read."""
        with _translated():
            return self._reader.execute(statement, parameters).fetchall()

    def delayed(self, number: int) -> bytes:
        return self._one("SELECT message FROM delayed WHERE id = ?", number)

    async def close(self) -> None:
        self._units.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()

    def _one(self, statement: str, key: int) -> bytes:
        with _translated():
            row = self._reader.execute(statement, (key,)).fetchone()
        if row is None:
            raise JournalError(f"a message is not in the journal any more (row {key})")
        message: bytes = row[0]
        return message

    def _work(self) -> None:
        open_ = True
        self._room.take()
        while open_:
            units = [self._units.get()]
            with suppress(queue.Empty):
                while True:
                    units.append(self._units.get_nowait())
            open_ = None not in units
            self._settle([unit for unit in units if unit])

    def _settle(self, units: list[_Unit]) -> None:
        if not units:
            return
        error = self._outcome(units)
        if error and len(units) > 1:
            outcomes = [self._outcome([unit]) for unit in units]
        else:
            outcomes = [error] * len(units)
        self._loop.call_soon_threadsafe(_tell, list(zip(units, outcomes, strict=True)))

    def _outcome(self, units: list[_Unit]) -> str:
        # Whoever waits hears of it, whatever goes wrong: this thread must not end by itself.
        try:
            return self._commit(units)
        except Exception as e:
            return f"{type(e).__name__}: {e}"

    def _commit(self, units: list[_Unit]) -> str:
        """Write `units` as one transaction; returns what went wrong."""
        # What only frees something goes on; several are tried one by one then.
        if not all(unit.frees for unit in units):
            if self._file is None or _identity(self._path) != self._file:
                return GONE  # SQLite would go on writing to a file that nobody finds again
            if not self._may_grow(units):
                return FULL
        error = self._write(units)
        if error and len(units) == 1:
            if units[0].frees:
                self._room.release()
            self._checkpoint()
            error = self._write(units)
        return error

    def _may_grow(self, units: list[_Unit]) -> bool:
        """Whether there is room for `units`, and for what frees room."""
        size = sum(unit.size for unit in units)
        if self._has_room(size):
            return True
        self._checkpoint()
        return self._has_room(size)

    def _has_room(self, size: int) -> bool:
        return self._room.take() and self._room.fits(size + self._growth(size))

    def _checkpoint(self) -> None:
        """Bring the log into the database, where that can be."""
        with suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _growth(self, size: int) -> int:
        """The bytes by which the database is to grow for the log as it is and `size` more."""
        try:
            pages = int(self._writer.execute("PRAGMA page_count").fetchone()[0])
            free = int(self._writer.execute("PRAGMA freelist_count").fetchone()[0])
            pending = max(0, pages * PAGE_SIZE - self._path.stat().st_size)
        except (sqlite3.Error, OSError):
            return size
        return pending + max(0, size - free * PAGE_SIZE)

    def _write(self, units: list[_Unit]) -> str:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for unit in units:
                for change in unit.changes:
                    self._writer.executemany(change.statement, change.rows)
            self._writer.execute("COMMIT")
        except sqlite3.Error as e:
            with suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            return str(e)
        return ""


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file that is; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _tell(outcomes: list[tuple[_Unit, str]]) -> None:
    # Failures first and backwards, so that the last sequences given out are given back first.
    for unit, error in reversed(outcomes):
        if error:
            _call(unit.otherwise)
            if not unit.done.done():
                unit.done.set_exception(JournalError(error))
                unit.done.exception()  # nobody may be waiting any more
    for unit, error in outcomes:
        if not error:
            _call(unit.then)
            if not unit.done.done():
                unit.done.set_result(None)


def _call(what: Callable[[], None]) -> None:
    # The disk may fail on reading too, and the other units must hear of their end all the same.
    try:
        what()
    except JournalError as e:
        with suppress(OSError):  # nor may they go unheard because a log is on the same full disk
            print(f"broker: the journal cannot be read: {e}", file=sys.stderr)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as e:
        raise JournalError(str(e)) from e


def connect(path: Path, *, for_another_thread: bool = False) -> sqlite3.Connection:
    """A connection with transactions spelled out by us. Raises sqlite3.Error."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=not for_another_thread, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    # Some systems build SQLite so that it overwrites what is deleted: 130 times the bytes written to
    # acknowledge messages of 100 kB. What was deleted can be found in the file until its place is used anew.
    db.execute("PRAGMA secure_delete = OFF")
    if (most := most_pages(PAGE_SIZE)) is not None:
        db.execute(f"PRAGMA max_page_count = {most}")
    db.execute("PRAGMA journal_size_limit = 67108864")
    return db


def create(path: Path, application: int) -> None:
    """An empty journal at `path`, its header marked with `application`. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        db.execute(f"PRAGMA application_id = {application}")
        db.executescript(SCHEMA)
        db.execute("PRAGMA journal_mode = WAL")
