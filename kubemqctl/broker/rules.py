"""Which requests are refused, with the real server's texts and order of checks; and ids as it makes them."""

from __future__ import annotations

import itertools
import re
import secrets
import socket
import string
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps

from kubemqctl.model.limits import MAX_PEEK, MAX_QUEUE_SECONDS, MAX_RECEIVES
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


_LONG = 512  # characters of a name
_LONGEST_READ = 65_536  # likewise: what is wrong in a longer one does not matter, and takes 0.1 s to find


def _remembered(look: Callable[[str], str]) -> Callable[[str], str]:
    """`look` that remembers names; not those that are long, by which a client could fill memory."""
    kept = lru_cache(4096)(look)

    @wraps(look)
    def looked(name: str) -> str:
        return kept(name) if len(name) <= _LONG else look(name)

    return looked


def _shown(name: str) -> str:
    """A name for an error's text, which becomes a header where the error is a status."""
    return name if len(name) <= _LONG else f"{name[:_LONG]}…"


def event(e: pb.Event, *, community: bool = False) -> str:
    """Why an event is not taken, or "". `community`: one that cannot be stored is taken, and lost."""
    if not e.ClientID:
        return CLIENT_ID
    if refused := channel_name(e.Channel):
        return refused
    if not e.Metadata and not e.Body:
        return EMPTY_MESSAGE
    return unstorable(e.Channel) if e.Store and not community else too_long(e.Channel)


@_remembered
def unstorable(name: str) -> str:
    """Why nothing can be stored under a name that passed `channel_name`, or "".

    The real server answers `Sent: true` and loses the event.
    """
    return PUBLISH if _NO_FILE.search(name) else _file_too_long(name)


@_remembered
def too_long(name: str) -> str:
    """Why nothing can be sent or heard under so long a name, or ""; the real server breaks."""
    return SUBJECT if len(name.encode()) > LONGEST_SUBJECT else ""


def request(r: pb.Request) -> str:
    """Why a command or query is not taken, or ""; in the real server's order of checks."""
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
    if r.CacheKey and r.CacheTTL <= 0:
        return CACHE_TTL
    return too_long(r.Channel)


def response(r: pb.Response) -> str:
    """Why a response is not taken, or ""."""
    if not r.ClientID:
        return CLIENT_ID
    return channel_name(r.ReplyChannel) or ("" if r.RequestID else REQUEST_ID)


def subscription(s: pb.Subscribe) -> str:
    """Why a subscription to events, commands or queries is not taken, or ""."""
    if not s.ClientID:
        return CLIENT_ID
    if refused := _pattern(s.Channel):
        return refused
    if s.SubscribeTypeData == pb.Subscribe.Events and s.EventsStoreTypeData:
        return NOT_A_STORE
    if _EMPTY_TOKEN.search(s.Channel):
        return SUBJECT
    return too_long(s.Channel) or (GROUP_NAME if BLANKS.search(s.Group) else "")


def store_subscription(s: pb.Subscribe, *, registered: bool) -> str:
    """Why a subscription to stored events is not taken, or ""; `registered`: the client id has one."""
    if not s.ClientID:
        return CLIENT_ID
    if not _STORE_CLIENT.fullmatch(s.ClientID):
        return STORE_CLIENT
    if registered:
        return REGISTERED
    if refused := channel_name(s.Channel) or _start(s):
        return refused
    if _NO_FILE.search(s.Channel):
        return STORE_SUBJECT
    if s.Group and ":" in s.Channel + s.Group:
        return STORE_GROUP
    return _file_too_long(s.Channel)


def _pattern(channel: str) -> str:
    refused = channel_name(channel)
    return "" if refused == WILDCARDS else refused


def _start(s: pb.Subscribe) -> str:
    if not s.EventsStoreTypeData:
        return UNDEFINED_START
    return _WITH_VALUE.get(s.EventsStoreTypeData, "") if s.EventsStoreTypeValue <= 0 else ""


def _file_too_long(name: str) -> str:
    if len(name.encode()) <= LONGEST_STORE_NAME:
        return ""
    return f"mkdir store/{socket.gethostname()}/_EVENTS_STORE_.{_shown(name)}: file name too long"


BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _stream() -> Iterator[str]:
    # A random prefix with a running tail: 0.2 µs an id; 22 random draws cost 20.
    while True:
        prefix = "".join(secrets.choice(BASE62) for _ in range(18))
        for tail in itertools.product(BASE62, repeat=4):
            yield prefix + "".join(tail)


_ids = _stream()


def new_id() -> str:
    """A message or request id that nobody has had."""
    return next(_ids)


def new_transaction_id() -> str:
    """The id of a QueuesDownstream transaction."""
    return str(uuid.uuid4())


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
MAX_RECEIVES_REFUSED = (
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
LONGEST_QUEUE_NAME = 246  # bytes: the real server makes a file of the name
LONGEST_WAIT = 3_600  # seconds
_NEVER = re.compile(r"[\x00-\x20\x7f-\x9f*>]|\.$|^$")
BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f]")


@_remembered
def queue_name(name: str) -> str:
    """Why no request may name this queue, or "".

    Control characters are refused with the blanks: on the real server they hang the caller.
    """
    if len(name) > _LONGEST_READ:
        return _no_queue_file(name)
    return QUEUE_NAME if _NEVER.search(name) else ""


@_remembered
def unpublishable(name: str) -> str:
    """Why nothing can be stored under a name that passed `queue_name`, or ""."""
    if _NO_FILE.search(name):
        return PUBLISH
    return _no_queue_file(name) if len(name.encode()) > LONGEST_QUEUE_NAME else ""


def _no_queue_file(name: str) -> str:
    return f"mkdir store/{socket.gethostname()}/_QUEUES_.{_shown(name)}: file name too long"


@_remembered
def unreadable(name: str) -> str:
    """Why nothing can be read under a name that passed `queue_name`, or ""."""
    return CANNOT_SUBSCRIBE if ":" in name or unpublishable(name) else ""


@_remembered
def channel_name(name: str) -> str:
    """Why nothing can be sent under this name in the other patterns, or ""."""
    if not name:
        return CHANNEL
    if len(name) > _LONGEST_READ:
        return SUBJECT
    if name.endswith("."):
        return ENDS_WITH_DOT
    if BLANKS.search(name):
        return WHITE_SPACE
    return WILDCARDS if "*" in name or ">" in name else ""


def message(m: pb.QueueMessage, *, community: bool = False) -> str:
    """Why a queue message is not taken, or ""; in the real server's order of checks.

    `community`: as that server does where ours is stricter.
    """
    if not m.ClientID:
        return CLIENT_ID
    if refused := queue_name(m.Channel):
        return refused
    if not m.Body and not m.Metadata:
        return EMPTY_MESSAGE
    return policy(m.Policy, community=community) if m.HasField("Policy") else ""


def policy(p: pb.QueueMessagePolicy, *, community: bool = False) -> str:
    """Why a policy is not taken, or ""."""
    if not 0 <= p.ExpirationSeconds <= MAX_QUEUE_SECONDS:
        return EXPIRATION
    if not 0 <= p.MaxReceiveCount <= MAX_RECEIVES:
        return MAX_RECEIVES_REFUSED
    if not 0 <= p.DelaySeconds <= MAX_QUEUE_SECONDS:
        return DELAY
    if not p.MaxReceiveQueue:
        return ""
    # The real server takes a/b and loses the message when it is dead-lettered.
    unusable = queue_name(p.MaxReceiveQueue) or (not community and unpublishable(p.MaxReceiveQueue))
    return QUEUE_NAME if unusable else ""


def receive(r: pb.ReceiveQueueMessagesRequest) -> str:
    """Why a receive or a peek is not taken, or ""."""
    if refused := _reader(r.ClientID, r.Channel):
        return refused
    if not 1 <= r.MaxNumberOfMessages <= MAX_PEEK:
        return MAX_MESSAGES
    return wait(r.WaitTimeSeconds) or unreadable(r.Channel)


def ack_all(r: pb.AckAllQueueMessagesRequest) -> str:
    """Why an ack-all is not taken, or ""."""
    return _reader(r.ClientID, r.Channel) or wait(r.WaitTimeSeconds) or unreadable(r.Channel)


def get(r: pb.QueuesDownstreamRequest) -> str:
    """Why a Get is not taken, or ""."""
    return _reader(r.ClientID, r.Channel) or unreadable(r.Channel)


def hold(r: pb.StreamQueueMessagesRequest, *, community: bool = False) -> str:
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
        if not r.HasField("ModifiedMessage"):
            return NO_MESSAGE
        return message(r.ModifiedMessage, community=community) or visibility(r.VisibilitySeconds)
    return STREAM_REQUEST_TYPE


def visibility(seconds: int) -> str:
    """Why a visibility is not taken, or ""."""
    return "" if 0 <= seconds <= MAX_QUEUE_SECONDS else VISIBILITY


def wait(seconds: int) -> str:
    """Why a wait is not taken, or ""."""
    return "" if 0 <= seconds <= LONGEST_WAIT else WAIT


def _reader(client: str, channel: str) -> str:
    return CLIENT_ID if not client else queue_name(channel)
