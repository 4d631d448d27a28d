"""The program on a terminal of its own, its screen read back: only what `top` writes is understood."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.support.fast_start import PROGRAM, launch
from tests.support.program import environment, finish
from tests.support.waiting import until

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"


class Page:
    """A context manager: `kubemqctl ARG…` on a terminal of `size` (columns, lines)."""

    def __init__(
        self,
        folder: Path,
        address: str,
        *args: str,
        size: tuple[int, int] = (100, 12),
        env: Mapping[str, str | None] | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.settings = termios.tcgetattr(slave)
        self.process = launch(
            [*PROGRAM, *args],
            environment(address, {"TERM": "xterm", "NO_COLOR": "1", **(env or {})}),
            folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            login=True,
        )
        self._slave = slave
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        os.close(self._slave)
        finish(self._reader, "the terminal left by everyone who had it open")
        os.close(self._master)

    @property
    def written(self) -> bytes:
        """All that the terminal was sent."""
        return bytes(self._written)

    @property
    def lines(self) -> list[str]:
        """The last page that was drawn whole."""
        pages = self.written.split(b"\x1b[H")[1:]
        if not pages:
            return []
        text = pages[-1].partition(LEFT)[0].decode("utf-8", "replace")
        return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in text.split("\r\n")]

    def wait_for(self, pattern: str, timeout: float = 20.0) -> list[str]:
        """The page once one of its lines holds the regular expression `pattern`."""

        def seen() -> list[str]:
            assert self.process.poll() is None, f"it has ended\n{self.written!r}"
            lines = self.lines
            return lines if any(re.search(pattern, line) for line in lines) else []

        try:
            return until(seen, f"{pattern!r} on the page", timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}\n" + "\n".join(self.lines)) from None

    def type(self, keys: bytes) -> None:
        """Press keys; Ctrl-C and Ctrl-Z are b"\\x03" and b"\\x1a"."""
        os.write(self._master, keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size, of which the program is told."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self) -> int:
        """Its exit code, once it has ended and left the terminal as it was."""
        code = self.process.wait(20)
        assert termios.tcgetattr(self._slave) == self.settings
        until(lambda: self.written.count(ENTERED) == self.written.count(LEFT), "the screen left")
        return code

    def _read(self) -> None:
        # The terminal ends with an error once nobody has it open any more.
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return
            if not data:
                return
            self._written += data
