"""Nouns to protobuf and back, side by side.

Units change here and nowhere else. Nouns have Unix nanoseconds and whole seconds; the wire has
nanoseconds in times, seconds in policies, milliseconds in Get waits and request time-outs. The client itself
fills in what is no noun, such as a settlement, and the broker works on protobuf's messages as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.limits import LARGEST, SECOND
from kubemqctl.model.messages import (
    NO_POLICY,
    NO_TAGS,
    Event,
    Message,
    Policy,
    Received,
    Request,
    Response,
    SendResult,
)
from kubemqctl.model.reports import Pong
from kubemqctl.model.values import Start
from kubemqctl.wire import kubemq_pb2 as pb

STORED = "kubemqctl-stored"
"""Initial metadata of a subscription, in which the built-in broker tells how many stored events it begins
with."""


def queue_message(message: Message, client_id: str) -> pb.QueueMessage:
    """`message` as the wire has it, sent in the name of `client_id`."""
    out = pb.QueueMessage()
    _fill(out, message, client_id)
    return out


def batch(messages: Iterable[Message], client_id: str) -> pb.QueueMessagesBatchRequest:
    """One request for all of `messages`, in their order.

    They are made inside the request: handing over a list copies each body once more (0.9 of 1.4 µs).
    """
    request = pb.QueueMessagesBatchRequest()
    add = request.Messages.add
    for message in messages:
        _fill(add(), message, client_id)
    return request


def _fill(out: pb.QueueMessage, message: Message, client_id: str) -> None:
    # Field by field: keyword arguments take 0.2 µs more a message, and `Tags.update` 0.5.
    body, out.Channel, id, metadata, tags, policy = message
    out.ClientID = client_id
    out.Body = body
    if id:
        out.MessageID = id
    if metadata:
        out.Metadata = metadata
    if tags:
        wired = out.Tags
        for key, value in tags.items():
            wired[key] = value
    if policy is not NO_POLICY and policy != NO_POLICY:
        out.Policy.ExpirationSeconds = policy.expiration
        out.Policy.DelaySeconds = policy.delay
        out.Policy.MaxReceiveCount = policy.max_receives
        out.Policy.MaxReceiveQueue = policy.dead_letter


def received(m: pb.QueueMessage) -> Received:
    """A delivered message; what the server did not fill in is empty or 0. Raises KubemqctlError."""
    a = m.Attributes
    if (sequence := a.Sequence) >= LARGEST:
        raise _no_sequence(sequence)
    return Received(
        m.Channel,
        m.MessageID,
        m.ClientID,
        m.Metadata,
        m.Body,
        _tags(m.Tags),
        a.Timestamp,
        sequence,
        a.ReceiveCount,
        a.ReRoutedFromQueue,
        a.ExpirationAt,
        a.DelayedTo,
        policy(m.Policy) if m.HasField("Policy") else NO_POLICY,
    )


def _tags(wired: Mapping[str, str]) -> Mapping[str, str]:
    """Tags in the order of their names.

    protobuf's maps have another order in every process; two outputs of one message shall not differ by it.
    """
    return dict(sorted(wired.items())) if wired else NO_TAGS


def body_alone(m: pb.QueueMessage) -> Received:
    """As `received`, for who looks at nothing but body and sequence: it takes a third of the time."""
    if (sequence := m.Attributes.Sequence) >= LARGEST:
        raise _no_sequence(sequence)
    return Received("", "", "", "", m.Body, NO_TAGS, 0, sequence, 0, "", 0, 0, NO_POLICY)


def each_once(messages: list[Received]) -> list[Received]:
    """`messages` of one answer without repetitions.

    Server 2.4.0 puts a message into it twice when it comes back while the answer is being filled, and refuses
    to settle it more than once.
    """
    first = {m.sequence: m for m in messages}
    return messages if len(first) == len(messages) else list(first.values())


def _no_sequence(value: int) -> KubemqctlError:
    """The error for a sequence that could be neither acknowledged nor gone on from."""
    return KubemqctlError(
        f"the server gave a message the sequence {value}, which no message can have",
        code="invalid-response",
        hint="is it a KubeMQ server that answers there?",
    )


def policy(p: pb.QueueMessagePolicy) -> Policy:
    """A policy, in seconds both ways."""
    return Policy(p.ExpirationSeconds, p.DelaySeconds, p.MaxReceiveCount, p.MaxReceiveQueue)


def send_result(r: pb.SendQueueMessageResult, channel: str) -> SendResult:
    """What the server says of one message; it does not repeat the channel, so that is given."""
    error = (r.Error or "the server gave no reason") if r.IsError else ""
    return SendResult(r.MessageID, channel, r.SentAt, r.ExpirationAt, r.DelayedTo, error)


def outgoing_event(message: Message, client_id: str, store: bool) -> pb.Event:
    """`message` as an event, to be stored or not."""
    out = pb.Event(
        EventID=message.id,
        ClientID=client_id,
        Channel=message.channel,
        Metadata=message.metadata,
        Body=message.body,
        Store=store,
    )
    if message.tags:
        out.Tags.update(message.tags)
    return out


def event(e: pb.EventReceive, received_at: int = 0) -> Event:
    """A delivered event. Raises KubemqctlError as `received` does."""
    if (sequence := e.Sequence) >= LARGEST:
        raise _no_sequence(sequence)
    return Event(e.Channel, e.EventID, e.Metadata, e.Body, _tags(e.Tags), e.Timestamp, sequence, received_at)


def plain_event(e: pb.EventReceive) -> Event:
    """A delivered event that was not stored, and that came now."""
    return event(e, time.time_ns())


def stored_event(e: pb.EventReceive) -> Event:
    """A delivered event of a store: it has a place there. Raises KubemqctlError for one that has none."""
    if not e.Sequence:
        raise _no_sequence(0)
    return event(e)


def events_subscription(channel: str, group: str, client_id: str) -> pb.Subscribe:
    """The request for plain events."""
    return pb.Subscribe(
        SubscribeTypeData=pb.Subscribe.Events, ClientID=client_id, Channel=channel, Group=group
    )


_STARTS = {
    "new": pb.Subscribe.StartNewOnly,
    "first": pb.Subscribe.StartFromFirst,
    "last": pb.Subscribe.StartFromLast,
    "sequence": pb.Subscribe.StartAtSequence,
    "time": pb.Subscribe.StartAtTime,
}


def store_subscription(channel: str, group: str, client_id: str, start: Start) -> pb.Subscribe:
    """The request for stored events. A time is nanoseconds on the wire too; `ago` must be made one before."""
    return pb.Subscribe(
        SubscribeTypeData=pb.Subscribe.EventsStore,
        ClientID=client_id,
        Channel=channel,
        Group=group,
        EventsStoreTypeData=_STARTS[start.kind],
        EventsStoreTypeValue=min(start.value, LARGEST),
    )


def queue_info(q: pb.QueueInfo) -> ChannelInfo:
    """A queue's statistics. Server 2.4.0 trims `_QUES.` off both ends of the name."""
    return ChannelInfo(
        name=q.Name,
        type="queues",
        messages=q.Messages,
        bytes=q.Bytes,
        waiting=q.Waiting,
        subscribers=q.Subscribers,
        first_sequence=q.FirstSequence,
        last_sequence=q.LastSequence,
    )


def pong(p: pb.PingResult, round_trip: int) -> Pong:
    """A ping's answer; the server gives seconds, `round_trip` is nanoseconds."""
    return Pong(p.Host, p.Version, p.ServerStartTime, p.ServerUpTimeSeconds, round_trip)


def outgoing_request(request: Request, kind: pb.Request.RequestType, client_id: str) -> pb.Request:
    """A request to send; its timeout in seconds becomes milliseconds, rounded up."""
    return pb.Request(
        RequestID=request.id,
        RequestTypeData=kind,
        ClientID=client_id,
        Channel=request.channel,
        Metadata=request.metadata,
        Body=request.body,
        Timeout=-(-round(request.timeout * 1_000_000) // 1000),
        CacheKey=request.cache_key,
        CacheTTL=request.cache_ttl,
        Tags=request.tags,
    )


def request(r: pb.Request) -> Request:
    """A request as its responder sees it, which came now."""
    return Request(
        channel=r.Channel,
        body=r.Body,
        metadata=r.Metadata,
        tags=_tags(r.Tags),
        timeout=r.Timeout / 1000,
        cache_key=r.CacheKey,
        cache_ttl=r.CacheTTL,
        id=r.RequestID,
        client_id=r.ClientID,
        reply_channel=r.ReplyChannel,
        received_at=time.time_ns(),
    )


def outgoing_response(response: Response, client_id: str) -> pb.Response:
    """A response to send; `reply_channel` alone brings it to the one who asked."""
    return pb.Response(
        ClientID=client_id,
        RequestID=response.id,
        ReplyChannel=response.reply_channel,
        Metadata=response.metadata,
        Body=response.body,
        Timestamp=response.timestamp,
        Executed=response.executed,
        Error=response.error,
        Tags=response.tags,
    )


def response(r: pb.Response, channel: str, elapsed: int) -> Response:
    """The answer to a request, which took `elapsed` nanoseconds; the server does not repeat the channel."""
    return Response(
        channel=channel,
        id=r.RequestID,
        executed=r.Executed,
        error=r.Error,
        body=r.Body,
        metadata=r.Metadata,
        tags=_tags(r.Tags),
        timestamp=unix_nanoseconds(r.Timestamp),
        cache_hit=r.CacheHit,
        client_id=r.ClientID,
        elapsed=elapsed,
    )


def unix_nanoseconds(at: int) -> int:
    """A time in a unit that nobody told: kubemq-js counts milliseconds, others seconds or nanoseconds.

    The size tells: each unit is a thousand times the next, and from 1973 to 5138 no two are confused.
    """
    for limit, factor in ((10**11, SECOND), (10**14, 1_000_000), (10**17, 1_000)):
        if 0 < at < limit:
            return at * factor
    return at
