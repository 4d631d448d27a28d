"""What to ask a server for, so that messages come the moment they are there, many at a time.

A Get is answered when it is full or its wait is over, so the Fetcher asks for what QueuesInfo says is
there, or for one message where that is not known. Nothing may be unsettled while it asks for more than
one: an answer over the size limit ends the stream, and all that the stream held would come, and be
printed, again.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kubemqctl.model.errors import KubemqctlError, NotReady, TimedOut, TooLarge, Unreachable
from kubemqctl.model.messages import Message, SendResult
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.queues import Depth, Downstream, HeldBatch


LONGEST = 10.0
"""Seconds. A server that goes on longer with such answers is not waited for, and not kept busy by us."""


class Expiring:
    """Since when there have been no other answers; `now` is monotonic seconds."""

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
MOST_AT_ONCE = 5_000
BYTES_AT_ONCE = 8 << 20
# With --ack auto an answer over the size limit (100 MiB) is lost: no more than this is at stake at once.
BYTES_AT_RISK = 64 << 20
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# What a run that follows lives through.
PASSING = (Unreachable, NotReady, TimedOut)


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

    @property
    def may_be_empty(self) -> bool:
        """Whether nothing at all is a good result."""
        return self.everything or self.follow or self.lasting is not None


class QueueCalls(NamedTuple):
    """Where messages come from: calls of the client.

    `depth` gives None when there is no telling. `look` waits a second for a message to show; whether one did.
    """

    open: Callable[[], Downstream]
    depth: Callable[[], Depth | None]
    reconnect: Callable[[], None]
    look: Callable[[], bool] = lambda: False


class Settler(Protocol):
    """Who has the messages until they are settled."""

    @property
    def is_late(self) -> bool:
        """Whether messages may stay unsettled for long."""

    def settle(self) -> None:
        """Settle what can be settled now; raises what ends the run."""

    def all_settled(self) -> bool:
        """Whether nothing is unsettled, after waiting a moment for it."""

    def forget(self) -> None:
        """The connection is gone, and with it every transaction."""


class Fetcher:
    """A run of Gets. `down` is the stream in use: settle on it."""

    def __init__(
        self, calls: QueueCalls, options: ReceiveOptions, stop: StopSignal, note: Callable[[str], None]
    ) -> None:
        self._calls = calls
        self._options = options
        self._stop = stop
        self._note = note
        self._most = MOST_AT_ONCE
        self._left = options.most
        self._last_sequence: int | None = None
        self._pause = SHORTEST_PAUSE
        self._looked = False
        self._came = False
        self._over = False
        self.down = calls.open()

    def rounds(self, holder: Settler) -> Iterator[HeldBatch]:
        """Transactions with at least one message, settled as they go; ends when there is no more to take."""
        self._began = self._quiet_since = time.monotonic()
        if self._options.everything:
            self._bound(self._calls.depth())
        while not self._stop and not self._over and self._left != 0 and self._time_left() > 0:
            try:
                holder.settle()
                held = self._take(holder)
            except PASSING as e:
                self._regain(e, holder)
                continue
            if held is None or not held.messages:
                continue
            self._came, self._looked = True, False
            if self._left is not None:
                self._left -= len(held.messages)
            yield held
            # Not before: a reader may have taken longer over it than silence is allowed to last.
            self._quiet_since = time.monotonic()

    def _bound(self, depth: Depth | None) -> None:
        """What waits now is all that is wanted."""
        if depth is not None and depth.is_sure:
            self._left, self._last_sequence = depth.waiting, depth.last_sequence

    def _time_left(self) -> float:
        options, now = self._options, time.monotonic()
        patience = options.idle if self._came else options.wait
        silence = math.inf if patience is None else self._quiet_since + patience
        end = math.inf if options.lasting is None else self._began + options.lasting
        return min(silence, end) - now

    # --- one Get ---

    def _take(self, holder: Settler) -> HeldBatch | None:
        """The next messages; None when it has to be asked in another way, or there is nothing to ask for."""
        ask = self._how_many(holder)
        if not ask:
            self._over = True
            return None
        try:
            held = self._get(ask)
        except TooLarge:
            if ask == 1:
                raise
            self._most = ask // 2
            self._quiet_since = time.monotonic()
            self.down.close_stream()
            self.down = self._calls.open()
            return None
        if ask == self._most:
            self._most = min(self._most * 2, MOST_AT_ONCE)
        # Until it is settled, a Get that was not filled goes on taking what comes, for nobody.
        if holder.is_late and 0 < len(held.messages) < ask:
            held = self._again(held, len(held.messages))
        return self._without_newer(held)

    def _how_many(self, holder: Settler) -> int:
        """As many as are there, so that the answer comes at once; one where none is known to be; 0 to end."""
        want = self._most if self._left is None else min(self._left, self._most)
        if (want == 1 and not self._options.everything) or not holder.all_settled():
            return 1
        depth = self._calls.depth()
        if depth is None or (self._options.auto_ack and depth.bytes > BYTES_AT_RISK):
            return 1
        if self._options.everything and depth.is_sure and not depth.waiting:
            return 0
        return max(1, min(want, depth.waiting, BYTES_AT_ONCE // max(1, depth.size)))

    def _get(self, ask: int) -> HeldBatch:
        began = time.monotonic()
        held = self.down.get(
            self._options.channel, ask, min(self._time_left(), ROUND), self._options.auto_ack
        )
        self._pause = SHORTEST_PAUSE
        if not held.messages and time.monotonic() - began < ROUND * 0.9:
            self._empty_at_once()
        return held

    def _empty_at_once(self) -> None:
        """Expired messages fill a Get too. A peek takes all of them out of the way, up to one that has not.

        Where it finds one, the silence begins anew; but once only, whatever a strange server says.
        """
        if self._calls.look() and not self._looked:
            self._looked = True
            self._quiet_since = time.monotonic()
        else:
            self._stop.wait(SHORTEST_PAUSE)

    def _again(self, held: HeldBatch, ask: int) -> HeldBatch:
        """Give `held` back and take its first `ask` messages, so that they fill their transaction."""
        if self._options.auto_ack:
            return held
        self.down.close(held)
        self.down.barrier(held)
        return self._get(ask) if ask else held._replace(messages=[])

    def _without_newer(self, held: HeldBatch) -> HeldBatch:
        """Under --all: `held` without what came after the run began, which others may have at once."""
        last = self._last_sequence
        if last is None or self._options.auto_ack:
            return held
        while newer := sum(m.sequence > last for m in held.messages):
            self._over = True
            held = self._again(held, len(held.messages) - newer)
        return held

    # --- a lost connection ---

    def _regain(self, error: KubemqctlError, holder: Settler) -> None:
        """Connect again, as long as the run may last, with growing pauses; only when following."""
        if not self._options.follow:
            raise error
        holder.forget()
        self._note(f"{error.message}; trying again")
        while not self._stop:
            if (left := self._time_left()) <= 0:
                raise error
            self._stop.wait(min(left, self._pause * random.uniform(0.5, 1.5)))
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            holder.settle()
            try:
                self._calls.reconnect()
                self.down = self._calls.open()
            except PASSING:
                continue
            self._note("connected again")
            return


SHORTEST_PEEK = 1.0


def printer_calls(client: Client, channel: str) -> QueueCalls:
    from kubemqctl.client import connection, queues

    def reconnect() -> None:
        client.reconnect()
        connection.ping(client)

    def look() -> bool:
        try:
            return bool(queues.peek(client, channel, 1, SHORTEST_PEEK))
        except TimedOut:
            # Server 2.4.0 lets it wait until other consumers of the queue have waited.
            return False

    return QueueCalls(lambda: queues.Downstream(client), queues.Gauge(client, channel).read, reconnect, look)


class MoveCalls(NamedTuple):
    """Calls of the client. `send` gives a result a message, in order; `mended` counts changed answers.

    `now` is the time of the server that the messages come from, in Unix nanoseconds.
    """

    open: Callable[[], Downstream]
    depth: Callable[[], Depth | None]
    send: Callable[[Sequence[Message]], Sequence[SendResult]]
    now: Callable[[], int]
    mended: Callable[[], int] = lambda: 0


def move_calls(client: Client, source: str) -> MoveCalls:
    """The calls of `client` that move messages from the queue `source`."""
    from kubemqctl.client import connection, queues

    return MoveCalls(
        lambda: queues.Downstream(client),
        queues.Gauge(client, source).read,
        lambda messages: queues.batch(client, messages)().results(),
        lambda: connection.server_time(client),
        lambda: client.mended,
    )
