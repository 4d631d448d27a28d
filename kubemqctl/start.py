"""start."""

from __future__ import annotations

from kubemqctl.model.values import Start


def absolute(start: Start, server_now: int) -> Start:
    """`start` with a time in place of `ago`; the beginning of time is `first`, as servers refuse it."""
    if start.kind == "ago":
        start = Start("time", server_now - start.value)
    return Start("first") if start.kind == "time" and start.value <= 0 else start
