"""What a benchmark must come to: `p99<20ms`, `throughput>=5000/s`, `loss=0`, `errors<0.1%`.

A small language, read before anything is sent and held against the result afterwards.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from kubemqctl.model.errors import Partial, UsageError
from kubemqctl.model.reports import BenchResult
from kubemqctl.model.text import latency_text, quoted
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
"""What may be asserted as a share too."""
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
    """All of them; several in one text have commas between. Raises UsageError."""
    return [_parsed(part) for text in texts for part in text.split(",")]


def _parsed(text: str) -> Assertion:
    found = _FORM.fullmatch(text)
    if not found:
        raise UsageError(f"{quoted(text)} is no assertion: write it like 'p99<20ms' or 'loss=0'")
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
    from kubemqctl.model.text import nearest

    hint = nearest(name, NAMES) or f"there are p50, p99.9 or any other percentile, {', '.join(NAMES[2:])}"
    raise UsageError(f"{quoted(name)} is nothing that is measured", hint=hint)


def _number(text: str, shown: str) -> float:
    if len(text) > 30 or not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        raise UsageError(f"{quoted(shown)} is no number")
    return float(text)


def _bytes(text: str) -> float:
    if not text.endswith("/s"):
        raise UsageError(f"{quoted(text)} is no number of bytes a second: write it as 10MB/s")
    return float(parse_size(text[:-2]))


def _count(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UsageError(f"{quoted(text)} is no count: write it as 0, 100 or 0.1%")
    return float(text)


_READ: dict[Unit, Callable[[str], float]] = {
    "time": duration_ns,
    "rate": parse_rate,
    "bytes": _bytes,
    "count": _count,
}


def hold(assertions: Iterable[Assertion], result: BenchResult, at: Callable[[float], int | None]) -> None:
    """Raise Partial, naming those that do not hold. `at` gives a percentile of the latencies."""
    broken = [text for assertion in assertions if (text := _broken(assertion, result, at))]
    if broken:
        raise Partial("; ".join(broken), code="assertion-failed")


def _broken(assertion: Assertion, result: BenchResult, at: Callable[[float], int | None]) -> str:
    """Why it does not hold; empty when it does."""
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
