"""A terminal for a program under test: everything written to it is read at once and kept."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Callable

from tests.support.program import finish
from tests.support.waiting import until


class PseudoTerminal:
    """`slave` is what a program has as its stdin, stdout or stderr. A context manager.

    Read in a thread, so that nobody who writes to it ever waits; `size` is (columns, lines).
    """

    def __init__(self, size: tuple[int, int] = (80, 24)) -> None:
        self._master, self.slave = pty.openpty()
        self.resize(*size)
        self.settings = termios.tcgetattr(self.slave)
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._closed = False

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def written(self) -> bytes:
        """All that it was sent so far, `\\r\\n` for each `\\n` as the driver writes it, echo included."""
        return bytes(self._written)

    def type(self, keys: bytes) -> None:
        """Press keys; Enter, Ctrl-C, Ctrl-D and Ctrl-Z are \\n, \\x03, \\x04 and \\x1a."""
        os.write(self._master, keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give it another size, of which the program is told."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def no_echo(self) -> None:
        """Do not show what is typed."""
        self.settings[3] &= ~termios.ECHO
        termios.tcsetattr(self.slave, termios.TCSANOW, self.settings)

    def wait_for(
        self, met: Callable[[bytes], object], what: str, timeout: float = 20.0, since: int = 0
    ) -> None:
        """Until `met` holds for what was written, from the position `since` on."""
        try:
            until(lambda: met(self.written[since:]), what, timeout)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.written[since:].decode(errors='replace')}") from None

    def close(self) -> bytes:
        """All that was written to it, once every program has closed it."""
        if not self._closed:
            self._closed = True
            os.close(self.slave)
            finish(self._reader, "the terminal closed by everyone who had it open")
            os.close(self._master)
        return self.written

    def _read(self) -> None:
        # Linux ends it with an error, macOS with nothing, once nobody has the terminal open any more.
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return
            if not data:
                return
            self._written += data
