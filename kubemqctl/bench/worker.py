"""A process of a benchmark, and the shared memory in which it counts."""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

from kubemqctl.bench.recorder import Measurements, Recorder
from kubemqctl.bench.workload import Schedule, Workload, writer
from kubemqctl.client.connect import connect
from kubemqctl.config.settings import Settings
from kubemqctl.model.errors import KubemqctlError

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


ACCEPTED, CLAIMED, MEASURED, HEARD = range(4)
COLUMNS = 4
CELL = 8


class Scoreboard:
    """`fd` is inherited by the workers, who make a Scoreboard of it too."""

    def __init__(self, fd: int, workers: int) -> None:
        self.fd = fd
        # Cells of the machine's own integers: each is written by one instruction.
        self._cells = memoryview(mmap.mmap(fd, workers * COLUMNS * CELL)).cast("q")

    def add(self, worker: int, column: int, count: int) -> None:
        """Add to a number of a row; only the worker of that row may do that."""
        self._cells[worker * COLUMNS + column] += count

    def put(self, worker: int, column: int, value: int) -> None:
        """Set a number of a row; only the worker of that row may do that."""
        self._cells[worker * COLUMNS + column] = value

    def get(self, worker: int, column: int) -> int:
        """A number of a row."""
        return self._cells[worker * COLUMNS + column]

    def total(self, column: int) -> int:
        """The sum of a number over all workers."""
        return sum(self._cells[column::COLUMNS])

    def claim(self, worker: int, most: int) -> int:
        """How many messages this worker shall ask a queue for: what is there and nobody else asked for.

        At least one: that one is waited for. Asking for more than is there would wait for its full second.
        """
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            count = max(1, min(most, self.total(ACCEPTED) - self.total(CLAIMED)))
            self.add(worker, CLAIMED, count)
            return count
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)


@contextmanager
def scoreboard(workers: int) -> Iterator[Scoreboard]:
    """A new scoreboard of zeros, in a file that is already unlinked."""
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), workers * COLUMNS * CELL)
        yield Scoreboard(file.fileno(), workers)


Role = Literal["producer", "consumer"]


class Order(NamedTuple):
    """The order of a worker. `row` is its row on the scoreboard, whose descriptor `board` is."""

    settings: Settings
    work: Workload
    role: Role
    number: int
    row: int
    run: bytes
    board: int


class WorkerReport(NamedTuple):
    """What a worker says: `ready`, and at its end what it measured and what ended it too early."""

    kind: Literal["ready", "done"]
    measured: Measurements | None = None
    error: KubemqctlError | None = None


def main() -> None:
    """The main function of a worker process."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = BenchWorker(pickle.load(sys.stdin.buffer))
    threading.Thread(target=worker.obey, args=(sys.stdin.buffer,), daemon=True).start()
    error = None
    try:
        with connect(worker.order.settings) as client:
            worker.work(client, reports)
    except KubemqctlError as e:
        error = e
    except Exception as e:
        error = KubemqctlError(f"a process of the benchmark broke: {type(e).__name__}: {e}")
    _say(reports, WorkerReport("done", worker.recorder.tell(), error))
    # What the last calls left behind in grpc's threads is of no use to anybody.
    os._exit(0)


class BenchWorker:
    """Does what it was ordered to, between `go` and `stop`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        workers = order.work.producers + order.work.consumers
        self._board = Scoreboard(order.board, workers)
        self.recorder = Recorder(order.run, order.work.producers, self._measured)
        self._begin = 0
        self._go = threading.Event()
        self._stop = threading.Event()
        self._end = self._stop.set

    def obey(self, lines: IO[bytes]) -> None:
        """Obey the lines on stdin; to be run in a thread of its own."""
        for line in lines:
            word, _, value = line.strip().partition(b" ")
            if word == b"go":
                self._begin = int(value)
            else:
                self._stop.set()
                self._end()
            self._go.set()
        os._exit(0)

    def work(self, client: Client, reports: IO[bytes]) -> None:
        """Do the whole work. Raises what ended it too early."""
        if self.order.role == "producer":
            self._produce(client, reports)
        else:
            self._consume(client, reports)

    def _produce(self, client: Client, reports: IO[bytes]) -> None:
        from kubemqctl.bench.producers import Producer, produce

        work, number = self.order.work, self.order.number
        _say(reports, WorkerReport("ready"))
        self._go.wait()
        body = writer(self.order.run, number, work.size)
        schedule = Schedule(work, number, self._begin, self._stop)
        produce(Producer(client, work, schedule, body, self.recorder, self._took, self._stop))

    def _consume(self, client: Client, reports: IO[bytes]) -> None:
        from kubemqctl.bench.consumers import Consumer, consume

        row, board = self.order.row, self._board
        taking = Consumer(
            client,
            self.order.work,
            self._take,
            claim=lambda most: board.claim(row, most),
            unclaim=lambda count: board.add(row, CLAIMED, -count),
        )
        open_drain = consume(taking)
        self._end = open_drain.close
        if self._stop.is_set():
            open_drain.close()
        _say(reports, WorkerReport("ready"))
        try:
            open_drain.run()
        except KubemqctlError:
            if not self._stop.is_set():
                raise

    def _take(self, bodies: Iterable[bytes], at: int) -> None:
        if self.recorder.take(bodies, at):
            self._board.put(self.order.row, HEARD, 1)

    def _took(self, count: int) -> None:
        self._board.add(self.order.row, ACCEPTED, count)

    def _measured(self, count: int) -> None:
        self._board.put(self.order.row, MEASURED, count)


def _say(reports: IO[bytes], report: WorkerReport) -> None:
    pickle.dump(report, reports)
    reports.flush()
