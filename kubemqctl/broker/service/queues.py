"""The queue methods: protobuf in and out."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import grpc

from kubemqctl import __version__
from kubemqctl.broker import rules
from kubemqctl.broker.queues.state import BrokerState, TooLarge
from kubemqctl.broker.queues.transactions import SettlementRefused, Transactions
from kubemqctl.broker.queues.visibility_stream import PlainCalls, VisibilityStream
from kubemqctl.broker.rules import new_id, new_transaction_id
from kubemqctl.broker.service.dispatch import stream, too_large, unary, unread
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.wire import kubemq_pb2 as pb

if TYPE_CHECKING:
    from kubemqctl.broker.service.dispatch import Context, Handlers


_IN_RECEIVED = 2 << 3 | 2  # the tag of ReceiveQueueMessagesResponse.Messages
_IN_GOT = 4 << 3 | 2  # and of QueuesDownstreamResponse.Messages


def queue_handlers(state: BrokerState) -> Handlers:
    """The method table of queues, and Ping."""
    calls = QueueMethods(state)
    return {
        "Ping": unread(calls.ping),
        "SendQueueMessage": unary(pb.QueueMessage, calls.send),
        "SendQueueMessagesBatch": unary(pb.QueueMessagesBatchRequest, calls.send_batch),
        "ReceiveQueueMessages": unary(pb.ReceiveQueueMessagesRequest, calls.receive),
        "AckAllQueueMessages": unary(pb.AckAllQueueMessagesRequest, calls.ack_all),
        "QueuesInfo": unary(pb.QueuesInfoRequest, calls.info),
        "QueuesUpstream": stream(pb.QueuesUpstreamRequest, calls.upstream),
        "QueuesDownstream": stream(pb.QueuesDownstreamRequest, calls.downstream),
    }


class Uptime:
    """When the broker started, in Unix seconds, and for how many seconds it has been running.

    Both are told so that their sum is the time by the clock that messages are stored by, also after that
    was set; a clock that is set takes no time.
    """

    def __init__(self) -> None:
        self._started, self._began = time.time(), time.monotonic()

    def __call__(self) -> tuple[int, int]:
        elapsed = time.monotonic() - self._began
        # Less is the two clocks' own inaccuracy, and the start is not to wander with it.
        if abs(time.time() - elapsed - self._started) > 1.0:
            self._started = time.time() - elapsed
        return int(self._started), int(elapsed)


class QueueMethods:
    """One method a call, named after it."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._plain = PlainCalls(state)
        self._uptime = Uptime()

    async def ping(self) -> bytes:
        started, seconds = self._uptime()
        return pb.PingResult(
            Host=socket.gethostname(),
            Version="" if self._state.community else f"kubemqctl-{__version__}",
            ServerStartTime=started,
            ServerUpTimeSeconds=seconds,
        ).SerializeToString()

    async def send(self, request: pb.QueueMessage, context: Context) -> bytes:
        return (await self._state.send([request]))[0].SerializeToString()

    async def send_batch(self, request: pb.QueueMessagesBatchRequest, context: Context) -> bytes:
        if not request.Messages:
            await context.abort(grpc.StatusCode.UNKNOWN, rules.EMPTY_BATCH)
        results = await self._state.send(request.Messages)
        failed = any(r.IsError and not self._is_silent_about(r.Error) for r in results)
        answer = pb.QueueMessagesBatchResponse(BatchID=request.BatchID, Results=results, HaveErrors=failed)
        return answer.SerializeToString()

    def _is_silent_about(self, error: str) -> bool:
        """Whether HaveErrors stays false: of what the community server refuses before it tries."""
        return self._state.community and error.startswith("Error ")

    async def receive(self, request: pb.ReceiveQueueMessagesRequest, context: Context) -> bytes:
        answer = pb.ReceiveQueueMessagesResponse(
            RequestID=request.RequestID or new_id(), IsPeak=request.IsPeak, Error=rules.receive(request)
        )
        bodies: list[bytes] = []
        if not answer.Error:
            try:
                bodies, answer.MessagesExpired = await self._plain.receive(
                    request.Channel,
                    request.MaxNumberOfMessages,
                    request.WaitTimeSeconds or 1,
                    peek=request.IsPeak,
                )
            except TooLarge as e:
                await too_large(context, e)
            except JournalError as e:
                answer.Error = f"cannot receive messages, the journal failed: {e}"
        answer.IsError = bool(answer.Error)
        answer.MessagesReceived = len(bodies)
        return framed(answer.SerializeToString(), _IN_RECEIVED, bodies)

    async def ack_all(self, request: pb.AckAllQueueMessagesRequest, context: Context) -> bytes:
        answer = pb.AckAllQueueMessagesResponse(
            RequestID=request.RequestID or new_id(), Error=rules.ack_all(request)
        )
        if not answer.Error:
            try:
                answer.AffectedMessages = await self._plain.ack_all(
                    request.Channel, request.WaitTimeSeconds or 1
                )
            except JournalError as e:
                answer.Error = f"cannot ack messages, the journal failed: {e}"
        answer.IsError = bool(answer.Error)
        return answer.SerializeToString()

    async def info(self, request: pb.QueuesInfoRequest, context: Context) -> bytes:
        wanted = set(request.QueueName.split(";")) if request.QueueName else None
        # The community server takes these characters off both ends of a name, and knows no other name then.
        off = "_QUES." if self._state.community else ""
        named = [(name.strip(off) if off else name, q) for name, q in sorted(self._state.queues.items())]
        queues = [(name, q) for name, q in named if wanted is None or name in wanted]
        answer = pb.QueuesInfoResponse(RefRequestID=request.RequestID)
        for name, q in queues:
            first = 1 if q.last else 0
            answer.Info.Queues.add(
                Name=name,
                Messages=q.last,
                Bytes=q.bytes,
                FirstSequence=first,
                LastSequence=q.last,
                Sent=q.last,
                Delivered=q.delivered,
                Waiting=q.waiting,
                Subscribers=q.takers or int(q.was_read),
            )
        total = answer.Info
        total.TotalQueue = len(queues)
        total.Sent = sum(q.last for _, q in queues)
        total.Delivered = sum(q.delivered for _, q in queues)
        total.Waiting = sum(q.waiting for _, q in queues)
        return answer.SerializeToString()

    async def upstream(self, requests: AsyncIterator[pb.QueuesUpstreamRequest], context: Context) -> None:
        async for request in requests:
            answer = pb.QueuesUpstreamResponse(RefRequestID=request.RequestID)
            if request.Messages:
                answer.Results.extend(await self._state.send(request.Messages))
            else:
                answer.IsError, answer.Error = True, rules.NO_MESSAGES
            await context.write(answer.SerializeToString())
            del request, answer
        if self._state.community:
            await asyncio.Event().wait()

    async def downstream(self, requests: AsyncIterator[pb.QueuesDownstreamRequest], context: Context) -> None:
        transactions = Transactions(self._state)
        try:
            async for request in requests:
                if answer := await self._downstream_answer(request, transactions, context):
                    await context.write(answer)
            # Saying that no more requests come gives nothing back: the stream stays until it is cancelled.
            await asyncio.Event().wait()
        finally:
            transactions.close()

    async def _downstream_answer(
        self, request: pb.QueuesDownstreamRequest, transactions: Transactions, context: Context
    ) -> bytes | None:
        if request.RequestTypeData == pb.Get:
            try:
                return await _get(request, transactions)
            except TooLarge as e:
                await too_large(context, e)
        answer = await _settle(request, transactions)
        return answer.SerializeToString() if answer else None


async def _get(request: pb.QueuesDownstreamRequest, transactions: Transactions) -> bytes:
    answer = pb.QueuesDownstreamResponse(
        RefRequestId=request.RequestID, RequestTypeData=pb.Get, Error=rules.get(request)
    )
    messages: list[bytes] = []
    if not answer.Error:
        try:
            answer.TransactionId, messages = await transactions.get(
                request.Channel, request.MaxItems, request.WaitTimeout, auto_ack=request.AutoAck
            )
        except (JournalError, SettlementRefused) as e:
            answer.Error = f"cannot receive messages, the journal failed: {e}"
    answer.TransactionId = answer.TransactionId or new_transaction_id()
    answer.IsError = bool(answer.Error)
    return framed(answer.SerializeToString(), _IN_GOT, messages)


async def _settle(
    request: pb.QueuesDownstreamRequest, transactions: Transactions
) -> pb.QueuesDownstreamResponse | None:
    """Carry out a settlement; success is silent, but for ActiveOffsets."""
    answer = pb.QueuesDownstreamResponse(
        TransactionId=request.RefTransactionId,
        RefRequestId=request.RequestID,
        RequestTypeData=request.RequestTypeData,
    )
    transaction = transactions.find(request.RefTransactionId)
    try:
        if transaction is None:
            raise SettlementRefused(rules.NO_TRANSACTION)
        kind, sequences = request.RequestTypeData, request.SequenceRange
        if kind == pb.AckRange:
            await transaction.ack(sequences)
        elif kind == pb.AckAll:
            await transaction.ack(None)
        elif kind == pb.NAckRange:
            await transaction.nack(sequences)
        elif kind == pb.NAckAll:
            await transaction.nack(None)
        elif kind == pb.ReQueueRange:
            await transaction.requeue(sequences, request.ReQueueChannel)
        elif kind == pb.ReQueueAll:
            await transaction.requeue(None, request.ReQueueChannel)
        elif kind == pb.ActiveOffsets:
            answer.ActiveOffsets.extend(transaction.active())
            return answer
        elif kind == pb.CloseByClient:
            transaction.close()
        else:
            answer.RequestTypeData = pb.PollRequestTypeUnknown
            raise SettlementRefused(rules.UNKNOWN_REQUEST)
    except SettlementRefused as e:
        answer.IsError, answer.Error = True, str(e)
        return answer
    return None


def framed(head: bytes, tag: int, messages: Iterable[bytes]) -> bytes:
    """`head`, a serialized answer, with serialized `messages` joined on as its repeated field of that tag."""
    parts = [head]
    for message in messages:
        parts.append(_prefix(tag, len(message)))
        parts.append(message)
    return b"".join(parts)


@lru_cache(4096)
def _prefix(tag: int, size: int) -> bytes:
    out = bytearray([tag])
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


_IN_ANSWER = 3 << 3 | 2  # the tag of StreamQueueMessagesResponse.Message


def stream_handlers(state: BrokerState) -> Handlers:
    """The method table of the transactional stream."""

    async def serve(requests: AsyncIterator[pb.StreamQueueMessagesRequest], context: Context) -> None:
        async def answer(request: pb.StreamQueueMessagesRequest, error: str, message: bytes) -> None:
            head = pb.StreamQueueMessagesResponse(
                RequestID=request.RequestID,
                StreamRequestTypeData=request.StreamRequestTypeData,
                IsError=bool(error),
                Error=error,
            ).SerializeToString()
            await context.write(framed(head, _IN_ANSWER, [message]) if message else head)

        try:
            await VisibilityStream(state, answer).serve(requests)
        except TooLarge as e:
            await too_large(context, e)

    return {"StreamQueueMessage": stream(pb.StreamQueueMessagesRequest, serve)}
