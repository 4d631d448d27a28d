"""Signals, for verbs that must settle what they hold before they end.

The first SIGINT, SIGTERM or SIGHUP is remembered and wakes whoever waits on `fd`; the second ends the
process at once. Nothing is raised from a handler: an exception between a write and its accounting
would lose count of the bytes that went out.
"""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType

from kubemqctl.model.errors import Stopped

# Seconds: what the system can count to, rounded down to 31 years.
LONGEST = 1e9
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """A context manager; `signum` is 0 until a signal came. `fd` is readable from then on."""

    def __init__(self) -> None:
        self.signum = 0
        self.fd, self._write = os.pipe()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Stop:
        for s in SIGNALS:
            # One that the parent had ignored (nohup) stays ignored.
            if signal.getsignal(s) is not signal.SIG_IGN:
                self._before[s] = signal.signal(s, self._caught)
        # Linux may give a signal to any thread, and the main one, asleep in poll, would not notice (39 of
        # 60 second signals): so the interpreter itself writes the descriptor, whichever thread it is.
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for s, handler in self._before.items():
            signal.signal(s, handler)  # type: ignore[arg-type]
        os.close(self.fd)
        os.close(self._write)

    def __bool__(self) -> bool:
        return self.signum != 0

    def _caught(self, signum: int, frame: FrameType | None) -> None:
        if self.signum:
            os._exit(128 + signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """0, or 128 and the signal."""
        return 128 + self.signum if self.signum else 0

    def check(self) -> None:
        """Raise Stopped when a signal came."""
        if self.signum:
            raise Stopped(self.signum)

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, or until a signal comes."""
        import select

        if seconds > 0:
            select.select([self.fd], [], [], min(seconds, LONGEST))
