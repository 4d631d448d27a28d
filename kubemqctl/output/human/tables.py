"""Tables for people, as wide as the terminal, and what stands in the rows of a listing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.text import count_text, escaped, exact_text, moment_text, relative_text, size_text
from kubemqctl.output.stderr import BOLD, DIM, GREEN, PLAIN, ViewOptions

GAP = 2
# A first column that is wider makes way for the others before they go: on a narrow view, and at the most.
NARROW, WIDE = 12, 24


def draw_table(columns: Sequence[Column], view: ViewOptions, crop: bool = False) -> str:
    """Numbers to the right, text to the left and, where it is too wide, on in the next line, never cut.

    With `crop` a row is one line, and what is too wide ends in `…`.
    """
    from rich.table import Table
    from rich.text import Text

    if not columns:
        return ""
    columns = _fitting(columns, view.width)
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style=_STYLES[DIM])
    for at, column in enumerate(columns):
        drawn.add_column(
            Text(column.heading.upper()),
            min_width=None if at else min(NARROW, _widths([column])[0]),
            justify="right" if column.numeric else "left",
            overflow="ellipsis" if crop else "fold",
            no_wrap=column.numeric,
        )
    for row in zip(*(_styled(column) for column in columns), strict=True):
        drawn.add_row(*(Text(cell, style, no_wrap=crop or None) for cell, style in row))
    return _printed(drawn, view)


def _styled(column: Column) -> list[tuple[str, str]]:
    """The cells, each with its style as rich spells it; nothing to speak of is grey."""
    is_yes_or_no = set(column.cells) <= {"yes", "no", ""}
    style = _STYLES[column.style]
    return [
        (
            cell,
            _STYLES[DIM]
            if (column.numeric and cell in _NOTHING) or (is_yes_or_no and cell == "no")
            else style,
        )
        for cell in column.cells
    ]


_NOTHING = {"0", "0 B", "0.0"}
_STYLES = {PLAIN: "", BOLD: "bold", DIM: "color(244)", GREEN: "color(64)"}


def is_too_wide(columns: Sequence[Column], width: int) -> bool:
    """Whether a table of columns that are all needed would be folded into splinters."""
    return sum(min(each, WIDE) for each in _widths(columns)) + GAP * (len(columns) - 1) > width


def _widths(columns: Sequence[Column]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, [column.heading, *column.cells])) for column in columns]


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """`columns` without the dispensable ones for which the view is too narrow."""
    widths = _widths(columns)
    first = max(NARROW, min(WIDE, width * 2 // 5))
    needed = sum(widths[1:], min(widths[0], first)) + GAP * (len(columns) - 1)
    dropped = set()
    for at in sorted(range(len(columns)), key=lambda at: -columns[at].rank):
        if needed > width and columns[at].rank:
            dropped.add(at)
            needed -= widths[at] + GAP
    return [column for at, column in enumerate(columns) if at not in dropped]


def _printed(drawn: object, view: ViewOptions) -> str:
    """What rich makes of it. Height and environment are given, else it finds a width of its own."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out,
        width=view.width,
        height=25,
        color_system="256" if view.colour else None,
        force_terminal=view.colour,
        legacy_windows=False,
        _environ={},
    )
    console.print(drawn)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


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
