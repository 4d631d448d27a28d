"""Standard output, with an account of how many bytes have really left.

A message may be acknowledged only when its bytes are out. Into a file or a terminal that is when
write(2) has taken them. Into a pipe they may still sit in the kernel when the reader goes away, so on
Linux the pipe is asked (FIONREAD) how many were not read yet: what the reader has taken is `taken`.

A pipe is written without blocking, through a file description of our own (/proc/self/fd), so that a
signal is noticed while a slow reader holds us up and the flags of the shared description stay as they were.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import sys
import time

from kubemqctl.model.errors import KubemqctlError, OutputError, ReaderGone
from kubemqctl.model.text import reason

# How long a reader may take, at the end of a run, to fetch what is still in the pipe: seconds.
LAST_MOMENT = 0.2
_PAGE = 4096


class Stdout:
    """Writes to standard output. `stop_fd`, once readable, limits how long a `write` may be held up.

    Raises OutputError when `fd` is closed or not open for writing.
    """

    def __init__(self, fd: int = 1, stop_fd: int | None = None) -> None:
        self.offset = 0
        self.stop_fd = stop_fd
        self._fd = fd
        mode = _mode(fd)
        self.is_pipe = stat.S_ISFIFO(mode)
        self._may_block = self.is_pipe or stat.S_ISSOCK(mode) or os.isatty(fd)
        self._own = _reopened(fd) if self.is_pipe else None

    def close(self) -> None:
        """Close what this object opened; fd 1 itself stays."""
        if self._own is not None:
            os.close(self._own)
            self._own = None

    def write(self, data: bytes) -> bool:
        """Write all of `data`; False when it is stuck and a stop came: `offset` tells how far it went.

        Raises ReaderGone when the reader of a pipe has left, OutputError for a full disk and the like.
        """
        view = memoryview(data)
        # Without a description of our own, a page is what an output that is ready takes without blocking.
        paged = self._may_block and self._own is None
        while view:
            if paged and not self._writable():
                return False
            try:
                done = os.write(self._fd if self._own is None else self._own, view[:_PAGE] if paged else view)
            except BlockingIOError:
                if not self._writable():
                    return False
                continue
            except OSError as e:
                raise write_error(e) from e
            self.offset += done
            view = view[done:]
        return True

    @property
    def bytes_taken(self) -> int:
        """How many bytes are out for good: read by the reader of a pipe, else written."""
        return self.offset - self._unread()

    def drain(self, seconds: float = LAST_MOMENT) -> bool:
        """Wait at most so long for the reader of a pipe to take what is in it; whether it has taken all."""
        deadline = time.monotonic() + seconds
        pause = 0.0002
        while self._unread():
            if self.reader_gone() or time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.005)
        return True

    def finish(self) -> int:
        """The end of a run: give the reader a moment, then count all as taken, unless it has left."""
        self.drain()
        return self.bytes_taken if self.reader_gone() else self.offset

    @property
    def watch_fd(self) -> int | None:
        """Where poll(2), asked for nothing, tells that the reader has left; None without one."""
        return self._fd if self.is_pipe else None

    def reader_gone(self) -> bool:
        """Whether the other end of the pipe is closed."""
        if not self.is_pipe:
            return False
        poll = select.poll()
        poll.register(self._fd, 0)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))

    def _writable(self) -> bool:
        """Wait until the output takes something; once a stop came, no longer than a moment."""
        out = select.poll()
        out.register(self._fd, select.POLLOUT)
        if self.stop_fd is None:
            return bool(out.poll())
        both = select.poll()
        both.register(self._fd, select.POLLOUT)
        both.register(self.stop_fd, select.POLLIN)
        return any(fd == self._fd for fd, _ in both.poll()) or bool(out.poll(LAST_MOMENT * 1000))

    def _unread(self) -> int:
        if not self.is_pipe or not sys.platform.startswith("linux"):
            return 0
        import termios

        count = fcntl.ioctl(self._fd, termios.FIONREAD, b"\0\0\0\0")
        return min(int.from_bytes(count, sys.byteorder), self.offset)


def _mode(fd: int) -> int:
    """What kind of file it is; found out before anything is taken that could then not be written."""
    try:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return os.fstat(fd).st_mode
    except OSError as e:
        raise write_error(e) from e


def _reopened(fd: int) -> int | None:
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def write_error(error: OSError) -> KubemqctlError:
    """The error of a write to standard output that failed."""
    if error.errno == errno.EPIPE:
        return ReaderGone()
    if error.errno == errno.EBADF:
        return OutputError("standard output is closed", hint="redirect it to a file, or to /dev/null")
    return OutputError(
        f"cannot write to standard output: {reason(error)}",
        hint="free some space, or redirect the output elsewhere" if error.errno == errno.ENOSPC else "",
    )
