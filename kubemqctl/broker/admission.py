"""Which events, responses and subscriptions are refused, in the real server's words and order of checks."""

from __future__ import annotations

import re
import socket
from functools import lru_cache

from kubemqctl.broker import refusals
from kubemqctl.wire import kubemq_pb2 as pb

UNDEFINED_START = "Error 111: invalid subscription type, cannot be undefined or 0"
START_SEQUENCE = "Error 112: invalid subscription type start at sequence value, cannot by 0 or negative"
START_TIME = "Error 113: invalid subscription type start at time value, cannot by 0 or negative"
START_DELTA = "Error 114: invalid subscription type start at time delta value, cannot by 0 or negative"
REQUEST_ID = "Error 117: invalid request id, cannot be empty"
NOT_A_STORE = "Error 118: event store parameters were set but subscribe type is not event store"
SUBSCRIBE_TYPE = "Error 207: invalid subscribe type"
SUBJECT = "nats: invalid subject"
GROUP_NAME = "nats: invalid queue name"
STORE_SUBJECT = "stan: invalid subject"
STORE_CLIENT = "stan: invalid clientID: only alphanumeric and `-` or `_` characters allowed"
REGISTERED = "stan: clientID already registered"
STORE_GROUP = "stan: durable name of a durable queue subscriber can't contain the character ':'"

LONGEST_SUBJECT = 4_000  # bytes: the real server's inner protocol has lines of 4096
LONGEST_STORE_NAME = 240  # bytes: the real server makes a file of the name

_WITH_VALUE = {
    pb.Subscribe.StartAtSequence: START_SEQUENCE,
    pb.Subscribe.StartAtTime: START_TIME,
    pb.Subscribe.StartAtTimeDelta: START_DELTA,
}
_EMPTY_TOKEN = re.compile(r"^\.|\.\.")
_NO_FILE = re.compile(r"/|^\.|\.\.")
_STORE_CLIENT = re.compile(r"[A-Za-z0-9_-]+")


def event(e: pb.Event) -> str:
    """Why an event is not taken, or ""."""
    if not e.ClientID:
        return refusals.CLIENT_ID
    if refused := refusals.channel_name(e.Channel):
        return refused
    if not e.Metadata and not e.Body:
        return refusals.EMPTY_MESSAGE
    return unstorable(e.Channel) if e.Store else too_long(e.Channel)


@lru_cache(4096)
def unstorable(name: str) -> str:
    """Why nothing can be stored under a name that passed `channel_name`, or "".

    The real server answers `Sent: true` and loses the event.
    """
    return refusals.PUBLISH if _NO_FILE.search(name) else _file_too_long(name)


@lru_cache(4096)
def too_long(name: str) -> str:
    """Why nothing can be sent or heard under so long a name, or ""; the real server breaks."""
    return SUBJECT if len(name.encode()) > LONGEST_SUBJECT else ""


def request(r: pb.Request) -> str:
    """Why a command or query is not taken, or ""."""
    return refusals.request_fields(r) or too_long(r.Channel)


def response(r: pb.Response) -> str:
    """Why a response is not taken, or ""."""
    if not r.ClientID:
        return refusals.CLIENT_ID
    return refusals.channel_name(r.ReplyChannel) or ("" if r.RequestID else REQUEST_ID)


def subscription(s: pb.Subscribe) -> str:
    """Why a subscription to events, commands or queries is not taken, or ""."""
    if not s.ClientID:
        return refusals.CLIENT_ID
    if refused := _pattern(s.Channel):
        return refused
    if s.SubscribeTypeData == pb.Subscribe.Events and s.EventsStoreTypeData:
        return NOT_A_STORE
    if _EMPTY_TOKEN.search(s.Channel):
        return SUBJECT
    return too_long(s.Channel) or (GROUP_NAME if refusals.BLANKS.search(s.Group) else "")


def store_subscription(s: pb.Subscribe, *, registered: bool) -> str:
    """Why a subscription to stored events is not taken, or ""; `registered`: the client id has one."""
    if not s.ClientID:
        return refusals.CLIENT_ID
    if not _STORE_CLIENT.fullmatch(s.ClientID):
        return STORE_CLIENT
    if registered:
        return REGISTERED
    if refused := refusals.channel_name(s.Channel) or _start(s):
        return refused
    if _NO_FILE.search(s.Channel):
        return STORE_SUBJECT
    if s.Group and ":" in s.Channel + s.Group:
        return STORE_GROUP
    return _file_too_long(s.Channel)


def _pattern(channel: str) -> str:
    refused = refusals.channel_name(channel)
    return "" if refused == refusals.WILDCARDS else refused


def _start(s: pb.Subscribe) -> str:
    if not s.EventsStoreTypeData:
        return UNDEFINED_START
    return _WITH_VALUE.get(s.EventsStoreTypeData, "") if s.EventsStoreTypeValue <= 0 else ""


def _file_too_long(name: str) -> str:
    if len(name.encode()) <= LONGEST_STORE_NAME:
        return ""
    return f"mkdir store/{socket.gethostname()}/_EVENTS_STORE_.{name}: file name too long"
