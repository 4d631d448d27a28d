"""The processes of a benchmark: started, told what to do, listened to, and always ended.

Each producer and each consumer has one of its own, as programs have: one Python process can use one
processor only, and sender and receiver in one would keep each other waiting for the interpreter.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from kubemqctl.bench.worker import Order, Role, WorkerReport
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.text import reason

# Not `-m`: that would look for our modules in the working directory first.
_CODE = "import sys; sys.path[:] = sys.argv[1:]; from kubemqctl.bench.worker import main; main()"
# What an end takes at most, and how often signals are looked for: seconds.
GRACE = 5.0
LOOK = 0.05


class Heard(NamedTuple):
    """A report, and the worker that made it."""

    row: int
    report: WorkerReport


class WorkerProcesses:
    """The worker processes. A context manager: those that still run at its end are killed."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._orders = orders
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> WorkerProcesses:
        try:
            for order in self._orders:
                self._processes.append(_started(order))
            for order, process in zip(self._orders, self._processes, strict=True):
                threading.Thread(target=self._listen, args=(order, process), daemon=True).start()
        except OSError as e:
            self.__exit__()
            why = reason(e)
            raise KubemqctlError(f"the processes of the benchmark cannot be started: {why}") from e
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            with suppress(OSError):
                if process.stdin:
                    process.stdin.close()
        deadline = time.monotonic() + GRACE
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def tell(self, line: str, role: Role | None = None) -> None:
        """Write a line to the stdin of all workers, or of those of a role."""
        for order, process in zip(self._orders, self._processes, strict=True):
            if role in (None, order.role) and process.stdin:
                with suppress(OSError):
                    process.stdin.write(line.encode() + b"\n")
                    process.stdin.flush()

    def hear(self) -> Heard | None:
        """The next report of a worker; None when there is none within LOOK seconds."""
        try:
            return self._heard.get(timeout=LOOK)
        except queue.Empty:
            return None

    def _listen(self, order: Order, process: subprocess.Popen[bytes]) -> None:
        """Give the worker its order, and read its reports until the last one."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump(order, process.stdin)
            process.stdin.flush()
            while True:
                report: WorkerReport = pickle.load(process.stdout)
                self._heard.put(Heard(order.row, report))
                if report.kind == "done":
                    return
        except (EOFError, OSError, pickle.UnpicklingError):
            died = KubemqctlError(f"a process of the benchmark, {order.role} {order.number + 1}, died")
            self._heard.put(Heard(order.row, WorkerReport("done", error=died)))


def _started(order: Order) -> subprocess.Popen[bytes]:
    """A worker; in a session of its own, so that Ctrl-C reaches us alone, and we end it in order."""
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[order.board],
        env=dict(os.environ),
        start_new_session=True,
    )


# --- the machine they work on ---


class CpuTicks(NamedTuple):
    """Processor time of the whole machine, in ticks since it was started."""

    idle: int
    total: int

    def since(self, before: CpuTicks) -> float | None:
        """The share of the time between that was used, from 0 to 1; None for no time."""
        total = self.total - before.total
        return 1 - (self.idle - before.idle) / total if total > 0 else None


def load(path: str = "/proc/stat") -> CpuTicks | None:
    """The processor time until now; None where the system does not tell it."""
    try:
        with open(path, encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    return CpuTicks(ticks[3] + ticks[4], sum(ticks)) if len(ticks) == 8 else None
