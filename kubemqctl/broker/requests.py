"""Commands and queries: who answers which, and the cache of answers to queries."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from kubemqctl.broker.rules import new_id
from kubemqctl.broker.subscribers import (
    Account,
    MessageBuffer,
    Shared,
    Subscription,
    SubscriptionEnded,
    Subscriptions,
    Usage,
    Usages,
)
from kubemqctl.model.limits import SECOND
from kubemqctl.wire import kubemq_pb2 as pb

MOST = 10_000  # answers
MOST_BYTES = 64 * 1024 * 1024
_ENTRY = 500  # bytes that the objects around an answer take
_BEFORE_DEADLINE = 0.1  # seconds, or a tenth of a short one: for the way back
Key = tuple[str, str]  # a channel, and a cache key: keys of two channels have nothing to do with one another


class _Kept(NamedTuple):
    answer: bytes
    until: int


class Cache:
    """Serialized answers by channel and key; the ones longest unused give way. Times are Unix nanoseconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, now: int) -> bytes | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found.until <= now:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found.answer

    def put(self, key: Key, answer: bytes, until: int) -> None:
        if key in self._kept:
            self._drop(key)
        self._kept[key] = _Kept(answer, until)
        self._bytes += _size(key, answer)
        while len(self._kept) > MOST or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        self._bytes -= _size(key, self._kept.pop(key).answer)


def _size(key: Key, answer: bytes) -> int:
    """What an answer takes in memory; a text has up to four bytes a character."""
    return len(answer) + 4 * sum(map(len, key)) + _ENTRY


class _Asked(NamedTuple):
    """What is kept of a request while its answer is waited for."""

    reply_channel: str
    usage: Usage


class NoAnswer(Exception):
    """Nobody answered in time."""


class Exchange:
    """One kind of requests: those who respond to it, and what it was used for."""

    def __init__(self) -> None:
        self.responders = Subscriptions()
        self.usages = Usages()


class Requests:
    """See the head of this file."""

    def __init__(self, clock: Callable[[], int], *, cached: bool = True) -> None:
        self._cached = cached
        self.commands = Exchange()
        self.queries = Exchange()
        self._clock = clock
        self._inbox = new_id()
        self._waiting: dict[str, asyncio.Future[pb.Response]] = {}
        self._cache = Cache()
        self._account = Account()

    def subscribe(self, s: pb.Subscribe) -> Subscription:
        """A responder, live; to be ended with `leave`."""
        exchange = self._of(s.SubscribeTypeData == pb.Subscribe.Queries)
        subscription = Subscription(s.Channel, s.Group, MessageBuffer())
        exchange.responders.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """The responder is gone."""
        for exchange in (self.commands, self.queries):
            exchange.responders.remove(subscription)
        subscription.buffer.close()

    async def ask(self, request: pb.Request, deadline: float | None = None) -> pb.Response:
        """The answer to `request` as its sender sees it. Raises NoAnswer, SubscriptionEnded.

        `deadline`: the seconds after which the sender hears nothing any more; NoAnswer comes before.
        """
        query = request.RequestTypeData == pb.Request.Query
        cached = self._cached and query and bool(request.CacheKey)
        request.RequestID = request.RequestID or new_id()
        key = (request.Channel, request.CacheKey)
        if cached and (kept := self._cache.get(key, self._clock())):
            return _from_cache(kept, request)
        patience = request.Timeout / 1000
        if deadline is not None:
            patience = max(0.0, min(patience, deadline - min(_BEFORE_DEADLINE, deadline / 10)))
        asked = self._deliver(request, self._of(query))
        kept_for = request.CacheTTL
        # It may be great, and the answer long in coming, of many at once.
        del request
        answer = await self._answer(asked, patience)
        answer.ReplyChannel = ""
        if not query:
            answer.Body, answer.Metadata, answer.CacheHit = b"", "", False
        elif cached and answer.Executed and not answer.Error:
            until = self._clock() + kept_for * SECOND
            self._cache.put(key, answer.SerializeToString(), until)
        return answer

    def respond(self, response: pb.Response) -> None:
        """Hand `response` to whoever waits for it; nobody does when it is late or the second."""
        waiting = self._waiting.pop(response.ReplyChannel, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(response)

    def end(self, reason: str) -> None:
        """Send everybody away."""
        for exchange in (self.commands, self.queries):
            exchange.responders.end(reason)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(SubscriptionEnded(reason))

    def _deliver(self, request: pb.Request, exchange: Exchange) -> _Asked:
        """Hand `request` to its responders."""
        request.ReplyChannel = f"_INBOX.{self._inbox}.{new_id()[-8:]}"
        usage = exchange.usages.of(request.Channel, self._clock())
        data = request.SerializeToString()
        usage.came(len(data), exchange.responders.deliver(request.Channel, Shared(data, self._account)))
        return _Asked(request.ReplyChannel, usage)

    async def _answer(self, asked: _Asked, patience: float) -> pb.Response:
        waiting = self._waiting[asked.reply_channel] = asyncio.get_running_loop().create_future()
        try:
            answer: pb.Response = await asyncio.wait_for(waiting, patience)
            asked.usage.responses += 1
            return answer
        except asyncio.TimeoutError as e:
            raise NoAnswer from e
        finally:
            self._waiting.pop(asked.reply_channel, None)

    def _of(self, query: bool) -> Exchange:
        return self.queries if query else self.commands


def _from_cache(kept: bytes, request: pb.Request) -> pb.Response:
    answer = pb.Response.FromString(kept)
    answer.CacheHit = True
    answer.RequestID = request.RequestID
    return answer
