"""Messages that are being worked on, one a transaction, so that each is settled when its handler ends.

QueuesDownstream holds a message without a visibility timer and gives it back uncounted and in its place when
this end goes away, so a slow handler needs nothing from us. A waiting Get keeps back every other request of
its stream: it has one for itself, and what it brings stays there until it is settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.intake import ROUND
from kubemqctl.model.errors import Partial, TimedOut
from kubemqctl.model.messages import Received
from kubemqctl.settling import Decision

if TYPE_CHECKING:
    from kubemqctl.client.queues import Downstream, Held

# What an answer may take beyond the wait that was asked for: seconds.
PATIENCE = 30.0


class Work(NamedTuple):
    """A message, and the transaction that holds it."""

    message: Received
    held: Held
    down: Downstream


class Hands:
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

    def got(self) -> Work | float | None:
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
            return Work(held.messages[0], held, down)
        self._free.append(down)
        return waited

    def settle(self, work: Work, decision: Decision) -> None:
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

    def keep(self, work: Work) -> None:
        """Let it be held until the end, and use its stream for others."""
        self._free.append(work.down)

    def drop(self) -> None:
        """End all streams: what they hold goes back."""
        for down in self._open_streams:
            down.close_stream()
        self._open_streams.clear()
        self._free.clear()
        self._asking = None
