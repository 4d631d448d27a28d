"""Who listens where: plain subscriptions, with wildcards, and groups that share.

In a pattern `*` is exactly one token and `>`, at the end, one or more; anywhere else they are literal.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from kubemqctl.broker.outbox import Backlog

_REMEMBERED = 4096  # channels whose listeners are remembered between two changes


class Subscription(NamedTuple):
    """One subscriber's interest; "" is no group."""

    pattern: str
    group: str
    outbox: Backlog


class Listeners(NamedTuple):
    """Who listens to one channel: each of `plain`, and one of each of `groups`."""

    plain: list[Backlog]
    groups: list[list[Backlog]]

    def chosen(self) -> list[Backlog]:
        """Those who get the next message: all that are plain, and a random member of each group."""
        if not self.groups:
            return self.plain
        return [*self.plain, *map(random.choice, self.groups)]


class Subscriptions:
    """All subscriptions of one kind: events, commands or queries."""

    def __init__(self) -> None:
        self._all: dict[int, Subscription] = {}
        self._known: dict[str, Listeners] = {}

    def add(self, subscription: Subscription) -> None:
        self._all[id(subscription.outbox)] = subscription
        self._known.clear()

    def remove(self, subscription: Subscription) -> None:
        self._all.pop(id(subscription.outbox), None)
        self._known.clear()

    def to(self, channel: str) -> Listeners:
        """Who listens to `channel`."""
        found = self._known.get(channel)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[channel] = self._find(channel)
        return found

    def end(self, reason: str) -> None:
        """Nothing comes any more."""
        for subscription in self._all.values():
            subscription.outbox.end(reason)

    def _find(self, channel: str) -> Listeners:
        plain: list[Backlog] = []
        groups: dict[str, list[Backlog]] = {}
        for subscription in self._all.values():
            if matches(subscription.pattern, channel):
                into = groups.setdefault(subscription.group, []) if subscription.group else plain
                into.append(subscription.outbox)
        return Listeners(plain, list(groups.values()))


def matches(pattern: str, channel: str) -> bool:
    """Whether a subscription to `pattern` gets what is sent to `channel`."""
    if pattern == channel:
        return True
    wanted, tokens = pattern.split("."), channel.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
        del tokens[len(wanted) :]
    return len(wanted) == len(tokens) and all(w in ("*", t) for w, t in zip(wanted, tokens, strict=True))
