"""One handler: fed, listened to, timed, and ended with all that it started.

It never waits: the loop of its pool serves the three pipes when there is something to do, so that nothing
is written or read by turns and a full pipe can block nobody. What it says on stderr goes on to ours, line by
line as it comes, because the lines of several handlers must not run into each other.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from kubemqctl.messaging.handlers.launching import LauncherProcess
from kubemqctl.model.errors import shell_code
from kubemqctl.output.stderr_writer import STDERR

LINGER = 0.5
"""Seconds that output may stay open once the process has ended: what it started may still hold it."""
LONGEST_LINE = 64 << 10
_CHUNK = 64 << 10
Ending = Literal["exited", "timed-out", "stopped", "too-much-output", "not-handed-over", "unanswered"]


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
    """A process in a session of its own, known to the launcher by its `number`.

    Raises OSError when there are no descriptors for its pipes, or no launcher.
    """

    def __init__(
        self,
        launcher: LauncherProcess,
        number: int,
        variables: Mapping[bytes, bytes],
        stdin: bytes,
        limits: ProcessLimits,
        prefix: bytes = b"",
    ) -> None:
        """`prefix` begins each line of its stderr where that goes on to ours."""
        self.number = number
        self.failed = 0  # an errno: why it could not be started
        self._launcher = launcher
        self._limits = limits
        self._left = memoryview(stdin)
        self._out: list[bytes] = []
        self._size = 0
        self._lines = StderrLines(STDERR.offer, prefix)
        self._ending: Ending = "exited"
        self._code = 0
        self._kill_at: float | None = None
        self._exited_at: float | None = None
        self._began = time.monotonic()
        self.stdin, self.stdout, self.stderr, theirs = _pipes()
        try:
            self.feed()
            launcher.run(number, variables, theirs)
        except OSError:
            self.close()
            raise
        finally:
            for fd in theirs:
                os.close(fd)

    # --- its pipes; a descriptor is -1 once it is closed ---

    @property
    def has_input(self) -> bool:
        """Whether its stdin still has to take something."""
        return self.stdin >= 0

    def feed(self) -> None:
        """Write what the pipe takes; a process that does not want its input is no failure."""
        try:
            while self._left:
                self._left = self._left[os.write(self.stdin, self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = self._left[:0]
        os.close(self.stdin)
        self.stdin = -1

    def read_stdout(self) -> None:
        """Take what it has written."""
        chunk = os.read(self.stdout, _CHUNK)
        self._size += len(chunk)
        if not chunk:
            os.close(self.stdout)
            self.stdout = -1
        elif self._size <= self._limits.output:
            self._out.append(chunk)
        else:
            self.end("too-much-output")

    def read_stderr(self) -> None:
        """Pass on what it says, as far as our stderr takes it."""
        chunk = os.read(self.stderr, _CHUNK)
        if chunk:
            self._lines.feed(chunk)
        else:
            self._lines.end()
            os.close(self.stderr)
            self.stderr = -1

    # --- its end ---

    def exited(self, code: int) -> None:
        """It has ended; `code` is negative for a signal."""
        self._code = shell_code(code)
        self._exited_at = time.monotonic()

    def not_started(self, errno: int) -> None:
        """It could not be started."""
        self.failed = errno
        self._exited_at = self._began - LINGER

    def end(self, why: Ending) -> None:
        """Ask it to end, once; `keep_time` insists later."""
        if self._ending == "exited" and self._exited_at is None:
            self._ending = why
            self._kill_at = time.monotonic() + self._limits.kill_after
            self._launcher.end(self.number, signal.SIGTERM)

    def keep_time(self, now: float) -> None:
        """Do what is due."""
        if self._exited_at is not None:
            return
        if self._deadline is not None and now >= self._deadline:
            self.end("timed-out")
        elif self._kill_at is not None and now >= self._kill_at:
            self._launcher.end(self.number, signal.SIGKILL)
            self._kill_at = None

    @property
    def due(self) -> float | None:
        """When something has to be done though nothing happens, in monotonic seconds."""
        if self._exited_at is not None:
            return self._exited_at + LINGER
        return min((at for at in (self._deadline, self._kill_at) if at is not None), default=None)

    @property
    def _deadline(self) -> float | None:
        limit = self._limits.timeout
        return None if limit is None or self._ending != "exited" else self._began + limit

    def is_over(self, now: float, may_wait: bool) -> bool:
        """Whether it has ended, and all that is wanted of its output is here.

        While it `may_wait` for our stderr, what it said is not given up.
        """
        if self._exited_at is None:
            return False
        if self.stdout < 0 and self.stderr < 0:
            return True
        return now >= self._exited_at + LINGER and not (may_wait and self._ending == "exited")

    def close(self) -> None:
        """Let go of its pipes."""
        self._lines.end()
        for fd in (self.stdin, self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)
        self.stdin = self.stdout = self.stderr = -1

    @property
    def outcome(self) -> ProcessEnd:
        """How it ended."""
        seconds = time.monotonic() - self._began
        return ProcessEnd(self._ending, self._code, b"".join(self._out), self._lines.last, seconds)


def _pipes() -> tuple[int, int, int, list[int]]:
    """Our ends of a process's stdin, stdout and stderr, and its own."""
    opened: list[int] = []
    try:
        for _ in range(3):
            opened += os.pipe()
    except OSError:
        for fd in opened:
            os.close(fd)
        raise
    stdin, stdin_write, stdout_read, stdout, stderr_read, stderr = opened
    for fd in (stdin_write, stdout_read, stderr_read):
        os.set_blocking(fd, False)
    return stdin_write, stdout_read, stderr_read, [stdin, stdout, stderr]


class StderrLines:
    """A process's stderr: whole lines go on as they come, `prefix` before each.

    `last` is the last line that says something.
    """

    def __init__(self, pass_on: Callable[[bytes], object], prefix: bytes = b"") -> None:
        self.last = ""
        self.prefix = prefix
        self._pass_on = pass_on
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Pass on what is complete; a line that never ends goes in pieces."""
        whole, newline, rest = (self._rest + chunk).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._rest = rest
        if newline:
            self._say(whole + newline)

    def end(self) -> None:
        """Pass on a last line that has no newline."""
        if self._rest:
            self._say(self._rest + b"\n")
            self._rest = b""

    def _say(self, lines: bytes) -> None:
        said = next((line for line in reversed(lines.split(b"\n")) if line.strip()), b"")
        self.last = said.decode(errors="replace").strip() or self.last
        if self.prefix:
            lines = b"".join(self.prefix + line for line in lines.splitlines(keepends=True))
        self._pass_on(lines)


def to_stderr(output: bytes) -> None:
    """Write what a handler printed to our stderr, in whole lines among those of other handlers."""
    lines = StderrLines(STDERR.put)
    lines.feed(output)
    lines.end()
