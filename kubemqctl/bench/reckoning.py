"""What the workers measured, as one result."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from kubemqctl.bench.account import Receipt
from kubemqctl.bench.latency import Latencies
from kubemqctl.bench.run import Measured
from kubemqctl.bench.workload import Workload
from kubemqctl.model.reports import BenchResult
from kubemqctl.model.values import SECOND

PERCENTILES = {"min": 0.0, "max": 100.0, "p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
# From this share of a processor on, a process has no time to do more; the rest is the waiting for its calls.
AT_ITS_LIMIT = 0.85
# The machine as a whole is, when so little of it is idle; and a rate is held when it is missed by no more.
MACHINE_AT_ITS_LIMIT = 0.95
HELD = 0.99
# Of a window shorter than this, processor time says nothing: nanoseconds.
SHORTEST = SECOND // 5


def reckon(measured: Measured, work: Workload, latencies: Latencies) -> BenchResult:
    """The result of a run; its latencies are put into `latencies`, which must be empty."""
    timed = measured.producers if work.is_asking else measured.consumers
    for receipt in timed:
        latencies.add(receipt.latencies.items())
    sent, errors = _sent(measured, work)
    received, unique, disorder = _received(measured, work)
    spent = _spent(timed, measured.begin)
    sending = _spent(measured.producers, measured.begin)
    rate, send_rate = _rate(received, spent), _rate(sent, sending)
    machine = measured.machine if spent >= SHORTEST else None
    busy = max((_busy(receipt) for receipt in (*measured.producers, *measured.consumers)), default=0.0)
    return BenchResult(
        pattern=work.pattern,
        channel=work.channel,
        producers=work.producers,
        consumers=work.consumers,
        size=work.size,
        batch=work.batch,
        in_flight=work.in_flight,
        target_rate=work.rate or 0.0,
        elapsed=max(spent, sending),
        sent=sent,
        received=received,
        send_rate=send_rate,
        rate=rate,
        byte_rate=rate * work.size,
        loss=max(0, sent * work.copies - unique) if measured.drained and not work.is_asking else None,
        doubles=received - unique,
        disorder=disorder,
        errors=errors,
        mean=latencies.mean(),
        **latencies.each(PERCENTILES),
        limit=_limit(is_held(work, sent, send_rate), busy, machine) if rate else "",
        busy=busy,
        stopped=_ending(measured),
        histogram=latencies.bars(),
    )


def _sent(measured: Measured, work: Workload) -> tuple[int, int]:
    """How many messages were taken by the server, and how many were not."""
    accepted = sum(receipt.accepted for receipt in measured.producers)
    errors = sum(receipt.errors for receipt in measured.producers)
    # Plain events count as taken until the server says that it refused one.
    return (max(0, accepted - errors) if work.pattern == "events" else accepted), errors


def _received(measured: Measured, work: Workload) -> tuple[int, int, int]:
    """How many messages came, how many of them for the first time, and how many behind a later one."""
    if work.is_asking:
        answered = sum(receipt.accepted for receipt in measured.producers)
        return answered, answered, 0
    received = sum(receipt.received for receipt in measured.consumers)
    disorder = sum(receipt.disorder for receipt in measured.consumers)
    # Of a queue all consumers together get each message once; of events every one gets all.
    shares = [[receipt] for receipt in measured.consumers] if work.copies > 1 else [list(measured.consumers)]
    unique = sum(_distinct(share, producer) for share in shares for producer in range(work.producers))
    return received, unique, disorder


def _distinct(receipts: Sequence[Receipt], producer: int) -> int:
    """How many messages of a producer came to any of these."""
    seen = 0
    for receipt in receipts:
        seen |= int.from_bytes(receipt.seen[producer], "little")
    return seen.bit_count()


def _spent(receipts: Sequence[Receipt], begin: int) -> int:
    """Nanoseconds from the beginning to the last message."""
    return max((receipt.last - begin for receipt in receipts if receipt.last), default=0)


def _rate(count: int, nanoseconds: int) -> float:
    return count * SECOND / nanoseconds if nanoseconds > 0 else 0.0


def _busy(receipt: Receipt) -> float:
    window = receipt.last - receipt.first
    return receipt.busy / window if window >= SHORTEST else 0.0


def is_held(work: Workload, sent: int, send_rate: float) -> bool:
    """Whether the rate that was asked for was kept. One late message at the end does not matter."""
    if not work.rate:
        return False
    late = work.duration is not None and sent + work.producers >= work.rate * work.duration * HELD
    return late or send_rate >= work.rate * HELD


def _limit(held: bool, busy: float, machine: float | None) -> Any:
    """What kept it from being faster, as far as that can be known from here."""
    if held:
        return "rate"
    if busy >= AT_ITS_LIMIT:
        return "tool"
    if machine is not None and machine >= MACHINE_AT_ITS_LIMIT:
        return "machine"
    return "server" if busy else ""


def _ending(measured: Measured) -> str:
    """What ended it too early; empty when nothing did."""
    if measured.failure:
        return measured.failure.message
    return signal.Signals(measured.signum).name if measured.signum else ""
