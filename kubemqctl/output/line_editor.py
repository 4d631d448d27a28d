"""Lines typed on a terminal, edited by the usual keys: arrows, Home, End, Ctrl-A, E, K, U, W, and a history.

Python's readline would wait for a whole line, and nothing else: whoever holds a message meanwhile must hear
of its end. This one is given what was typed, whenever there is something.
"""

from __future__ import annotations

import codecs
import os
import re
import termios
import tty
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unicodedata import combining, east_asian_width

from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.text import reason
from kubemqctl.output.keys import typed
from kubemqctl.output.stderr import columns

_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|\x1b|.", re.DOTALL)
LONGEST = 10_000
"""Characters of a line; what is typed beyond is not taken."""


class LineEditor:
    """A context manager on the terminal `fd`, drawing on `out`. `over` once the input has ended.

    Ctrl-C and Ctrl-Z do what they always do; the terminal is left as it was.
    """

    def __init__(self, fd: int, out: int = 2) -> None:
        self.fd = fd
        self.number = 0
        self.entered = 0  # lines, also empty ones
        self.over = False
        self.cut_short = False
        self._out = out
        self._prompt = ""
        self._text = ""
        self._cursor = 0
        self._lines: deque[str] = deque()
        self._history: list[str] = []
        self._at = 0
        self._before: list[Any] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def __enter__(self) -> LineEditor:
        with suppress(termios.error):  # no terminal: then its lines come as they are
            self._before = termios.tcgetattr(self.fd)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore(termios.TCSADRAIN)

    def give_back(self) -> None:
        """Leave the terminal as it was, for an exit that cannot wait for what is still to be shown."""
        self._restore(termios.TCSANOW)

    def _restore(self, when: int) -> None:
        if self._before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fd, when, self._before)

    def ask(self, prompt: str) -> None:
        """Show the prompt, and what was typed ahead."""
        if self._before is not None:
            # Each time, since a shell may have changed it while the run was stopped.
            with suppress(termios.error):
                tty.setcbreak(self.fd, termios.TCSANOW)
        self._prompt = prompt
        self._draw()

    def forget(self) -> None:
        """Drop what was typed and not taken yet."""
        with suppress(termios.error):
            termios.tcflush(self.fd, termios.TCIFLUSH)
        self._lines.clear()
        self._text, self._cursor = "", 0

    def read(self) -> None:
        """Take what was typed; to be called when `fd` is readable."""
        try:
            data = typed(self.fd)
        except BlockingIOError:
            return
        except OSError as e:
            raise KubemqctlError(f"the terminal cannot be read: {reason(e)}") from e
        self.over = self.over or not data
        for match in _KEY.finditer(self._decoder.decode(data)):
            self._take(match[0])
        self._draw()

    def next(self) -> bytes | None:
        """The next line that says something; None when there is none yet."""
        while self._lines:
            self.number += 1
            line = self._lines.popleft()
            if line.strip():
                return line.encode("utf-8", "surrogateescape")
        return None

    def _take(self, key: str) -> None:
        if action := _ACTIONS.get(key):
            action(self)
        elif key.isprintable() and len(self._text) < LONGEST:
            self._replace(self._cursor, self._cursor, key)

    def _replace(self, start: int, end: int, text: str = "") -> None:
        """Put `text` in place of what stands between; the cursor is behind it then."""
        start, end = max(0, start), min(len(self._text), end)
        self._text = self._text[:start] + text + self._text[end:]
        self._cursor = start + len(text)

    def _move(self, to: int) -> None:
        self._cursor = max(0, min(len(self._text), to))

    def _enter(self) -> None:
        self._cursor = len(self._text)
        self._draw()
        self._write("\r\n")
        self._lines.append(self._text)
        self.entered += 1
        if self._text.strip():
            self._history = [*(line for line in self._history if line != self._text), self._text]
        self._at = len(self._history)
        self._text, self._cursor, self._prompt = "", 0, ""

    def _delete_or_end(self) -> None:
        if self._text:
            self._replace(self._cursor, self._cursor + 1)
        else:
            self.over = True

    def _delete_word(self) -> None:
        kept = re.sub(r"\S*\s*\Z", "", self._text[: self._cursor])
        self._replace(len(kept), self._cursor)

    def _recall(self, step: int) -> None:
        self._at = max(0, min(len(self._history), self._at + step))
        self._replace(0, len(self._text), (*self._history, "")[self._at])

    def _draw(self) -> None:
        """The prompt, and as much of the line around the cursor as there is room for."""
        if not self._prompt:
            return
        room = max(1, columns(self._out) - len(self._prompt) - 1)
        start = 0
        while _columns_of(self._text[start : self._cursor]) > room:
            start += 1
        shown = self._text[start:]
        while _columns_of(shown) > room:
            shown = shown[:-1]
        at = len(self._prompt) + _columns_of(self._text[start : self._cursor])
        self._write(f"\r\x1b[K{self._prompt}{shown}\r\x1b[{at}C")

    def _write(self, text: str) -> None:
        with suppress(OSError):
            os.write(self._out, text.encode())


def _columns_of(text: str) -> int:
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _keys(action: Callable[[LineEditor], None], *keys: str) -> dict[str, Callable[[LineEditor], None]]:
    return dict.fromkeys(keys, action)


_ACTIONS: dict[str, Callable[[LineEditor], None]] = {
    **_keys(LineEditor._enter, "\r", "\n"),
    # Ctrl-D that was typed before the terminal was ours: the driver keeps such an end as NUL.
    **_keys(LineEditor._delete_or_end, "\x04", "\x00"),
    **_keys(LineEditor._delete_word, "\x17"),
    **_keys(lambda e: e._replace(e._cursor - 1, e._cursor) if e._cursor else None, "\x7f", "\x08"),
    **_keys(lambda e: e._replace(e._cursor, e._cursor + 1), "\x1b[3~"),
    **_keys(lambda e: e._replace(0, e._cursor), "\x15"),
    **_keys(lambda e: e._replace(e._cursor, len(e._text)), "\x0b"),
    **_keys(lambda e: e._move(0), "\x01", "\x1b[H", "\x1bOH", "\x1b[1~"),
    **_keys(lambda e: e._move(len(e._text)), "\x05", "\x1b[F", "\x1bOF", "\x1b[4~"),
    **_keys(lambda e: e._move(e._cursor - 1), "\x02", "\x1b[D", "\x1bOD"),
    **_keys(lambda e: e._move(e._cursor + 1), "\x06", "\x1b[C", "\x1bOC"),
    **_keys(lambda e: e._recall(-1), "\x10", "\x1b[A", "\x1bOA"),
    **_keys(lambda e: e._recall(1), "\x0e", "\x1b[B", "\x1bOB"),
}
