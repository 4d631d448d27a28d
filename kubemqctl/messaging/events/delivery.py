"""Where events go: their bytes to the output, or each of them to a handler.

Either way `keep` hears of the last event up to which all is dealt with: what a checkpoint may be moved to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import FailureDelay, HandlerOutcome
from kubemqctl.messaging.handlers.persistent import pool_of
from kubemqctl.messaging.handlers.pool import task
from kubemqctl.messaging.handlers.process import to_stderr
from kubemqctl.model.errors import HandlerFailed, KubemqctlError, ReaderGone
from kubemqctl.model.messages import Event, HandledEvent, bytes_held
from kubemqctl.model.text import id_text
from kubemqctl.output.stderr import FirstFew
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.waiting import StopSignal

Keep = Callable[[Event], None]


class Arrival(NamedTuple):
    """An event as it came, and as it is to be shown: None when it is passed over."""

    event: Event
    shown: Event | None


Render = Callable[[object], bytes]
LOOK = 0.05
"""Seconds between looks at handlers when nothing wakes us."""
MOST_BYTES_WAITING = 64 << 20
"""Of all that events hold."""


class Delivery(Protocol):
    """Where events go."""

    @property
    def has_enough(self) -> bool:
        """Whether no more should be given for now."""

    @property
    def unsettled(self) -> bool:
        """Whether something is not dealt with yet."""

    @property
    def waits_for_reader(self) -> bool:
        """Whether a position is kept back until the reader of a pipe has taken what was written."""

    @property
    def due(self) -> float | None:
        """When to `look` though nothing happens, in monotonic seconds."""

    def take(self, arrivals: Sequence[Arrival]) -> bool:
        """Deal with `arrivals`; False when that has to end here."""

    def look(self) -> bool:
        """See what has been dealt with meanwhile; False as above."""

    def end(self, go_on: bool) -> None:
        """The run is over: settle what is under way, and with `go_on` what still waits."""

    def summary(self, arrived: int) -> list[str]:
        """What became of the events, for people, when so many were wanted."""

    def failure(self) -> KubemqctlError | None:
        """What the run has to end with; None when all is well."""


class ToOutput:
    """Writes events. A byte in a pipe counts once the reader has taken it; see `Stdout`."""

    def __init__(self, stdout: Stdout, render: Render, keep: Keep | None) -> None:
        self.has_enough = False
        self.due: float | None = None
        self._stdout = stdout
        self._render = render
        self._keep = keep
        self._written: deque[tuple[Event, int]] = deque()

    @property
    def unsettled(self) -> bool:
        return bool(self._written)

    @property
    def waits_for_reader(self) -> bool:
        return self.unsettled

    def take(self, arrivals: Sequence[Arrival]) -> bool:
        render = self._render
        data = [b"" if shown is None else render(shown) for _, shown in arrivals]
        end = self._stdout.offset
        if self._keep:
            for (event, _), piece in zip(arrivals, data, strict=True):
                end += len(piece)
                self._written.append((event, end))
        return self._stdout.write(b"".join(data)) and self.look()

    def look(self) -> bool:
        self._settle(self._stdout.bytes_taken)
        return True

    def end(self, go_on: bool) -> None:
        self._settle(self._stdout.finish() if self._written else 0)
        if self._written and self._stdout.reader_gone():
            raise ReaderGone()

    def summary(self, arrived: int) -> list[str]:
        return [f"{arrived:,} received"]

    def failure(self) -> None:
        return None

    def _settle(self, taken: int) -> None:
        last = None
        while self._written and self._written[0][1] <= taken:
            last = self._written.popleft()[0]
        if last and self._keep:
            self._keep(last)


class HandlerRun:
    """One handler's run, in the order in which the events came.

    `end` is where its output ends in all that was written, once it succeeded and that has gone out whole.
    An event that is passed over has none to wait for.
    """

    def __init__(self, arrival: Arrival) -> None:
        self.event, self.shown = arrival
        self.end = 0 if self.shown is None else None


class ToHandler:
    """Gives each event to a command. Without `render`, what the command prints is passed on, whole."""

    def __init__(
        self,
        handler: HandlerOptions,
        environ: Mapping[str, str],
        stdout: Stdout,
        render: Render | None,
        keep: Keep | None,
        wake: Callable[[], None],
        warn: Callable[[str], None],
        stop: StopSignal,
        *,
        most_waiting: int = 1,
    ) -> None:
        self.failed = 0
        self.handled = 0
        self.dropped = 0  # received, but never begun, or stopped with the run
        self._most_waiting = most_waiting
        self._handler = handler
        self._stdout = stdout
        self._render = render
        self._keep = keep
        self._warn = warn
        self._name_failure = FirstFew(warn)
        self._stop = stop
        self._waiting: deque[HandlerRun] = deque()
        self._bytes = 0
        # Counted here, as the pool counts one down only after we were woken for it.
        self._running = 0
        self._runs: deque[HandlerRun] = deque()
        self._is_stuck = False  # what was written broke off in the middle: nothing may follow it
        self._delay = FailureDelay(stop)
        self._pool = pool_of(handler, wake, environ)

    @property
    def has_enough(self) -> bool:
        return len(self._waiting) >= self._most_waiting or self._bytes > MOST_BYTES_WAITING

    @property
    def unsettled(self) -> bool:
        return bool(self._waiting or self._running or self._delay)

    @property
    def due(self) -> float | None:
        return time.monotonic() + self._delay.left if self._delay else None

    @property
    def waits_for_reader(self) -> bool:
        return bool(self._runs) and self._runs[0].end is not None

    def take(self, arrivals: Sequence[Arrival]) -> bool:
        runs = [HandlerRun(arrival) for arrival in arrivals]
        if self._keep:
            self._runs.extend(runs)
        wanted = [run for run in runs if run.shown is not None]
        self._waiting.extend(wanted)
        self._bytes += sum(bytes_held(run.event) for run in wanted)
        return self.look()

    def look(self) -> bool:
        self._collect()
        while self._waiting and self._running < self._handler.concurrency and not self._holds_back:
            run = self._waiting.popleft()
            self._bytes -= bytes_held(run.event)
            self._running += 1
            handler = self._handler
            self._pool.start(
                task(run, run.event, handler.input, handler.timeout, persistent=handler.persistent)
            )
        return not self._ends_here

    @property
    def _holds_back(self) -> bool:
        """Whether no handler may be begun: the run ends here, or may, as one has failed or been stopped."""
        return self._ends_here or self._delay.may_be_stop or (self._keep is not None and bool(self._delay))

    @property
    def _ends_here(self) -> bool:
        """A position cannot be moved past an event whose handler failed."""
        return self._keep is not None and self.failed > 0

    def end(self, go_on: bool) -> None:
        """Wait for what runs, for the grace at most; with `go_on` for all that came, as long as it takes."""
        try:
            while go_on and self.look() and self.unsettled and not self._stop:
                self._pool.wait(LOOK)
            self._pool.finish(self._handler.grace)
        finally:
            self._pool.finish(0)
            self._collect()
            while self._delay:
                self._stop.wait(self._delay.left)
                self._collect()
            self._name_failure.rest(self._warn, "more failed")
        self.dropped += len(self._waiting)
        self._waiting.clear()
        if self.waits_for_reader:
            self._settle(self._stdout.finish())
            if self.waits_for_reader and self._stdout.reader_gone():
                raise ReaderGone()

    def _collect(self) -> None:
        """Take what has ended, all of it. Raises what kept a handler from starting, or its output back."""
        error = None
        for outcome in self._pool.ended():
            self._delay.put(outcome)
            self._running -= 1
        for outcome in self._delay.ready():
            try:
                self._conclude(outcome)
            except KubemqctlError as e:
                error = error or e
        self._settle(self._stdout.bytes_taken if self._runs else 0)
        if error:
            raise error

    def _conclude(self, outcome: HandlerOutcome) -> None:
        if outcome.error:
            raise outcome.error
        if self._stop and outcome.ending == "stopped":
            self.dropped += 1
            return
        run: HandlerRun = outcome.key
        self.handled += 1
        is_written = self._print(run.shown or run.event, outcome)
        if not outcome.ok:
            self.failed += 1
            self._name_failure(f"{_name(run.event)}: {outcome.failure}")
        elif is_written:
            run.end = self._stdout.offset

    def _settle(self, taken: int) -> None:
        """Keep the position of what has been handled, and whose output is out for good."""
        last = None
        while self._runs and (end := self._runs[0].end) is not None and end <= taken:
            last = self._runs.popleft().event
        if last and self._keep:
            self._keep(last)

    def _print(self, event: Event, outcome: HandlerOutcome) -> bool:
        """Pass on what a handler printed, or its record; whether all of it was written."""
        if self._render is None:
            data = outcome.stdout
        else:
            to_stderr(outcome.stdout)
            data = self._render(HandledEvent(*event, outcome.exit_code))
        if data and not self._is_stuck:
            self._is_stuck = not self._stdout.write(data)
        return not (data and self._is_stuck)

    def summary(self, arrived: int) -> list[str]:
        parts = [f"{self.handled:,} handled"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        # What a store holds is still there.
        if self.dropped and self._most_waiting > 1:
            parts.append(f"{self.dropped:,} received but not handled")
        return parts

    def failure(self) -> HandlerFailed | None:
        if not self.failed:
            return None
        return HandlerFailed(f"the handler failed for {self.failed} of {self.handled} events")


def _name(event: Event) -> str:
    return f"event {event.sequence}" if event.sequence else f"event {id_text(event.id)}"
