"""One message under a transaction: taken, held, decided. What the four ways of `queue tx` share.

Whatever happens while a message is held ends in one of three ways: it was decided and the server said so; it
was given back; or it was lost hold of, which is raised. "Acknowledged" is said only after the server said so.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.queues.decisions import OUTCOMES, Outcome, Settlement, after_reject, is_last, name
from kubemqctl.messaging.queues.receive_options import Doubt
from kubemqctl.model.errors import ConnectionLost, KubemqctlError, NothingArrived, TimedOut, Unreachable
from kubemqctl.model.messages import Received
from kubemqctl.runtime.waiting import StopSignal, Wakeup, milliseconds

if TYPE_CHECKING:
    from kubemqctl.client.queues import Depth
    from kubemqctl.client.transaction import Transaction


# One stream waits so long for a message, then the next: on server 2.4.0 a waiting one takes a place of 200.
ROUND = 5
# How much later than we expect the server may tell that a visibility ran out: seconds.
LATE = 2.0


class HoldOptions(NamedTuple):
    """What to take, and for how long. Seconds."""

    channel: str
    visibility: int
    wait: float


class MessageHold:
    """A context manager. What is held when it ends is given back."""

    def __init__(
        self,
        begin: Callable[[Callable[[], None]], Transaction],
        options: HoldOptions,
        stop: StopSignal,
        note: Callable[[str], None],
        warn: Callable[[str], None],
        depth: Callable[[], Depth | None] = lambda: None,
    ) -> None:
        self._begin = begin
        self._options = options
        self._stop = stop
        self._note = note
        self._warn = warn
        self._depth = depth
        self._tx: Transaction | None = None
        self.wakeup = Wakeup()
        self.held: Received | None = None

    def __enter__(self) -> MessageHold:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.held:
                self.give_back()
        finally:
            self._close()
            self.wakeup.close()

    def _close(self) -> None:
        if self._tx:
            self._tx.close()
            self._tx = None

    # --- taking ---

    def take(self) -> Received:
        """Hold the next message. Raises NothingArrived, or Stopped when a signal came first."""
        deadline = time.monotonic() + self._options.wait
        doubt = Doubt(self._depth, self._warn)
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                self.held = self._wait_for_one(min(ROUND, max(1, math.ceil(left))))
                return self.held
            except NothingArrived:
                if time.monotonic() < deadline or not doubt.is_end(0):
                    continue
                raise NothingArrived.on(self._options.channel) from None

    def _wait_for_one(self, wait: int) -> Received:
        self._close()
        self._tx = self._begin(self.wakeup.notify)
        self._tx.receive(self._options.channel, self._options.visibility, wait)
        patience = time.monotonic() + self._options.visibility + wait + LATE
        while True:
            self.wakeup.clear()
            if message := self._tx.look():
                return message
            self._stop.check()
            if time.monotonic() > patience:
                raise TimedOut("the server did not answer", hint="is it overloaded?")
            self._sleep([self._stop.fd], patience)

    # --- holding ---

    def wait(self, fds: Sequence[int] = (), seconds: float = math.inf, stopping: bool = False) -> bool:
        """Wait for one of `fds`, a wake-up or a signal, at most `seconds`; whether one of `fds` is readable.

        Once the caller knows of a signal (`stopping`), it is no news any more.
        Raises what lost hold of the message.
        """
        until = time.monotonic() + seconds
        if self.held and self._tx:
            self._guard(self._look)
            until = min(until, self._tx.visible_until + LATE)
        ready = self._sleep([*fds] if stopping else [*fds, self._stop.fd], until)
        self.wakeup.clear()
        self._guard(self._look)
        return not ready.isdisjoint(fds)

    def _sleep(self, fds: Sequence[int], until: float) -> set[int]:
        poll = select.poll()
        for fd in (*fds, self.wakeup.fd):
            poll.register(fd, select.POLLIN)
        return {fd for fd, _ in poll.poll(milliseconds(until - time.monotonic()))}

    def _look(self) -> None:
        if not self.held or not self._tx:
            return
        self._tx.look()
        if time.monotonic() > self._tx.visible_until + LATE:
            raise TimedOut("the visibility ran out", code="visibility-expired")

    def begin_extending(self, seconds: int) -> None:
        """Hold it for `seconds` more; what comes of it is seen in `wait`."""
        assert self._tx
        self._tx.begin_extending(seconds)

    # --- deciding ---

    def decide(self, decision: Settlement) -> Outcome:
        """Carry out `decision`; when the server refuses it, the message is still held.

        Raises what it is refused for, TimedOut when the visibility ran out, Unreachable.
        """
        held = self.held
        assert held
        if decision.kind == "return":
            return self.give_back()
        self._guard(lambda: self._carry_out(decision), OUTCOMES[decision.kind])
        if decision.kind != "extend":
            self.held = None
        if decision.kind == "reject":
            self._tell(held, "rejected")
        return OUTCOMES[decision.kind]

    def _carry_out(self, decision: Settlement) -> None:
        tx = self._tx
        assert tx
        kind, value = decision
        if kind == "ack":
            tx.ack()
        elif kind == "reject":
            tx.reject()
        elif kind == "extend":
            tx.extend(value)
        elif kind == "resend":
            tx.resend(value)
        else:
            tx.modify(value)

    def give_back(self) -> Outcome:
        """Put it back undecided; on this path that counts as a receive, and the verb says what came of it."""
        held = self.held
        assert held
        try:
            assert self._tx
            self._tx.reject()
        except KubemqctlError:
            # A stream that ends, for whatever reason, gives it back as well.
            self._note(f"{name(held)} returns to its queue when the server notices that this client is gone")
        else:
            self._tell(held, "given back")
        self.held = None
        return "returned"

    def _tell(self, held: Received, what: str) -> None:
        text = f"{name(held)} {what}: {after_reject(held)}"
        (self._warn if is_last(held) and not held.policy.dead_letter else self._note)(text)

    def _guard(self, action: Callable[[], None], deciding: str = "") -> None:
        """`action`, translating what loses hold of the message."""
        held = self.held
        try:
            action()
        except (TimedOut, Unreachable) as e:
            self.held = None
            if held:
                e.message = _lost(held, e, deciding)
                e.hint = ""
            raise


def _lost(held: Received, error: KubemqctlError, deciding: str) -> str:
    """What to say when hold of a message is lost; `deciding` is the outcome that was asked for."""
    if error.code == "visibility-expired":
        late = f" before it was {deciding}" if deciding else ""
        return f"the visibility of {name(held)} ran out{late}: {after_reject(held)}"
    if not deciding:
        return f"{error.message}: {name(held)} was not decided, and returns to its queue"
    doubt = f"it is unknown whether {name(held)} was {deciding}; if not, it returns to its queue"
    if isinstance(error, ConnectionLost):
        return f"{error.message} before the server confirmed: {doubt}"
    return f"{error.message}: {doubt}"
