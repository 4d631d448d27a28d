"""`top` on a terminal: the table as it is drawn, its keys, and the counters that it asks for now and then."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubemqctl.messaging.channel_rates import ChannelRow, ChannelTable, rate_text
from kubemqctl.model.channels import Sample
from kubemqctl.model.errors import KubemqctlError, Unreachable
from kubemqctl.model.text import count_text, escaped, relative_text, size_text
from kubemqctl.output.human.tables import Column, draw_table
from kubemqctl.output.stderr import BOLD, DIM, RED, ViewOptions
from kubemqctl.runtime.waiting import Wakeup

_KEYS = "q quit · s sort · r reverse · / filter"
# The lines that are not rows: state, heading, keys.
_AROUND = 3


class Dashboard:
    """Draws what `table` has. `note` is what to know of the server; `lost` why the table is an old one."""

    def __init__(self, table: ChannelTable, colour: bool) -> None:
        self.note = ""
        self.lost: KubemqctlError | None = None
        self.taken = time.time()
        self._table = table
        self._colour = colour

    def lines(self, server: str, width: int, height: int) -> list[str]:
        """At most `height` lines of at most `width` columns."""
        notes: list[str] = []
        page = ViewOptions(self._colour, max(width, 1), time.time_ns, note=notes.append)
        rows = self._table.rows()
        room = max(1, height - _AROUND)
        hidden = len(rows) - room if len(rows) > room else 0
        table = draw_table(columns(rows[: room - bool(hidden)], page.now(), self._table), page, crop=True)
        more = [page.paint(f"… {count_text(hidden + 1)} more", DIM)] if hidden else []
        lines = [self._state(server, rows, page), *table.splitlines(), *more]
        return [*_filled(lines, height - 1), self._foot(page, notes)][:height]

    def _state(self, server: str, rows: Sequence[ChannelRow], page: ViewOptions) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(self.taken))
        if self.lost:
            said = f"{escaped(server)} as of {clock}; trying again: {escaped(self.lost.message)}"
            return page.paint(_cropped(said, page.width), RED)
        kept = f" with {escaped(self._table.filter)!r}" if self._table.filter else ""
        said = f"{escaped(server)} · {clock} · {count_text(len(rows), 'channel')}{kept}"
        return page.paint(_cropped(f"{said} · {self.note}" if self.note else said, page.width), BOLD)

    def _foot(self, page: ViewOptions, notes: Sequence[str]) -> str:
        if self._table.asking is not None:
            ask = f"filter: {escaped(self._table.asking)}"
            return ask[-page.width + 1 :] + page.paint("_", BOLD)
        return page.paint(_cropped(" · ".join([_KEYS, *notes]), page.width), DIM)


def columns(rows: Sequence[ChannelRow], now: int, table: ChannelTable) -> list[Column]:
    """The table's columns; the one that sorts is marked, and stays where the page is narrow."""
    told = [
        Column("name", [escaped(row.info.name) for row in rows]),
        Column("type", [escaped(row.info.type) for row in rows], rank=4),
        Column("in", [rate_text(row.rate_in) for row in rows], numeric=True, rank=2),
        Column("out", [rate_text(row.rate_out) for row in rows], numeric=True, rank=3),
        Column("waiting", [_count(row.info.waiting) for row in rows], numeric=True, rank=1, style=BOLD),
        Column("messages", [_count(row.info.messages) for row in rows], numeric=True, rank=5),
        Column("size", [_size(row.info.bytes) for row in rows], numeric=True, rank=7),
        Column("subscribers", [_count(row.info.subscribers) for row in rows], numeric=True, rank=6),
        Column("active", [_since(row.info.last_activity, now) for row in rows], numeric=True, rank=8),
    ]
    always = ("name", "type", "in", "out", "waiting", table.sort)
    return [_marked(c, table) for c in told if c.heading in always or any(c.cells)]


def _marked(column: Column, table: ChannelTable) -> Column:
    heading = f"{column.heading}/s" if column.heading in ("in", "out") else column.heading
    if column.heading != table.sort:
        return column._replace(heading=heading)
    is_rising = table.reversed != (table.sort in ("name", "type"))
    return column._replace(heading=f"{heading} {'▲' if is_rising else '▼'}", rank=0)


def _count(value: int | None) -> str:
    return "" if value is None else count_text(value)


def _size(value: int | None) -> str:
    return "" if value is None else size_text(value)


def _since(value: int | None, now: int) -> str:
    return relative_text(value, now) if value else ""


def _filled(lines: list[str], height: int) -> list[str]:
    return [*lines, *[""] * (height - len(lines))][: max(0, height)]


def _cropped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def plain(table: ChannelTable, width: int, colour: bool, note: Callable[[str], None]) -> str:
    """The table alone, once, with all of every name."""
    page = ViewOptions(colour, width, time.time_ns, note=note)
    return draw_table(columns(table.rows(), page.now(), table), page)


# What a read that hangs may hold up the end of the run: seconds.
LAST_MOMENT = 0.5


class News(NamedTuple):
    """What one try gave: samples, or why there are none. `at` is when, in seconds of time.monotonic."""

    at: float
    samples: Sequence[Sample] = ()
    error: Exception | None = None


class Poller:
    """A context manager; calls `read` every `interval` seconds, and `regain` first once the server was lost.

    `wakeup` wakes when there is news.
    """

    def __init__(
        self, read: Callable[[], Sequence[Sample]], regain: Callable[[], None], interval: float
    ) -> None:
        self._read = read
        self._regain = regain
        self._interval = interval
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self.wakeup = Wakeup()

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LAST_MOMENT)
        self.wakeup.close()

    def news(self) -> list[News]:
        """All that came since the last call."""
        self.wakeup.clear()
        found = []
        while not self._news.empty():
            found.append(self._news.get())
        return found

    def _run(self) -> None:
        lost = False
        while not self._over.wait(self._interval):
            try:
                if lost:
                    self._regain()
                samples = self._read()
                self._tell(News(time.monotonic(), samples))
                lost = False
            except KubemqctlError as e:
                lost = lost or isinstance(e, Unreachable)
                self._tell(News(time.monotonic(), error=e))
            except Exception as e:
                self._tell(News(time.monotonic(), error=e))
                return

    def _tell(self, news: News) -> None:
        self._news.put(news)
        self.wakeup.notify()
