"""A subscription that stays alive, with the waiting made short: links that die in silence, pauses, limits."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from kubemqctl.client.connection import Client
from kubemqctl.client.events import StoredChannel, subscribe_events
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.messaging.events import store_reader
from kubemqctl.messaging.events.sequence_tracker import SequenceTracker
from kubemqctl.messaging.heartbeat import Timing, subscription_calls
from kubemqctl.messaging.subscription import LiveSubscription, TimeLimits
from kubemqctl.model.errors import TimedOut, Unreachable
from kubemqctl.model.messages import Event
from kubemqctl.model.values import Start
from kubemqctl.runtime.waiting import StopSignal
from tests.support.fake_store_server import fake_store_server
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub, publish
from tests.support.server import Broker

FAST = Timing(
    sign=0.2, hush=0.05, ping_every=0.2, ping_patience=0.3, first_pause=0.02, longest_pause=0.1, regain=0.5
)

# A bound for a test that goes wrong, far from what a loaded machine takes.
LIMITS = TimeLimits(lasting=60.0)


@pytest.fixture
def proxy(broker: Broker) -> Iterator[Proxy]:
    with Proxy(broker.address) as opened:
        yield opened


def client_of(address: str) -> Client:
    return Client(resolve(Flags(addresses=(address,)), {}))


@contextlib.contextmanager
def listening(
    client: Client, channel: str, notes: list[str], **options: object
) -> Iterator[LiveSubscription[Event]]:
    """Plain events of `channel`."""
    wire = subscription_calls(client, lambda notify: subscribe_events(client, channel, "", notify))
    with StopSignal() as stop:
        subscription = LiveSubscription[Event](wire, stop, notes.append, timing=FAST, **options)  # type: ignore[arg-type]
        with subscription as live:
            yield live


def test_a_black_hole_is_noticed_and_left(proxy: Proxy, stub: Stub, channel: str) -> None:
    notes: list[str] = []
    came: list[bytes] = []
    with client_of(proxy.address) as client, listening(client, channel, notes) as live:
        began = time.monotonic()
        for events in live:
            came += [event.body for event in events]
            if live.live_since and not proxy.frozen:
                proxy.freeze()
            elif live.live_since and live.outages and not came:
                publish(stub, channel, "through")
            if came:
                break
    assert came[0] == b"through"
    assert live.outages == 1
    assert notes == [f"{proxy.address} did not answer in time; connecting again", "connected again"]
    assert time.monotonic() - began < 5


def test_the_default_rhythm_notices_a_dead_link_within_30_seconds() -> None:
    timing = Timing()
    assert timing.ping_every + timing.ping_patience <= 30


def test_a_quiet_link_stays_as_it_is_under_pings(broker: Broker, channel: str) -> None:
    notes: list[str] = []
    with (
        client_of(broker.address) as client,
        listening(client, channel, notes, limits=TimeLimits(lasting=1.2)) as live,
    ):
        turns = sum(1 for _ in live)
    assert notes == []
    assert live.outages == 0
    # A few wake-ups a ping, and not a busy loop.
    assert 4 < turns < 60


def until_frozen(live: LiveSubscription[Event], proxy: Proxy) -> None:
    """Go on for ever, over a link that is dead from when it is live."""
    for _ in live:
        if live.live_since and not proxy.frozen:
            proxy.freeze()


def test_without_reconnecting_a_black_hole_is_raised(proxy: Proxy, channel: str) -> None:
    with (
        client_of(proxy.address) as client,
        listening(client, channel, [], reconnect=False) as live,
        pytest.raises(TimedOut),
    ):
        until_frozen(live, proxy)


def test_a_server_that_ends_every_subscription_is_asked_less_and_less_often(channel: str) -> None:
    timing = FAST._replace(first_pause=0.05, longest_pause=10.0, refusal=0.0)
    with fake_store_server() as fake, client_of(fake.address) as client, StopSignal() as stop:
        fake.ends_after = 0.02
        calls = subscription_calls(client, lambda notify: subscribe_events(client, channel, "", notify))
        limits = TimeLimits(lasting=1.5)
        subscription = LiveSubscription[Event](calls, stop, lambda text: None, limits=limits, timing=timing)
        with subscription as live, contextlib.suppress(Unreachable):
            for _ in live:
                pass
        # 0.05, 0.1, 0.2, 0.4 and 0.8 s apart, each with half its length more or less.
        assert 3 <= len(fake.requests) <= 8


def test_wake_brings_an_empty_list_from_any_thread(broker: Broker, channel: str) -> None:
    with client_of(broker.address) as client, listening(client, channel, []) as live:
        turns = iter(live)
        while not live.live_since:
            next(turns)
        live.drain()
        next(turns)
        threading.Timer(0.1, live.wake).start()
        assert next(turns) == []


def test_what_comes_close_together_is_gathered(broker: Broker, stub: Stub, channel: str) -> None:
    with client_of(broker.address) as client, listening(client, channel, [], gather=0.1) as live:
        lists: list[int] = []
        for events in live:
            if live.live_since and not lists:
                lists.append(0)
                for n in range(100):
                    publish(stub, channel, str(n))
            lists += [len(events)] if events else []
            if sum(lists) == 100:
                break
    assert len(lists) < 50


def test_held_events_wait_and_come_when_the_hold_ends(broker: Broker, stub: Stub, channel: str) -> None:
    with client_of(broker.address) as client, listening(client, channel, []) as live:
        turns = iter(live)
        while not live.live_since:
            next(turns)
        live.hold = True
        publish(stub, channel, "one")
        live.due = time.monotonic() + 0.2
        assert next(turns) == []
        live.hold = False
        live.due = None
        assert [event.body for event in next(filter(None, turns))] == [b"one"]


def until_closed(live: LiveSubscription[Event], proxy: Proxy) -> None:
    """Go on for ever, with a server that is gone from when it is live."""
    for _ in live:
        if live.live_since:
            proxy.close()


def test_idle_lets_a_lost_connection_have_a_while_and_then_gives_up(proxy: Proxy, channel: str) -> None:
    began = time.monotonic()
    with (
        client_of(proxy.address) as client,
        listening(client, channel, [], limits=TimeLimits(idle=0.1)) as live,
        pytest.raises(Unreachable),
    ):
        until_closed(live, proxy)
    # Not after --idle, but after the longer time that a connection gets to come back.
    assert FAST.regain <= time.monotonic() - began < 5


def test_the_first_new_event_is_not_lost_with_the_link_that_it_was_on(
    proxy: Proxy, stub: Stub, channel: str
) -> None:
    """The server takes it for delivered, so the same client id would not get it again."""
    begin = Start("new")
    tracker = SequenceTracker(begin, lambda text: None)
    came: list[bytes] = []
    with client_of(proxy.address) as client, StopSignal() as stop:
        reader = store_reader.StoreReader(StoredChannel(client, channel), tracker, begin, durable="")
        with LiveSubscription[Event](
            subscription_calls(client, reader.open), stop, lambda text: None, timing=FAST, limits=LIMITS
        ) as live:
            for events in live:
                came += [event.body for event in tracker.follow(events).events]
                if live.live_since and not proxy.frozen:
                    proxy.freeze()
                    publish(stub, channel, "on its way", store=True)
                if came:
                    break
    assert came == [b"on its way"]
