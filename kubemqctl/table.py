"""Tables for people. Door to rich, which is given text only, never markup."""

from __future__ import annotations

from collections.abc import Sequence

from kubemqctl.listing import Column
from kubemqctl.page import BOLD, DIM, GREEN, PLAIN, Page

GAP = 2
# A first column that is wider makes way for the others before they go: on a narrow page, and at the most.
NARROW, WIDE = 12, 24


def draw_table(columns: Sequence[Column], page: Page, crop: bool = False) -> str:
    """Numbers to the right, text to the left and, where it is too wide, on in the next line, never cut.

    With `crop` a row is one line, and what is too wide ends in `…`.
    """
    from rich.table import Table
    from rich.text import Text

    if not columns:
        return ""
    columns = _fitting(columns, page.width)
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
    return _printed(drawn, page)


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
    """`columns` without the dispensable ones for which the page is too narrow."""
    widths = _widths(columns)
    first = max(NARROW, min(WIDE, width * 2 // 5))
    needed = sum(widths[1:], min(widths[0], first)) + GAP * (len(columns) - 1)
    dropped = set()
    for at in sorted(range(len(columns)), key=lambda at: -columns[at].rank):
        if needed > width and columns[at].rank:
            dropped.add(at)
            needed -= widths[at] + GAP
    return [column for at, column in enumerate(columns) if at not in dropped]


def _printed(drawn: object, page: Page) -> str:
    """What rich makes of it. Height and environment are given, else it finds a width of its own."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out,
        width=page.width,
        height=25,
        color_system="256" if page.colour else None,
        force_terminal=page.colour,
        legacy_windows=False,
        _environ={},
    )
    console.print(drawn)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
