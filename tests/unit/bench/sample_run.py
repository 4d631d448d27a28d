"""A benchmark made up: its workload, what its workers told, its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubemqctl.bench.coordinator import Measured
from kubemqctl.bench.recorder import Latencies, Measurements, Recorder
from kubemqctl.bench.result import compute_result
from kubemqctl.bench.workload import MEASURED as COUNTS
from kubemqctl.bench.workload import Due, Pattern, Workload, writer
from kubemqctl.model.errors import (
    NotReady,
)
from kubemqctl.model.reports import BenchResult

RUN = b"the run!"

MS = 1_000_000


def workload(pattern: Pattern = "queue", **changes: Any) -> Workload:
    plain = Workload(pattern, "c", 1, 1, 64, None, 1.0, None, 0.0, batch=10, in_flight=2, timeout=1.0)
    return plain._replace(**changes)


def consumer(numbers: Sequence[int], producers: int = 1, took: int = 5 * MS) -> Measurements:
    """What a consumer tells that got these numbers of producer 0, each so long after it was sent."""
    recorder = Recorder(RUN, producers, lambda count: None)
    body = writer(RUN, 0, 64)
    for at, number in enumerate(numbers, start=1):
        recorder.take([body(Due(COUNTS, number, at * MS))], at * MS + took)
    return recorder.tell()


def producer(count: int, errors: int = 0) -> Measurements:
    recorder = Recorder(RUN, 1, lambda count: None)
    recorder.began()
    recorder.accepted([Due(COUNTS, number, 0) for number in range(count)])
    if errors:
        recorder.failed(errors, NotReady("busy"))
    return recorder.tell()._replace(last=100 * MS)


def measured(
    producers: Sequence[Measurements], consumers: Sequence[Measurements], **changes: Any
) -> Measured:
    return Measured(1, producers, consumers, None, 0, True, None)._replace(**changes)


def result(count: int = 4, got: Sequence[int] = range(4), **changes: Any) -> BenchResult:
    return compute_result(measured([producer(count)], [consumer(got)]), workload(**changes), Latencies())
