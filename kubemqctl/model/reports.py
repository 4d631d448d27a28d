"""What the program itself finds out: a check, a ping's answer, a benchmark's result."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Check(NamedTuple):
    """One thing that was looked at: what was found, and what to do about it where that is known.

    `error` is why it failed, as it would have ended a command. What was measured or read comes last, each
    where a step has it: nanoseconds, `started_at` Unix seconds, `expires_at` Unix nanoseconds, `clock_ahead`
    seconds by which the server's clock is ahead of ours.
    """

    name: str
    status: Literal["ok", "warning", "failed", "skipped"]
    found: str
    advice: str = ""
    error: Exception | None = None
    connect_time: int | None = None
    min: int | None = None
    p50: int | None = None
    max: int | None = None
    clock_ahead: int | None = None
    expires_at: int | None = None
    host: str = ""
    version: str = ""
    started_at: int = 0


class Pong(NamedTuple):
    """A server's answer to a ping.

    `started_at` in Unix seconds, `uptime` in seconds, `round_trip` in nanoseconds.
    """

    host: str
    version: str
    started_at: int
    uptime: int
    round_trip: int


HealthStatus = Literal["ok", "warning", "critical", "unknown"]


class HealthCheck(NamedTuple):
    """A server or a queue held against conditions.

    Figures that were not looked at are None. `oldest`, the age of the first message, and
    `round_trip` are nanoseconds.
    """

    name: str
    status: HealthStatus = "ok"
    waiting: int | None = None
    messages: int | None = None
    bytes: int | None = None
    subscribers: int | None = None
    oldest: int | None = None
    round_trip: int = 0
    reason: str = ""


class BenchResult(NamedTuple):
    """What a benchmark measured: `rate` and `send_rate` in messages a second, `byte_rate` in bytes a second.

    `elapsed` and the latencies are nanoseconds; latencies and `loss` are None where nobody knows. `histogram`
    counts latencies, each up to so many nanoseconds. `busy` is the share of a processor that the busiest
    process of the benchmark used, from 0 to 1.
    """

    pattern: str
    channel: str
    producers: int
    consumers: int
    size: int
    batch: int
    in_flight: int
    target_rate: float
    elapsed: int
    sent: int
    received: int
    send_rate: float
    rate: float
    byte_rate: float
    loss: int | None
    doubles: int
    disorder: int
    errors: int
    min: int | None
    mean: int | None
    p50: int | None
    p90: int | None
    p95: int | None
    p99: int | None
    p999: int | None
    max: int | None
    limit: Literal["", "rate", "tool", "machine", "server"]
    busy: float
    stopped: str
    histogram: tuple[tuple[int, int], ...]
