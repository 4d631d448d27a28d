"""The methods of events, subscriptions and requests: protobuf in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import grpc

from kubemqctl.broker import rules
from kubemqctl.broker.events.event_store import Events, Store
from kubemqctl.broker.events.topic import Member
from kubemqctl.broker.requests import NoAnswer, Requests
from kubemqctl.broker.rules import new_id
from kubemqctl.broker.service import channel_requests
from kubemqctl.broker.service.channel_requests import Channels
from kubemqctl.broker.service.dispatch import patient, stream, subscription, unary
from kubemqctl.broker.storage.event_log import Done
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.subscribers import MessageBuffer, SubscriptionEnded
from kubemqctl.wire import kubemq_pb2 as pb
from kubemqctl.wire.convert import STORED

if TYPE_CHECKING:
    from kubemqctl.broker.service.dispatch import Context, Handlers


LIVE_AFTER = 0.005  # seconds until a subscription of the community server is live


async def pour(buffer: MessageBuffer, context: Context, *, sign: bool) -> None:
    """Put on the stream what comes, until the client goes away or nothing comes any more.

    `sign`: with initial metadata at once, so that a client need not guess how long to wait before it
    publishes. The community server gives no sign.
    """
    if sign:
        await context.send_initial_metadata(())
    try:
        while True:
            shared = await buffer.next()
            try:
                await context.write(shared.data)
            finally:
                shared.let_go()
    except SubscriptionEnded as e:
        await gone(context, e)


async def pour_stored(
    member: Member, context: Context, *, sign: bool, again: Callable[[], bool] | None
) -> None:
    """The same with stored events; one that the client's end overtook counts as delivered.

    The number of events that are stored already goes ahead of them: a client that is to read up to now
    need not guess from silence that there are none.
    """
    if sign:
        await context.send_initial_metadata(((STORED, str(member.backlog)),))
    try:
        while True:
            stored = await member.next()
            try:
                await context.write(stored.event)
                if again and again():
                    await context.write(stored.event)
            finally:
                member.sent()
    except SubscriptionEnded as e:
        await gone(context, e)


async def refuse(context: Context, error: str) -> NoReturn:
    """End a call with one of the broker's errors."""
    await context.abort(grpc.StatusCode.INTERNAL, error)


async def gone(context: Context, why: SubscriptionEnded) -> NoReturn:
    """End a call that the broker cannot go on with."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, str(why))


_UNANSWERED = 1_000  # events of one stream; with more the broker reads no further
_UNANSWERED_IDS = 1024 * 1024  # bytes, likewise, of their ids; one alone may be longer


def event_handlers(
    events: Events, store: Store, redelivers: Callable[[str], bool] | None, *, community: bool = False
) -> Handlers:
    """The method table of events; `redelivers` says which stored event is sent twice."""
    calls = EventCalls(events, store, redelivers, community=community)
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


class _Outcomes:
    """What is to be answered, in order; whoever puts more than is allowed waits. None: no more."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Outcome | None] = asyncio.Queue(_UNANSWERED)
        self._bytes = 0
        self._taken = asyncio.Event()

    async def put(self, outcome: _Outcome | None) -> None:
        while self._bytes > _UNANSWERED_IDS:
            self._taken.clear()
            await self._taken.wait()
        self._bytes += len(outcome.event_id) if outcome else 0
        await self._waiting.put(outcome)

    async def get(self) -> _Outcome | None:
        return await self._waiting.get()

    def answered(self, outcome: _Outcome) -> None:
        self._bytes -= len(outcome.event_id)
        self._taken.set()


class EventCalls:
    """One method a call, named after it."""

    def __init__(
        self, events: Events, store: Store, redelivers: Callable[[str], bool] | None, *, community: bool
    ) -> None:
        self._events = events
        self._store = store
        self._again = partial(redelivers, "SubscribeToEvents") if redelivers else None
        self._community = community

    async def send(self, event: pb.Event, context: Context) -> bytes:
        if refused := rules.event(event, community=self._community):
            await refuse(context, refused)
        event.EventID = event.EventID or new_id()
        return await _result(_Outcome(event.EventID, await self._publish(event)))

    async def send_many(self, events: AsyncIterator[pb.Event], context: Context) -> None:
        outcomes = _Outcomes()
        answering = asyncio.create_task(_answer(outcomes, context))
        try:
            async for event in events:
                await self._take(event, outcomes)
                del event
            await outcomes.put(None)
            await answering
        finally:
            answering.cancel()

    async def _publish(self, event: pb.Event) -> Done | None:
        if not event.Store:
            self._events.publish(event)
        elif not rules.unstorable(event.Channel):
            return await self._store.publish(event)
        # Else it is lost, and "sent": only the community server takes such a name.
        return None

    async def _take(self, event: pb.Event, outcomes: _Outcomes) -> None:
        if refused := rules.event(event, community=self._community):
            await outcomes.put(_Outcome(event.EventID, None, refused))
            return
        event.EventID = event.EventID or new_id()
        stored = await self._publish(event)
        if event.Store:
            await outcomes.put(_Outcome(event.EventID, stored))

    async def subscribe(self, s: pb.Subscribe, context: Context) -> None:
        if s.SubscribeTypeData == pb.Subscribe.Events:
            await self._subscribe_plain(s, context)
        elif s.SubscribeTypeData == pb.Subscribe.EventsStore:
            await self._subscribe_stored(s, context)
        else:
            await refuse(context, rules.SUBSCRIBE_TYPE)

    async def _subscribe_plain(self, s: pb.Subscribe, context: Context) -> None:
        if refused := rules.subscription(s):
            await refuse(context, refused)
        if self._community:
            await asyncio.sleep(LIVE_AFTER)
        subscribed = self._events.subscribe(s)
        try:
            await pour(subscribed.buffer, context, sign=not self._community)
        finally:
            self._events.leave(subscribed)

    async def _subscribe_stored(self, s: pb.Subscribe, context: Context) -> None:
        if self._community:
            await asyncio.sleep(LIVE_AFTER)
        # Behind any wait, and with none until the store has it: of two that ask at once one is refused.
        registered = self._store.has_subscription(s.ClientID)
        if refused := rules.store_subscription(s, registered=registered):
            await refuse(context, refused)
        try:
            member = await self._store.subscribe(s)
        except JournalError as e:
            await refuse(context, f"cannot subscribe, the journal failed: {e}")
        try:
            await pour_stored(member, context, sign=not self._community, again=self._again)
        finally:
            self._store.leave(member, s.ClientID)


async def _answer(outcomes: _Outcomes, context: Context) -> None:
    """Answer events in their order, each as soon as its outcome is known."""
    while outcome := await outcomes.get():
        await context.write(await _result(outcome))
        outcomes.answered(outcome)


async def _result(outcome: _Outcome) -> bytes:
    result = pb.Result(EventID=outcome.event_id, Sent=not outcome.error, Error=outcome.error)
    if outcome.stored is not None:
        try:
            await outcome.stored
        except JournalError as e:
            result.Sent, result.Error = False, f"cannot store the event: {e}"
    return result.SerializeToString()


def request_handlers(requests: Requests, channels_: Channels, *, community: bool = False) -> Handlers:
    """The method table of requests."""
    calls = RequestCalls(requests, channels_, community=community)
    return {
        "SendRequest": patient(pb.Request, calls.send),
        "SendResponse": unary(pb.Response, calls.respond),
        "SubscribeToRequests": subscription(pb.Subscribe, calls.subscribe),
    }


class RequestCalls:
    """One method a call, named after it."""

    def __init__(self, requests: Requests, channels_: Channels, *, community: bool) -> None:
        self._requests = requests
        self._channels = channels_
        self._community = community

    async def send(self, request: pb.Request, context: Context) -> bytes:
        if refused := rules.request(request):
            await refuse(context, refused)
        on_channels = request.Channel == channel_requests.CHANNEL and not self._community
        if on_channels and request.RequestTypeData == pb.Request.Query:
            return (await self._channels.answer(request)).SerializeToString()
        asked = self._requests.ask(request, context.time_remaining())
        # Nothing is kept of it while the answer is waited for.
        del request
        try:
            return (await asked).SerializeToString()
        except NoAnswer:
            await refuse(context, rules.NO_ANSWER)
        except SubscriptionEnded as e:
            await gone(context, e)

    async def respond(self, response: pb.Response, context: Context) -> bytes:
        if refused := rules.response(response):
            await refuse(context, refused)
        self._requests.respond(response)
        return pb.Empty().SerializeToString()

    async def subscribe(self, s: pb.Subscribe, context: Context) -> None:
        if s.SubscribeTypeData not in (pb.Subscribe.Commands, pb.Subscribe.Queries):
            await refuse(context, rules.SUBSCRIBE_TYPE)
        if refused := rules.subscription(s):
            await refuse(context, refused)
        if self._community:
            await asyncio.sleep(LIVE_AFTER)
        subscribed = self._requests.subscribe(s)
        try:
            await pour(subscribed.buffer, context, sign=not self._community)
        finally:
            self._requests.leave(subscribed)
