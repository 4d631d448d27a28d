"""One child process: fed, listened to, timed, and ended with all that it started.

The thread that calls `HandlerProcess.run` serves the three pipes of the process until it has ended, so
nothing is written or read by turns and a full pipe can block nobody. What it says on stderr goes on to
ours, line by line as it comes, because the lines of several children must not run into each other.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Literal, NamedTuple

from kubemqctl.runtime.waiting import milliseconds

LINGER = 0.5
"""Seconds that output may stay open once the process has ended: what it started may still hold it."""
LONGEST_LINE = 64 << 10
_CHUNK = 64 << 10
_TICK = 0.02  # how often the end is looked for where the system has no pidfd, as on macOS
Ending = Literal["exited", "timed-out", "stopped", "too-much-output"]
_RUNNING: set[int] = set()
# Held until a process that has begun is among those that run.
_STARTING = threading.RLock()
_STDERR = threading.Lock()


class ProcessEnd(NamedTuple):
    """How a process ended: `exit_code` as a shell has it (128+n for signal n), `last_line` of its stderr."""

    ending: Ending
    exit_code: int
    stdout: bytes
    last_line: str
    seconds: float


class ProcessLimits(NamedTuple):
    """`timeout` and `kill_after` (from SIGTERM to SIGKILL) are seconds, `output` is bytes of stdout."""

    timeout: float | None
    kill_after: float
    output: int


class HandlerProcess:
    """A process in a session of its own. `halt_fd` becomes readable when it has to end before its time.

    Raises OSError when it cannot be started.
    """

    def __init__(
        self,
        words: Sequence[str],
        path: str,
        environ: Mapping[bytes, bytes],
        stdin: bytes,
        limits: ProcessLimits,
        halt_fd: int,
    ) -> None:
        with _STARTING:
            self._process = subprocess.Popen(
                words,
                executable=path,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environ,
                start_new_session=True,
            )
            _RUNNING.add(self._process.pid)
        self._streams: list[IO[bytes]] = [
            stream
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
            if stream is not None
        ]
        self._began = time.monotonic()
        self._limits = limits
        self._left = memoryview(stdin)
        self._out: list[bytes] = []
        self._size = 0
        self._lines = StderrLines()
        self._ending: Ending = "exited"
        self._kill_at: float | None = None
        self._exited_at: float | None = None
        self._serve: dict[int, Callable[[], None]] = {}
        self._poll = select.poll()
        self._watch_all(halt_fd)

    def run(self) -> ProcessEnd:
        """Serve the process to its end."""
        try:
            while not self._over():
                for fd, _ in self._poll.poll(self._patience()):
                    if fd in self._serve:
                        self._serve[fd]()
                self._keep_time()
        finally:
            self._close()
        code = self._process.returncode
        return ProcessEnd(
            self._ending,
            code if code >= 0 else 128 - code,
            b"".join(self._out),
            self._lines.last,
            time.monotonic() - self._began,
        )

    # --- its pipes ---

    def _watch_all(self, halt_fd: int) -> None:
        self._stdin, self._stdout, self._stderr = (stream.fileno() for stream in self._streams)
        os.set_blocking(self._stdin, False)
        self._watch(halt_fd, lambda: self._halt(halt_fd))
        self._watch(self._stdout, self._read_stdout)
        self._watch(self._stderr, self._read_stderr)
        self._watch(self._stdin, self._feed, select.POLLOUT)
        self._exit_fd = _exit_fd(self._process.pid)
        if self._exit_fd is not None:
            self._watch(self._exit_fd, self._look_for_exit)

    def _watch(self, fd: int, serve: Callable[[], None], events: int = select.POLLIN) -> None:
        self._poll.register(fd, events)
        self._serve[fd] = serve

    def _forget(self, fd: int) -> None:
        if self._serve.pop(fd, None):
            self._poll.unregister(fd)

    def _feed(self) -> None:
        """Write what the pipe takes; a process that does not want its input is no failure."""
        try:
            if self._left:
                self._left = self._left[os.write(self._stdin, self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = self._left[:0]
        if not self._left:
            self._forget(self._stdin)
            self._streams[0].close()

    def _read_stdout(self) -> None:
        chunk = os.read(self._stdout, _CHUNK)
        self._size += len(chunk)
        if not chunk:
            self._forget(self._stdout)
        elif self._size <= self._limits.output:
            self._out.append(chunk)
        else:
            self._end("too-much-output")

    def _read_stderr(self) -> None:
        chunk = os.read(self._stderr, _CHUNK)
        if not chunk:
            self._forget(self._stderr)
        self._lines.feed(chunk)

    # --- its end ---

    def _over(self) -> bool:
        if self._exited_at is None:
            return False
        is_open = self._stdout in self._serve or self._stderr in self._serve
        return not is_open or time.monotonic() >= self._exited_at + LINGER

    def _patience(self) -> int:
        """Milliseconds until something is due, -1 for ever."""
        now = time.monotonic()
        due = [at for at in (self._deadline, self._kill_at) if at is not None and self._exited_at is None]
        if self._exited_at is not None:
            due.append(self._exited_at + LINGER)
        elif self._exit_fd is None:
            due.append(now + _TICK)
        return milliseconds(min(due) - now) if due else -1

    @property
    def _deadline(self) -> float | None:
        limit = self._limits.timeout
        return None if limit is None or self._ending != "exited" else self._began + limit

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._exited_at is None:
            self._look_for_exit()
        if self._exited_at is not None:
            return
        if self._deadline is not None and now >= self._deadline:
            self._end("timed-out")
        elif self._kill_at is not None and now >= self._kill_at:
            self._signal(signal.SIGKILL)
            self._kill_at = None

    def _halt(self, halt_fd: int) -> None:
        self._forget(halt_fd)
        self._end("stopped")

    def _end(self, why: Ending) -> None:
        """Ask it to end, once; `_keep_time` insists later."""
        if self._ending == "exited" and self._exited_at is None:
            self._ending = why
            self._kill_at = time.monotonic() + self._limits.kill_after
            self._signal(signal.SIGTERM)

    def _look_for_exit(self) -> None:
        if self._process.poll() is None:
            return
        if self._ending != "exited":
            # Whatever it started has had its warning too.
            self._signal(signal.SIGKILL)
        _RUNNING.discard(self._process.pid)
        self._exited_at = time.monotonic()
        if self._exit_fd is not None:
            self._forget(self._exit_fd)

    def _signal(self, signum: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)

    def _close(self) -> None:
        if self._exited_at is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            _RUNNING.discard(self._process.pid)
        self._lines.end()
        for stream in self._streams:
            stream.close()
        if self._exit_fd is not None:
            os.close(self._exit_fd)


def kill_all() -> None:
    """End every process that runs, with all that it started, at once: for an exit that cannot wait.

    None starts after it.
    """
    _STARTING.acquire(timeout=1.0)
    for pid in list(_RUNNING):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _exit_fd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


class StderrLines:
    """A process's stderr: whole lines go on to ours as they come; `last` is the last that says something."""

    def __init__(self) -> None:
        self.last = ""
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Pass on what is complete; a line that never ends goes in pieces."""
        whole, newline, rest = (self._rest + chunk).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._rest = rest
        if newline:
            self._pass_on(whole + newline)

    def end(self) -> None:
        """Pass on a last line that has no newline."""
        if self._rest:
            self._pass_on(self._rest + b"\n")
            self._rest = b""

    def _pass_on(self, lines: bytes) -> None:
        said = next((line for line in reversed(lines.split(b"\n")) if line.strip()), b"")
        self.last = said.decode(errors="replace").strip() or self.last
        to_stderr(lines)


def to_stderr(lines: bytes) -> None:
    """Write to our stderr in one piece, among what children say; with nobody there it is dropped."""
    with _STDERR, contextlib.suppress(OSError):
        view = memoryview(lines)
        while view:
            view = view[os.write(2, view) :]
