"""What a run that receives may take, the client calls that it takes with, and limits of all receivers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.model.errors import NothingArrived, TimedOut
from kubemqctl.model.text import count_text

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.queues import Depth, Downstream


LONGEST = 10.0
"""Seconds. A server that goes on longer with empty answers that come at once, as expired messages make them,
is not waited for, and not kept busy by us."""


class Expiring:
    """Since when all answers have come empty and at once; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._since: float | None = None

    def is_too_long(self, now: float) -> bool:
        """One more; whether it has been so for too long."""
        if self._since is None:
            self._since = now
        return now - self._since >= LONGEST

    def ended(self) -> None:
        """Another answer came."""
        self._since = None


# Seconds that one Get waits: servers wait at least one, and a stream must not end before its Get has
# answered, so this is also how long a first Ctrl-C may take.
ROUND = 1.0
# A message of so many bytes is great, and a server comes up with so many a second.
GREAT, SLOWEST_SERVER = 1 << 20, 5e6
# Of a Get: the more, the fewer round trips; beyond 5,000 nothing is gained. A move takes 500, as a crash may
# double what it has under way.
MOST_AT_ONCE = 5_000
BYTES_AT_ONCE = 8 << 20
# Where what is held hides other messages, one Get is for all that waits. An answer takes 100 MiB.
MOST_TO_HOLD, BYTES_TO_HOLD = 100_000, 64 << 20
# How much is written in one go: a signal is looked for in between.
BYTES_IN_A_PIECE = 64 << 10
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


class ReceiveOptions(NamedTuple):
    """What to take. Seconds; None for no limit.

    `wait` is until the first message, `idle` since the last one, `lasting` in all.
    """

    channel: str
    most: int | None = 1
    everything: bool = False
    follow: bool = False
    wait: float | None = 1.0
    idle: float | None = 1.0
    lasting: float | None = None
    auto_ack: bool = False
    is_counted: bool = False
    """Whether a number of messages was asked for."""

    @property
    def may_be_empty(self) -> bool:
        """Whether nothing at all is a good result: all was looked at, or time ended a run without a count."""
        return self.everything or (not self.is_counted and (self.follow or self.lasting is not None))

    def nothing(self) -> NothingArrived:
        """What to end with when nothing came."""
        how = "--wait 30s"
        if self.follow or self.lasting is not None:
            how = "--for" if self.lasting is not None else "--idle"
            how = f"a longer {how}"
        return NothingArrived(f"nothing arrived on {self.channel}", hint=f"to wait longer: {how}")


class QueueCalls(NamedTuple):
    """Where messages come from: calls of the client.

    `depth` gives None when there is no telling. `look` waits a second for a message to show; whether one did.
    """

    open: Callable[[], Downstream]
    depth: Callable[[], Depth | None]
    reconnect: Callable[[], None]
    look: Callable[[], bool]


def round_for(ask: int, size: int) -> float:
    """Seconds for a Get of `ask` messages of about `size` bytes.

    A busy server may take longer than a round to come up with a single great one.
    """
    return ROUND + size / SLOWEST_SERVER if ask == 1 and size > GREAT else ROUND


def not_given(count: int) -> str:
    """What to say at the end of messages that the server counts and has not given, when asked again."""
    what = count_text(count, "more message")
    return f"the server counts {what} and gives none: others hold them, or they have expired"


def missing(depth: Depth | None, held: int) -> int:
    """How many messages the server counts beyond the `held` ones; 0 where there is no telling.

    To be asked behind an answer from the queue. There is one of that name then, and a server that shows its
    name otherwise shows two of the other name, if there is such a queue: figures of one are this one's.
    """
    return depth.waiting - held if depth else 0


class Doubt:
    """An empty answer is asked for once more while the server counts more than we have; then that is said."""

    def __init__(self, depth: Callable[[], Depth | None], warn: Callable[[str], None]) -> None:
        self._depth = depth
        self._warn = warn
        self._was_empty = False

    def is_end(self, held: int) -> bool:
        """Whether an empty answer is the end; so many messages are `held`."""
        left = missing(self._depth(), held)
        if left > 0 and not self._was_empty:
            self._was_empty = True
            return False
        if left > 0:
            self._warn(not_given(left))
        return True


SHORTEST_PEEK = 1.0


def printer_calls(client: Client, channel: str, only_bodies: bool = False) -> QueueCalls:
    """Those of `client`; with `only_bodies` messages have body and sequence alone."""
    from kubemqctl.client import connection, queues

    def look() -> bool:
        try:
            return bool(queues.peek(client, channel, 1, SHORTEST_PEEK))
        except TimedOut:
            # Server 2.4.0 lets it wait until other consumers of the queue have waited.
            return False

    return QueueCalls(
        lambda: queues.Downstream(client, only_bodies=only_bodies),
        queues.Gauge(client, channel).read,
        partial(connection.reconnect, client),
        look,
    )
