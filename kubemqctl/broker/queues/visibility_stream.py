"""Messages taken one at a time with a visibility, by a stream or for good by a plain receive."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from kubemqctl.broker import rules
from kubemqctl.broker.queues import enqueue
from kubemqctl.broker.queues.queue import Drained, Queue, Taker
from kubemqctl.broker.queues.state import BrokerState, TakerFull, TooLarge
from kubemqctl.broker.rules import new_id
from kubemqctl.broker.storage import schema
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.storage.schema import Entry
from kubemqctl.wire import kubemq_pb2 as pb

DEFAULT_VISIBILITY = 60  # seconds
DEFAULT_WAIT = 1  # seconds
_READ_AHEAD = 2  # requests of a stream
Answer = Callable[[pb.StreamQueueMessagesRequest, str, bytes], Awaitable[None]]
_NOTHING = {
    pb.AckMessage: rules.NOTHING_TO_ACK,
    pb.SendModifiedMessage: rules.NOTHING_TO_ACK,
    pb.RejectMessage: rules.NOTHING_TO_REJECT,
    pb.ResendMessage: rules.NOTHING_TO_SEND,
}


def _nobody() -> None:
    """Told of what comes when nothing is wanted any more."""


class _Place(NamedTuple):
    """Where the stream stands in line, and how long it waits there."""

    queue: Queue
    taker: Taker
    patience: asyncio.TimerHandle


class VisibilityStream:
    """One stream's life. `answer` gets the last request, an error or "", and a message or nothing."""

    def __init__(self, state: BrokerState, answer: Answer) -> None:
        self._state = state
        self._answer = answer
        self._inbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        # Requests are read as they are answered: what waits here could be great.
        self._may_read = asyncio.Semaphore(_READ_AHEAD)
        self._current = pb.StreamQueueMessagesRequest()
        self._place: _Place | None = None
        self._held: Entry | None = None
        self._body = b""
        self._over = False
        self._visibility: asyncio.TimerHandle | None = None
        self._restarts = 0  # of the visibility timer

    async def serve(self, requests: AsyncIterator[pb.StreamQueueMessagesRequest]) -> None:
        """Until the message is decided or its time is over; being cancelled puts it at the tail, counted.

        Raises TooLarge for a message that fits into no answer.
        """
        reader = asyncio.ensure_future(self._read(requests))
        self._state.at_close.add(self._leave)
        try:
            while not self._over:
                happened = await self._inbox.get()
                await happened()
        finally:
            reader.cancel()
            self._state.at_close.discard(self._leave)
            self._leave()

    async def _read(self, requests: AsyncIterator[pb.StreamQueueMessagesRequest]) -> None:
        # That no more requests come changes nothing: what is held stays held.
        await self._may_read.acquire()
        async for request in requests:
            self._inbox.put_nowait(partial(self._asked, request))
            await self._may_read.acquire()

    def _leave(self) -> None:
        if self._visibility:
            self._visibility.cancel()
        if self._place is None:
            return
        queue, taker, patience = self._place
        patience.cancel()
        queue.leave(taker)
        self._state.give_up(queue, taker)
        with suppress(JournalError):
            self._put_back()
        self._place = None

    def _later(self, seconds: float, happens: Callable[[], Awaitable[None]]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._inbox.put_nowait, happens)

    def _restart_visibility(self, seconds: int) -> None:
        if self._visibility:
            self._visibility.cancel()
        self._restarts += 1
        self._visibility = self._later(seconds, partial(self._expired, self._restarts))

    # --- what happens ---

    async def _waited(self) -> None:
        """The wait is over; a message may have come in the same moment."""
        if not (self._held or (self._place and self._place.taker.taken)):
            await self._end(rules.NO_NEW_MESSAGE)

    async def _arrived(self) -> None:
        """A message came. Its visibility is that of the last request, so an early ack leaves it none."""
        assert self._place
        queue, taker, patience = self._place
        if not taker.taken:
            # The queue was deleted.
            await self._end(rules.NO_NEW_MESSAGE)
            return
        patience.cancel()
        entry = taker.taken[0]
        try:
            self._body = self._state.bodies(queue, [entry])[0]
        except JournalError as e:
            await self._end(f"cannot receive messages, the journal failed: {e}")
            return
        taker.taken.clear()
        taker.held = 1
        self._held = entry
        queue.forget_bodies([entry])
        self._restart_visibility(self._current.VisibilitySeconds)
        await self._answer(self._current, "", self._body)

    async def _expired(self, restarts: int) -> None:
        if restarts != self._restarts:
            return
        back = self._put_back()
        if back is not None:
            with suppress(JournalError):
                await back
        await self._end(rules.VISIBILITY_EXPIRED)

    def _put_back(self) -> asyncio.Future[None] | None:
        """Reject what is held, if anything is. Under way on return."""
        if self._held is None or self._place is None:
            return None
        entry, self._held = self._held, None
        return self._reject(self._place.queue, entry)

    def _reject(self, queue: Queue, entry: Entry) -> asyncio.Future[None]:
        """To the tail, counted, or to the dead letters."""
        successor = enqueue.rejected(self._body)
        return self._state.replace(queue, [entry], [successor] if successor else [])

    async def _end(self, error: str = "") -> None:
        self._over = True
        await self._answer(self._current, error, b"")

    # --- what is asked ---

    async def _asked(self, request: pb.StreamQueueMessagesRequest) -> None:
        self._may_read.release()
        request.RequestID = request.RequestID or new_id()
        self._current = request
        kind = request.StreamRequestTypeData
        if kind in (pb.ReceiveMessage, pb.ModifyVisibility) and not request.VisibilitySeconds:
            request.VisibilitySeconds = DEFAULT_VISIBILITY
        refused = rules.hold(request, community=self._state.community)
        if not refused and kind == pb.ReceiveMessage:
            refused = self._receive(request)
        elif not refused and kind == pb.ModifyVisibility:
            self._restart_visibility(request.VisibilitySeconds)
            await self._answer(request, "", b"")
        elif not refused:
            refused = await self._decide(request)
        if refused:
            await self._answer(request, refused, b"")

    def _receive(self, request: pb.StreamQueueMessagesRequest) -> str:
        if self._place is not None:
            return rules.ALREADY_SUBSCRIBED
        if refused := rules.unreadable(request.Channel):
            return refused
        queue = self._state.queue(request.Channel)
        taker = Taker(1, lambda: self._inbox.put_nowait(self._arrived), skips_expired=True)
        patience = self._later(request.WaitTimeSeconds or DEFAULT_WAIT, self._waited)
        self._place = _Place(queue, taker, patience)
        try:
            queue.join(taker, self._state.clock())
        except JournalError as e:
            self._over = True
            return f"cannot receive messages, the journal failed: {e}"
        return ""

    async def _decide(self, request: pb.StreamQueueMessagesRequest) -> str:
        """Carry out a decision, which ends the stream; returns why it cannot be."""
        if self._held is None or self._place is None:
            return _NOTHING[request.StreamRequestTypeData]
        kind = request.StreamRequestTypeData
        if kind in (pb.AckMessage, pb.RejectMessage) and request.RefSequence != self._held.sequence:
            return rules.SEQUENCE
        error = ""
        try:
            if refused := await self._carry_out(request, self._place.queue, self._held):
                return refused
        except JournalError as e:
            # The message is back in its place; nothing is held any more.
            error = f"the journal failed: {e}"
        await self._end(error)
        return ""

    async def _carry_out(self, request: pb.StreamQueueMessagesRequest, queue: Queue, entry: Entry) -> str:
        # Not held any more while it is written: a stream that is cut off now must not put it back.
        self._held = None
        if request.StreamRequestTypeData == pb.AckMessage:
            await self._state.acknowledge(queue, [entry], "StreamQueueMessage")
        elif request.StreamRequestTypeData == pb.RejectMessage:
            await self._reject(queue, entry)
        elif await self._state.exchange(queue, entry, self._replacement(request)):
            self._held = entry
            return rules.CANNOT_SEND
        if self._state.community and self._place:
            self._place.taker.held = 0
            self._place.taker.full = _nobody
            queue.go_on(self._place.taker, 1, self._state.clock())
        return ""

    def _replacement(self, request: pb.StreamQueueMessagesRequest) -> pb.QueueMessage:
        if request.StreamRequestTypeData == pb.SendModifiedMessage:
            return request.ModifiedMessage
        message = enqueue.copy(self._body)
        message.Channel = request.Channel
        return message


_RETRY = 1.0  # seconds, after the journal could not be read
# What ack-all deletes in one transaction: senders wait for no more than that, and the journal's log grows by
# no more.
_PIECE = 4_096  # messages
_PIECE_BYTES = 8 * 1024 * 1024  # a piece holds one message more


class PlainCalls:
    """The plain calls of all clients. Waits are seconds."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._refilling: set[asyncio.Future[None]] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def receive(self, name: str, count: int, wait: float, *, peek: bool) -> tuple[list[bytes], int]:
        """The bodies of up to `count` messages, and how many expired ones were met.

        Waits until there are so many, `wait` seconds at most. Raises TooLarge and JournalError; nothing is
        taken then.
        """
        async with self._turns[name]:
            queue = self._state.queue(name)
            taker = await self._filled(queue, count, wait, peek=peek)
            try:
                bodies = self._state.bodies(queue, taker.taken)
            except (TooLarge, JournalError):
                self._state.give_up(queue, taker)
                raise
            if peek:
                self._state.give_up(queue, taker)
            else:
                await self._acknowledge(queue, taker)
            return bodies, len(taker.expired)

    async def _filled(self, queue: Queue, count: int, wait: float, *, peek: bool) -> Taker:
        full = TakerFull()
        taker = Taker(count, full.notify, skips_expired=True)
        try:
            queue.join(taker, self._state.clock())
            await full.wait(wait)
        except (asyncio.CancelledError, JournalError) as e:
            queue.leave(taker)
            if self._state.community and isinstance(e, asyncio.CancelledError) and not peek:
                # Acknowledged as they were taken, and gone.
                self._acknowledge(queue, taker)
            else:
                self._state.give_up(queue, taker)
            raise
        taken = list(taker.taken)
        if self._state.community and not peek and not taker.wants:
            queue.go_on(taker, 1, self._state.clock())
        queue.leave(taker)
        queue.give_back(taker.taken[len(taken) :], self._state.clock())
        taker.taken = taken
        return taker

    def _acknowledge(self, queue: Queue, taker: Taker) -> asyncio.Future[None]:
        if taker.expired:
            self._state.drop_expired(queue, taker.expired)
        return self._state.acknowledge(queue, taker.taken, "ReceiveQueueMessages")

    async def ack_all(self, name: str, wait: float) -> int:
        """Drop all that is ready or comes within the next `wait` seconds; returns how many that were."""
        async with self._turns[name]:
            queue = self._state.queue(name)
            drained = queue.drain()
            taker = Taker(float("inf"), lambda: None)
            queue.join(taker, self._state.clock())
            try:
                # Not to be cut off half-way when the caller has a shorter deadline than its wait.
                gone = asyncio.ensure_future(self._drop(queue, drained))
                await asyncio.sleep(wait)
                await asyncio.shield(gone)
            finally:
                queue.leave(taker)
                late = self._state.remove(queue, taker.taken)
            await late
            return len(drained.entries) + drained.unread + len(taker.taken)

    async def _drop(self, queue: Queue, drained: Drained) -> None:
        """Delete what was drained, by pieces."""
        left = drained.entries
        done = drained.after
        try:
            while left:
                piece, left = _cut(left)
                await self._state.remove(queue, piece)
            while done < drained.upto and drained.unread:
                piece, _ = _cut(
                    self._state.journal.page(queue.number, done, drained.upto, _PIECE, bodies=False)
                )
                upto = piece[-1].sequence if piece else drained.upto
                await self._state.journal.write([schema.messages_between(queue.number, done, upto)])
                done = upto
        except JournalError:
            queue.give_back(left, self._state.clock())
            if drained.unread:
                refilling = asyncio.ensure_future(self._refill(queue, done, drained))
                self._refilling.add(refilling)
                refilling.add_done_callback(self._refilling.discard)
            raise
        queue.removed([], drained.unread)

    async def _refill(self, queue: Queue, done: int, drained: Drained) -> None:
        """Take back what is still there of a backlog, as soon as the journal can be read."""
        while not queue.gone:
            try:
                left = queue.refill(done, drained.upto, self._state.clock())
            except JournalError:
                await asyncio.sleep(_RETRY)
            else:
                queue.removed([], drained.unread - left)
                return


def _cut(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The first piece of `entries`, and the rest."""
    size = 0
    for n, entry in enumerate(entries, 1):
        size += entry.size
        if size >= _PIECE_BYTES or n == _PIECE:
            return entries[:n], entries[n:]
    return entries, []
