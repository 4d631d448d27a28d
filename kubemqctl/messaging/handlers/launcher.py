"""The process that starts handlers: run once by a worker, as a program of its own, with nothing of ours.

It stands between a worker and its handlers for two reasons. When the worker goes away, however that happens,
the end of its socket is noticed here, and every handler is ended with all that it started: a message that is
delivered again must not be worked on twice at a time. And a program is started from here at a fraction of
what it costs in a process of many threads and megabytes.

Orders come over a socket: RUN with the ends of three pipes and the variables of a message, END with a signal
for a handler. Reports go back: EXITED with how a handler ended, FAILED with why one could not be started.
"""

from __future__ import annotations

import array
import contextlib
import marshal
import os
import select
import signal
import socket
import struct
import sys

CONTROL_FD = 3
ORDER = struct.Struct("=cII")
"""What is ordered, of which handler, and the length of what follows (RUN) or the signal (END)."""
REPORT = struct.Struct("=cIi")
"""What is reported, of which handler, and its exit status as the system tells it, or an errno."""
RUN, END = b"R", b"E"
EXITED, FAILED = b"X", b"F"
# What Python ignores, and what this process does: handlers get what the worker was started with.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_PR_SET_CHILD_SUBREAPER = 36
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Launcher:
    """Starts handlers, ends them, and reports their ends, as long as the worker is there."""

    def __init__(
        self, control: socket.socket, path: str, words: list[str], environ: dict[bytes, bytes]
    ) -> None:
        self._control = control
        self._path = path
        self._words = words
        self._environ = environ
        self._numbers: dict[int, int] = {}
        self._pids: dict[int, int] = {}
        self._ended: set[int] = set()
        self._defaults = [*_RESTORED]

    def run(self) -> None:
        """Until the worker is gone; then nothing is left running."""
        self._defaults += [s for s in _IGNORED if signal.getsignal(s) is not signal.SIG_IGN]
        for s in _IGNORED:
            signal.signal(s, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        wake, write = os.pipe()
        os.set_blocking(write, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        try:
            while True:
                for fd, _ in poll.poll():
                    if fd == wake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake, 4096)
                        self._reap()
                    elif not self._obey():
                        return
        finally:
            for pid in self._numbers:
                _signal(pid, signal.SIGKILL)

    def _obey(self) -> bool:
        """Do what is ordered; False when there is nobody to order."""
        order, fds = _received(self._control)
        if not order:
            return False
        kind, number, value = ORDER.unpack(order)
        if kind == RUN:
            self._start(number, marshal.loads(_exactly(self._control, value)), fds)
        elif pid := self._pids.get(number):
            self._ended.add(pid)
            _signal(pid, value)
        return True

    def _start(self, number: int, own: dict[bytes, bytes], fds: list[int]) -> None:
        try:
            pid = os.posix_spawn(
                self._path,
                self._words,
                {**self._environ, **own},
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in enumerate(fds)],
                setsid=True,
                setsigmask=[],
                setsigdef=self._defaults,
            )
        except OSError as e:
            self._report(FAILED, number, e.errno or 0)
        else:
            self._numbers[pid], self._pids[number] = number, pid
        finally:
            for fd in fds:
                os.close(fd)

    def _reap(self) -> None:
        """Report those that have ended; what one of them left behind goes with it, if it was to be ended."""
        for pid in [*self._ended]:
            # While it is not waited for, its number stays its own.
            if pid in self._numbers and _has_ended(pid):
                _signal(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                number = self._numbers.pop(pid, None)
                if number is not None:
                    del self._pids[number]
                    self._ended.discard(pid)
                    self._report(EXITED, number, status)

    def _report(self, kind: bytes, number: int, value: int) -> None:
        # With the worker gone there is nobody to hear it, which is noticed in the next turn.
        with contextlib.suppress(OSError):
            self._control.sendall(REPORT.pack(kind, number, value))


def _has_ended(pid: int) -> bool:
    if not hasattr(os, "waitid"):
        return False  # on macOS, whose Python has it since 3.13
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(pid: int, signum: int) -> None:
    """Signal a handler and all of its session's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    """The next order, empty at the end, and the descriptors that came with it."""
    fds = array.array("i")
    data, ancillary, _, _ = control.recvmsg(ORDER.size, socket.CMSG_SPACE(3 * fds.itemsize), _CLOEXEC)
    for _, _, piece in ancillary:
        fds.frombytes(piece[: len(piece) - len(piece) % fds.itemsize])
    for fd in fds:
        os.set_inheritable(fd, False)
    if data and len(data) < ORDER.size:
        data += _exactly(control, ORDER.size - len(data))
    return data, fds.tolist()


def _exactly(control: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = control.recv(min(size - len(data), 1 << 20))
        if not chunk:
            raise SystemExit
        data += chunk
    return bytes(data)


def _adopt_orphans() -> None:
    """Become the parent of what handlers leave behind, to wait for its end.

    They would be given to process 1 else; as in a container that is our worker, which waits for nobody.
    """
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    """Read what is to be started, and serve."""
    with contextlib.suppress(OSError):
        os.setsid()
    if os.getppid() == 1 and sys.platform == "linux":
        _adopt_orphans()
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):
            if int(name) > CONTROL_FD:
                os.close(int(name))
    os.set_inheritable(CONTROL_FD, False)
    control = socket.socket(fileno=CONTROL_FD)
    size = struct.unpack("=I", _exactly(control, 4))[0]
    path, words, environ = marshal.loads(_exactly(control, size))
    Launcher(control, path, words, environ).run()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
