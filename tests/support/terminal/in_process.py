"""The program in this process, on a terminal: what it writes there, of both streams, is read back.

Dozens of command lines in the time of one process. A run that does not end in time is a failure.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from kubemqctl.cli.main import main
from kubemqctl.output import screen, stderr
from tests.support.terminal.pseudo_terminal import PseudoTerminal

LONGEST = 20
"""Seconds."""

_STYLES = (stderr.BOLD, stderr.DIM, stderr.RED, stderr.GREEN, stderr.ORANGE, stderr.BLUE, stderr.PURPLE)
_COLOURS = {"0", *_STYLES, *(f"{stderr.BOLD};{style}" for style in _STYLES)}
_SCREEN = {part.decode() for part in (screen._ENTER, screen._LEAVE)} | {"\x1b[H", "\x1b[K"}
# What acts on a terminal or misleads who reads it; a terminal's driver writes \r\n for \n.
ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


class TerminalResult(NamedTuple):
    """The exit code, and all that came to the terminal."""

    code: int
    written: str

    @property
    def foreign(self) -> str:
        """`written` without our own colours and cursor movements."""
        rest = re.sub("\r+\n", "\n", self.written)
        # The line editor goes back to the first column to draw its line, and forward to the cursor.
        rest = re.sub(r"\r\x1b\[(?:K|[0-9]+C)", "", rest)
        for ours in sorted(_SCREEN, key=len, reverse=True):
            rest = rest.replace(ours, "")
        return re.sub(r"\x1b\[([0-9;]*)m", lambda m: "" if m[1] in _COLOURS else m[0], rest)


class _TooLong(BaseException):
    """Not to be caught by anything on its way."""


def on_terminal(*words: str, keys: bytes = b"", size: tuple[int, int] = (100, 40)) -> TerminalResult:
    """Run `kubemqctl WORDS` on a terminal of so many columns and lines, with `keys` typed ahead."""
    with PseudoTerminal(size) as terminal:
        terminal.no_echo()
        terminal.type(keys)
        with streams_on(terminal.slave, terminal.slave, terminal.slave), _limited(words):
            code = int(main(list(words)))
        return TerminalResult(code, terminal.close().decode("utf-8", "backslashreplace"))


@contextmanager
def streams_on(*fds: int) -> Iterator[None]:
    """This process's stdin, stdout and stderr are those of `fds` for a while."""
    saved = [os.dup(stream) for stream in range(3)]
    for stream, fd in enumerate(fds):
        os.dup2(fd, stream)
    try:
        yield
    finally:
        for stream, before in enumerate(saved):
            os.dup2(before, stream)
            os.close(before)


@contextmanager
def _limited(words: tuple[str, ...]) -> Iterator[None]:
    def too_long(signum: int, frame: FrameType | None) -> None:
        raise _TooLong(f"{words} did not end within {LONGEST} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
