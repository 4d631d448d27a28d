"""A full-screen view: the alternate screen buffer, keys without Enter, changes of size.

Whatever ends the run, the terminal is as it was before; Ctrl-Z puts it back for as long as the run is
stopped. Lines are written over the old ones, so nothing flickers.
"""

from __future__ import annotations

import codecs
import os
import select
import signal
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from kubemqctl.output.keys import typed
from kubemqctl.output.stderr_writer import STDERR
from kubemqctl.output.stdout import Stdout

# Another buffer, no cursor, no wrapping: a line that is too long ends at the edge.
_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE = b"\x1b[?7h\x1b[?25h\x1b[?1049l"


class Screen:
    """A context manager on stdout.

    `stop_fd` ends a wait once it is readable, `keys` is the descriptor of the terminal to read keys from, or
    None, and `redraw` draws the page anew when the run goes on after Ctrl-Z.
    """

    def __init__(self, stop_fd: int, keys: int | None, redraw: Callable[[], None]) -> None:
        self._stop_fd = stop_fd
        self._keys = keys
        self._redraw = redraw
        self._stdout = Stdout(1, stop_fd)
        self._before: list[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def __enter__(self) -> Screen:
        for signum, handler in ((signal.SIGWINCH, self._resized), (signal.SIGTSTP, self._suspended)):
            self._handlers[signum] = signal.signal(signum, handler)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._restore(termios.TCSADRAIN)
        STDERR.within_line = False  # Ctrl-C has shown nothing here
        self._stdout.close()
        os.close(self._woken)
        os.close(self._wake)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines; a terminal that does not tell has 80 by 24."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(1)
            if columns and lines:
                return columns, lines
        return 80, 24

    def draw(self, lines: Sequence[str]) -> None:
        """Show `lines`, as many as the terminal has, over what is there."""
        # Erased before it is written: behind a full line the cursor stands on its last character.
        page = "\r\n".join(f"\x1b[K{line}" for line in lines)
        self._stdout.write(b"\x1b[H" + page.encode("utf-8", "backslashreplace"))

    def wait(self, also: int) -> str:
        """Wait for a key, a stop, a new size, or `also` to be readable; what was typed."""
        fds = [self._stop_fd, self._woken, also, *([] if self._keys is None else [self._keys])]
        ready, _, _ = select.select(fds, [], [])
        if self._woken in ready:
            os.read(self._woken, 4096)
        return self._typed() if self._keys in ready else ""

    def _typed(self) -> str:
        fd = self._keys
        if fd is None:
            return ""
        data = typed(fd)
        if not data:  # the terminal has hung up
            self._keys = None
        return self._decoder.decode(data)

    def _take(self) -> None:
        if self._keys is not None:
            self._before = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys, termios.TCSANOW)
        self._stdout.write(_ENTER)

    def give_back(self) -> None:
        """Leave the terminal as it was, for an exit that cannot wait for what is still to be shown."""
        self._restore(termios.TCSANOW)

    def _restore(self, when: int) -> None:
        with suppress(Exception):  # it may be gone, and then there is nothing to put back
            self._stdout.write(_LEAVE)
        if self._keys is not None and self._before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self._keys, when, self._before)

    def _resized(self, signum: int, frame: FrameType | None) -> None:
        with suppress(BlockingIOError):
            os.write(self._wake, b"!")

    def _suspended(self, signum: int, frame: FrameType | None) -> None:
        self._restore(termios.TCSADRAIN)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self._redraw()


def keyboard() -> int | None:
    """The descriptor of the terminal that keys come from: stdin, when that is a terminal and ours to read."""
    with suppress(OSError):
        if os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp():
            return 0
    return None
