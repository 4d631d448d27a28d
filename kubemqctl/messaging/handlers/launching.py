"""The launcher as its worker sees it: started once, told what to run, asked what has ended.

See `launcher` for why it is a process of its own. Whatever ends this process ends it, and with it all
handlers.
"""

from __future__ import annotations

import array
import contextlib
import marshal
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kubemqctl.messaging.handlers.launcher import (
    END,
    EXITED,
    FAILED,
    ORDER,
    REPORT,
    RUN,
)
from kubemqctl.messaging.handlers.message_input import Executable
from kubemqctl.model.errors import HandlerFailed

# Seconds that a launcher may take to end all handlers when we end at once.
LAST_MOMENT = 1.0
_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_PROGRAM = os.path.join(os.path.dirname(__file__), "launcher.py")
_RUNNING: set[LauncherProcess] = set()


class Report(NamedTuple):
    """A handler has ended: its `exit_code`, negative for a signal; or `failed`, an errno, to start."""

    number: int
    exit_code: int = 0
    failed: int = 0


class LauncherProcess:
    """Orders may be given by any thread; `read` is for one. `fd` is readable when there are reports.

    Raises OSError when it cannot be started.
    """

    def __init__(self, command: Executable, environ: Mapping[bytes, bytes]) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._rest = b""
        self._closed = False
        with theirs:
            self._pid = _spawned(theirs.fileno())
        self.fd = self._control.fileno()
        setup = marshal.dumps((command.path, list(command.words), dict(environ)))
        self._control.sendall(struct.pack("=I", len(setup)) + setup)
        _RUNNING.add(self)

    def run(self, number: int, variables: Mapping[bytes, bytes], fds: Sequence[int]) -> None:
        """Start a handler with these three descriptors as its stdin, stdout and stderr."""
        own = marshal.dumps(dict(variables))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        with self._lock:
            self._control.sendmsg([ORDER.pack(RUN, number, len(own))], rights)
            self._control.sendall(own)

    def end(self, number: int, signum: signal.Signals) -> None:
        """Signal a handler and all that it started; when it has ended, what is left of them is killed."""
        with self._lock, contextlib.suppress(OSError):
            self._control.sendall(ORDER.pack(END, number, signum))

    def read(self) -> list[Report]:
        """What has ended. Raises HandlerFailed when the launcher itself has."""
        try:
            data = self._control.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise HandlerFailed("the process that starts handlers has ended", code="handler-not-started")
        data = self._rest + data
        whole = len(data) - len(data) % REPORT.size
        self._rest = data[whole:]
        return [_report(*fields) for fields in REPORT.iter_unpack(data[:whole])]

    def close(self) -> None:
        """End it, and every handler that is still there."""
        if not self._closed:
            self._closed = True
            _RUNNING.discard(self)
            self._control.close()
            os.waitpid(self._pid, 0)

    def kill(self) -> None:
        """The same for a process that ends at once: waits for a moment only, and for nobody's lock."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            self._control.settimeout(LAST_MOMENT)
            while self._control.recv(1 << 16):
                pass


def _report(kind: bytes, number: int, value: int) -> Report:
    if kind == FAILED:
        return Report(number, failed=value)
    assert kind == EXITED
    return Report(number, exit_code=os.waitstatus_to_exitcode(value))


def _spawned(control: int) -> int:
    # It ignores them from its first line on; what comes before that must not end it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        null = os.open(os.devnull, os.O_RDWR)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in enumerate((null, null, null, control))]
            # -I -S: it needs nothing but a few modules of the standard library, and a start of 10 ms.
            words = [sys.executable, "-I", "-S", _PROGRAM]
            return os.posix_spawn(sys.executable, words, os.environ, file_actions=actions)
        finally:
            os.close(null)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill_all() -> None:
    """End every handler with all that it started, at once: for an exit that cannot wait."""
    for launcher in [*_RUNNING]:
        launcher.kill()
