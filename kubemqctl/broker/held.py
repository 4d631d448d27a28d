"""StreamQueueMessage: one stream, one message, held under a visibility timer until it is decided.

Everything that happens to a stream (a request, a message, a timer) goes through one inbox, so that nothing
happens at the same time. An answer carries the id and type of the last request, whatever it answers: that
is what clients of the real server see, and a visibility that runs out has no request of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from kubemqctl.broker import posting, refusals
from kubemqctl.broker.core import Core
from kubemqctl.broker.ids import new_id
from kubemqctl.broker.journal import JournalError
from kubemqctl.broker.queue import Entry, Queue, Taker
from kubemqctl.wire import kubemq_pb2 as pb

DEFAULT_VISIBILITY = 60  # seconds
DEFAULT_WAIT = 1  # seconds

Answer = Callable[[pb.StreamQueueMessagesRequest, str, bytes], Awaitable[None]]
_NOTHING = {
    pb.AckMessage: refusals.NOTHING_TO_ACK,
    pb.SendModifiedMessage: refusals.NOTHING_TO_ACK,
    pb.RejectMessage: refusals.NOTHING_TO_REJECT,
    pb.ResendMessage: refusals.NOTHING_TO_SEND,
}


class _Place(NamedTuple):
    """Where the stream stands in line, and how long it waits there."""

    queue: Queue
    taker: Taker
    patience: asyncio.TimerHandle


class Holding:
    """One stream's life. `answer` gets the last request, an error or "", and a message or nothing."""

    def __init__(self, core: Core, answer: Answer) -> None:
        self._core = core
        self._answer = answer
        self._inbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
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
        self._core.at_close.add(self._leave)
        try:
            while not self._over:
                happened = await self._inbox.get()
                await happened()
        finally:
            reader.cancel()
            self._core.at_close.discard(self._leave)
            self._leave()

    async def _read(self, requests: AsyncIterator[pb.StreamQueueMessagesRequest]) -> None:
        # That no more requests come changes nothing: what is held stays held.
        async for request in requests:
            self._inbox.put_nowait(partial(self._asked, request))

    def _leave(self) -> None:
        if self._visibility:
            self._visibility.cancel()
        if self._place is None:
            return
        queue, taker, patience = self._place
        patience.cancel()
        queue.leave(taker)
        self._core.give_up(queue, taker)
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
            await self._end(refusals.NO_NEW_MESSAGE)

    async def _arrived(self) -> None:
        """A message came. Its visibility is that of the last request, so an early ack leaves it none."""
        assert self._place
        queue, taker, patience = self._place
        if not taker.taken:
            # The queue was deleted.
            await self._end(refusals.NO_NEW_MESSAGE)
            return
        patience.cancel()
        entry = taker.taken[0]
        try:
            self._body = self._core.bodies(queue, [entry])[0]
        except JournalError as e:
            await self._end(f"cannot receive messages, the journal failed: {e}")
            return
        taker.taken.clear()
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
        await self._end(refusals.VISIBILITY_EXPIRED)

    def _put_back(self) -> asyncio.Future[None] | None:
        """Reject what is held, if anything is. Under way on return."""
        if self._held is None or self._place is None:
            return None
        entry, self._held = self._held, None
        return self._reject(self._place.queue, entry)

    def _reject(self, queue: Queue, entry: Entry) -> asyncio.Future[None]:
        """To the tail, counted, or to the dead letters."""
        successor = posting.rejected(self._body)
        return self._core.replace(queue, [entry], [successor] if successor else [])

    async def _end(self, error: str = "") -> None:
        self._over = True
        await self._answer(self._current, error, b"")

    # --- what is asked ---

    async def _asked(self, request: pb.StreamQueueMessagesRequest) -> None:
        request.RequestID = request.RequestID or new_id()
        self._current = request
        kind = request.StreamRequestTypeData
        if kind in (pb.ReceiveMessage, pb.ModifyVisibility) and not request.VisibilitySeconds:
            request.VisibilitySeconds = DEFAULT_VISIBILITY
        refused = refusals.hold(request)
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
            return refusals.ALREADY_SUBSCRIBED
        if refused := refusals.unreadable(request.Channel):
            return refused
        queue = self._core.queue(request.Channel)
        taker = Taker(1, lambda: self._inbox.put_nowait(self._arrived), skips_expired=True)
        patience = self._later(request.WaitTimeSeconds or DEFAULT_WAIT, self._waited)
        self._place = _Place(queue, taker, patience)
        queue.join(taker, self._core.clock())
        return ""

    async def _decide(self, request: pb.StreamQueueMessagesRequest) -> str:
        """Carry out a decision, which ends the stream; returns why it cannot be."""
        if self._held is None or self._place is None:
            return _NOTHING[request.StreamRequestTypeData]
        kind = request.StreamRequestTypeData
        if kind in (pb.AckMessage, pb.RejectMessage) and request.RefSequence != self._held.sequence:
            return refusals.SEQUENCE
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
            await self._core.remove(queue, [entry])
        elif request.StreamRequestTypeData == pb.RejectMessage:
            await self._reject(queue, entry)
        elif await self._core.exchange(queue, entry, self._replacement(request)):
            self._held = entry
            return refusals.CANNOT_SEND
        return ""

    def _replacement(self, request: pb.StreamQueueMessagesRequest) -> pb.QueueMessage:
        if request.StreamRequestTypeData == pb.SendModifiedMessage:
            return request.ModifiedMessage
        message = posting.copy(self._body)
        message.Channel = request.Channel
        return message
