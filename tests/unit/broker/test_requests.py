"""Requests without a wire: whose answer counts, and which answers are kept for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kubemqctl.broker import requests
from kubemqctl.broker.requests import Cache, NoAnswer, Requests
from kubemqctl.broker.subscribers import Subscription, SubscriptionEnded
from kubemqctl.wire import kubemq_pb2 as pb

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


def scenario(test: Callable[[Requests, Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Clock()
        await test(Requests(clock), clock)

    asyncio.run(run())


def query(**fields: Any) -> pb.Request:
    values = {"RequestTypeData": pb.Request.Query, "Channel": "c", "Timeout": 5000}
    return pb.Request(**{**values, **fields})


def responder(requests: Requests, group: str = "") -> Subscription:
    kind = pb.Subscribe.Queries
    return requests.subscribe(pb.Subscribe(SubscribeTypeData=kind, Channel="c", Group=group))


async def answered(requests: Requests, by: Subscription, request: pb.Request, **fields: Any) -> pb.Response:
    asking = asyncio.create_task(requests.ask(request))
    seen = pb.Request.FromString((await by.buffer.next()).data)
    values = {"RequestID": seen.RequestID, "ReplyChannel": seen.ReplyChannel, "Executed": True}
    requests.respond(pb.Response(**{**values, **fields}))
    return await asking


def test_a_request_that_nobody_answers_ends_after_its_milliseconds() -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(NoAnswer):
            await requests.ask(query(Timeout=30))
        assert 0.025 <= loop.time() - begun < 2

    scenario(run)


def test_an_answer_after_the_end_is_dropped_and_nothing_is_kept_of_the_request() -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        by = responder(requests)
        with pytest.raises(NoAnswer):
            await requests.ask(query(Timeout=1))
        late = pb.Request.FromString((await by.buffer.next()).data)
        requests.respond(pb.Response(ReplyChannel=late.ReplyChannel))
        assert not requests._waiting

    scenario(run)


def test_a_sender_that_goes_away_is_forgotten() -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        asking = asyncio.create_task(requests.ask(query()))
        await asyncio.sleep(0)
        assert requests._waiting
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not requests._waiting

    scenario(run)


def test_two_requests_at_once_get_each_its_own_answer() -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        by = responder(requests)
        asking = [asyncio.create_task(requests.ask(query(Body=body))) for body in (b"1", b"2")]
        seen = [pb.Request.FromString((await by.buffer.next()).data) for _ in asking]
        for request in reversed(seen):
            requests.respond(pb.Response(ReplyChannel=request.ReplyChannel, Body=request.Body))
        assert [(await task).Body for task in asking] == [b"1", b"2"]

    scenario(run)


def test_the_end_of_the_broker_ends_waiting_senders_and_responders() -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        by = responder(requests)
        asking = asyncio.create_task(requests.ask(query()))
        await asyncio.sleep(0)
        requests.end("over")
        with pytest.raises(SubscriptionEnded, match="over"):
            await asking
        with pytest.raises(SubscriptionEnded, match="over"):
            await by.buffer.next()

    scenario(run)


def test_a_cached_answer_lives_for_its_seconds_and_names_the_request_that_got_it() -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        by = responder(requests)
        first = await answered(requests, by, query(CacheKey="k", CacheTTL=3), Body=b"1", Timestamp=7)
        assert not first.CacheHit
        clock.now += 3 * SECOND - 1
        hit = await requests.ask(query(RequestID="mine", CacheKey="k", CacheTTL=100))
        assert hit == pb.Response(RequestID="mine", Body=b"1", Timestamp=7, Executed=True, CacheHit=True)
        clock.now += 1
        second = await answered(requests, by, query(CacheKey="k", CacheTTL=1), Body=b"2")
        assert (second.CacheHit, second.Body) == (False, b"2")
        assert (await requests.ask(query(CacheKey="k", CacheTTL=1))).Body == b"2"

    scenario(run)


@pytest.mark.parametrize("fields", [{"Executed": False}, {"Error": "no"}])
def test_an_answer_that_is_no_success_is_not_kept(fields: dict[str, Any]) -> None:
    async def run(requests: Requests, clock: Clock) -> None:
        by = responder(requests)
        await answered(requests, by, query(CacheKey="k", CacheTTL=3), **fields)
        assert not (await answered(requests, by, query(CacheKey="k", CacheTTL=3))).CacheHit

    scenario(run)


def test_the_cache_is_bounded_and_the_longest_unused_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST", 2)
    monkeypatch.setattr(requests, "MOST_BYTES", 2000)
    kept = Cache()
    for key in ("a", "b"):
        kept.put(("c", key), key.encode(), 100)
    kept.get(("c", "a"), 0)
    kept.put(("c", "x"), b"x", 100)
    assert [kept.get(("c", key), 0) for key in "abx"] == [b"a", None, b"x"]
    kept.put(("c", "long"), bytes(1400), 100)
    assert [kept.get(("c", key), 0) for key in ("a", "x", "long")] == [None, None, bytes(1400)]
    kept.put(("c", "longer"), bytes(2000), 100)
    assert kept.get(("c", "longer"), 0) is None


def test_an_answer_that_is_replaced_or_too_old_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_BYTES", 2000)
    kept = Cache()
    kept.put(("c", "a"), b"a", 100)
    for _ in range(10):
        kept.put(("c", "b"), bytes(500), 10)
    assert kept.get(("c", "b"), 10) is None
    kept.put(("c", "x"), bytes(600), 100)
    assert [kept.get(("c", key), 10) for key in "ax"] == [b"a", bytes(600)]


def test_the_cache_counts_keys_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_BYTES", 100_000)
    kept = Cache()
    for n in range(100):
        kept.put(("c", str(n) * 10_000), b"x", 100)
    assert len(kept._kept) < 10
