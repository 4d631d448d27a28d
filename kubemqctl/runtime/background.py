"""`--background`: a run that goes on by itself, begun by a process that ends when the run is live.

The new process is forked before any thread is there. Its output goes to a log or nowhere, but until it is
live it keeps the stderr of whoever began it: why it cannot start is said where somebody reads it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

from kubemqctl.config.files import cannot_write, refuse_dash
from kubemqctl.model.errors import UsageError, shell_code


class Launched(NamedTuple):
    """In the process that began it: `code` is 0 when process `pid` is live, which said `text` of itself."""

    pid: int
    code: int
    text: str


class Detached:
    """In the new process; `live` is to be called once."""

    def __init__(self, report: int, log: int) -> None:
        self._report = report
        self._log = log

    def live(self, text: str = "live") -> None:
        """Let the other process end: from now on nobody reads what is printed here but the log."""
        os.dup2(self._log, 2)
        os.close(self._log)
        with suppress(BrokenPipeError):
            os.write(self._report, text.encode())
        os.close(self._report)


def detach(log: str | None) -> Launched | Detached:
    """Go on in a new process without a terminal, its output appended to the file `log` or lost.

    Raises NotFound or UsageError for a log that cannot be written. Signals end both until it is live.
    """
    try:
        out = os.open(log or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as e:
        raise cannot_write("--log", log or os.devnull, e) from e
    heard, report = os.pipe()
    pid = os.fork()
    if pid:
        os.close(report)
        os.close(out)
        return _launched(pid, heard)
    os.close(heard)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(out, 1)
    return Detached(report, out)


def check_log(log: str | None, *, background: bool) -> None:
    """Raise UsageError for a log of a run that has a stderr."""
    refuse_dash("--log", log)
    if log is not None and not background:
        raise UsageError("--log needs --background", hint="without it, redirect stderr: 2>FILE")


def _launched(pid: int, heard: int) -> Launched:
    text = b""
    try:
        while piece := os.read(heard, 4096):
            text += piece
    except BaseException:
        os.kill(pid, signal.SIGTERM)
        raise
    finally:
        os.close(heard)
    if text:
        return Launched(pid, 0, text.decode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Launched(pid, shell_code(code), "")
