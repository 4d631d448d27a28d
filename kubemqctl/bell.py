"""Waking a loop that waits in poll(2) from other threads."""

from __future__ import annotations

import contextlib
import math
import os
import threading

LONGEST_WAIT = 3600.0
"""Seconds."""


def milliseconds(wait: float) -> int:
    """A wait of so many seconds as poll(2) takes it, rounded up; at most an hour, as it counts in 32 bits."""
    return max(0, math.ceil(min(wait, LONGEST_WAIT) * 1000))


class Bell:
    """Wakes a loop from other threads: `fd` is readable from `ring` to `clear`."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)
        self._rung = False
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Wake the loop; costs nothing while it is still to wake from the last time."""
        with self._lock:
            if not self._rung:
                self._rung = True
                os.write(self._write, b"!")

    def clear(self) -> None:
        """To be called before looking for news, so that none rings in vain."""
        with self._lock, contextlib.suppress(BlockingIOError):
            self._rung = False
            os.read(self.fd, 64)

    def close(self) -> None:
        """End; whoever rings later rings for nobody."""
        with self._lock:
            self._rung = True
            os.close(self.fd)
            os.close(self._write)
