"""The result of a benchmark: figures computed from what was measured, and the assertions about them."""

from __future__ import annotations

import operator
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from kubemqctl.bench.coordinator import Measured
from kubemqctl.bench.recorder import Latencies, Measurements
from kubemqctl.bench.workload import Workload
from kubemqctl.model.errors import ExpectationFailed, UsageError
from kubemqctl.model.limits import SECOND
from kubemqctl.model.reports import BenchResult
from kubemqctl.model.text import latency_text, nearest, quoted
from kubemqctl.model.values import duration_ns, parse_rate, parse_size

Unit = Literal["time", "rate", "bytes", "count"]
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
FLAWS = ("loss", "doubles", "disorder", "errors")
"""Figures that may also be asserted as a share of all messages."""
_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("min", "mean", "max"), "time"),
    **dict.fromkeys(("rate", "send_rate"), "rate"),
    "byte_rate": "bytes",
    **dict.fromkeys(("sent", "received", *FLAWS), "count"),
}
_ALIASES = {"throughput": "rate", "bandwidth": "byte_rate"}
NAMES = ("p50", "p99.9", *_UNITS, *_ALIASES)
_FORM = re.compile(r"\s*([A-Za-z_0-9.]+)\s*(<=|>=|==|!=|<|>|=)\s*(\S+)\s*", re.ASCII)
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,4})?|100)", re.ASCII)


class Assertion(NamedTuple):
    """`bound` is nanoseconds, a number a second or a count; of all messages a share when `is_share`."""

    text: str
    metric: str
    unit: Unit
    operator: str
    bound: float
    is_share: bool = False

    @property
    def percentile(self) -> float | None:
        """99.9 for p99.9; None for what is no percentile."""
        return float(self.metric[1:]) if self.metric[0] == "p" else None


def parse(texts: Iterable[str]) -> list[Assertion]:
    """The assertions in `texts`, each with one or more separated by commas. Raises UsageError."""
    return [_parsed(part) for text in texts for part in text.split(",")]


def _parsed(text: str) -> Assertion:
    found = _FORM.fullmatch(text)
    if not found:
        raise UsageError(f"{quoted(text)} is not an assertion: write it like 'p99<20ms' or 'loss=0'")
    name, sign, value = found.groups()
    metric = _metric(name)
    unit = "time" if metric[0] == "p" else _UNITS[metric]
    is_share = metric in FLAWS and value.endswith("%")
    try:
        bound = _number(value[:-1], value) / 100 if is_share else _READ[unit](value)
    except UsageError as e:
        e.message = f"{quoted(text.strip())}: {e.message}"
        raise
    return Assertion(text.strip(), metric, unit, sign, bound, is_share)


def _metric(name: str) -> str:
    if name == "p999":
        name = "p99.9"
    if _PERCENTILE.fullmatch(name) and float(name[1:]) > 0:
        return name
    metric = _ALIASES.get(name, name)
    if metric in _UNITS:
        return metric
    hint = nearest(name, NAMES) or f"use p50, p99.9 or any other percentile, {', '.join(NAMES[2:])}"
    raise UsageError(f"there is no measurement {quoted(name)}", hint=hint)


def _number(text: str, shown: str) -> float:
    if len(text) > 30 or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        raise UsageError(f"{quoted(shown)} is not a number")
    return float(text)


def _bytes(text: str) -> float:
    if not text.endswith("/s"):
        raise UsageError(f"{quoted(text)} is not a bandwidth: write it as 10MB/s")
    return float(parse_size(text[:-2]))


def _count(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UsageError(f"{quoted(text)} is not a count: write it as 0, 100 or 0.1%")
    return float(text)


_READ: dict[Unit, Callable[[str], float]] = {
    "time": duration_ns,
    "rate": parse_rate,
    "bytes": _bytes,
    "count": _count,
}


def hold(assertions: Iterable[Assertion], result: BenchResult, at: Callable[[float], int | None]) -> None:
    """Raise ExpectationFailed, naming those that do not hold. `at` gives a percentile of the latencies."""
    broken = [text for assertion in assertions if (text := _broken(assertion, result, at))]
    if broken:
        raise ExpectationFailed("; ".join(broken), code="assertion-failed")


def _broken(assertion: Assertion, result: BenchResult, at: Callable[[float], int | None]) -> str:
    """Why the assertion does not hold; empty when it does."""
    percentile = assertion.percentile
    value = getattr(result, assertion.metric) if percentile is None else at(percentile)
    if value is None:
        return f"{assertion.text} does not hold: it was not measured"
    bound = assertion.bound
    if assertion.is_share:
        bound *= _whole(assertion.metric, result)
    if _OPERATORS[assertion.operator](value, bound):
        return ""
    return f"{assertion.text} does not hold: it was {_said(value, assertion, result)}"


def _said(value: float, assertion: Assertion, result: BenchResult) -> str:
    if assertion.unit == "time":
        return latency_text(int(value))
    if assertion.metric in FLAWS:
        return f"{value:,} of {_whole(assertion.metric, result):,}"
    return f"{value:,.0f}{_SUFFIXES.get(assertion.unit, '')}"


_SUFFIXES: dict[Unit, str] = {"rate": "/s", "bytes": " B/s"}


def _whole(metric: str, result: BenchResult) -> int:
    """How many messages there were of which some were flawed in that way."""
    if metric == "errors":
        return result.sent + result.errors
    if metric == "loss":
        return result.received - result.doubles + (result.loss or 0)
    return result.received


PERCENTILES = {"min": 0.0, "max": 100.0, "p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
# From this share of a processor on, a process has no time to do more; the rest is the waiting for its calls.
AT_ITS_LIMIT = 0.85
# The machine as a whole is, when so little of it is idle; and a rate is held when it is missed by no more.
MACHINE_AT_ITS_LIMIT = 0.95
HELD = 0.99
# Of a window shorter than this, processor time says nothing: nanoseconds.
SHORTEST = SECOND // 5


def compute_result(measured: Measured, work: Workload, latencies: Latencies) -> BenchResult:
    """The result of a run; its latencies are put into `latencies`, which must be empty."""
    timed = measured.producers if work.is_asking else measured.consumers
    for measurements in timed:
        latencies.add(measurements.latencies.items())
    sent, errors = _sent(measured, work)
    received, unique, disorder = _received(measured, work)
    spent = _spent(timed, measured.begin)
    sending = _spent(measured.producers, measured.begin)
    rate, send_rate = _rate(received, spent), _rate(sent, sending)
    machine = measured.machine if spent >= SHORTEST else None
    busy = max((_busy(measured) for measured in (*measured.producers, *measured.consumers)), default=0.0)
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
    accepted = sum(measured.accepted for measured in measured.producers)
    errors = sum(measured.errors for measured in measured.producers)
    # Plain events count as taken until the server says that it refused one.
    return (max(0, accepted - errors) if work.pattern == "events" else accepted), errors


def _received(measured: Measured, work: Workload) -> tuple[int, int, int]:
    """How many messages came, how many of them for the first time, and how many behind a later one."""
    if work.is_asking:
        answered = sum(measured.accepted for measured in measured.producers)
        return answered, answered, 0
    received = sum(measured.received for measured in measured.consumers)
    disorder = sum(measured.disorder for measured in measured.consumers)
    # Of a queue all consumers together get each message once; of events every one gets all.
    shares = (
        [[measured] for measured in measured.consumers] if work.copies > 1 else [list(measured.consumers)]
    )
    unique = sum(_distinct(share, producer) for share in shares for producer in range(work.producers))
    return received, unique, disorder


def _distinct(receipts: Sequence[Measurements], producer: int) -> int:
    """How many messages of a producer came to any of these."""
    seen = 0
    for measured in receipts:
        seen |= int.from_bytes(measured.seen[producer], "little")
    return seen.bit_count()


def _spent(receipts: Sequence[Measurements], begin: int) -> int:
    """Nanoseconds from the beginning to the last message."""
    return max((measured.last - begin for measured in receipts if measured.last), default=0)


def _rate(count: int, nanoseconds: int) -> float:
    return count * SECOND / nanoseconds if nanoseconds > 0 else 0.0


def _busy(measured: Measurements) -> float:
    window = measured.last - measured.first
    return measured.busy / window if window >= SHORTEST else 0.0


def is_held(work: Workload, sent: int, send_rate: float) -> bool:
    """Whether the rate that was asked for was kept. One late message at the end does not matter."""
    if not work.rate:
        return False
    late = work.duration is not None and sent + work.producers >= work.rate * work.duration * HELD
    return late or send_rate >= work.rate * HELD


def _limit(held: bool, busy: float, machine: float | None) -> Any:
    """What limited the rate, as far as the measurements tell."""
    if held:
        return "rate"
    if busy >= AT_ITS_LIMIT:
        return "tool"
    if machine is not None and machine >= MACHINE_AT_ITS_LIMIT:
        return "machine"
    return "server" if busy else ""


def _ending(measured: Measured) -> str:
    """What ended the run too early; empty when nothing did."""
    if measured.failure:
        return measured.failure.message
    return signal.Signals(measured.signum).name if measured.signum else ""
