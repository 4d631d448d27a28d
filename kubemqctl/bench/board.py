"""Counters that the processes of a benchmark share: a page of memory with a row for each worker.

Each number has one writer, so there is nothing to lock but one sum that decides something: how many
messages a consumer of a queue may ask for.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

ACCEPTED, CLAIMED, MEASURED, HEARD = range(4)
COLUMNS = 4
CELL = 8


class Scoreboard:
    """`fd` is inherited by the workers, who make a Scoreboard of it too."""

    def __init__(self, fd: int, workers: int) -> None:
        self.fd = fd
        self._workers = workers
        # Cells of the machine's own integers: each is written by one instruction.
        self._cells = memoryview(mmap.mmap(fd, workers * COLUMNS * CELL)).cast("q")

    def add(self, worker: int, column: int, count: int) -> None:
        """Count on; only the worker itself does that."""
        self._cells[worker * COLUMNS + column] += count

    def put(self, worker: int, column: int, value: int) -> None:
        """Set a number of one's own."""
        self._cells[worker * COLUMNS + column] = value

    def get(self, worker: int, column: int) -> int:
        """One number."""
        return self._cells[worker * COLUMNS + column]

    def total(self, column: int) -> int:
        """The sum over all workers."""
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
    """A new one, all zero, in a file that has no name any more."""
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), workers * COLUMNS * CELL)
        yield Scoreboard(file.fileno(), workers)
