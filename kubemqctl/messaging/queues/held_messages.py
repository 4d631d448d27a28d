"""Messages that are being worked on, one a transaction, and their settling once a handler has ended.

QueuesDownstream holds a message without a visibility timer and gives it back uncounted and in its place
when this end goes away, so a slow handler needs nothing from us. A waiting Get keeps back every other
request of its stream: it has one for itself, and what it brings stays there until it is settled.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.queues.decisions import OUTCOMES, Settlement
from kubemqctl.messaging.queues.fetch import PASSING, ROUND
from kubemqctl.model.errors import KubemqctlError, Partial, TimedOut
from kubemqctl.model.messages import Received

if TYPE_CHECKING:
    from kubemqctl.client.queues import Downstream, HeldBatch


# What an answer may take beyond the wait that was asked for: seconds.
PATIENCE = 30.0


class HeldMessage(NamedTuple):
    """A message, and the transaction that holds it."""

    message: Received
    held: HeldBatch
    down: Downstream


class HeldMessages:
    """Takes and settles. Whatever it raises, `drop` is the way on: the server gives back what was held."""

    def __init__(self, open_: Callable[[], Downstream], channel: str) -> None:
        self._open = open_
        self._channel = channel
        self._free: list[Downstream] = []
        self._open_streams: list[Downstream] = []
        self._asking: Downstream | None = None
        self._asked_at = 0.0
        self._wait = 0.0

    @property
    def asking(self) -> bool:
        """Whether a Get is under way."""
        return self._asking is not None

    def ask(self, wait: float) -> None:
        """Begin to wait for a message, for a round at most (seconds)."""
        if self._free:
            down = self._free.pop()
        else:
            down = self._open()
            self._open_streams.append(down)
        self._asking, self._asked_at, self._wait = down, time.monotonic(), min(wait, ROUND)
        down.begin_get(self._channel, 1, self._wait)

    def got(self) -> HeldMessage | float | None:
        """What the Get has brought: a message, or after how many seconds it came back empty.

        None when it has not come back. Raises what ended any stream.
        """
        for stream in self._open_streams:
            if stream is not self._asking:
                stream.look()
        down = self._asking
        if down is None:
            return None
        waited = time.monotonic() - self._asked_at
        held = down.got(self._channel)
        if held is None:
            if waited > self._wait + PATIENCE:
                raise TimedOut("the server does not answer")
            return None
        self._asking = None
        if held.messages:
            return HeldMessage(held.messages[0], held, down)
        self._free.append(down)
        return waited

    def settle(self, work: HeldMessage, decision: Settlement) -> None:
        """Carry out `decision`, and wait until the server has.

        Raises Partial when it refused to; the message is given back then.
        """
        message, held, down = work
        kind, target = decision
        if kind == "ack":
            down.ack(held, [message.sequence])
        elif kind == "reject":
            down.reject(held, [message.sequence])
        elif kind == "resend":
            down.resend(held, [message.sequence], target)
        else:
            down.close(held)
        try:
            if down.barrier(held):
                raise Partial("the server did not settle a message", code="not-settled")
        except Partial:
            down.close(held)
            down.barrier(held)
            raise
        finally:
            self._free.append(down)

    def keep(self, work: HeldMessage) -> None:
        """Let it be held until the end, and use its stream for others."""
        self._free.append(work.down)

    def drop(self) -> None:
        """End all streams: what they hold goes back."""
        for down in self._open_streams:
            down.close_stream()
        self._open_streams.clear()
        self._free.clear()
        self._asking = None


class HandledMessageOutput(NamedTuple):
    """A message that was handled; it may be settled once the output is out up to `end`."""

    work: HeldMessage
    decision: Settlement
    end: int


class SettlementQueue:
    """Settles in the order in which handlers ended. `refused` hears of what the server would not do.

    With `rejects_last`, what is to be rejected is held until the end, so that it does not come again before.
    """

    def __init__(
        self, held_messages: HeldMessages, rejects_last: bool, refused: Callable[[KubemqctlError], None]
    ) -> None:
        self.outcomes = dict.fromkeys(("acked", "rejected", "resent", "returned"), 0)
        self._held_messages = held_messages
        self._rejects_last = rejects_last
        self._refused = refused
        self._printed: deque[HandledMessageOutput] = deque()
        self._to_reject: list[HeldMessage] = []
        self._done: set[tuple[int, str, int]] = set()

    def __bool__(self) -> bool:
        return bool(self._printed)

    def add(self, work: HeldMessage, decision: Settlement, end: int) -> None:
        """`work` is to be settled with `decision` once the output is out up to `end`."""
        if self._rejects_last and decision.kind == "reject":
            self._to_reject.append(work)
            self._held_messages.keep(work)
        else:
            self._printed.append(HandledMessageOutput(work, decision, end))

    def settle(self, taken: int) -> None:
        """Settle what is out. Raises what loses the connection."""
        while self._printed and self._printed[0].end <= taken:
            self.conclude(self._printed[0].work, self._printed[0].decision)
            self._printed.popleft()

    def conclude(self, work: HeldMessage, decision: Settlement) -> None:
        """Settle one now."""
        try:
            self._held_messages.settle(work, decision)
        except PASSING:
            raise
        except KubemqctlError as e:
            self._refused(e)
        else:
            self.outcomes[OUTCOMES[decision.kind]] += 1

    def finish(self, taken: int) -> None:
        """The run is over: settle what is out, give back what is not."""
        while self._printed:
            work, decision, end = self._printed[0]
            self.conclude(work, decision if end <= taken else Settlement("return"))
            self._printed.popleft()
        while self._to_reject:
            self.conclude(self._to_reject[0], Settlement("reject"))
            self._to_reject.pop(0)

    # --- after a lost connection ---

    def forget(self) -> None:
        """All that was held has gone back, and comes again; what ran well is remembered."""
        for work, decision, _ in self._printed:
            if decision.kind == "ack":
                self.remember(work.message)
        self._printed.clear()
        self._to_reject.clear()

    @property
    def unconfirmed(self) -> int:
        """How many were handled well and have not come again to be acknowledged."""
        return len(self._done)

    def remember(self, message: Received) -> None:
        """Its handler ended well, but it was not held any more."""
        self._done.add(_key(message))

    def ack_if_done(self, work: HeldMessage) -> bool:
        """Acknowledge a message that comes again although its handler had ended well; whether it is one."""
        key = _key(work.message)
        if key not in self._done:
            return False
        self.conclude(work, Settlement("ack"))
        self._done.discard(key)
        return True


def _key(message: Received) -> tuple[int, str, int]:
    # What a connection took along keeps its sequence; a new message of the same id has another.
    return message.sequence, message.id, message.timestamp
