"""A run, with workers that say what a test tells them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from kubemqctl.bench import coordinator as running
from kubemqctl.bench.coordinator import BenchRun, Measured, ProgressLine, Stage, picture
from kubemqctl.bench.processes import Heard, WorkerProcesses
from kubemqctl.bench.recorder import Latencies
from kubemqctl.bench.result import compute_result
from kubemqctl.bench.worker import (
    HEARD,
    MEASURED,
    Order,
    Scoreboard,
    WorkerReport,
    scoreboard,
)
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import (
    ConnectionLost,
    KubemqctlError,
    TimedOut,
)
from kubemqctl.runtime.waiting import StopSignal
from tests.unit.bench.sample_run import RUN, consumer, producer, workload


class Troupe:
    """Worker processes of words: `script` is what is heard one after the other, then nothing more."""

    def __init__(self, *script: Heard) -> None:
        self.script = list(script)
        self.told: list[str] = []

    def hear(self) -> Heard | None:
        return self.script.pop(0) if self.script else None

    def tell(self, line: str, role: str | None = None) -> None:
        self.told.append(line.split()[0])


READY = [Heard(row, WorkerReport("ready")) for row in (0, 1)]


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    with scoreboard(2) as opened:
        opened.put(1, HEARD, 1)
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READY", "HEAR", "AGAIN", "QUIET", "STALLED"):
        monkeypatch.setattr(running, name, 0.02)


def ran(
    board: Scoreboard, *script: Heard, probe: Callable[[], None] = lambda: None, **changes: Any
) -> Measured:
    workers: Any = Troupe(*script)
    with StopSignal() as stop:
        found = BenchRun(workers, board, workload(timeout=0.0, **changes), stop, lambda stage: None).run(
            probe
        )
    assert workers.told[-1] == "stop"
    return found


def test_a_run_of_which_all_came_is_whole(board: Scoreboard) -> None:
    board.put(1, MEASURED, 4)
    ends = [Heard(0, WorkerReport("done", producer(4))), Heard(1, WorkerReport("done", consumer(range(4))))]
    found = ran(board, *READY, *ends)
    assert (found.failure, found.drained, len(found.producers), len(found.consumers)) == (None, True, 1, 1)


@pytest.mark.usefixtures("impatient")
def test_what_does_not_come_is_lost_after_a_silence(board: Scoreboard) -> None:
    ends = [Heard(0, WorkerReport("done", producer(4))), Heard(1, WorkerReport("done", consumer([0])))]
    late = [ends[0], *[None] * 3, ends[1]]
    found = ran(board, *READY, *late)  # type: ignore[arg-type]
    assert found.drained
    assert compute_result(found, workload(), Latencies()).loss == 3


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_fails_ends_the_run_at_once(board: Scoreboard) -> None:
    lost = WorkerReport("done", producer(4), ConnectionLost("gone"))
    found = ran(board, *READY, Heard(0, lost), Heard(1, WorkerReport("done", consumer([0]))))
    assert found.failure is not None
    assert found.failure.message == "gone"
    assert not found.drained


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ((), "not ready"),
        (READY, "nothing was sent or received"),
        ((*READY, Heard(0, WorkerReport("done", producer(0)))), "did not end"),
    ],
)
def test_silence_is_an_error_and_never_a_hang(script: Sequence[Heard], says: str, board: Scoreboard) -> None:
    found = ran(board, *script)
    assert isinstance(found.failure, TimedOut)
    assert says in found.failure.message


def test_many_responders_are_all_heard_though_each_request_is_for_one_of_them() -> None:
    with scoreboard(65) as board:
        chosen = iter(range(5 * 64))  # as many as it takes when they are drawn by lot

        def probe() -> None:
            if (at := next(chosen)) >= 4 * 64:
                board.put(1 + at % 64, HEARD, 1)

        began = time.monotonic()
        rows = [Heard(row, WorkerReport("ready")) for row in range(65)]
        ends = [
            Heard(0, WorkerReport("done", producer(4))),
            *(Heard(row, WorkerReport("done")) for row in range(1, 65)),
        ]
        found = ran(board, *rows, *[None] * 10, *ends, probe=probe, pattern="cmd", consumers=64)  # type: ignore[arg-type]
        assert found.failure is None
        assert time.monotonic() - began < running.HEAR / 2


@pytest.mark.usefixtures("impatient")
def test_subscribers_who_hear_nothing_are_an_error(board: Scoreboard) -> None:
    board.put(1, HEARD, 0)
    found = ran(board, *READY, pattern="events")
    assert isinstance(found.failure, TimedOut)
    assert "did not arrive" in found.failure.message


def test_processes_that_cannot_be_started_are_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch, board: Scoreboard
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    order = Order(resolve(Flags(), {}), workload(), "producer", 0, 0, RUN, board.fd)
    with pytest.raises(KubemqctlError, match="cannot be started: no such file"), WorkerProcesses([order]):
        raise AssertionError("started")


def test_the_line_of_progress_ends_where_the_terminal_does() -> None:
    stage = Stage("measuring", 0.5, 1234)
    assert picture(stage, 80).endswith(f"{'━' * 15}{'╌' * 15}  50%  1,234 messages")
    assert [len(picture(stage, width)) for width in (1, 10, 40)] == [0, 9, 39]


def test_the_line_is_drawn_now_and_then_and_taken_away() -> None:
    reader, terminal = os.pipe()
    with ProgressLine(terminal) as line:
        for _ in range(1000):
            line.watch(Stage("measuring", 0.5, 1))
    os.close(terminal)
    with open(reader, "rb") as file:
        written = file.read().decode()
    assert written.count("measuring") < 10
    assert written.endswith("\r\x1b[K")
    with ProgressLine(None) as nobody:
        nobody.watch(Stage("measuring", 0.5, 1))
