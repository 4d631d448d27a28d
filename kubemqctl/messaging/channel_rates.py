"""What `top` shows: rates out of two samples, in the order and with the filter of the moment.

Nothing here reads a clock, a key or a server: `now` is an argument, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kubemqctl.model.channels import ChannelInfo, Sample
from kubemqctl.model.text import escaped


class ChannelRow(NamedTuple):
    """A channel with its rates, in messages a second; None before there are two samples."""

    info: ChannelInfo
    rate_in: float | None = None
    rate_out: float | None = None


# What the rows can be sorted by: numbers begin with the greatest.
ORDERS: dict[str, Callable[[ChannelRow], float | None]] = {
    "in": lambda row: row.rate_in,
    "out": lambda row: row.rate_out,
    "waiting": lambda row: row.info.waiting,
    "messages": lambda row: row.info.messages,
    "size": lambda row: row.info.bytes,
    "subscribers": lambda row: row.info.subscribers,
    "active": lambda row: row.info.last_activity,
}
SORTS = ("name", "type", *ORDERS)
_ENTER, _ESCAPE, _BACKSPACE, _KILL = ("\r", "\n"), "\x1b", ("\x7f", "\x08"), "\x15"
_ARROWS = {"\x1b[C": "s", "\x1bOC": "s", "\x1b[D": "S", "\x1bOD": "S"}
LONGEST_FILTER = 200


class ChannelTable:
    """What is on the screen. `asking` is the filter while it is typed, else None."""

    def __init__(self, sort: str = "in", filter: str = "") -> None:
        self.sort = sort
        self.filter = filter
        self.reversed = False
        self.asking: str | None = None
        self.quit = False
        self._rows: list[ChannelRow] = []
        self._counts: dict[tuple[str, str], Sample] = {}
        self._taken = 0.0

    def take(self, samples: Iterable[Sample], now: float) -> None:
        """A new sample of all channels; the rates are since the one before."""
        fresh = {(sample.info.type, sample.info.name): sample for sample in samples}
        elapsed = now - self._taken
        self._rows = [_row(self._counts.get(key), sample, elapsed) for key, sample in fresh.items()]
        self._counts, self._taken = fresh, now

    def rows(self) -> list[ChannelRow]:
        """The rows that the filter lets through, in order; ties by what waits, then by name."""
        wanted = self.filter if self.asking is None else self.asking
        rows = [row for row in self._rows if wanted in row.info.name]
        rows.sort(key=lambda row: (row.info.name, row.info.type))
        if self.sort in ("name", "type"):
            rows.sort(key=lambda row: getattr(row.info, self.sort), reverse=self.reversed)
            return rows
        value = ORDERS[self.sort]
        rows.sort(key=lambda row: row.info.waiting or 0, reverse=True)
        rows.sort(key=lambda row: _number(value(row)), reverse=not self.reversed)
        return rows

    def key(self, key: str) -> None:
        """Do what a key says: one character, or the escape sequence of an arrow."""
        if self.asking is not None:
            self._typed(key)
            return
        key = _ARROWS.get(key, key)
        if key in ("q", "Q"):
            self.quit = True
        elif key in ("s", "S"):
            at = SORTS.index(self.sort) + (1 if key == "s" else -1)
            self.sort, self.reversed = SORTS[at % len(SORTS)], False
        elif key == "r":
            self.reversed = not self.reversed
        elif key == "/":
            self.asking = self.filter

    def _typed(self, key: str) -> None:
        """A key while the filter is typed: Enter keeps it, Escape the one before."""
        text = self.asking or ""
        if key in _ENTER:
            self.filter, self.asking = text, None
        elif key == _ESCAPE:
            self.asking = None
        elif key in _BACKSPACE:
            self.asking = text[:-1]
        elif key == _KILL:
            self.asking = ""
        elif escaped(key) == key and len(key) == 1:
            self.asking = (text + key)[:LONGEST_FILTER]


def _row(before: Sample | None, sample: Sample, elapsed: float) -> ChannelRow:
    if before is None:
        return ChannelRow(sample.info)
    return ChannelRow(
        sample.info,
        _rate(before.incoming, sample.incoming, elapsed),
        _rate(before.outgoing, sample.outgoing, elapsed),
    )


def _rate(before: int | None, after: int | None, elapsed: float) -> float | None:
    """Messages a second; None where a counter is not told, or began anew with its server or channel."""
    if before is None or after is None or after < before or elapsed <= 0:
        return None
    return (after - before) / elapsed


def _number(value: float | None) -> float:
    return -1.0 if value is None else float(value)


def keys(text: str) -> list[str]:
    """Typed characters, with each escape sequence in one piece."""
    found: list[str] = []
    at = 0
    while at < len(text):
        wide = _sequence(text, at)
        found.append(text[at : at + wide])
        at += wide
    return found


def _sequence(text: str, at: int) -> int:
    """How long the key at `at` is: an escape sequence ends with a letter or `~`."""
    if text[at] != _ESCAPE or text[at + 1 : at + 2] not in ("[", "O"):
        return 1
    end = at + 2
    while end < len(text) and not ("@" <= text[end] <= "~"):
        end += 1
    return min(end + 1, len(text)) - at


def rate_text(rate: float | None) -> str:
    """A rate to read: `0`, `0.5`, `12`, `1,234`; empty where there is none."""
    if rate is None:
        return ""
    return f"{rate:,.1f}" if 0 < rate < 9.95 else f"{rate:,.0f}"
