"""The methods of events and stored events: protobuf in and out, no state.

Errors are gRPC statuses, as on the real server; on a stream of events they are in-band.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.broker import admission
from kubemqctl.broker.delivering import pour, pour_stored, refuse
from kubemqctl.broker.events import Events
from kubemqctl.broker.ids import new_id
from kubemqctl.broker.journal import JournalError
from kubemqctl.broker.service import stream, subscription, unary
from kubemqctl.broker.store import Done, Store
from kubemqctl.wire import kubemq_pb2 as pb

if TYPE_CHECKING:
    from kubemqctl.broker.service import Context, Handlers

_UNANSWERED = 1_000  # events of one stream; with more the broker reads no further


def event_handlers(events: Events, store: Store) -> Handlers:
    """The method table of events."""
    calls = EventCalls(events, store)
    return {
        "SendEvent": unary(pb.Event, calls.send),
        "SendEventsStream": stream(pb.Event, calls.send_many),
        "SubscribeToEvents": subscription(pb.Subscribe, calls.subscribe),
    }


class _Outcome(NamedTuple):
    """What is to be answered to an event of a stream: `error`, or what `stored` ends with."""

    event_id: str
    stored: Done | None
    error: str = ""


_Outcomes = asyncio.Queue[_Outcome | None]  # None: no more


class EventCalls:
    """One method a call, named after it."""

    def __init__(self, events: Events, store: Store) -> None:
        self._events = events
        self._store = store

    async def send(self, event: pb.Event, context: Context) -> bytes:
        if refused := admission.event(event):
            await refuse(context, refused)
        event.EventID = event.EventID or new_id()
        if not event.Store:
            self._events.publish(event)
            return pb.Result(EventID=event.EventID, Sent=True).SerializeToString()
        return await _result(_Outcome(event.EventID, await self._store.publish(event)))

    async def send_many(self, events: AsyncIterator[pb.Event], context: Context) -> None:
        outcomes: _Outcomes = asyncio.Queue(_UNANSWERED)
        answering = asyncio.create_task(_answer(outcomes, context))
        try:
            async for event in events:
                await self._take(event, outcomes)
            await outcomes.put(None)
            await answering
        finally:
            answering.cancel()

    async def _take(self, event: pb.Event, outcomes: _Outcomes) -> None:
        if refused := admission.event(event):
            await outcomes.put(_Outcome(event.EventID, None, refused))
            return
        event.EventID = event.EventID or new_id()
        if event.Store:
            await outcomes.put(_Outcome(event.EventID, await self._store.publish(event)))
        else:
            self._events.publish(event)

    async def subscribe(self, s: pb.Subscribe, context: Context) -> None:
        if s.SubscribeTypeData == pb.Subscribe.Events:
            await self._subscribe_plain(s, context)
        elif s.SubscribeTypeData == pb.Subscribe.EventsStore:
            await self._subscribe_stored(s, context)
        else:
            await refuse(context, admission.SUBSCRIBE_TYPE)

    async def _subscribe_plain(self, s: pb.Subscribe, context: Context) -> None:
        if refused := admission.subscription(s):
            await refuse(context, refused)
        subscribed = self._events.subscribe(s)
        try:
            await pour(subscribed.outbox, context)
        finally:
            self._events.leave(subscribed)

    async def _subscribe_stored(self, s: pb.Subscribe, context: Context) -> None:
        registered = self._store.has_subscription(s.ClientID)
        if refused := admission.store_subscription(s, registered=registered):
            await refuse(context, refused)
        try:
            member = await self._store.subscribe(s)
        except JournalError as e:
            await refuse(context, f"cannot subscribe, the journal failed: {e}")
        try:
            await pour_stored(member, context)
        finally:
            self._store.leave(member, s.ClientID)


async def _answer(outcomes: _Outcomes, context: Context) -> None:
    """Answer events in their order, each as soon as its outcome is known."""
    while outcome := await outcomes.get():
        await context.write(await _result(outcome))


async def _result(outcome: _Outcome) -> bytes:
    result = pb.Result(EventID=outcome.event_id, Sent=not outcome.error, Error=outcome.error)
    if outcome.stored is not None:
        try:
            await outcome.stored
        except JournalError as e:
            result.Sent, result.Error = False, f"cannot store the event: {e}"
    return result.SerializeToString()
