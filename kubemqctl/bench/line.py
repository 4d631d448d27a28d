"""How far a benchmark is, on one line of a terminal's stderr, and nothing anywhere else."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from kubemqctl.bench.run import Stage
from kubemqctl.model.text import count_text

PAUSE = 0.1
"""Seconds between two pictures."""
NAME, BAR = 18, 30


class Line:
    """A context manager; `watch` draws. `fd` is the terminal, or None."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._due = 0.0
        self._shown = False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write("\r\x1b[K")

    def watch(self, stage: Stage) -> None:
        """Show it, unless something was shown a moment ago."""
        now = time.monotonic()
        if self._fd is None or now < self._due:
            return
        self._due = now + PAUSE
        self._shown = True
        self._write(f"\r{picture(stage, self._width())}\x1b[K")

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._fd or 2).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        with suppress(OSError):
            os.write(self._fd or 2, text.encode())


def picture(stage: Stage, width: int) -> str:
    """The line, cut where the terminal ends."""
    parts = [f"{stage.name:<{NAME}}"]
    if stage.done is not None:
        full = round(stage.done * BAR)
        parts.append(f"{'━' * full}{'╌' * (BAR - full)} {stage.done:4.0%}")
    if stage.messages:
        parts.append(count_text(stage.messages, "message"))
    return "  ".join(parts)[: max(0, width - 1)].rstrip()
