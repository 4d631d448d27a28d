"""The data directory: checked to be ours and undamaged, and locked for one broker at a time.

DIR/lock is held with flock while a broker runs; DIR/broker.db is its journal, and held too, since it may have
other names. Only their owner can read them, whatever the directory's mode. A new journal is made under
another name and renamed, so that a kill at any moment leaves either none or a whole one. Nothing is
touched before it is known to be ours.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import quote

from kubemqctl.broker.storage import journal, room, schema
from kubemqctl.config.directories import make_private
from kubemqctl.model.errors import ConfigError, KubemqctlError
from kubemqctl.model.text import reason

DATABASE = "broker.db"
LOCK = "lock"
NEW = "broker.db.new"
APPLICATION = 0x4B4D5132  # "KMQ2": the schema's version is part of it
_MAGIC = b"SQLite format 3\x00"
_OURS_WITHOUT_JOURNAL = {LOCK, room.NAME, NEW, NEW + "-journal", NEW + "-wal", NEW + "-shm"}


def claim(directory: Path) -> ExitStack:
    """Make `directory` ours until the result is closed.

    Raises ConfigError when it cannot be used or holds something else, KubemqctlError when another broker
    has it or its journal is damaged.
    """
    with ExitStack() as held:
        try:
            make_private(str(directory.absolute()))
            names = set(os.listdir(directory))
            _refuse_foreign(directory, names)
            _lock(directory / LOCK, os.O_RDWR | os.O_CREAT, held)
            _prepare(directory)
            # No lock of SQLite's: those are fcntl's, and independent of flock's.
            _lock(directory / DATABASE, os.O_RDONLY, held)
            _close_to_others(directory)
        except OSError as e:
            raise ConfigError(
                f"the data directory {directory} cannot be used: {reason(e)}",
                hint="name another with --data",
            ) from e
        return held.pop_all()


def _refuse_foreign(directory: Path, names: set[str]) -> None:
    path = directory / DATABASE
    if DATABASE not in names:
        if names - _OURS_WITHOUT_JOURNAL:
            raise ConfigError(
                f"{directory} is not a data directory of this broker: it holds other files and no {DATABASE}",
                hint="name an empty or a new directory with --data",
            )
        return
    with path.open("rb") as file:
        head = file.read(100)
    if head[: len(_MAGIC)] != _MAGIC:
        raise _damaged(path, "it is not a database")
    if int.from_bytes(head[68:72], "big") != APPLICATION:
        raise ConfigError(
            f"{path} is a database of another program or version",
            hint="name an empty or a new directory with --data",
        )


def _lock(path: Path, flags: int, held: ExitStack) -> None:
    lock = os.open(path, flags | os.O_CLOEXEC, 0o600)
    held.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise KubemqctlError(
            f"another broker is using the data directory {path.parent}",
            hint="stop it, or name another directory with --data",
            code="data-in-use",
        ) from None


def _close_to_others(directory: Path) -> None:
    """SQLite gives its other files the mode of the database."""
    for path in directory.glob(DATABASE + "*"):
        with suppress(PermissionError):
            path.chmod(path.stat().st_mode & 0o700)


def _prepare(directory: Path) -> None:
    path = directory / DATABASE
    try:
        if not path.exists():
            _create(directory)
        _check(path)
    except sqlite3.OperationalError as e:
        # The disk is full, or fails. What is wrong with the file itself SQLite says with another class.
        raise OSError(errno.EIO, str(e)) from e
    except sqlite3.DatabaseError as e:
        raise _damaged(path, str(e)) from e


def _create(directory: Path) -> None:
    new = directory / NEW
    for left in directory.glob(NEW + "*"):
        left.unlink()
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    journal.create(new, APPLICATION)
    new.rename(directory / DATABASE)
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(path: Path) -> None:
    # Read-only: another connection would write the WAL into a damaged file when it is closed. Without a WAL
    # the file is all there is, and SQLite need not make one to look at it.
    alone = "" if path.with_name(DATABASE + "-wal").exists() else "&immutable=1"
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro{alone}", uri=True)) as db:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise _damaged(path, found.replace("\n", " "))
        for table, columns in schema.tables().items():
            _check_table(db, path, table, columns)


def _check_table(db: sqlite3.Connection, path: Path, table: str, columns: dict[str, str]) -> None:
    """SQLite stores any type in any column, and numbers of any sign."""
    found = {name: kind for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")}
    if found != columns:
        raise _damaged(path, f"the table {table} does not have the columns that it should have")
    wrong = [f"typeof({name}) != '{kind.lower()}'" for name, kind in columns.items()]
    wrong += [f"{name} < 0" for name, kind in columns.items() if kind == "INTEGER"]
    if db.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(wrong)} LIMIT 1").fetchone():
        raise _damaged(path, f"a row of the table {table} holds values of a wrong type")


def _damaged(path: Path, why: str) -> KubemqctlError:
    return KubemqctlError(
        f"the journal {path} is damaged: {why}",
        hint="nothing was changed; keep a copy, or start anew with another --data",
        code="damaged-data",
    )
