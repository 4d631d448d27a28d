"""Which pattern hears which channel, and who gets what."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from kubemqctl.broker.subscribers import MessageBuffer, Subscription, Subscriptions, matches


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
    matched = [c for c in ("a", "b", "a.b", "a.a", "a.b.c") if matches(pattern, c)]
    assert matched == channels.split()


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
