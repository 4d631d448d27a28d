"""Which columns a list of nouns has, as text for people; drawing them is another matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.text import count_text, escaped, exact_text, moment_text, relative_text, size_text
from kubemqctl.page import BOLD, DIM, GREEN, PLAIN


class Column(NamedTuple):
    """A column of a table; of those with a `rank` the highest goes first where the page is too narrow.

    `style` is of the cells that say more than nothing: other than 0 or no.
    """

    heading: str
    cells: list[str]
    numeric: bool = False
    rank: int = 0
    style: str = PLAIN


class ChannelColumn(NamedTuple):
    """What to tell of a channel (at a time in Unix nanoseconds); None where the server tells nothing."""

    heading: str
    text: Callable[[ChannelInfo, int], str | None]
    numeric: bool = True
    rank: int = 0
    style: str = PLAIN


def _counted(name: str) -> Callable[[ChannelInfo, int], str | None]:
    def text(channel: ChannelInfo, _now: int) -> str | None:
        value = getattr(channel, name)
        return None if value is None else count_text(value)

    return text


def _active(channel: ChannelInfo, _now: int) -> str | None:
    return None if channel.active is None else value_text(channel.active)


_CHANNEL = (
    ChannelColumn("name", lambda channel, now: escaped(channel.name), numeric=False),
    ChannelColumn("type", lambda channel, now: escaped(channel.type), numeric=False, rank=1),
    ChannelColumn("waiting", _counted("waiting"), style=BOLD),
    ChannelColumn("messages", _counted("messages"), rank=2),
    ChannelColumn("size", lambda c, now: None if c.bytes is None else size_text(c.bytes), rank=3),
    ChannelColumn("subscribers", _counted("subscribers"), rank=4),
    ChannelColumn("first", _counted("first_sequence"), rank=8),
    ChannelColumn("last", _counted("last_sequence"), rank=7),
    ChannelColumn("active", _active, numeric=False, rank=5, style=GREEN),
    ChannelColumn(
        "last activity",
        lambda c, now: relative_text(c.last_activity, now) if c.last_activity else None,
        rank=6,
    ),
    ChannelColumn(
        "at", lambda c, now: exact_text(c.last_activity) if c.last_activity else None, rank=9, style=DIM
    ),
)


_ALONE = {"first": "first sequence", "last": "last sequence"}


def channel_pairs(channel: ChannelInfo, now: int) -> dict[str, object]:
    """Headings and texts of what the server tells of one channel."""
    told = {_ALONE.get(column.heading, column.heading): column.text(channel, now) for column in _CHANNEL}
    if channel.last_activity:
        told.update({"last activity": moment_text(channel.last_activity, now), "at": None})
    return {heading: text for heading, text in told.items() if text is not None}


def channel_columns(channels: Sequence[ChannelInfo], now: int) -> list[Column]:
    """A row a channel, without the columns of which the server tells nothing."""
    columns = []
    for heading, text, numeric, rank, style in _CHANNEL:
        cells = [text(channel, now) for channel in channels]
        if any(cell is not None for cell in cells):
            columns.append(Column(heading, [cell or "" for cell in cells], numeric, rank, style))
    return columns


def record_columns(records: Sequence[Mapping[str, object]]) -> list[Column]:
    """A row a record; the columns are those that any of them has."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return [
        Column(
            escaped(name),
            [value_text(record.get(name)) for record in records],
            style=_yes_style(name, records),
        )
        for name in names
    ]


def _yes_style(name: str, records: Sequence[Mapping[str, object]]) -> str:
    return BOLD if all(isinstance(record.get(name), bool) for record in records) else PLAIN


def value_text(value: object) -> str:
    """A value of a record on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{escaped(str(key))}={value_text(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(value_text, value))
    return escaped(str(value))
