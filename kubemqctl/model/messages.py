"""The nouns: messages, events, requests and their results. All of them are immutable.

Times are Unix nanoseconds and durations whole seconds unless a field says otherwise; 0 means "none",
as it does on the wire. Bodies are bytes and are never decoded here. They are NamedTuples rather than
frozen dataclasses because a bulk run makes one a message: 0.3 µs against 1.1 µs.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import getsizeof
from types import MappingProxyType
from typing import NamedTuple

from kubemqctl.model.limits import MAX_QUEUE_SECONDS, SECOND

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


def bytes_held(noun: Received | Event | Request) -> int:
    """What `noun` takes of memory: a limit on bodies alone is none for somebody who sends metadata."""
    texts = sum(getsizeof(key) + getsizeof(value) for key, value in noun.tags.items())
    return sum(map(getsizeof, noun)) + texts


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
    """An event as its subscriber sees it.

    Only a stored one has a timestamp and a sequence; of a plain one no server keeps the time, so it has
    `received_at`, by the local clock.
    """

    channel: str
    id: str
    metadata: str
    body: bytes
    tags: Mapping[str, str]
    timestamp: int
    sequence: int
    received_at: int = 0


class HandledEvent(NamedTuple):
    """An event with how its handler ended."""

    channel: str
    id: str
    metadata: str
    body: bytes
    tags: Mapping[str, str]
    timestamp: int
    sequence: int
    received_at: int
    handler_exit: int


class SendResult(NamedTuple):
    """What became of one message sent; `error` is empty when the server accepted it."""

    id: str
    channel: str
    sent_at: int = 0
    expires_at: int = 0
    delayed_to: int = 0
    error: str = ""


class Request(NamedTuple):
    """A command or a query, on either side.

    `timeout` is seconds, to the millisecond. `received_at` is when it reached a responder, by the
    local clock.
    """

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
    received_at: int = 0


class Response(NamedTuple):
    """The answer to a command or a query; `id` is the request's, `client_id` the responder's.

    `reply_channel`, which only a responder knows, is the way back to the one who asked. `elapsed` is from
    asking to the answer, in nanoseconds; `line` is that of the request, where many were sent.
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
    elapsed: int = 0
    line: int = 0


class Reply(NamedTuple):
    """What a responder says to a request, whichever that is."""

    executed: bool = True
    error: str = ""
    body: bytes = b""
    metadata: str = ""
    tags: Mapping[str, str] = NO_TAGS


class AnsweredRequest(NamedTuple):
    """A request with how it was answered; `handler_exit` is 0 without a handler.

    `elapsed` is what answering took since it was received, in nanoseconds.
    """

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
    received_at: int
    executed: bool
    error: str
    handler_exit: int
    elapsed: int


class Affected(NamedTuple):
    """How many messages a whole-queue action touched; `target` only where they went somewhere."""

    channel: str
    affected: int
    target: str = ""


# --- what a worker tells of a failure ---

FIRST_ID_TAG = "kubemqctl-id"
"""The id that a message had before it was sent to work again."""
ATTEMPTS_TAG, ERROR_TAG = "kubemqctl-attempts", "kubemqctl-error"
FAILED_AT_TAG, FAILED_FROM_TAG = "kubemqctl-failed-at", "kubemqctl-failed-from"
FAILURE_TAGS = (ERROR_TAG, ATTEMPTS_TAG, FAILED_AT_TAG, FAILED_FROM_TAG)
"""What a message that is sent back to work has no use for."""


def time_left(expires_at: int, now: int) -> int:
    """Seconds from `now` until `expires_at`, as a policy may have them; 0 for never. Unix nanoseconds."""
    if not expires_at:
        return 0
    return min(max(1, -((now - expires_at) // SECOND)), MAX_QUEUE_SECONDS)
