"""The connection of a subscription, and how it is found out that it is dead without saying so."""

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
Ring = Callable[[], None]


class Rhythm(NamedTuple):
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


RHYTHM = Rhythm()


class Line(NamedTuple):
    """The connection, as far as a subscription needs it. `reconnect` raises Unreachable.

    `open` and `ping` get what to call, from any thread, when there is news.
    """

    open: Callable[[Ring], Feed[object]]
    ping: Callable[[float, Ring], Pending]
    reconnect: Callable[[], None]


def line(client: Client, open: Callable[[Ring], Feed[T]]) -> Line:
    """The line of `client`; `open` opens the subscription, each time that is needed."""
    from kubemqctl.client import connection

    return Line(open, lambda patience, ring: connection.begin_ping(client, patience, ring), client.reconnect)  # type: ignore[arg-type]


class Pulse:
    """Pings now and then, and notices when one is not answered."""

    def __init__(self, line: Line, rhythm: Rhythm, ring: Ring) -> None:
        self.next: float | None = None  # when the next ping is due; monotonic seconds
        self._line = line
        self._rhythm = rhythm
        self._ring = ring
        self._ping: Pending | None = None
        self.answered: float | None = None  # when the last ping was answered

    def feel(self, now: float, alive: bool) -> None:
        """Look after the ping under way, begin one that is due. Raises why the link is dead."""
        if self._ping and self._ping.done():
            ping, self._ping = self._ping, None
            self.next = now + self._rhythm.ping_every
            try:
                ping.result()
            except (Unreachable, TimedOut):
                if not alive:
                    raise
            except KubemqctlError:
                pass  # an answer, if not a good one
            self.answered = now
        elif self.next is not None and now >= self.next:
            self._ping = self._line.ping(self._rhythm.ping_patience, self._ring)
            self.next = None

    def restart(self) -> None:
        """A subscription begins, perhaps on a new connection."""
        self._ping = self.answered = None
        self.next = time.monotonic() + self._rhythm.hush

    def calm(self, now: float) -> None:
        """It is live."""
        if not self._ping:
            self.next = now + self._rhythm.ping_every
