"""Events that nobody keeps: to all who listen, and to a random member of each group."""

from __future__ import annotations

from collections.abc import Callable

from kubemqctl.broker.outbox import Backlog
from kubemqctl.broker.store import received
from kubemqctl.broker.subscriptions import Subscription, Subscriptions
from kubemqctl.broker.usage import Usages
from kubemqctl.wire import kubemq_pb2 as pb


class Events:
    """See the head of this file."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.listeners = Subscriptions()
        self.usages = Usages()
        self._clock = clock

    def publish(self, event: pb.Event) -> None:
        """Hand `event` to whoever listens now."""
        data = received(event)
        taken = sum(outbox.offer(data) for outbox in self.listeners.to(event.Channel).chosen())
        self.usages.of(event.Channel, self._clock()).came(len(data), taken)

    def subscribe(self, s: pb.Subscribe) -> Subscription:
        """A subscription, live; to be ended with `leave`."""
        subscription = Subscription(s.Channel, s.Group, Backlog())
        self.listeners.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """The subscription is over."""
        self.listeners.remove(subscription)
        subscription.outbox.close()
