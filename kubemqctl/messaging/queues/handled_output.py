"""What a worker prints: the output or the record of each handler, and a line for each that failed."""

from __future__ import annotations

from collections.abc import Callable

from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.handlers.process import to_stderr
from kubemqctl.messaging.queues.decisions import Settlement, after_reject, is_last, name
from kubemqctl.model.messages import HandledMessage, Received
from kubemqctl.model.values import format_duration
from kubemqctl.runtime.invocation import Invocation


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


def failure_text(message: Received, failure: str, decision: Settlement | None) -> str:
    """A message whose handler failed, why, and where it is; `decision` is None where none was confirmed."""
    return f"{name(message)}: {failure}; {_place(message, decision)}"


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
