"""Which pattern hears which channel, and who gets what."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import pytest

from kubemqctl.broker import subscribers
from kubemqctl.broker.subscribers import MessageBuffer, Subscription, Subscriptions, Usages


@pytest.mark.parametrize(
    ("pattern", "channels"),
    [
        ("a", "a"),
        ("a.b", "a.b"),
        ("*", "a b"),
        ("*.*", "a.b a.a"),
        ("a.*", "a.b a.a"),
        ("*.b", "a.b"),
        (">", "a b a.b a.a a.b.c"),
        ("a.>", "a.b a.a a.b.c"),
        ("a.b.>", "a.b.c"),
        ("*.>", "a.b a.a a.b.c"),
        ("a.*.c", "a.b.c"),
        ("a.*.>", "a.b.c"),
        ("a*", ""),
        ("a.>.c", ""),
        ("a.b.c.>", ""),
        ("A", ""),
    ],
)
def test_a_pattern_matches(pattern: str, channels: str) -> None:
    def scenario(subscriptions: Subscriptions) -> None:
        buffer = added(subscriptions, pattern).buffer
        sent_to = ("a", "b", "a.b", "a.a", "a.b.c")
        assert [c for c in sent_to if buffer in subscriptions.to(c).chosen()] == channels.split()

    in_a_loop(scenario)


def in_a_loop(test: Callable[[Subscriptions], None]) -> None:
    async def run() -> None:
        test(Subscriptions())

    asyncio.run(run())


def added(to: Subscriptions, pattern: str, group: str = "") -> Subscription:
    subscription = Subscription(pattern, group, MessageBuffer())
    to.add(subscription)
    return subscription


def test_who_listens_changes_with_every_subscription() -> None:
    def scenario(subscriptions: Subscriptions) -> None:
        assert subscriptions.to("a").chosen() == []
        first, second = added(subscriptions, "a"), added(subscriptions, "*")
        assert subscriptions.to("a").chosen() == [first.buffer, second.buffer]
        subscriptions.remove(first)
        subscriptions.remove(first)
        assert subscriptions.to("a").chosen() == [second.buffer]

    in_a_loop(scenario)


def test_members_of_a_group_are_one_listener_whatever_their_patterns() -> None:
    def scenario(subscriptions: Subscriptions) -> None:
        members = [added(subscriptions, pattern, "g").buffer for pattern in ("a", "*", ">")]
        alone, plain = added(subscriptions, "a", "h").buffer, added(subscriptions, "a").buffer
        chosen = [subscriptions.to("a").chosen() for _ in range(300)]
        assert all(len(outboxes) == 3 and {alone, plain} < set(outboxes) for outboxes in chosen)
        counts = Counter(next(o for o in outboxes if o in members) for outboxes in chosen)
        assert min(counts[member] for member in members) > 40

    in_a_loop(scenario)


def test_a_thousand_long_patterns_do_not_hold_up_the_broker() -> None:
    def scenario(subscriptions: Subscriptions) -> None:
        for n in range(1000):
            added(subscriptions, ".".join(["*"] * (1999 + n % 2) + ["end"]))
        begun = time.process_time()
        for n in range(10):
            assert len(subscriptions.to(f"{n}." + "x." * 1998 + "end").chosen()) == 500
        assert time.process_time() - begun < 0.2

    in_a_loop(scenario)


def test_names_of_used_channels_are_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "_MOST_IN_NAMES", 100)
    usages = Usages()
    for n in range(30):
        usages.of(f"{n:010}", n)
    assert list(usages.known()) == [f"{n:010}" for n in range(20, 30)]
    assert usages.forget(f"{29:010}")
    usages.of("x", 30)
    assert len(usages.known()) == 10
