"""What one producer or consumer did, kept while it does it: cheaply, in bounded memory, and told at the end.

A latency is kept as a count at its first eleven bits, the resolution (0.1 %) of the histogram that it ends
in: recording each there at once would cost 2.4 µs a message, this costs 0.4.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kubemqctl.bench.latency import rounded
from kubemqctl.bench.workload import HEAD, MEASURED, SMALLEST, Due
from kubemqctl.model.errors import AuthError, KubemqctlError, Unreachable, UsageError

# Numbers beyond come from no run: a body that merely looks like ours must not cost memory.
MOST_NUMBERED = 1 << 36


class Receipt(NamedTuple):
    """What a producer or a consumer measured; of what was sent while it warmed up nothing counts.

    `latencies` has counts by nanoseconds, `seen` a bit for each number of each producer. `first` and `last`
    are when the first and the last message were dealt with, on the monotonic clock in nanoseconds, `busy`
    the processor time between them, in nanoseconds.
    """

    accepted: int
    errors: int
    error: KubemqctlError | None
    received: int
    disorder: int
    seen: list[bytes]
    latencies: dict[int, int]
    first: int
    last: int
    busy: int


class Account:
    """Of a producer: `accepted`, `answered`, `failed`. Of a consumer: `take`. `tell` may be asked any time.

    `measured` is called with what has been measured so far, whenever that changes.
    """

    def __init__(self, run: bytes, producers: int, measured: Callable[[int], None]) -> None:
        self._run = run
        self._measured = measured
        self._accepted = self._errors = self._received = self._disorder = 0
        self._error: KubemqctlError | None = None
        self._seen = [bytearray() for _ in range(producers)]
        self._highest = [-1] * producers
        self._latencies: dict[int, int] = {}
        self._first = self._last = 0
        self._cpu = [0, 0]
        self._lock = threading.Lock()

    # --- a producer ---

    def began(self) -> None:
        """The first measured message goes out."""
        if not self._first:
            self._first, self._cpu[0] = time.monotonic_ns(), time.process_time_ns()

    def accepted(self, sent: Sequence[Due]) -> None:
        """The server took these."""
        if count := sum(due.phase for due in sent):
            self._accepted += count
            self._touch(time.monotonic_ns())
            self._measured(self._accepted)

    def answered(self, asked: Due, at: int) -> None:
        """A request was answered, at that time."""
        if asked.phase == MEASURED:
            with self._lock:
                self._accepted += 1
                self._keep(at - asked.at)
                self._touch(at)
                self._measured(self._accepted)

    def failed(self, count: int, error: KubemqctlError) -> None:
        """Messages were refused, or nobody knows. Raises `error` where the next one would fail as well."""
        with self._lock:
            self._errors += count
            self._error = self._error or error
        if isinstance(error, Unreachable | AuthError | UsageError):
            raise error

    # --- a consumer ---

    def take(self, bodies: Iterable[bytes], at: int) -> bool:
        """Messages came, at that time; whether any is of this run."""
        is_ours = False
        before = self._received
        for body in bodies:
            if len(body) < SMALLEST:
                continue
            run, producer, phase, number, due = HEAD.unpack_from(body)
            if run != self._run:
                continue
            is_ours = True
            if phase == MEASURED and producer < len(self._seen) and number < MOST_NUMBERED:
                self._count(producer, number)
                self._keep(at - due)
        if self._received > before:
            self._touch(at)
            self._measured(self._received)
        return is_ours

    def _count(self, producer: int, number: int) -> None:
        self.began()
        self._received += 1
        seen = self._seen[producer]
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(seen):
            seen.extend(bytes(at - len(seen) + 4096))
        if number > self._highest[producer]:
            self._highest[producer] = number
        elif not seen[at] & bit:
            self._disorder += 1
        seen[at] |= bit

    # --- both ---

    def _keep(self, latency: int) -> None:
        key = rounded(max(1, latency))
        self._latencies[key] = self._latencies.get(key, 0) + 1

    def _touch(self, at: int) -> None:
        self._last, self._cpu[1] = at, time.process_time_ns()

    def tell(self) -> Receipt:
        """All of it."""
        return Receipt(
            self._accepted,
            self._errors,
            self._error,
            self._received,
            self._disorder,
            [bytes(seen) for seen in self._seen],
            self._latencies,
            self._first,
            self._last,
            max(0, self._cpu[1] - self._cpu[0]),
        )
