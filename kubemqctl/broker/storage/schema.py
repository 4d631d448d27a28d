"""What a journal holds: its tables, and every change that is ever made to them.

Messages are rows that never change: they come and go. Their keys are `channel << 40 | sequence`, so that a
channel's messages lie together in order and a run of acknowledgements is one range delete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SHIFT = 40
MASK = (1 << SHIFT) - 1
SCHEMA = """
CREATE TABLE channel (
    id INTEGER PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL,
    last INTEGER NOT NULL, bytes INTEGER NOT NULL, activity INTEGER NOT NULL,
    UNIQUE (type, name)
);
CREATE TABLE message (key INTEGER PRIMARY KEY, expires INTEGER NOT NULL, message BLOB NOT NULL);
CREATE TABLE delayed (
    id INTEGER PRIMARY KEY, due INTEGER NOT NULL, channel TEXT NOT NULL, message BLOB NOT NULL
);
CREATE TABLE event (key INTEGER PRIMARY KEY, at INTEGER NOT NULL, event BLOB NOT NULL);
CREATE TABLE position (
    channel INTEGER NOT NULL, owner TEXT NOT NULL, next INTEGER NOT NULL, missing TEXT NOT NULL,
    PRIMARY KEY (channel, owner)
) WITHOUT ROWID;
"""


def tables() -> dict[str, dict[str, str]]:
    """The tables of SCHEMA: the declared type of each column by its name."""
    found: dict[str, dict[str, str]] = {}
    for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\)(?: WITHOUT ROWID)?;", SCHEMA, re.DOTALL):
        columns = re.findall(r"(\w+) (INTEGER|TEXT|BLOB)\b", body)
        found[name] = dict(columns)
    return found


class Change(NamedTuple):
    """One statement and the rows to run it for."""

    statement: str
    rows: Sequence[tuple[object, ...]]


class Channel(NamedTuple):
    """A channel as the journal knows it; `waiting` counts its messages, `activity` is in Unix nanoseconds."""

    number: int
    type: str
    name: str
    last: int
    bytes: int
    activity: int
    waiting: int


class Delay(NamedTuple):
    """A message on its way to `channel` that is not due yet; `due` in Unix nanoseconds."""

    due: int
    number: int
    channel: str


class Recovered(NamedTuple):
    """What a journal held when it was opened."""

    channels: list[Channel]
    delays: list[Delay]


def channel_is(channel: Channel) -> Change:
    """The channel exists, with these figures."""
    return Change(
        "INSERT INTO channel (id, type, name, last, bytes, activity) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE "
        "SET last = excluded.last, bytes = excluded.bytes, activity = excluded.activity",
        [channel[:6]],
    )


def channel_gone(number: int) -> list[Change]:
    """The channel and all its messages are deleted."""
    return [
        Change("DELETE FROM channel WHERE id = ?", [(number,)]),
        messages_between(number, 0, MASK),
    ]


def messages_come(number: int, entries: Iterable[Entry]) -> Change:
    """Messages enter a channel."""
    base = number << SHIFT
    return Change(
        "INSERT INTO message (key, expires, message) VALUES (?, ?, ?)",
        [(base | e.sequence, e.expires, e.message) for e in entries],
    )


def messages_go(number: int, entries: Sequence[Entry]) -> Change:
    """Messages leave a channel."""
    base = number << SHIFT
    rows = [(base | first, base | last) for first, last in runs([e.sequence for e in entries])]
    return Change("DELETE FROM message WHERE key BETWEEN ? AND ?", rows)


def messages_between(number: int, after: int, upto: int) -> Change:
    """All messages of a channel with `after` < sequence <= `upto` leave it."""
    base = number << SHIFT
    return Change("DELETE FROM message WHERE key BETWEEN ? AND ?", [(base | after + 1, base | upto)])


def delays_come(delays: Iterable[tuple[Delay, bytes]]) -> Change:
    """Messages are put aside until they are due."""
    return Change(
        "INSERT INTO delayed (id, due, channel, message) VALUES (?, ?, ?, ?)",
        [(delay.number, delay.due, delay.channel, message) for delay, message in delays],
    )


def delays_go(numbers: Iterable[int]) -> Change:
    """Delayed messages are due, or dropped."""
    return Change("DELETE FROM delayed WHERE id = ?", [(number,) for number in numbers])


def delays_gone(channel: str) -> Change:
    """All delayed messages of a channel are dropped."""
    return Change("DELETE FROM delayed WHERE channel = ?", [(channel,)])


def runs(sequences: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last of each run of neighbours."""
    found: list[tuple[int, int]] = []
    first = last = -1
    for sequence in sorted(sequences):
        if sequence == last + 1 and found:
            last = sequence
            found[-1] = (first, last)
        else:
            first = last = sequence
            found.append((first, last))
    return found


class Entry:
    """A message. `message` is the QueueMessage as delivered, serialized; None: in the journal only."""

    __slots__ = ("expires", "message", "sequence", "size")

    def __init__(self, sequence: int, expires: int, size: int, message: bytes | None) -> None:
        self.sequence = sequence
        self.expires = expires
        self.size = size
        self.message = message
