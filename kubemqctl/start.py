"""start."""

from __future__ import annotations

from kubemqctl.model.reports import Pong
from kubemqctl.model.values import SECOND, Start


def server_clock(pong: Pong, local: int) -> int:
    """The server's time in Unix nanoseconds, when ours is `local`.

    A ping shows it to two seconds, cut off: within those ours is believed.
    """
    shown = (pong.started_at + pong.uptime) * SECOND
    return min(max(local, shown), shown + 2 * SECOND)


def absolute(start: Start, server_now: int) -> Start:
    """`start` with a time in place of `ago`; the beginning of time is `first`, as servers refuse it."""
    if start.kind == "ago":
        start = Start("time", server_now - start.value)
    return Start("first") if start.kind == "time" and start.value <= 0 else start
