"""Messages whose handlers have ended, until the server knows what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kubemqctl.hands import Hands, Work
from kubemqctl.intake import PASSING
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.messages import Received
from kubemqctl.settling import OUTCOMES, Decision


class Printed(NamedTuple):
    """A message that was handled; it may be settled once the output is out up to `end`."""

    work: Work
    decision: Decision
    end: int


class Results:
    """Settles in the order in which handlers ended. `refused` hears of what the server would not do.

    With `rejects_last`, what is to be rejected is held until the end, so that it does not come again before.
    """

    def __init__(self, hands: Hands, rejects_last: bool, refused: Callable[[KubemqctlError], None]) -> None:
        self.outcomes = dict.fromkeys(("acked", "rejected", "resent", "returned"), 0)
        self._hands = hands
        self._rejects_last = rejects_last
        self._refused = refused
        self._printed: deque[Printed] = deque()
        self._to_reject: list[Work] = []
        self._done: set[tuple[int, str, int]] = set()

    def __bool__(self) -> bool:
        return bool(self._printed)

    def add(self, work: Work, decision: Decision, end: int) -> None:
        """`work` is to be settled with `decision` once the output is out up to `end`."""
        if self._rejects_last and decision.kind == "reject":
            self._to_reject.append(work)
            self._hands.keep(work)
        else:
            self._printed.append(Printed(work, decision, end))

    def settle(self, taken: int) -> None:
        """Settle what is out. Raises what loses the connection."""
        while self._printed and self._printed[0].end <= taken:
            self.conclude(self._printed[0].work, self._printed[0].decision)
            self._printed.popleft()

    def conclude(self, work: Work, decision: Decision) -> None:
        """Settle one now."""
        try:
            self._hands.settle(work, decision)
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
            self.conclude(work, decision if end <= taken else Decision("return"))
            self._printed.popleft()
        while self._to_reject:
            self.conclude(self._to_reject[0], Decision("reject"))
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

    def ack_if_done(self, work: Work) -> bool:
        """Acknowledge a message that comes again although its handler had ended well; whether it is one."""
        key = _key(work.message)
        if key not in self._done:
            return False
        self.conclude(work, Decision("ack"))
        self._done.discard(key)
        return True


def _key(message: Received) -> tuple[int, str, int]:
    # What a connection took along keeps its sequence; a new message of the same id has another.
    return message.sequence, message.id, message.timestamp
