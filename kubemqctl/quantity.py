"""Counts, sizes, lengths of time and moments, written out: times for records, the rest for people."""

from __future__ import annotations

import time
from functools import lru_cache

SECOND = 1_000_000_000
"""In nanoseconds."""


def time_text(nanoseconds: int) -> str:
    """Unix nanoseconds as RFC 3339 in UTC, all nine digits; `@SECONDS` outside the years 1 to 9999."""
    seconds, rest = divmod(nanoseconds, SECOND)
    clock = _clock(seconds)
    return f"{clock}.{rest:09d}Z" if clock else f"@{seconds}.{rest:09d}"


def second_text(seconds: int) -> str:
    """Unix seconds as RFC 3339 in UTC; `@SECONDS` outside the years 1 to 9999."""
    clock = _clock(seconds)
    return f"{clock}Z" if clock else f"@{seconds}"


@lru_cache(maxsize=1024)
def _clock(seconds: int) -> str:
    """Date and time without a zone, or empty outside the calendar. Messages come many a second: cached."""
    try:
        year, *rest = time.gmtime(seconds)[:6]
    except (OverflowError, OSError, ValueError):
        return ""
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}".format(year, *rest) if 1 <= year <= 9999 else ""


def count_text(count: int, noun: str = "") -> str:
    """`12,345`; with a noun, `1 message` or `12,345 messages`."""
    if not noun:
        return f"{count:,}"
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size_text(size: int) -> str:
    """Bytes to read: `512 B`, `1.2 MiB`."""
    if abs(size) < 1024:
        return f"{size} B"
    value = size / 1024
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(value) < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} EiB"


def span_text(seconds: int) -> str:
    """A length of time in its two greatest units: `45s`, `3m 5s`, `2d 4h`."""
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count:,}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def relative_text(then: int, now: int) -> str:
    """`3s ago`, `in 2m 5s`, `now`; both in Unix nanoseconds."""
    if then > now:
        return f"in {span_text(-((now - then) // SECOND))}"
    seconds = (now - then) // SECOND
    return f"{span_text(seconds)} ago" if seconds else "now"


def moment_text(then: int, now: int) -> str:
    """A moment both ways: `3s ago (2026-11-23 13:40:40.123Z)`."""
    return f"{relative_text(then, now)} ({exact_text(then)})"


def exact_text(then: int) -> str:
    """Unix nanoseconds as UTC to the millisecond: `2026-11-23 13:40:40.123Z`."""
    exact = time_text(then)
    return f"{exact[:-7]}Z".replace("T", " ") if exact.endswith("Z") else exact
