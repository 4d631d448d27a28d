"""What handlers have decided about messages, until the server has confirmed it.

A message is settled when what is printed of it is out, in the order in which handlers ended. Nothing is
said to have become of it before the server has said so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kubemqctl.messaging.queues.decisions import OUTCOMES
from kubemqctl.messaging.queues.failing import SENT_ON
from kubemqctl.messaging.queues.forwarding import Forwarder
from kubemqctl.messaging.queues.held_messages import RETURN, TO_OTHERS, Concluded, HeldMessage, HeldMessages
from kubemqctl.model.messages import Received


class SettlementQueue:
    """`concluded` hears of each message once the server has answered."""

    def __init__(
        self, held_messages: HeldMessages, forwarder: Forwarder, concluded: Callable[[Concluded], None]
    ) -> None:
        known = ("acked", "rejected", "retried", "resent", "dead-lettered", "returned")
        self.outcomes = dict.fromkeys(known, 0)
        self._held_messages = held_messages
        self._forwarder = forwarder
        self._concluded = concluded
        self._printed: deque[HeldMessage] = deque()
        self._done: set[tuple[int, str, int]] = set()

    def __len__(self) -> int:
        """How many wait for their output to be out, or their copy to be taken."""
        return len(self._printed) + len(self._forwarder)

    @property
    def is_busy(self) -> bool:
        """Whether anything that was decided is not concluded yet."""
        return bool(self) or self._held_messages.settling

    def add(self, work: HeldMessage) -> None:
        """Carry out the decision about `work` once the output is out up to its `end`."""
        self._printed.append(work)

    def settle(self, taken: int) -> None:
        """Settle what is out, and see what is concluded. Raises what loses the connection."""
        while self._printed and self._printed[0].end <= taken:
            self._carry_out(self._printed.popleft())
        self.look()

    def _carry_out(self, work: HeldMessage) -> None:
        if work.decision.kind in SENT_ON:
            self._forwarder.add(work)
        else:
            self._held_messages.settle(work)

    def look(self) -> None:
        """Send what is decided, and hear what is concluded."""
        for work, error in self._forwarder.look():
            if error:
                work.decision = RETURN
                self._concluded(Concluded(work, error))
                work.failure = ""
            self._held_messages.settle(work)
        for concluded in self._held_messages.look():
            work = concluded.work
            is_again = work.is_again and work.decision.kind in ("retry", "reject")
            if not (concluded.error or is_again or work.decision == TO_OTHERS):
                self.outcomes[OUTCOMES[work.decision.kind]] += 1
            self._concluded(concluded)

    def settle_rest(self, taken: int) -> None:
        """The run is over: settle what is out, give back what is not."""
        while self._printed:
            work = self._printed.popleft()
            if work.end > taken:
                work.decision = RETURN
            self._carry_out(work)

    # --- after a lost connection ---

    def drop(self) -> list[HeldMessage]:
        """All that was held has gone back, and comes again; what ran well is remembered.

        Returns the others about which something was decided.
        """
        others = [work for work in self._printed if work.decision.kind != "ack"] + self._forwarder.drop()
        done = [work for work in self._printed if work.decision.kind == "ack"]
        for work in self._held_messages.drop():
            # Of what was sent on, the copy has been taken.
            (done if work.decision.kind in ("ack", *SENT_ON) else others).append(work)
        for work in done:
            self.remember(work.message)
        self._printed.clear()
        return others

    @property
    def unconfirmed(self) -> int:
        """How many were handled well and have not come again to be acknowledged."""
        return len(self._done)

    def remember(self, message: Received) -> None:
        """Its handler ended well, but it was not held any more."""
        self._done.add(_key(message))

    def is_done(self, message: Received) -> bool:
        """Whether a message comes again although its handler had ended well; true once for each."""
        key = _key(message)
        if key not in self._done:
            return False
        self._done.discard(key)
        return True


def _key(message: Received) -> tuple[int, str, int]:
    # What a connection took along keeps its sequence; a new message of the same id has another.
    return message.sequence, message.id, message.timestamp
