"""Answers on their way to those who asked: none waits for another, none is given up while somebody listens.

One that is lost with the connection is sent again until the request's time is over; a server drops the
second of two. One that is too large for a message becomes the answer that says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.answering import Arrived, refusal
from kubemqctl.model.errors import KubemqctlError, NotReady, TimedOut, TooLarge, Unreachable
from kubemqctl.model.messages import Reply

if TYPE_CHECKING:
    from kubemqctl.client.streams import Pending

PAUSE = 0.2
"""Seconds until a lost answer is sent again."""

Send = Callable[[Arrived, Reply, Callable[[], None]], "Pending"]


class Letter(NamedTuple):
    """An answer, and what to tell when it has arrived."""

    came: Arrived
    reply: Reply
    handler_exit: int = 0


Settled = Callable[[Letter, KubemqctlError | None], None]


class Replies:
    """`send` begins to send one and rings when it is gone; `settled` hears of each, once."""

    def __init__(self, send: Send, settled: Settled, ring: Callable[[], None]) -> None:
        self._send = send
        self._settled = settled
        self._ring = ring
        self._sent: list[tuple[Letter, Pending]] = []
        self._again: list[tuple[float, Letter, KubemqctlError]] = []

    @property
    def under_way(self) -> int:
        """How many are not settled."""
        return len(self._sent) + len(self._again)

    @property
    def due(self) -> float | None:
        """When `look` has to send one again, in monotonic seconds."""
        return self._again[0][0] if self._again else None

    def begin(self, letter: Letter) -> None:
        """Send an answer."""
        try:
            self._sent.append((letter, self._send(letter.came, letter.reply, self._ring)))
        except KubemqctlError as e:
            self._failed(letter, e)

    def look(self) -> None:
        """Settle what has been sent, and send again what is due."""
        sent, self._sent = self._sent, []
        for letter, pending in sent:
            if not pending.done():
                self._sent.append((letter, pending))
                continue
            try:
                pending.result()
            except KubemqctlError as e:
                self._failed(letter, e)
            else:
                self._settled(letter, None)
        now = time.monotonic()
        while self._again and self._again[0][0] <= now:
            self.begin(self._again.pop(0)[1])

    def give_up(self) -> None:
        """Settle as lost what is still under way."""
        lost, self._again = self._again, []
        for _, letter, error in lost:
            self._settled(letter, error)
        sent, self._sent = self._sent, []
        for letter, _ in sent:
            self._settled(letter, TimedOut("the server did not take it in time"))

    def _failed(self, letter: Letter, error: KubemqctlError) -> None:
        again = time.monotonic() + PAUSE
        if isinstance(error, TooLarge) and letter.reply.executed:
            self.begin(
                letter._replace(reply=refusal(letter.reply, f"the reply is too large: {error.message}"))
            )
        elif isinstance(error, Unreachable | TimedOut | NotReady) and again < letter.came.expires:
            self._again.append((again, letter, error))
        else:
            self._settled(letter, error)
