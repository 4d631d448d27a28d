"""A pipe for tests of what reads one."""

from __future__ import annotations

import os


class Pipe:
    """A pipe with both ends open; `write` fills it, `end` is the end of its input."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        self.ended = False

    def write(self, data: bytes) -> Pipe:
        assert os.write(self._write_fd, data) == len(data)
        return self

    def end(self) -> Pipe:
        os.close(self._write_fd)
        self.ended = True
        return self

    def rest(self) -> bytes:
        """What nobody has read yet."""
        os.set_blocking(self.read_fd, False)
        try:
            return os.read(self.read_fd, 1 << 16)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self.read_fd)
        if not self.ended:
            self.end()
