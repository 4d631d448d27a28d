"""What the broker refuses, in the real server's words, blanks and all."""

from __future__ import annotations

import re
import socket
from functools import lru_cache

from kubemqctl.wire import kubemq_pb2 as pb

CLIENT_ID = "Error 101: invalid clientID value, cannot be empty"
CHANNEL = "Error 102: invalid channel value, cannot be empty"
WILDCARDS = "Error 107: invalid channel value, no wildcards are allowed"
WHITE_SPACE = "Error 108: invalid channel value, no white spaces are allowed"
TIMEOUT = "Error 109: invalid set timeout value, cannot be 0 or negative"
EMPTY_MESSAGE = "Error 110: invalid message, cannot be empty"
EMPTY_REQUEST = "Error 115: invalid request, cannot be empty"
CACHE_TTL = "Error 116: invalid cache ttl value, cannot be 0 or negative"
ENDS_WITH_DOT = "Error 119: invalid channel value, cannot end with `.`"
QUEUE_NAME = (
    "Error 120: invalid queue name value, cannot be empty, contains wildcards ,white spaces and end with dot"
)
CANNOT_SUBSCRIBE = "Error 121: cannot subscribe to a queue"
MAX_MESSAGES = "Error 122: max messages should be between 1 and max message setting in kubemq config  "
NOTHING_TO_ACK = "Error 124: no active message to ack"
SEQUENCE = "Error 125: ack sequence cannot be 0 or negative"
NOTHING_TO_SEND = "Error 126: no active message to send"
VISIBILITY = "Error 127: invalid visibility time, cannot be negative or exceed setting in kubemq config"
ALREADY_SUBSCRIBED = "Error 128: subscription to queue is already active"
VISIBILITY_EXPIRED = "Error 129: current visibility timer expired"
CANNOT_SEND = "Error 130: error during send message to queue"
NO_MESSAGE = "Error 131: invalid queue message"
STREAM_REQUEST_TYPE = "Error 132: invalid stream queue messages request type"
EXPIRATION = "Error 133: invalid expiration seconds, exceed max expiration seconds setting in kubemq config"
MAX_RECEIVES = (
    "Error 134: invalid max received count, cannot be negative or exceed max receive count setting "
    "in kubemq config"
)
DELAY = "Error 135: invalid delay seconds, exceed max delay seconds setting in kubemq config"
WAIT = (
    "Error 136: invalid wait timeout, value cannot be negative or exceed max wait timeout seconds "
    "setting in kubemq config"
)
NOTHING_TO_REJECT = "Error 137: no active message to reject"
NO_NEW_MESSAGE = "Error 138: no new message in queue, wait time expired"
REQUEST_TYPE = "Error 206: invalid request type"
NO_ANSWER = "Error 301: timeout for request message"
PUBLISH = "stan: invalid publish request"
EMPTY_BATCH = "empty messages batch"
NO_MESSAGES = "no messages to send"
NO_TRANSACTION = "transaction is completed or transaction id not found"
UNKNOWN_REQUEST = "request unknown"

MAX_MESSAGE = 100 * 1024 * 1024  # bytes, both directions
LONGEST_QUEUE_NAME = 246  # bytes: the real server makes a file of the name
MOST_SECONDS = 43_200  # expiration, delay and visibility
LONGEST_WAIT = 3_600  # seconds
MOST_RECEIVES = 1_024
MOST_IN_A_RECEIVE = 1_024

_NEVER = re.compile(r"[\x00-\x20\x7f-\x9f*>]|\.$|^$")
BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f]")
_NO_SUBJECT = re.compile(r"/|^\.|\.\.")


@lru_cache(4096)
def queue_name(name: str) -> str:
    """Why no request may name this queue, or "".

    Control characters are refused with the blanks: on the real server they hang the caller.
    """
    return QUEUE_NAME if _NEVER.search(name) else ""


@lru_cache(4096)
def unpublishable(name: str) -> str:
    """Why nothing can be stored under a name that passed `queue_name`, or ""."""
    if _NO_SUBJECT.search(name):
        return PUBLISH
    if len(name.encode()) > LONGEST_QUEUE_NAME:
        return f"mkdir store/{socket.gethostname()}/_QUEUES_.{name}: file name too long"
    return ""


@lru_cache(4096)
def unreadable(name: str) -> str:
    """Why nothing can be read under a name that passed `queue_name`, or ""."""
    return CANNOT_SUBSCRIBE if ":" in name or unpublishable(name) else ""


@lru_cache(4096)
def channel_name(name: str) -> str:
    """Why nothing can be sent under this name in the other patterns, or ""."""
    if not name:
        return CHANNEL
    if name.endswith("."):
        return ENDS_WITH_DOT
    if BLANKS.search(name):
        return WHITE_SPACE
    return WILDCARDS if "*" in name or ">" in name else ""


def request_fields(r: pb.Request) -> str:
    """Why a command or query is not taken, or ""."""
    if r.RequestTypeData not in (pb.Request.Command, pb.Request.Query):
        return REQUEST_TYPE
    if not r.ClientID:
        return CLIENT_ID
    if refused := channel_name(r.Channel):
        return refused
    if r.Timeout <= 0:
        return TIMEOUT
    if not r.Metadata and not r.Body:
        return EMPTY_REQUEST
    return CACHE_TTL if r.CacheKey and r.CacheTTL <= 0 else ""


def message(m: pb.QueueMessage) -> str:
    """Why a queue message is not taken, or ""; in the real server's order of checks."""
    if not m.ClientID:
        return CLIENT_ID
    if refused := queue_name(m.Channel):
        return refused
    if not m.Body and not m.Metadata:
        return EMPTY_MESSAGE
    return policy(m.Policy) if m.HasField("Policy") else ""


def policy(p: pb.QueueMessagePolicy) -> str:
    """Why a policy is not taken, or ""."""
    if not 0 <= p.ExpirationSeconds <= MOST_SECONDS:
        return EXPIRATION
    if not 0 <= p.MaxReceiveCount <= MOST_RECEIVES:
        return MAX_RECEIVES
    if not 0 <= p.DelaySeconds <= MOST_SECONDS:
        return DELAY
    if p.MaxReceiveQueue and (queue_name(p.MaxReceiveQueue) or unpublishable(p.MaxReceiveQueue)):
        # The real server takes a/b and loses the message when it is dead-lettered.
        return QUEUE_NAME
    return ""


def receive(r: pb.ReceiveQueueMessagesRequest) -> str:
    """Why a receive or a peek is not taken, or ""."""
    if refused := _reader(r.ClientID, r.Channel):
        return refused
    if not 1 <= r.MaxNumberOfMessages <= MOST_IN_A_RECEIVE:
        return MAX_MESSAGES
    return wait(r.WaitTimeSeconds) or unreadable(r.Channel)


def ack_all(r: pb.AckAllQueueMessagesRequest) -> str:
    """Why an ack-all is not taken, or ""."""
    return _reader(r.ClientID, r.Channel) or wait(r.WaitTimeSeconds) or unreadable(r.Channel)


def get(r: pb.QueuesDownstreamRequest) -> str:
    """Why a Get is not taken, or ""."""
    return _reader(r.ClientID, r.Channel) or unreadable(r.Channel)


def hold(r: pb.StreamQueueMessagesRequest) -> str:
    """Why a request of StreamQueueMessage is not even looked at, or ""; nothing held is not among it."""
    if not r.ClientID:
        return CLIENT_ID
    kind = r.StreamRequestTypeData
    if kind == pb.ReceiveMessage:
        return queue_name(r.Channel) or visibility(r.VisibilitySeconds) or wait(r.WaitTimeSeconds)
    if kind in (pb.AckMessage, pb.RejectMessage):
        return "" if r.RefSequence else SEQUENCE
    if kind == pb.ResendMessage:
        return queue_name(r.Channel)
    if kind == pb.ModifyVisibility:
        return visibility(r.VisibilitySeconds)
    if kind == pb.SendModifiedMessage:
        return message(r.ModifiedMessage) if r.HasField("ModifiedMessage") else NO_MESSAGE
    return STREAM_REQUEST_TYPE


def visibility(seconds: int) -> str:
    """Why a visibility is not taken, or ""."""
    return "" if 0 <= seconds <= MOST_SECONDS else VISIBILITY


def wait(seconds: int) -> str:
    """Why a wait is not taken, or ""."""
    return "" if 0 <= seconds <= LONGEST_WAIT else WAIT


def _reader(client: str, channel: str) -> str:
    return CLIENT_ID if not client else queue_name(channel)
