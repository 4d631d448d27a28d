"""What to ask a server for, so that messages come the moment they are there, many at a time.

A Get is answered when it is full or its wait is over, so the Fetcher asks for what QueuesInfo says is
there, or for one message where that is not known. While anything is unsettled it asks for more than one on
a stream of its own: an answer over the size limit ends a stream, and all that this held would come, and be
printed, again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from kubemqctl.messaging.queues.patience import Patience
from kubemqctl.messaging.queues.receive_options import (
    BYTES_AT_ONCE,
    LONGEST_PAUSE,
    MOST_AT_ONCE,
    ROUND,
    SHORTEST_PAUSE,
    Expiring,
    QueueCalls,
    ReceiveOptions,
    missing,
    not_given,
    round_for,
)
from kubemqctl.messaging.recovery import Say
from kubemqctl.model.errors import PASSING, ConnectionLost, KubemqctlError, TimedOut, TooLarge
from kubemqctl.model.messages import Received
from kubemqctl.runtime.waiting import Backoff, StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.queues import Depth, Downstream, HeldBatch


# With --ack auto an answer over the size limit (100 MiB) is lost: no more than this is at stake at once.
BYTES_AT_RISK = 64 << 20
# A lost connection may take so long to come back, also where silence may not: seconds.
REGAIN = 30.0
# For a reader that is slow with what many Gets have brought: each further stream costs a thread.
MOST_STREAMS = 3
# Of a queue whose first messages have expired so many are asked for: those do not come, but count.
MOST_EXPIRED = 100_000


class Settler(Protocol):
    """Who has the messages until they are settled: `held` of them, for long where that `is_late`."""

    @property
    def is_late(self) -> bool: ...

    @property
    def held(self) -> int: ...

    def settle(self) -> None:
        """Settle what can be settled now; raises what ends the run."""

    def settle_soon(self) -> None:
        """Settle what the reader of the output takes within a moment."""

    def forget(self) -> None:
        """The connection is gone, and with it every transaction."""


class LinkBudget:
    """How many bytes to ask for at once: what the link has shown to deliver within a second or so."""

    FIRST, LEAST = 256 << 10, 16 << 10
    # Where an answer takes so few seconds more at once gains nothing, and costs five times its memory.
    NEAR, ENOUGH = 0.2, 2 << 20

    def __init__(self) -> None:
        self._bytes = float(self.FIRST)
        self._size = 0

    def count(self, size: int) -> int:
        """How many messages that is, of `size` bytes as the server tells, or as great as the last were."""
        return max(1, int(self._bytes // max(1, size, self._size)))

    def saw(self, messages: list[Received], asked: int, seconds: float) -> None:
        """An answer has come, after so long."""
        total = sum(len(m.body) for m in messages)
        self._size = total // max(1, len(messages))
        if len(messages) < asked:
            return  # the server waited for more: that says nothing of the link
        delivered = total / max(seconds, 0.001)
        if seconds > ROUND:
            self._bytes = max(self.LEAST, min(self._bytes, delivered))
        else:
            # What came quickly may be little for other reasons.
            bound = BYTES_AT_ONCE if seconds < ROUND / 4 else delivered
            most = BYTES_AT_ONCE if seconds > self.NEAR else self.ENOUGH
            self._bytes = max(self._bytes, min(self._bytes * 4, bound, most))


class Fetcher:
    """A run of Gets. `down` is the stream of the last one: settle on it."""

    def __init__(self, calls: QueueCalls, options: ReceiveOptions, stop: StopSignal, say: Say) -> None:
        self._calls = calls
        self._options = options
        self._stop = stop
        self._say = say
        self._patience = Patience(options)
        self._link = LinkBudget()
        self._most = MOST_AT_ONCE
        self._left = options.most
        self._last_sequence: int | None = None
        self._newer = 0  # messages that the last answer had, and that are not wanted
        self._backoff = Backoff(SHORTEST_PAUSE, LONGEST_PAUSE)
        self._trouble_since: float | None = None
        self._unseen = 0  # bytes of what waits, where that is known
        self._expired: Expiring | None = None
        self._waited = math.inf
        self._skim = MOST_EXPIRED
        self._round = ROUND
        self._over = False
        self.lost = 0
        """With --ack auto: how many messages the server may have acknowledged that did not arrive."""
        self._older: list[Downstream] = []
        self.down = calls.open()

    def close(self) -> None:
        """End every stream; what they hold goes back."""
        for down in (*self._older, self.down):
            down.close_stream()
        self._older.clear()

    def rounds(self, holder: Settler) -> Iterator[HeldBatch]:
        """Transactions with at least one message, settled as they go; ends when there is no more to take."""
        bounded = not self._options.everything
        while not (self._stop or self._over or self._left == 0 or self._patience.time_is_up):
            try:
                if not bounded:
                    bounded = self._bound(self._calls.depth(), 0)
                holder.settle()
                held = self._take(holder)
                if not bounded and held:
                    bounded = self._bound(self._calls.depth(), len(held.messages))
            except PASSING as e:
                self._regain(e, holder)
                continue
            if held is None or not held.messages:
                continue
            self._expired = None
            self._patience.came()
            if self._unseen > 0:
                self._unseen -= sum(len(m.body) for m in held.messages)
            if self._left is not None:
                self._left = max(0, self._left - len(held.messages))
            yield held

    def _bound(self, depth: Depth | None, taken: int) -> bool:
        """What waits now, and what was `taken`, is all that is wanted; whether the server could tell."""
        if depth is None:
            return False  # perhaps later: a queue is there once something has come of it
        if depth.is_sure:
            # That there is nothing is for a Get to say.
            self._left = max(depth.waiting, taken) or None
            self._unseen = depth.bytes if depth.is_clean else 0
            self._last_sequence = depth.last_sequence
        return True

    # --- one Get ---

    def _take(self, holder: Settler) -> HeldBatch | None:
        """The next messages; None when it has to be asked in another way, or there is nothing to ask for."""
        if self._patience.is_exhausted and self._is_end(holder):
            self._over = True
            return None
        ask = self._how_many(holder)
        if not ask:
            self._over = True
            return None
        self._choose_stream(ask, holder)
        try:
            held = self._get(ask)
        except TooLarge:
            if ask == 1:
                raise
            self._most = self._skim = ask // 2
            self.down.close_stream()
            self.down = self._calls.open()
            return None
        if ask == self._most:
            self._most = min(self._most * 2, MOST_AT_ONCE)
        if self._options.auto_ack:
            return held
        held = self._without_newer(held)
        came = len(held.messages)
        wanted = came if self._left is None else min(came, self._left)
        # Until it is settled, a Get that was not filled goes on taking what comes, for nobody.
        if wanted < came or (holder.is_late and 0 < wanted < ask):
            held = self._without_newer(self._again(held, wanted))
        # What is still more than was asked for goes back when the stream ends.
        return held if self._left is None else held._replace(messages=held.messages[: self._left])

    def _is_end(self, holder: Settler) -> bool:
        """Whether the silence is believed: not while the server counts more than we hold, for a while."""
        left = missing(self._calls.depth(), holder.held + self._newer)
        if self._options.everything and self._left is not None:
            left = min(left, self._left)
        if left <= 0:
            return True
        if self._patience.is_beyond:
            self._say.warn(not_given(left))
        return self._patience.is_beyond

    def _how_many(self, holder: Settler) -> int:
        """As many as are there, so that the answer comes at once; one where none is known to be; 0 to end."""
        self._round = ROUND
        # Behind newer messages there may be older ones: all that waits tells.
        want = self._most if self._left is None or self._newer else min(self._left, self._most)
        skims = self._expired is not None and not self._options.auto_ack
        if want == 1 and not self._options.everything and not skims:
            return 1
        holder.settle_soon()
        depth = self._calls.depth()
        if depth is None or (self._options.auto_ack and depth.bytes > BYTES_AT_RISK):
            return 1
        waiting = depth.waiting - holder.held
        if self._options.everything and depth.is_sure and waiting <= self._newer:
            return 0 if self._patience.answered else 1
        if holder.held and len(self._older) >= MOST_STREAMS:
            return 1
        if skims:
            return max(1, min(waiting, self._skim))
        # What was not seen yet may be greater than what was, and an answer that does not fit is in vain.
        size = max(depth.size, self._unseen // (self._left or 1))
        ask = max(1, min(want, waiting, self._link.count(size)))
        self._round = round_for(ask, size if waiting > 0 else 0)
        return ask

    def _choose_stream(self, ask: int, holder: Settler) -> None:
        """A stream for a Get of so many; those that hold nothing any more are ended."""
        if not holder.held:
            while self._older:
                self._older.pop().close_stream()
        elif ask > 1:
            self._older.append(self.down)
            self.down = self._calls.open()

    def _get(self, ask: int) -> HeldBatch:
        options, patience = self._options, self._patience
        patience.asks()
        began, wait = time.monotonic(), self._round if self._round > ROUND else min(patience.left, ROUND)
        try:
            held = self.down.get(options.channel, ask, wait, options.auto_ack)
        except (ConnectionLost, TimedOut, TooLarge):
            # Also where nothing was known to be there: something may have come just then.
            self.lost += ask if options.auto_ack else 0
            raise
        took = time.monotonic() - began
        self._there_again()
        if held.messages:
            self._link.saw(held.messages, ask, took)
        elif took < self._round * 0.9:
            self._empty_at_once(took)
        else:
            patience.was_empty(max(took, ROUND))
        return held

    def _empty_at_once(self, took: float) -> None:
        """Expired messages fill a Get too: the next is for all that are there, of which the rest goes back.

        That is no silence as long as they become fewer. With --ack auto nothing can go back: there a peek
        takes them out of the way, up to one that has not expired.
        """
        self._expired = self._expired or Expiring()
        depth = self._calls.depth()
        before, self._waited = self._waited, depth.waiting if depth else 0
        if 0 < self._waited < before and not self._expired.is_too_long(time.monotonic()):
            if self._options.auto_ack:
                self._calls.look()
            return
        self._stop.wait(SHORTEST_PAUSE)
        self._patience.was_empty(took + SHORTEST_PAUSE)

    def _again(self, held: HeldBatch, ask: int) -> HeldBatch:
        """Give `held` back and take its first `ask` messages, so that they fill their transaction."""
        self.down.close(held)
        self.down.barrier(held)
        return self._get(ask) if ask else held._replace(messages=[])

    def _without_newer(self, held: HeldBatch) -> HeldBatch:
        """Under --all: `held` without what came after the run began, which others may have at once.

        Servers may give that first while others settle what is older.
        """
        last = self._last_sequence
        if last is None:
            return held
        self._newer = 0
        while newer := sum(m.sequence > last for m in held.messages):
            self._newer = newer
            held = self._again(held, len(held.messages) - newer)
        if self._newer and not held.messages:
            self._stop.wait(SHORTEST_PAUSE)
            self._patience.was_empty(SHORTEST_PAUSE)
        return held

    # --- a lost connection ---

    def _regain(self, error: KubemqctlError, holder: Settler) -> None:
        """Connect again, as long as the run may last, with growing pauses; only when following."""
        if not self._options.follow or self._stop:
            raise error
        holder.forget()
        if self._trouble_since is None:
            self._trouble_since = time.monotonic()
            self._say.note(f"{error.message}; trying again")
        while not self._stop:
            if time.monotonic() > self._trouble_since + max(self._patience.left, REGAIN):
                raise error
            self._stop.wait(min(self._backoff.pause(), self._patience.time_left))
            holder.settle()
            if self._patience.time_left <= 0:
                raise error
            try:
                self._calls.reconnect()
                self.close()
                self.down = self._calls.open()
            except PASSING:
                continue
            return

    def _there_again(self) -> None:
        """A Get was answered. A server that takes connections alone is not there."""
        if self._trouble_since is not None:
            self._trouble_since = None
            self._backoff.reset()
            self._say.note("connected again")
