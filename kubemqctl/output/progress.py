"""The progress of a long run, on one line of a terminal's stderr.

The line is drawn between two pieces of work, never by a thread, and taken away before anything else is
printed: it leaves no trace, the cursor stays visible, and a run of less than a second shows nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


FIRST = 1.0
"""Seconds of work before there is anything to see."""
PAUSE = 0.1
T = TypeVar("T")


class HasPieces(Protocol):
    """Some of the input: the pieces that it was split into."""

    @property
    def pieces(self) -> Sequence[bytes]:
        """Each without what separates it from the next."""


B = TypeVar("B", bound=HasPieces)


class Progress:
    """A context manager. `fd` is the terminal to draw on, or None to draw nothing; `shared`: the results go
    there too. `total` is how many bytes of input there are, 0 when nobody knows, pieces and the `between`
    bytes behind each.
    """

    def __init__(
        self,
        fd: int | None,
        shared: bool,
        total: int = 0,
        between: int = 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fd = fd
        self._shared = shared
        self._now = now
        self._begun = now()
        self._due = self._begun + FIRST
        self._count = 0
        self._total = total
        self._between = between
        self._read = (0, 0)  # pieces, and their bytes
        self._shown = False
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def through(self, batches: Iterable[B]) -> Iterable[B]:
        """`batches`, with an account of how much they are."""
        return batches if self._fd is None else self._counted(batches)

    def _counted(self, batches: Iterable[B]) -> Iterator[B]:
        for batch in batches:
            pieces, size = self._read
            size += sum(map(len, batch.pieces)) + len(batch.pieces) * self._between
            self._read = (pieces + len(batch.pieces), size)
            yield batch

    def around(self, emit: Callable[[Sequence[T]], None]) -> Callable[[Sequence[T]], None]:
        """`emit`, counting what it prints, with the line out of its way."""
        if self._fd is None:
            return emit

        def emitted(items: Sequence[T]) -> None:
            was_shown = self._shown
            if self._shared:
                self.clear()
            emit(items)
            self._count += len(items)
            if self._now() >= self._due or was_shown != self._shown:
                self._draw()

        return emitted

    def apart(self, say: Callable[[T], None]) -> Callable[[T], None]:
        """`say`, with the line out of its way."""

        def said(what: T) -> None:
            self.clear()
            say(what)

        return said

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            self._shown = False
            self._write(b"\r\x1b[K")

    def _draw(self) -> None:
        now = self._now()
        self._due = now + PAUSE
        if self._bar is None:
            self._bar = _made(self._total)
        bar, (task,) = self._bar, self._bar.task_ids
        rate = self._count / (now - self._begun)
        # What was read is ahead of what was sent, by a whole batch where a rate holds it back.
        pieces, size = self._read
        done = size * self._count / pieces if pieces else 0
        bar.update(task, completed=done, said=f"{self._count:,} messages, {rate:,.0f}/s")
        with bar.console.capture() as captured:
            bar.console.print(bar.get_renderable(), end="")
        # A terminal too narrow for it has it on two lines, of which only one could be taken away.
        line = captured.get().partition("\n")[0]
        self._write(f"\r{line}\x1b[K".encode())
        self._shown = True

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._fd if self._fd is not None else 2, data)


def _made(total: int) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    text = TextColumn("{task.fields[said]}", markup=False)
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), text) if total else (text,)
    bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
    bar.add_task("", total=total or None, said="")
    return bar
