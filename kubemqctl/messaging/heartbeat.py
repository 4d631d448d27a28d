"""A heartbeat of pings that finds a dead connection, and what a subscription needs of the client.

HTTP/2 keepalive would do the same, but server 2.4.0 disconnects clients that use it more often than every
five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from kubemqctl.model.errors import KubemqctlError, TimedOut, Unreachable

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.feed import Feed
    from kubemqctl.client.streams import Pending


T = TypeVar("T")
Notify = Callable[[], None]


class Timing(NamedTuple):
    """Seconds. A dead link is noticed within `ping_every` and `ping_patience` together."""

    hush: float = 0.1  # after so long without a sign the server is asked whether it is there
    sign: float = 0.5  # so long after that a subscription that shows no sign is taken for live
    refusal: float = 0.02  # a refused subscription shows a sign too, and ends a millisecond later
    ping_every: float = 15.0
    ping_patience: float = 10.0
    first_pause: float = 0.1
    longest_pause: float = 5.0
    id_in_use: float = 2.0  # so long another subscription of the same id may take to end
    regain: float = 30.0  # --idle lets a lost connection have at least so long


TIMING = Timing()


class SubscriptionCalls(NamedTuple):
    """The connection, as far as a subscription needs it. `reconnect` raises Unreachable.

    `open` and `ping` get what to call, from any thread, when there is news. `received` gives the bytes that
    have come, whole messages or not; None where that is not known.
    """

    open: Callable[[Notify], Feed[object]]
    ping: Callable[[float, Notify], Pending]
    reconnect: Callable[[], None]
    received: Callable[[], int | None] = lambda: None


def subscription_calls(client: Client, open: Callable[[Notify], Feed[T]]) -> SubscriptionCalls:
    """The calls of `client`; `open` opens the subscription, each time that is needed."""
    from kubemqctl.client import connection
    from kubemqctl.client.link_progress import bytes_received

    def ping(patience: float, notify: Notify) -> Pending:
        return connection.begin_ping(client, patience, notify)

    return SubscriptionCalls(
        open,  # type: ignore[arg-type]
        ping,
        client.reconnect,
        lambda: bytes_received(client.address),
    )


class Heartbeat:
    """Pings now and then, and notices when one is not answered.

    On a slow link its answer may stand behind a large message for longer than a ping may take: as long as
    bytes come, the link is not dead.
    """

    def __init__(self, calls: SubscriptionCalls, timing: Timing, notify: Notify) -> None:
        self.next: float | None = None  # when the next ping is due; monotonic seconds
        self._calls = calls
        self._timing = timing
        self._notify = notify
        self._ping: Pending | None = None
        self._received: int | None = None  # bytes, when that ping began
        self._after: int | None = None  # likewise, when the last one was answered
        self.still = 0  # how often running, between two answered pings, no byte came
        self.answered: float | None = None  # when the last ping was answered

    def look(self, now: float, alive: bool) -> None:
        """Look after the ping under way, begin one that is due. Raises why the link is dead."""
        if self._ping and self._ping.done():
            ping, self._ping = self._ping, None
            self.next = now + self._timing.ping_every
            try:
                ping.result()
            except TimedOut:
                self.still = 0
                if not alive and self._calls.received() == self._received:
                    raise
                return
            except Unreachable:
                if not alive:
                    raise
            except KubemqctlError:
                pass  # an answer, if not a good one
            self.answered = now
            self._after = self._calls.received()
        elif self.next is not None and now >= self.next:
            self._received = self._calls.received()
            is_still = self._after is not None and self._received == self._after
            self.still = self.still + 1 if is_still else 0
            self._ping = self._calls.ping(self._timing.ping_patience, self._notify)
            self.next = None

    def restart(self) -> None:
        """A subscription begins, perhaps on a new connection."""
        self._ping = self.answered = self._after = None
        self.still = 0
        self.next = time.monotonic() + self._timing.hush

    def calm(self, now: float) -> None:
        """The subscription is live: the next ping is not urgent."""
        if not self._ping:
            self.next = now + self._timing.ping_every
