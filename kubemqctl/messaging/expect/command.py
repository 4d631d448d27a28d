"""The command of `expect`: started once the watch is live, told of a stop, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType

from kubemqctl.messaging.handlers.message_input import Executable
from kubemqctl.model.errors import HandlerFailed, KubemqctlError, shell_code, signal_name
from kubemqctl.model.text import escaped, reason
from kubemqctl.output.stderr import is_terminal
from kubemqctl.runtime.waiting import StopSignal

# How long a command that was told to stop may take until it is killed: seconds.
GRACE = 10.0


class WatchedCommand:
    """A process with our stdin, whose stdout goes to our stderr: ours is for the messages that match."""

    def __init__(self, command: Executable, environ: Mapping[str, str], on_end: Callable[[], None]) -> None:
        self.code: int | None = None
        self.ended_at: float | None = None  # monotonic seconds
        self._command = command
        self._environ = environ
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        # At a terminal it stays in our group, to read and for Ctrl-C; elsewhere a group of its own lets a
        # stop reach all that it has started.
        self._own_group = not is_terminal(0)

    @property
    def is_started(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Let it run. Raises KubemqctlError when the system cannot start it."""
        try:
            self._process = subprocess.Popen(
                self._command.words,
                executable=self._command.path,
                stdout=2,
                env=dict(self._environ),
                start_new_session=self._own_group,
            )
        except OSError as e:
            raise KubemqctlError(f"cannot start {escaped(self._command.words[0])}: {reason(e)}") from e
        threading.Thread(target=self._wait, args=(self._process,), name="command", daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        self.code, self.ended_at = shell_code(code), time.monotonic()
        self._on_end()

    def pass_on(self, signum: int) -> None:
        """Give it a signal, unless it has ended, or the terminal has given it to both."""
        if self._process is None or self.code is not None:
            return
        if not self._own_group and signum in (signal.SIGINT, signal.SIGHUP):
            return
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if self._own_group else os.kill)(self._process.pid, signum)

    def end(self) -> None:
        """Make sure that it is gone: it gets SIGTERM, and SIGKILL when that is not enough."""
        if self._process is None:
            return
        if self.code is None:
            self.pass_on(signal.SIGTERM)
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.pass_on(signal.SIGKILL)
                self._process.wait()

    def failure(self) -> HandlerFailed | None:
        """What its exit code means; None for 0, and while it runs."""
        if not self.code:
            return None
        by = signal_name(self.code)
        how = f"was ended by {by}" if by else f"ended with {self.code}"
        return HandlerFailed(f"the command {escaped(self._command.words[0])} {how}", code="command-failed")


class StopWithCommand(StopSignal):
    """As StopSignal; the first signal reaches the command too, and the second one takes it along."""

    command: WatchedCommand | None = None

    def __init__(self) -> None:
        super().__init__()
        self.last_acts.append(lambda: self._pass_on(signal.SIGKILL))

    def _caught(self, signum: int, frame: FrameType | None) -> None:
        if not self.signum:
            self._pass_on(signum)
        super()._caught(signum, frame)

    def _pass_on(self, signum: int) -> None:
        if self.command:
            self.command.pass_on(signum)
