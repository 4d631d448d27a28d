"""A benchmark's run: processes started together, measured over one window, drained, with a progress line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.bench.processes import CpuTicks, Heard, WorkerProcesses, load
from kubemqctl.bench.recorder import Measurements
from kubemqctl.bench.worker import HEARD, MEASURED, Order, Role, Scoreboard, scoreboard
from kubemqctl.bench.workload import WARM, Due, Workload, new_run, writer
from kubemqctl.config.settings import Settings, read_token
from kubemqctl.config.token import Token
from kubemqctl.model.errors import KubemqctlError, TimedOut
from kubemqctl.model.limits import SECOND
from kubemqctl.model.text import count_text
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


PAUSE = 0.1
"""Seconds between two updates of the progress line."""
NAME, BAR = 18, 30


class ProgressLine:
    """A context manager; `watch` draws. `fd` is the terminal, or None."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._due = 0.0
        self._shown = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write("\r\x1b[K")

    def watch(self, stage: Stage) -> None:
        """Show the stage, unless the line was updated less than PAUSE ago."""
        now = time.monotonic()
        if self._fd is None or now < self._due:
            return
        self._due = now + PAUSE
        self._shown = True
        self._write(f"\r{picture(stage, self._width())}\x1b[K")

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._fd or 2).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        with suppress(OSError):
            os.write(self._fd or 2, text.encode())


def picture(stage: Stage, width: int) -> str:
    """The text of the progress line, cut to the width of the terminal."""
    parts = [f"{stage.name:<{NAME}}"]
    if stage.done is not None:
        full = round(stage.done * BAR)
        parts.append(f"{'━' * full}{'╌' * (BAR - full)} {stage.done:4.0%}")
    if stage.messages:
        parts.append(count_text(stage.messages, "message"))
    return "  ".join(parts)[: max(0, width - 1)].rstrip()


# Seconds: for everybody to be ready; for what was sent to be heard; between two such tries; before the start.
READY, HEAR, AGAIN, LEAD = 60.0, 15.0, 0.05, 0.05
# Without any news for so long, what has not come is lost; and a run in which nothing moves is over. Seconds.
QUIET, STALLED = 3.0, 45.0


class Measured(NamedTuple):
    """What the workers measured: of each producer, and of each consumer.

    `begin` is when measuring began (nanoseconds, monotonic). `failure` and `signum` say what ended it too
    early. `drained`: whether the consumers had the time to take all that was sent. `machine` is the share of
    the machine's processors that was in use, None when nobody knows.
    """

    begin: int
    producers: Sequence[Measurements]
    consumers: Sequence[Measurements]
    failure: KubemqctlError | None
    signum: int
    drained: bool
    machine: float | None


class Stage(NamedTuple):
    """The progress of a run: `done` from 0 to 1, None when nobody knows; `messages` of the measured ones."""

    name: str
    done: float | None
    messages: int


def measure(
    client: Client, settings: Settings, work: Workload, stop: StopSignal, watch: Callable[[Stage], None]
) -> Measured:
    """Run the benchmark; ends early, with what was measured, on a signal and on what makes it useless.

    `client` is only for the messages that show who listens. Raises what kept it from beginning.
    """
    run = new_run()
    settings = settings._replace(token=Token(value=read_token(settings)), notes=())
    with scoreboard(work.producers + work.consumers) as board:
        orders = _orders(settings, work, run, board)
        with WorkerProcesses(orders) as workers:
            return BenchRun(workers, board, work, stop, watch).run(lambda: _probe(client, work, run))


def _orders(settings: Settings, work: Workload, run: bytes, board: Scoreboard) -> list[Order]:
    roles: list[tuple[Role, int]] = [("producer", n) for n in range(work.producers)]
    roles += [("consumer", n) for n in range(work.consumers)]
    return [
        Order(settings, work, role, number, row, run, board.fd) for row, (role, number) in enumerate(roles)
    ]


class BenchRun:
    """One run of all workers, from their first report to their last."""

    def __init__(
        self,
        workers: WorkerProcesses,
        board: Scoreboard,
        work: Workload,
        stop: StopSignal,
        watch: Callable[[Stage], None],
    ) -> None:
        self._workers = workers
        self._board = board
        self._work = work
        self._stop = stop
        self._watch = watch
        self._ready: set[int] = set()
        self._done: dict[int, Measurements | None] = {}
        self._failure: KubemqctlError | None = None
        self._producers = range(work.producers)
        self._consumers = range(work.producers, work.producers + work.consumers)
        self._moved = (0, time.monotonic())
        self._begin = 0
        self._processors: list[CpuTicks | None] = [None, None]

    def run(self, probe: Callable[[], None]) -> Measured:
        """All stages; `probe` sends a message that counts for nothing."""
        self._assemble()
        if self._work.pattern != "queue":
            self._be_heard(probe)
        if not self._is_over:
            self._load()
        drained = self._drain() and self._have_done(self._producers)
        self._workers.tell("stop")
        if not self._await(lambda: self._have_done(self._consumers), QUIET):
            self._fail(TimedOut(f"a process of the benchmark did not end within {QUIET:g} s"))
        return self._measured(drained)

    # --- stages ---

    def _assemble(self) -> None:
        everybody = len(self._producers) + len(self._consumers)
        self._say("starting", None)
        if not self._await(lambda: len(self._ready) == everybody, READY):
            self._fail(TimedOut(f"the processes of the benchmark were not ready within {READY:g} s"))

    def _be_heard(self, probe: Callable[[], None]) -> None:
        """Send until every consumer has received a message: servers do not say when it is subscribed."""
        deadline = time.monotonic() + HEAR
        while not self._is_over and not all(self._board.get(row, HEARD) for row in self._consumers):
            if time.monotonic() > deadline:
                self._fail(
                    TimedOut(f"what was sent to {self._work.channel} did not arrive within {HEAR:g} s")
                )
                return
            self._probe(probe)
            self._await(lambda: False, AGAIN)

    def _probe(self, probe: Callable[[], None]) -> None:
        """Send one message to all consumers; a request reaches only one of them."""
        try:
            for _ in self._consumers if self._work.is_asking else range(1):
                probe()
        except KubemqctlError as e:
            if not isinstance(e, TimedOut):
                self._fail(e)

    def _load(self) -> None:
        """Let the producers work until all have finished."""
        begin = time.monotonic_ns() + round(LEAD * SECOND)
        self._begin = begin + round(self._work.warm_up * SECOND)
        self._workers.tell(f"go {begin}")
        while not self._is_over and not self._have_done(self._producers):
            self._take(self._workers.hear())
            now = time.monotonic_ns()
            if now >= self._begin and self._processors[0] is None:
                self._processors[0] = load()
            self._look(now)
        self._processors[1] = load()
        self._workers.tell("stop", "producer")
        self._await(lambda: self._have_done(self._producers), QUIET)

    def _drain(self) -> bool:
        """Let the consumers take what is left, until all has come or nothing has come for a while."""
        if self._work.is_asking or not self._begin or self._failure:
            return not self._is_over
        patience = time.monotonic() + QUIET
        self._moved = (self._received, time.monotonic())
        while (received := self._received) < self._expected:
            now = time.monotonic()
            if received != self._moved[0]:
                self._moved = (received, now)
            elif now > self._moved[1] + QUIET:
                return True
            if self._failure or (self._stop and now > patience):
                return False
            self._take(self._workers.hear())
            self._say("receiving the rest", received / max(1, self._expected))
        return True

    # --- what is known ---

    @property
    def _is_over(self) -> bool:
        return bool(self._stop) or self._failure is not None

    def _have_done(self, rows: range) -> bool:
        return all(row in self._done for row in rows)

    @property
    def _expected(self) -> int:
        return sum(measured.accepted for measured in self._receipts(self._producers)) * self._work.copies

    @property
    def _received(self) -> int:
        return sum(self._board.get(row, MEASURED) for row in self._consumers)

    def _receipts(self, rows: range) -> list[Measurements]:
        return [measured for row in rows if (measured := self._done.get(row))]

    def _measured(self, drained: bool) -> Measured:
        before, after = self._processors
        return Measured(
            self._begin,
            self._receipts(self._producers),
            self._receipts(self._consumers),
            self._failure,
            self._stop.signum,
            drained,
            after.since(before) if before and after else None,
        )

    # --- news ---

    def _await(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Take reports until the condition holds or something ends the run; False after the time-out."""
        deadline = time.monotonic() + seconds
        was_over = self._is_over
        while not condition() and self._is_over == was_over:
            if time.monotonic() > deadline:
                return False
            self._take(self._workers.hear())
        return True

    def _take(self, heard: Heard | None) -> None:
        if heard is None:
            return
        row, report = heard
        if report.kind == "ready":
            self._ready.add(row)
            return
        self._done[row] = report.measured
        if report.error:
            self._fail(report.error)

    def _fail(self, error: KubemqctlError) -> None:
        self._failure = self._failure or error

    def _look(self, now: int) -> None:
        """Update the progress line; end a run in which nothing happens any more."""
        sent = sum(self._board.get(row, MEASURED) for row in self._producers)
        moved = sent + self._received
        at = time.monotonic()
        if moved != self._moved[0] or now < self._begin:
            self._moved = (moved, at)
        elif at > self._moved[1] + self._patience:
            self._fail(TimedOut(f"nothing was sent or received for {self._patience:g} s"))
        if now < self._begin:
            self._say("warming up", None)
        else:
            self._say("measuring", self._share(sent, now), sent)

    @property
    def _patience(self) -> float:
        pause = self._work.producers / self._work.rate if self._work.rate else 0.0
        return STALLED + self._work.timeout + pause

    def _share(self, sent: int, now: int) -> float:
        if self._work.total is not None:
            return min(1.0, sent / self._work.total)
        return min(1.0, (now - self._begin) / ((self._work.duration or 1.0) * SECOND))

    def _say(self, name: str, done: float | None, count: int | None = None) -> None:
        self._watch(Stage(name, done, self._received if count is None else count))


def _probe(client: Client, work: Workload, run: bytes) -> None:
    """Send one message that counts for nothing."""
    from kubemqctl.client import events, requests
    from kubemqctl.model.messages import Message, Request

    body = writer(run, 0, work.size)(Due(WARM, 0, time.monotonic_ns()))
    if work.is_asking:
        kind: requests.Kind = "commands" if work.pattern == "cmd" else "queries"
        requests.send(client, Request(work.channel, body, timeout=1.0), kind)
    else:
        events.publish(client, Message(body, work.channel), work.pattern == "store")
