"""Queues over the wire: send, peek, empty, look, and take under a transaction.

Waits are seconds; the wire's whole seconds (or milliseconds, for a Get) are made here, rounded up.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from kubemqctl.client.connection import CALL_TIMEOUT, INNER_PAUSES, Client, without_connection
from kubemqctl.client.error_translation import server_error, unasked
from kubemqctl.client.streams import Pending
from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import ConnectionLost, Partial, Unsupported
from kubemqctl.model.limits import MIN_GET_WAIT
from kubemqctl.model.messages import Message, Received, SendResult
from kubemqctl.model.values import ceil_seconds
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

# What server 2.4.0 takes off both ends of the names it shows.
TRIMMED = "_QUES."
# A Get of 2.4.0 may bring more than it asked for: what another consumer has left, whose Get was for no more.
MOST_LEFT = 200_000


def send(client: Client, message: Message) -> SendResult:
    """Send one message. Raises its refusal; ConnectionLost and TimedOut leave the outcome unknown."""
    request = convert.queue_message(message, client.client_id)
    answer = asked(client, "SendQueueMessage", request)
    return convert.send_result(answer, message.channel)


def asked(client: Client, method: str, request: Any, timeout: float = CALL_TIMEOUT) -> Any:
    """The answer to a unary call. Raises what the server refuses it with, also in the answer."""
    answer = client.insist(lambda: client.call(method, request, timeout))
    if answer.IsError:
        raise server_error(answer.Error)
    return answer


class PendingBatch(NamedTuple):
    """Messages under way in one request; `again` sends it anew."""

    messages: Sequence[Message]
    pending: Pending
    insist: Callable[[Callable[[], Any]], Any]
    again: Callable[[], Pending]

    def results(self) -> list[SendResult]:
        """One result a message, in order. Each tells for itself: `HaveErrors` is not to be believed."""
        tries = itertools.chain([self.pending], iter(self.again, None))
        answer = self.insist(lambda: next(tries).result())
        if len(answer.Results) != len(self.messages):
            raise ConnectionLost(
                f"the server answered {len(answer.Results)} of {len(self.messages)} messages"
            )
        return [convert.send_result(r, m.channel) for r, m in zip(answer.Results, self.messages, strict=True)]

    def known(self) -> list[SendResult]:
        """None: the answer is for all of them."""
        return []


def batch(client: Client, messages: Sequence[Message]) -> Callable[[], PendingBatch]:
    """Make one request of `messages`; what is returned sends it.

    The order of several requests is kept as long as one is under way at a time.
    """
    request = convert.batch(messages, client.client_id)
    begin = partial(client.begin, "SendQueueMessagesBatch", request)
    return lambda: PendingBatch(messages, begin(), client.insist, begin)


def peek(
    client: Client, channel: str, count: int, wait: float, timeout: float | None = None
) -> list[Received]:
    """The first `count` messages (1 to 1024), untouched; waits `wait` seconds for so many to be there.

    Raises TooLarge when they do not fit into one answer, and TimedOut after `timeout` seconds (by default, as
    long beyond `wait` as any call has): server 2.4.0 serves those who read one queue one after the other.
    """
    request = pb.ReceiveQueueMessagesRequest(
        ClientID=client.client_id,
        Channel=channel,
        MaxNumberOfMessages=count,
        WaitTimeSeconds=max(1, ceil_seconds(wait)),
        IsPeak=True,
    )
    limit = wait + CALL_TIMEOUT if timeout is None else timeout
    answer = asked(client, "ReceiveQueueMessages", request, limit)
    if len(answer.Messages) > count:
        raise unasked(client.address)
    return convert.each_once([convert.received(m) for m in answer.Messages])


def infos(client: Client, channel: str = "") -> list[ChannelInfo]:
    """The statistics of every queue, or of one; empty for a queue that is not there."""
    answer = client.call("QueuesInfo", pb.QueuesInfoRequest(QueueName=channel))
    return [convert.queue_info(q) for q in answer.Info.Queues]


def named(client: Client, channel: str) -> list[ChannelInfo]:
    """The statistics of one queue, under the name that the server shows; empty when it is not there.

    Server 2.4.0 trims names, so that there it may be called otherwise, and may be several.
    """
    # A filter is several names with semicolons between them.
    can_filter = ";" not in channel
    every = infos(client, channel if can_filter else "")
    if found := [q for q in every if q.name == channel]:
        return found
    if (trimmed := channel.strip(TRIMMED)) == channel:
        return []
    if can_filter:
        every = infos(client)
    is_whole = any(q.name != q.name.strip(TRIMMED) for q in every)
    return [] if is_whole else [q for q in every if q.name == trimmed]


class Depth(NamedTuple):
    """How much waits in a queue: what others hold and what has expired included.

    `size` is the mean of a message, in bytes, and `bytes` all that is kept, what was acknowledged included.
    Unless `is_sure` the figures may be those of a queue of a similar name.
    """

    waiting: int
    size: int
    bytes: int
    last_sequence: int
    is_sure: bool
    is_clean: bool = False
    """Whether nothing is kept but what waits."""


class Gauge:
    """Tells the depth of one queue, as far as the server does."""

    def __init__(self, client: Client, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._is_blind = False

    def read(self) -> Depth | None:
        """None when there is no telling: older servers have no QueuesInfo, 2.4.0 shows some names twice."""
        if self._is_blind:
            return None
        try:
            found = named(self._client, self._channel)
        except Unsupported:
            self._is_blind = True
            return None
        if len(found) != 1:
            # One that is not told may be there all the same. Two of one name stay two: with thousands of
            # queues each question takes 0.1 s, which is not to be had for every message.
            self._is_blind = len(found) > 1
            return None
        (q,) = found
        total = q.bytes or 0
        size = total // max(1, q.messages or 0)
        waiting = q.waiting or 0
        is_sure = q.name == self._channel
        return Depth(waiting, size, total, q.last_sequence or 0, is_sure, waiting == q.messages)


class HeldBatch(NamedTuple):
    """A transaction: the messages that one Get gave, held until they are settled or closed back."""

    id: str
    channel: str
    messages: list[Received]


class Settled(NamedTuple):
    """What a barrier tells: what is still unsettled of its transaction, and what the server refused."""

    unsettled: set[int]
    refused: str


class Downstream:
    """A QueuesDownstream stream; a context manager. One Get at a time; several transactions may be open.

    A Get waits MIN_GET_WAIT at least on every server, and a stream must not end before its Get has answered.
    """

    def __init__(
        self,
        client: Client,
        notify: Callable[[], None] = lambda: None,
        only_bodies: bool = False,
    ) -> None:
        """`notify` is called, in another thread, whenever `got` may have something.

        With `only_bodies` messages have body and sequence alone.
        """
        self._client = client
        self._read = convert.body_alone if only_bodies else convert.received
        self._refused = ""
        self._stream = client.stream("QueuesDownstream", notify)
        self._requests = 0
        # What may still be answered: settlements are only where they are refused.
        self._open: set[int] = set()
        self._get = self._barrier = 0
        self._most = 0
        self._timer = self._stream.timer(0)

    def __enter__(self) -> Downstream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_stream()

    def close_stream(self) -> None:
        """End it; what it still holds goes back."""
        self._stream.__exit__()

    def get(self, channel: str, count: int, wait: float, auto_ack: bool = False) -> HeldBatch:
        """Take up to `count` messages; answers when it has so many, else after `wait` seconds (at least 1).

        They may be more: server 2.4.0 adds what another consumer leaves behind.

        Raises TooLarge when the answer would not fit into a message; nothing is lost by that,
        but the stream is over. With `auto_ack` an answer that is coming is waited for in spite of a stop.
        """
        wait = max(MIN_GET_WAIT, wait)
        self.begin_get(channel, count, wait, auto_ack)
        while True:
            answer = self._answer(wait + CALL_TIMEOUT, insists=auto_ack)
            if answer is not None and not self._asks_again(answer):
                return self._held(channel, answer)

    def begin_get(self, channel: str, count: int, wait: float, auto_ack: bool = False) -> None:
        """The same without waiting for the answer; nothing else may be asked until `got` has brought it."""
        self._most, self._tries = count, iter(INNER_PAUSES)
        self._ask = partial(self._send_get, channel, count, max(MIN_GET_WAIT, wait), auto_ack)
        self._ask()

    def _send_get(self, channel: str, count: int, wait: float, auto_ack: bool) -> None:
        request = self._request(pb.Get, "", MaxItems=count, Channel=channel, AutoAck=auto_ack)
        request.WaitTimeout = math.ceil(wait * 1000)
        self._get = self._requests
        self._timer = self._stream.timer(wait + CALL_TIMEOUT, auto_ack)
        self._stream.send(request)

    def _asks_again(self, answer: pb.QueuesDownstreamResponse) -> bool:
        """Whether the Get was made again, as `Client.insist` does it."""
        if not without_connection(answer) or (pause := next(self._tries, None)) is None:
            return False
        time.sleep(pause)
        self._ask()
        return True

    def got(self, channel: str) -> HeldBatch | None:
        """The answer to what was begun, if it is there. Raises as `get` does."""
        while self._stream.has_news:
            answer = self._answer(CALL_TIMEOUT)
            if answer is not None and not self._asks_again(answer):
                return self._held(channel, answer)
        if self._timer.is_over:
            raise self._timer.error(self._client.address)
        return None

    def look(self) -> None:
        """Raise what ended the stream, if anything did. Only while nothing is asked."""
        if self._stream.has_news:
            self._answer(CALL_TIMEOUT)

    def _held(self, channel: str, answer: pb.QueuesDownstreamResponse) -> HeldBatch:
        if answer.IsError:
            raise server_error(answer.Error)
        if len(answer.Messages) > self._most + MOST_LEFT:
            raise unasked(self._client.address)
        messages = convert.each_once(list(map(self._read, answer.Messages)))
        return HeldBatch(answer.TransactionId, channel, messages)

    def ack(self, held: HeldBatch, sequences: Sequence[int]) -> None:
        """Acknowledge; the server says nothing on success, so `barrier` must follow."""
        self._stream.send(self._request(pb.AckRange, held.id, SequenceRange=sequences))

    def reject(self, held: HeldBatch, sequences: Sequence[int]) -> None:
        """Put these at the tail, counted as received, in this order; `barrier` must follow."""
        self._stream.send(self._request(pb.NAckRange, held.id, SequenceRange=sequences))

    def close(self, held: HeldBatch) -> None:
        """Give back what is not settled: in order, same sequences, uncounted; `barrier` must follow."""
        self._stream.send(self._request(pb.CloseByClient, held.id))

    def barrier(self, held: HeldBatch) -> set[int]:
        """Wait until all settlements sent before were carried out; returns what `held` still has unsettled.

        Settlements are silent, and requests on a stream are taken one at a time. Raises Partial when one
        of them, of any transaction, was refused. One that was timed out may be made again.
        """
        self.begin_barrier(held)
        while (settled := self._settled(self._answer(CALL_TIMEOUT, self._barrier))) is None:
            pass
        if settled.refused:
            raise Partial(
                f"the server refused to settle messages: {settled.refused.strip()}",
                code="not-settled",
                server_message=settled.refused,
            )
        return settled.unsettled

    def begin_barrier(self, held: HeldBatch) -> None:
        """As `barrier` without waiting; nothing but settlements may be asked until `barrier_answer`."""
        self._refused = ""
        self._stream.send(self._request(pb.ActiveOffsets, held.id))
        self._barrier = self._requests
        self._timer = self._stream.timer(CALL_TIMEOUT)

    def barrier_answer(self) -> Settled | None:
        """What the barrier that was begun tells; None while it is not there. Raises what ended the stream."""
        while self._stream.has_news:
            if settled := self._settled(self._answer(CALL_TIMEOUT, self._barrier)):
                return settled
        if self._timer.is_over:
            raise self._timer.error(self._client.address)
        return None

    def _settled(self, answer: pb.QueuesDownstreamResponse | None) -> Settled | None:
        """What an answer before or to the barrier tells of settlements; None while the barrier is open."""
        if answer is None:
            return None
        is_barrier = answer.RequestTypeData == pb.ActiveOffsets
        if answer.IsError and not is_barrier:
            self._refused = self._refused or answer.Error
        if not is_barrier and answer.RequestTypeData != pb.PollRequestTypeUnknown:
            return None
        # An error of the barrier's own only says that nothing of the transaction is left.
        return Settled(set() if answer.IsError else set(answer.ActiveOffsets), self._refused)

    def _answer(
        self, timeout: float, barrier: int = 0, insists: bool = False
    ) -> pb.QueuesDownstreamResponse | None:
        """The next answer; None for one that comes too late to be of use.

        Raises KubemqctlError for one to nothing that was asked: whoever sends those may send them for ever.
        """
        answer: pb.QueuesDownstreamResponse = self._stream.answer(timeout, insists)
        number = self._asked_by(answer)
        if number not in self._open:
            raise unasked(self._client.address)
        self._open.discard(number)
        if answer.RequestTypeData == pb.ActiveOffsets:
            # Requests are taken one at a time: those before it were carried out, and will not be answered.
            self._open = {n for n in self._open if n > number}
        if answer.RequestTypeData in (pb.Get, pb.ActiveOffsets) and number != (barrier or self._get):
            return None
        return answer

    def _asked_by(self, answer: pb.QueuesDownstreamResponse) -> int:
        """The number of the request that `answer` is for."""
        if answer.RefRequestId:
            return int(answer.RefRequestId) if re.fullmatch("[0-9]{1,9}", answer.RefRequestId) else 0
        # Not every server tells: the last question then, or one of the settlements before it.
        is_question = answer.RequestTypeData in (pb.Get, pb.ActiveOffsets, pb.PollRequestTypeUnknown)
        return (max if is_question else min)(self._open, default=0)

    def _request(
        self, kind: pb.QueuesDownstreamRequestType, transaction: str, **fields: object
    ) -> pb.QueuesDownstreamRequest:
        self._requests += 1
        self._open.add(self._requests)
        return pb.QueuesDownstreamRequest(
            RequestID=str(self._requests),
            ClientID=self._client.client_id,
            RequestTypeData=kind,
            RefTransactionId=transaction,
            **fields,  # type: ignore[arg-type]
        )
