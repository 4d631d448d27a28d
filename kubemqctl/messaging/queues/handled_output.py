"""What a worker prints: the output or the record of each handler, and a line for each that failed."""

from __future__ import annotations

from collections.abc import Callable

from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.handlers.process import to_stderr
from kubemqctl.messaging.queues.decisions import Settlement, after_reject, is_last, name
from kubemqctl.messaging.queues.failing import first_id
from kubemqctl.model.messages import HandledMessage, Received
from kubemqctl.model.values import format_duration
from kubemqctl.runtime.invocation import Invocation

LEAST = 20
"""Columns for what a handler said; a terminal narrower than that has two lines."""


class HandledOutput:
    """What goes to stdout: what handlers print, each whole; or, where the form asks for it, a record each."""

    def __init__(self, run: Invocation) -> None:
        passes = run.form().name in ("raw", "human")
        self._render: Callable[[object], bytes] | None = None if passes else run.renderer(HandledMessage).one

    def of(self, message: Received, run: HandlerOutcome, outcome: str) -> bytes:
        """The bytes to print of `message`; with a record, the handler's own go to stderr at once."""
        if self._render is None:
            return run.stdout
        to_stderr(run.stdout)
        return self._render(HandledMessage(*message, outcome, run.exit_code))


def failure_text(message: Received, failure: str, decision: Settlement | None, width: int = 0) -> str:
    """A message whose handler failed, why, and where it is; `decision` is None where none was confirmed.

    In `width` columns, 0 for no limit, as far as what a handler said can be cut.
    """
    where = f"{name(message._replace(id=first_id(message)))}: ", f"; {_place(message, decision)}"
    room = width - sum(map(len, where))
    if width and len(failure) > room > LEAST:
        failure = failure[: room - 1] + "…"
    return failure.join(where)


def _place(message: Received, decision: Settlement | None) -> str:
    if decision is None:
        return "nothing was confirmed: it returns to its queue"
    if decision.kind == "reject":
        return after_reject(message) if is_last(message) else "rejected"
    if decision.kind == "resend":
        return f"resent to {decision.value}"
    if decision.kind == "retry":
        return f"retried in {format_duration(decision.value)}"
    if decision.kind == "dead-letter":
        return f"it is now in {decision.value}"
    return "given back"
