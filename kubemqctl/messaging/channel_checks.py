"""`check`: figures of a server and its queues, held against conditions, as monitoring systems want them.

A figure is asked for only where it is wanted: the age of the first message takes a peek, which on server
2.4.0 waits behind other consumers of the queue and drops what has expired.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.conditions import Condition, parse_condition
from kubemqctl.model.errors import TimedOut, UsageError
from kubemqctl.model.paths import Body
from kubemqctl.model.records import to_record
from kubemqctl.model.reports import HealthCheck, HealthStatus, Pong
from kubemqctl.model.text import escaped, figure_text, quoted

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.model.channels import ChannelInfo

SERVER_FIGURES = ("round_trip",)
QUEUE_FIGURES = ("waiting", "messages", "bytes", "subscribers", "oldest", "round_trip")
DURATIONS = ("oldest", "round_trip")
PEEK_TIMEOUT = 2.0
"""Seconds. A peek that takes longer waits behind a consumer, and the age of the first message is unknown."""


class Limits(NamedTuple):
    """What must not hold: `critical` is looked at first."""

    warning: Sequence[Condition]
    critical: Sequence[Condition]

    @property
    def fields(self) -> set[str]:
        """The figures that are asked for."""
        return {condition.path.field for condition in (*self.warning, *self.critical)}


def parse_limits(warn: Sequence[str], critical: Sequence[str], queues: bool) -> Limits:
    """What --warn and --critical say, of queues or of the server alone. Raises UsageError."""
    known = QUEUE_FIGURES if queues else SERVER_FIGURES
    return Limits(
        [_limit(text, known, "--warn") for text in warn],
        [_limit(text, known, "--critical") for text in critical],
    )


def _limit(text: str, known: Sequence[str], option: str) -> Condition:
    """A condition, refused where it compares what a figure never is: its alarm would stay silent for ever."""
    example = "as in 'waiting>100' or 'oldest>=10m'" if "waiting" in known else "as in 'round_trip>500ms'"
    try:
        condition = parse_condition(text, known, option, f"{example}: see `kubemqctl check --help`")
    except UsageError as e:
        if known is SERVER_FIGURES and text.startswith(QUEUE_FIGURES):
            e.hint = "queues have it: kubemqctl check queue NAME…"
        raise
    field, order = condition.path.field, condition.order
    is_duration = field in DURATIONS
    if order and order not in (("duration",) if is_duration else ("number", "size")):
        kind, limit = ("duration", "30s") if is_duration else ("number", "100")
        raise UsageError(
            f"{option} {quoted(text)}: {field} is a {kind} and never compares to a {order}",
            hint=f"write for instance '{field}>{limit}'",
        )
    return condition


def check_server(client: Client, limits: Limits) -> HealthCheck:
    """The server alone: its round trip. Raises what a ping raises."""
    from kubemqctl.client import connection

    pong = connection.ping(client)
    return judged(HealthCheck(client.address, round_trip=pong.round_trip), limits)


def check_queue(client: Client, name: str, limits: Limits) -> HealthCheck:
    """One queue and the server's round trip; a queue that is not there is critical."""
    from kubemqctl.client import connection, queues

    pong = connection.ping(client)
    found = queues.named(client, name)
    if not found:
        return HealthCheck(name, "critical", round_trip=pong.round_trip, reason="there is no such queue")
    if len(found) > 1:
        why = "the server shows several queues by this name"
        return HealthCheck(name, "unknown", round_trip=pong.round_trip, reason=why)
    wants_age = "oldest" in limits.fields
    return judged(_figures(name, found[0], pong, _age(client, name, pong) if wants_age else None), limits)


def _figures(name: str, info: ChannelInfo, pong: Pong, age: int | None) -> HealthCheck:
    return HealthCheck(
        name,
        waiting=info.waiting,
        messages=info.messages,
        bytes=info.bytes,
        subscribers=info.subscribers,
        oldest=age,
        round_trip=pong.round_trip,
    )


def _age(client: Client, name: str, pong: Pong) -> int | None:
    """How long the first message waits, in nanoseconds of the server's clock; None when it is not known."""
    from kubemqctl.client import queues
    from kubemqctl.client.connection import server_clock

    try:
        first = queues.peek(client, name, 1, 1.0, timeout=PEEK_TIMEOUT)
    except TimedOut:
        return None
    return max(0, server_clock(pong, time.time_ns()) - first[0].timestamp) if first else None


# --- judging ---


def judged(figures: HealthCheck, limits: Limits) -> HealthCheck:
    """`figures` with what the conditions say of them: the worst that holds, critical before warning."""
    record = to_record(figures)
    unknown = ""
    levels: tuple[tuple[HealthStatus, Sequence[Condition]], ...]
    levels = ("critical", limits.critical), ("warning", limits.warning)
    for status, conditions in levels:
        for condition in conditions:
            field = condition.path.field
            if field not in record:
                unknown = unknown or f"{field} is not known: {condition.text} cannot be judged"
            elif condition.holds(record, Body(b"")):
                reason = f"{field} is {figure_text(field, getattr(figures, field))}: {condition.text}"
                return figures._replace(status=status, reason=reason)
    return figures._replace(status="unknown", reason=unknown) if unknown else figures


# --- Nagios ---

NAGIOS_CODES: dict[HealthStatus, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


def worst(checks: Iterable[HealthCheck]) -> HealthStatus:
    """The status of all of them together: what is known to be bad goes before what is not known."""
    order: tuple[HealthStatus, ...] = ("critical", "warning", "unknown")
    found = {check.status for check in checks}
    return next((status for status in order if status in found), "ok")


def nagios_line(checks: Sequence[HealthCheck]) -> str:
    """`KUBEMQ STATUS - text | 'label'=value[s|B]`, of all checks in one line."""
    said = [f"{check.name}: {check.reason or check.status}" for check in checks]
    data = [text for check in checks for text in _performance(check, len(checks) > 1)]
    return f"{nagios_text(worst(checks), '; '.join(said))}{' | ' if data else ''}{' '.join(data)}"


def nagios_text(status: HealthStatus, text: str) -> str:
    """The line up to its figures. A bar begins those, so one in the text is written out."""
    return f"KUBEMQ {status.upper()} - {escaped(text).replace('|', chr(92) + 'x7c')}"


def _performance(check: HealthCheck, is_one_of_many: bool) -> list[str]:
    figures = {
        "waiting": _count(check.waiting),
        "messages": _count(check.messages),
        "bytes": _count(check.bytes, "B"),
        "subscribers": _count(check.subscribers),
        "oldest": _seconds(check.oldest),
        "round_trip": _seconds(check.round_trip),
    }
    # A label ends at = and at a quote, which is doubled.
    name = escaped(check.name).replace("'", "''").replace("=", "\\x3d").replace("|", "\\x7c")
    before = f"{name} " if is_one_of_many else ""
    return [f"'{before}{figure}'={value}" for figure, value in figures.items() if value]


def _count(value: int | None, unit: str = "") -> str:
    return "" if value is None else f"{value}{unit}"


def _seconds(nanoseconds: int | None) -> str:
    return "" if nanoseconds is None else f"{nanoseconds / 1e9:.6f}s"
