"""Standard error as a stream that cannot hold us up: somebody may be there who does not read it.

As with `stdout`, a pipe or terminal is written without blocking, through a file description of our own, so
that the flags of the shared one stay as they were. What it does not take at once is kept and goes first; who
writes much asks whether it is clear. Once a stop was asked for, nobody waits for its reader for long.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading

LAST_MOMENT = 0.2
"""Seconds that a reader has, in all, to make room once a stop was asked for."""
MOST_KEPT = 256 << 10
"""Bytes of ours that may wait for a reader, so that a warning does not hold up what it is about."""
_PAGE = 4096


class StderrWriter:
    """Writes to fd 2, from any thread. Until it is told of a stop to watch, it writes as anybody does."""

    def __init__(self) -> None:
        self._stop_fd: int | None = None
        self.is_clear = True
        self.within_line = False
        """Whether something stands before the cursor that the next line must not go on with."""
        self._draining: threading.Thread | None = None
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._own: int | None = None
        self._may_block = False
        self._given_up = False

    def watch(self, stop_fd: int | None) -> None:
        """From now on `put` is held up by a reader only until `stop_fd` is readable; None for no stop."""
        self._flush()
        with self._lock:
            self._stop_fd, self._file, self._given_up = stop_fd, None, False
            if self._own is not None:
                os.close(self._own)
                self._own = None

    def offer(self, data: bytes) -> bool:
        """Write what it takes now, and keep the rest; whether nothing is kept."""
        with self._lock:
            self._kept += data
            self.is_clear = self._write()
            return self.is_clear

    def put(self, data: bytes) -> None:
        """Write all of it, now or when there is room. Who has much to say waits for its reader."""
        if self.offer(data):
            return
        if self._stop_fd is None or len(self._kept) > MOST_KEPT:
            self._flush()
        elif not (self._draining and self._draining.is_alive()):
            self._draining = threading.Thread(target=self._drain, name="stderr", daemon=True)
            self._draining.start()

    def _flush(self) -> None:
        """Wait until all of it has gone. What a reader does not take is dropped only behind a stop."""
        while not self.offer(b""):
            if not self._wait():
                with self._lock:
                    self._kept.clear()
                    self.is_clear = True

    def _drain(self) -> None:
        while not self.offer(b""):
            self._ready(LAST_MOMENT * 1000)

    @property
    def poll_fd(self) -> int:
        """What poll(2) tells of when there is room again."""
        return 2 if self._own is None else self._own

    def _write(self) -> bool:
        try:
            self._look_at_file()
            while self._kept:
                # Without a description of our own, a page is what one that is ready takes without blocking.
                paged = self._may_block and self._own is None
                if paged and not self._ready(0):
                    return False
                done = os.write(self.poll_fd, self._kept[: _PAGE if paged else len(self._kept)])
                del self._kept[:done]
        except BlockingIOError:
            return False
        except OSError:
            # Nobody is there.
            self._kept.clear()
        return True

    def _look_at_file(self) -> None:
        """See what fd 2 is now: it may have been redirected since."""
        found = os.fstat(2)
        file = (found.st_dev, found.st_ino)
        if file == self._file:
            return
        if self._own is not None:
            os.close(self._own)
        self._file, self._own = file, None
        self._may_block = False
        if self._stop_fd is None:
            return
        is_terminal = stat.S_ISCHR(found.st_mode) and os.isatty(2)
        self._may_block = is_terminal or stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode)
        if self._may_block:
            with contextlib.suppress(OSError):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
                self._own = os.open("/proc/self/fd/2", flags)

    def _ready(self, milliseconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self.poll_fd, select.POLLOUT)
        return bool(poll.poll(milliseconds))

    def _wait(self) -> bool:
        """Until there is room; False when that is not to be waited for."""
        if self._given_up:
            return False
        if self._stop_fd is None:
            return self._ready(None)
        both = select.poll()
        both.register(self.poll_fd, select.POLLOUT)
        both.register(self._stop_fd, select.POLLIN)
        if any(fd != self._stop_fd for fd, _ in both.poll()):
            return True
        self._given_up = not self._ready(LAST_MOMENT * 1000)
        return not self._given_up


STDERR = StderrWriter()
