"""Signals, waking a thread that waits in poll(2), and how long to wait: rates, pauses between tries.

The first SIGINT, SIGTERM or SIGHUP is remembered and wakes whoever waits on its descriptor; the second
ends the process at once, unless it is the first one once more. Nothing is raised from a signal handler: an
exception between a write and its accounting would lose count of the bytes that went out.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import ClassVar

from kubemqctl.model.errors import Stopped
from kubemqctl.model.limits import SAME_SIGNAL
from kubemqctl.output.stderr import interrupted
from kubemqctl.output.stderr_writer import STDERR

LONGEST_WAIT = 3600.0
"""Seconds."""


def milliseconds(wait: float) -> int:
    """A wait of so many seconds as poll(2) takes it, rounded up; at most an hour, as it counts in 32 bits."""
    return max(0, math.ceil(min(wait, LONGEST_WAIT) * 1000))


class Wakeup:
    """Wakes a thread that waits in poll(2), from other threads: `fd` is readable from `notify` to `clear`."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)
        self._notified = False
        self._lock = threading.Lock()

    def notify(self) -> None:
        """Wake the loop; costs nothing while it is still to wake from the last time."""
        with self._lock:
            if not self._notified:
                self._notified = True
                os.write(self._write, b"!")

    def clear(self) -> None:
        """To be called before looking for news, so that none is missed."""
        with self._lock, contextlib.suppress(BlockingIOError):
            self._notified = False
            os.read(self.fd, 64)

    def close(self) -> None:
        """End; later notifications do nothing."""
        with self._lock:
            self._notified = True
            os.close(self.fd)
            os.close(self._write)


# Seconds: what the system can count to, rounded down to 31 years.
LONGEST = 1e9
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignal:
    """A context manager; `signum` is 0 until a signal came. `fd` is readable from then on."""

    in_force: ClassVar[StopSignal | None] = None
    """The innermost one that is entered."""

    def __init__(self) -> None:
        self.signum = 0
        self._came_at = 0.0
        self.last_acts: list[Callable[[], None]] = []
        """What the second signal does before it ends the process; none of it may wait, or raise."""
        self.fd, self._write = os.pipe()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignal:
        for s in SIGNALS:
            # One that the parent had ignored (nohup) stays ignored.
            if signal.getsignal(s) is not signal.SIG_IGN:
                self._before[s] = signal.signal(s, self._caught)
        # Linux may give a signal to any thread, and the main one, asleep in poll, would not notice (39 of
        # 60 second signals): so the interpreter itself writes the descriptor, whichever thread it is.
        os.set_blocking(self._write, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._outer, StopSignal.in_force = StopSignal.in_force, self
        STDERR.watch(self.fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        StopSignal.in_force = self._outer
        STDERR.watch(self._outer.fd if self._outer else None)
        signal.set_wakeup_fd(self._wakeup)
        for s, handler in self._before.items():
            signal.signal(s, handler)  # type: ignore[arg-type]
        os.close(self.fd)
        os.close(self._write)

    def __bool__(self) -> bool:
        return self.signum != 0

    def _caught(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.signum:
            self.signum, self._came_at = signum, now
            if signum == signal.SIGINT:
                interrupted()
        elif signum != self.signum or now - self._came_at >= SAME_SIGNAL:
            for act in self.last_acts:
                act()
            os._exit(128 + signum)

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


def pause(seconds: float) -> None:
    """Sleep for `seconds`; raises Stopped when the stop in force has had its signal, or gets it.

    For modules that take no StopSignal, as the one that connects. Without a stop in force signals do
    what they do by default.
    """
    stop = StopSignal.in_force
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)
        stop.check()


class Backoff:
    """Pauses between tries: each up to twice as long as the last, from `first` to `longest` seconds.

    A pause is random between half and one and a half of its length, so that clients which lost one server
    together do not come back together. They begin anew by `reset`, or when none was needed for so long that
    what was tried has lasted: a server that takes a connection and breaks it at once is no success.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first
        self._until = -math.inf

    def pause(self) -> float:
        """Seconds until the next try."""
        from random import uniform  # 1 ms, which no other start has to pay

        now = time.monotonic()
        if now > self._until + 2 * self._longest:
            self.reset()
        pause = self._next * uniform(0.5, 1.5)
        self._next = min(self._next * 2, self._longest)
        self._until = now + pause
        return pause

    def reset(self) -> None:
        """A try went well: begin with the first pause again."""
        self._next = self._first


class RateLimiter:
    """Lets so many messages a second go: each `portion` of them, a tenth of a second's worth, at its time."""

    def __init__(
        self, rate: float, wait: Callable[[float], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.portion = max(1, int(rate / 10))
        self._rate = rate
        self._wait = wait
        self._now = now
        self._due = now()

    def __call__(self, count: int) -> None:
        """Wait until `count` messages may go. Time that was lost is not made up for."""
        now = self._now()
        self._wait(self._due - now)
        self._due = max(self._due, now) + count / self._rate
