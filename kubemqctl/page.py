"""What is drawn on: a width, a clock, and whether in colour.

Colours mean something: red failed, orange needs a look, green is well, grey is beside the point. All are
of the 256 that no theme changes, and of a middle brightness: the terminal's own sixteen are made for one
background (yellow cannot be read on white, nor blue on black), and "faint" is anything or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

NARROWEST = 20

PLAIN, BOLD, DIM = "", "1", "38;5;244"
RED, GREEN, ORANGE = "38;5;196", "38;5;64", "38;5;166"
BLUE, PURPLE = "38;5;31", "38;5;133"


class Page(NamedTuple):
    """`width` in columns, `now` in Unix nanoseconds; `spread`: whether a body may be laid out to be read."""

    colour: bool
    width: int
    now: Callable[[], int]
    spread: bool = False

    def paint(self, text: str, style: str) -> str:
        """`text` in a style, where there are any."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and style and text else text
