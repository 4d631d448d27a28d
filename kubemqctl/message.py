"""The nouns: what travels, and what a server tells. All of them are immutable.

Times are Unix nanoseconds and durations whole seconds unless a field says otherwise; 0 means "none",
as it does on the wire. Bodies are bytes and are never decoded here. They are NamedTuples rather than
frozen dataclasses because a bulk run makes one a message: 0.3 µs against 1.1 µs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

NO_TAGS: Mapping[str, str] = MappingProxyType({})


class Policy(NamedTuple):
    """What a queue does with a message; durations in seconds, 0 for none."""

    expiration: int = 0
    delay: int = 0
    max_receives: int = 0
    dead_letter: str = ""


NO_POLICY = Policy()


class Message(NamedTuple):
    """A message to send: to a queue, or as an event (which has no policy)."""

    body: bytes = b""
    channel: str = ""
    id: str = ""
    metadata: str = ""
    tags: Mapping[str, str] = NO_TAGS
    policy: Policy = NO_POLICY


class Received(NamedTuple):
    """A queue message as its receiver sees it."""

    channel: str
    id: str
    client_id: str
    metadata: str
    body: bytes
    tags: Mapping[str, str]
    timestamp: int
    sequence: int
    receive_count: int
    re_routed_from: str
    expires_at: int
    delayed_to: int
    policy: Policy


class HandledMessage(NamedTuple):
    """A received message with how its handler ended, and what became of it."""

    channel: str
    id: str
    client_id: str
    metadata: str
    body: bytes
    tags: Mapping[str, str]
    timestamp: int
    sequence: int
    receive_count: int
    re_routed_from: str
    expires_at: int
    delayed_to: int
    policy: Policy
    outcome: str
    handler_exit: int


class Decided(NamedTuple):
    """What became of a message that was held."""

    id: str
    sequence: int
    outcome: str


class Event(NamedTuple):
    """An event as its subscriber sees it; only a stored one has a timestamp and a sequence."""

    channel: str
    id: str
    metadata: str
    body: bytes
    tags: Mapping[str, str]
    timestamp: int
    sequence: int


class HandledEvent(NamedTuple):
    """An event with how its handler ended."""

    channel: str
    id: str
    metadata: str
    body: bytes
    tags: Mapping[str, str]
    timestamp: int
    sequence: int
    handler_exit: int


class Start(NamedTuple):
    """Where in a store to begin. `value` is a sequence, a time, or for `ago` a duration in nanoseconds."""

    kind: Literal["new", "first", "last", "sequence", "time", "ago"]
    value: int = 0


class End(NamedTuple):
    """Up to where to read a store, inclusive. `value` is a sequence or a time."""

    kind: Literal["now", "sequence", "time"]
    value: int = 0


class SendResult(NamedTuple):
    """What became of one message sent; `error` is empty when the server accepted it."""

    id: str
    channel: str
    sent_at: int = 0
    expires_at: int = 0
    delayed_to: int = 0
    error: str = ""


class Request(NamedTuple):
    """A command or a query, on either side; `timeout` is seconds, to the millisecond."""

    channel: str
    body: bytes = b""
    metadata: str = ""
    tags: Mapping[str, str] = NO_TAGS
    timeout: float = 0.0
    cache_key: str = ""
    cache_ttl: int = 0
    id: str = ""
    client_id: str = ""
    reply_channel: str = ""


class Response(NamedTuple):
    """The answer to a command or a query; `id` is the request's, `client_id` the responder's.

    `reply_channel`, which only a responder knows, is the way back to the one who asked.
    """

    channel: str
    id: str
    executed: bool
    error: str = ""
    body: bytes = b""
    metadata: str = ""
    tags: Mapping[str, str] = NO_TAGS
    timestamp: int = 0
    cache_hit: bool = False
    client_id: str = ""
    reply_channel: str = ""


class Reply(NamedTuple):
    """What a responder says to a request, whichever that is."""

    executed: bool = True
    error: str = ""
    body: bytes = b""
    metadata: str = ""
    tags: Mapping[str, str] = NO_TAGS


class Answered(NamedTuple):
    """A request with how it was answered; `handler_exit` is 0 without a handler."""

    channel: str
    body: bytes
    metadata: str
    tags: Mapping[str, str]
    timeout: float
    cache_key: str
    cache_ttl: int
    id: str
    client_id: str
    reply_channel: str
    executed: bool
    error: str
    handler_exit: int


class Affected(NamedTuple):
    """How many messages a whole-queue action touched; `target` only where they went somewhere."""

    channel: str
    affected: int
    target: str = ""


class ChannelInfo(NamedTuple):
    """A channel and what the server tells of it; None where it tells nothing."""

    name: str
    type: str
    messages: int | None = None
    bytes: int | None = None
    waiting: int | None = None
    subscribers: int | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    active: bool | None = None
    last_activity: int | None = None
    rate_in: float | None = None  # messages a second, as `top` measures them
    rate_out: float | None = None


class Check(NamedTuple):
    """One thing that was looked at: what was found, and what to do about it where that is known.

    `error` is why it failed, as it would have ended a command.
    """

    name: str
    outcome: Literal["ok", "warning", "failed", "skipped"]
    found: str
    advice: str = ""
    error: Exception | None = None


class Pong(NamedTuple):
    """A ping's answer: `started_at` in Unix seconds, `uptime` in seconds, `round_trip` in nanoseconds."""

    host: str
    version: str
    started_at: int
    uptime: int
    round_trip: int


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
