"""Where in a store to begin and to end: what --from and --until take, and what it means on a server."""

from __future__ import annotations

import re

from kubemqctl.errors import UsageError
from kubemqctl.message import End, Pong, Start
from kubemqctl.values import SECOND, duration_ns, parse_time, quoted

LARGEST = 2**63 - 1


def parse_start(text: str) -> Start:
    """`new`, `first`, `last`, a sequence, a time, or a duration: so long ago."""
    if text in ("new", "first", "last"):
        return Start(text)  # type: ignore[arg-type]
    if _is_sequence(text):
        return Start("sequence", _sequence(text))
    if _looks_like_time(text):
        return Start("time", parse_time(text))
    try:
        return Start("ago", duration_ns(text))
    except UsageError:
        raise UsageError(
            f"{quoted(text)} is no place to begin: write new, first, last, a sequence such as 42,"
            " a time such as 2024-05-31T08:30:00Z, or how long ago, such as 2h"
        ) from None


def parse_end(text: str) -> End:
    """`now`, a sequence or a time."""
    if text == "now":
        return End("now")
    if _is_sequence(text):
        return End("sequence", _sequence(text))
    if _looks_like_time(text):
        return End("time", parse_time(text))
    raise UsageError(
        f"{quoted(text)} is no place to end: write now, a sequence such as 42, or a time such as"
        " 2024-05-31T08:30:00Z"
    )


def check_order(start: Start, end: End) -> None:
    """Refuse an end before its start, as far as that can be known without a server."""
    if start.kind == end.kind and start.value > end.value:
        raise UsageError("--until is before --from: nothing lies between them")


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


def _is_sequence(text: str) -> bool:
    return re.fullmatch(r"[0-9]+", text) is not None


def _sequence(text: str) -> int:
    if len(text) > 19 or not 1 <= int(text) <= LARGEST:
        raise UsageError(f"{quoted(text)} is no sequence: they begin at 1 and end at {LARGEST}")
    return int(text)


def _looks_like_time(text: str) -> bool:
    return re.match(r"[0-9]{4}-", text) is not None
