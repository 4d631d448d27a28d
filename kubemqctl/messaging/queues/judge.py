"""Judging the runs of a worker's handlers: what becomes of each message, how many failed, and what is said.

The sums are of messages, not of runs: one that failed and comes again is counted once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.queues.budget import ReceiveBudget
from kubemqctl.messaging.queues.decisions import Settlement
from kubemqctl.messaging.queues.failing import OnFail, first_id
from kubemqctl.messaging.queues.handled_output import failure_text
from kubemqctl.messaging.queues.held_messages import RETURN
from kubemqctl.model.errors import PASSING
from kubemqctl.model.messages import Received
from kubemqctl.output.stderr import FirstFew, is_terminal
from kubemqctl.runtime.invocation import Invocation

MOST_KNOWN = 10_000
"""Messages that are known to have failed before."""


class Judge:
    """`handled` and `failed` count messages; `server_time` gives Unix nanoseconds."""

    def __init__(
        self,
        run: Invocation,
        concurrency: int,
        on_fail: OnFail,
        budget: ReceiveBudget,
        server_time: Callable[[], int],
    ) -> None:
        self.handled = self.failed = 0
        self._run = run
        self._concurrency = concurrency
        self._on_fail = on_fail
        self._budget = budget
        self._server_time = server_time
        self._ahead: int | None = None
        self._again: dict[str, None] = {}
        self._width = max(1, os.get_terminal_size(2).columns - len("warning: ")) if is_terminal(2) else 0
        self._name_failure = FirstFew(run.warn)

    def decide(self, message: Received, outcome: HandlerOutcome) -> Settlement:
        """What is to become of a message, after its handler."""
        if outcome.error or outcome.ending == "stopped":
            return RETURN
        is_known = first_id(message) in self._again
        self.handled += not is_known
        if outcome.ok:
            self._budget.succeeded()
            return Settlement("ack")
        now = self.now() if message.expires_at else 0
        if outcome.retry is not None:
            asked = self._on_fail._replace(settlement=Settlement("retry", (outcome.retry, outcome.retry)))
            decision = asked.decide(message, now)
            self.failed += not is_known and decision.kind != "retry"
            return decision
        self.failed += not is_known
        decision = self._on_fail.decide(message, now)
        if decision.kind != "return" and self._budget.failed(self._concurrency):
            self._run.note("all messages fail: slowing down")
        return decision

    def remember(self, message: Received, decision: Settlement) -> bool:
        """Know `message` when it comes again; whether it had failed before."""
        id = first_id(message)
        is_again = id in self._again
        self._again.pop(id, None)
        if decision.kind in ("retry", "reject"):
            self._again[id] = None
            if len(self._again) > MOST_KNOWN:
                del self._again[next(iter(self._again))]
        return is_again

    def now(self) -> int:
        """The server's time; its clock is asked once, as ours goes on evenly."""
        if self._ahead is None:
            try:
                self._ahead = self._server_time() - time.monotonic_ns()
            except PASSING:
                return time.time_ns()
        return self._ahead + time.monotonic_ns()

    # --- what is said of those that failed ---

    def failure(self, outcome: HandlerOutcome, decision: Settlement) -> str:
        """What went wrong; empty where nothing did, or a handler gets the retry that it asked for."""
        is_granted = outcome.retry is not None and decision.kind == "retry"
        if decision.kind == "ack" or outcome.ending == "stopped" or is_granted:
            return ""
        return outcome.in_short if self._width else outcome.explained

    def name(self, message: Received, failure: str, decision: Settlement | None) -> None:
        """Say it, with what has become of the message; `decision` is None where none was confirmed."""
        self._name_failure(failure_text(message, failure, decision, self._width))

    def name_rest(self) -> None:
        """Say how many were not named."""
        self._name_failure.rest(self._run.warn, "more failed")
