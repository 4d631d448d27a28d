"""Tables for people, as wide as the terminal, and what stands in the rows of a listing.

The first column names what a row is about, and a name is never broken: one that is too long for its column
has a line of its own. Door to rich, which knows how wide characters are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.text import count_text, escaped, exact_text, moment_text, relative_text, size_text
from kubemqctl.output.stderr import BOLD, DIM, GREEN, PLAIN, ViewOptions

GAP = "  "
REPEATING = 9
"""The rank of a column that says once more, and more exactly, what another one says: not missed."""
# Names that are longer make way for the other columns before these go: on a narrow view, and at the most.
NARROW, WIDE = 12, 24


def draw_table(columns: Sequence[Column], view: ViewOptions, crop: bool = False) -> str:
    """Numbers to the right, text to the left; for which columns there is no room is noted to the view.

    A name that is too long has a line of its own; with `crop` it ends in `…`, and a row is one line.
    """
    if not columns:
        return ""
    shown = _fitting(columns, view.width)
    hidden = [column.heading for column in columns if column not in shown and column.rank < REPEATING]
    if hidden:
        view.note(f"no room for {', '.join(hidden)}; -o json has all")
    names = [*map(_width, [shown[0].heading, *shown[0].cells])]
    widths = _widths(shown)
    room = max(NARROW, view.width - sum(width + len(GAP) for width in widths[1:]))
    widths[0] = min(widths[0], room) if crop else max((n for n in names if n <= room), default=0)
    heads = zip([(column.heading.upper(), DIM) for column in shown], shown, widths, strict=True)
    lines = [GAP.join(_aligned(*head, column, width, view) for head, column, width in heads)]
    for row in zip(*map(_styled, shown), strict=True):
        lines += _row(row, shown, widths, view, crop)
    return "".join(f"{line.rstrip()}\n" for line in lines)


Cell = tuple[str, str]
"""A text and its style."""


def _styled(column: Column) -> list[Cell]:
    """The cells as styled text; empty ones and zeros are grey."""
    nothing = _NOTHING if column.numeric else ("no",) if set(column.cells) <= {"yes", "no", ""} else ()
    return [(cell, DIM if cell in nothing else column.style) for cell in column.cells]


_NOTHING = ("0", "0 B", "0.0")


def _row(
    row: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], view: ViewOptions, crop: bool
) -> list[str]:
    """The line of a row, preceded by a line of its own for a name that does not fit."""
    (name, style), *others = row
    above = []
    if _width(name) > widths[0]:
        above = [] if crop else [view.paint(name, style)]
        name = _cropped(name, widths[0]) if crop else ""
    cells = zip([(name, style), *others], columns, widths, strict=True)
    return [*above, GAP.join(_aligned(*cell, column, width, view) for cell, column, width in cells)]


def _aligned(text: str, style: str, column: Column, width: int, view: ViewOptions) -> str:
    pad = " " * (width - _width(text))
    painted = view.paint(text, style)
    return f"{pad}{painted}" if column.numeric else f"{painted}{pad}"


def _cropped(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return f"{set_cell_size(text, width - 1)}…" if width > 1 else "…"


def is_too_wide(columns: Sequence[Column], width: int) -> bool:
    """Whether there is no room for a table of columns that are all needed, each cell on one line."""
    return sum(_widths(columns)) + len(GAP) * (len(columns) - 1) > width


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _widths(columns: Sequence[Column]) -> list[int]:
    return [max(map(_width, [column.heading, *column.cells])) for column in columns]


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """`columns` without the dispensable ones for which the view is too narrow."""
    widths = _widths(columns)
    first = max(NARROW, min(WIDE, width * 2 // 5))
    needed = sum(widths[1:], min(widths[0], first)) + len(GAP) * (len(columns) - 1)
    dropped = set()
    for at in sorted(range(len(columns)), key=lambda at: -columns[at].rank):
        if needed > width and columns[at].rank:
            dropped.add(at)
            needed -= widths[at] + len(GAP)
    return [column for at, column in enumerate(columns) if at not in dropped]


class Column(NamedTuple):
    """A column of a table; of those with a `rank` the highest goes first where the view is too narrow.

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
        "at",
        lambda c, now: exact_text(c.last_activity) if c.last_activity else None,
        rank=REPEATING,
        style=DIM,
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
