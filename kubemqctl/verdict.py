"""Messages that a handler had: what to do when it fails, and what is printed of each."""

from __future__ import annotations

from collections.abc import Callable

from kubemqctl.messaging.handlers.pool import Outcome
from kubemqctl.messaging.handlers.process import Lines
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import HandledMessage, Received
from kubemqctl.model.text import escaped
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.settling import Decision


def on_fail(text: str | None, channel: str, has_handler: bool) -> Decision:
    """What `--on-fail` asks for, None for the default. Raises UsageError."""
    if text is None or text == "reject":
        _check_handler(text, has_handler)
        return Decision("reject")
    _check_handler(text, has_handler)
    if text == "stop":
        return Decision("return")
    word, _, target = text.partition("=")
    if word != "resend":
        raise UsageError(f"--on-fail takes reject, resend=CHANNEL or stop, not {escaped(text)}")
    check_channel(target)
    if target == channel:
        raise UsageError(
            f"--on-fail resend={target} would bring the message back for ever",
            hint="`--on-fail reject` puts it back and counts",
        )
    return Decision("resend", target)


def check_plain(nul: bool, delimiter: bytes | None, auto_ack: bool = False) -> None:
    """Refuse what has no meaning with a handler."""
    if nul or delimiter is not None:
        raise UsageError("a handler prints what it prints: leave out -0 and --delimiter")
    if auto_ack:
        raise UsageError("--ack auto would not wait for the handler: leave it out")


def _check_handler(text: str | None, has_handler: bool) -> None:
    if text is not None and not has_handler:
        raise UsageError("--on-fail is for a handler", hint="put its command behind --")


class Report:
    """What goes to stdout: what handlers print, each whole; or, where the form asks for it, a record each."""

    def __init__(self, run: Invocation) -> None:
        passes = run.form().name in ("raw", "human")
        self._render: Callable[[object], bytes] | None = None if passes else run.renderer(HandledMessage).one

    def of(self, message: Received, run: Outcome, outcome: str) -> bytes:
        """The bytes to print of `message`; with a record, the handler's own go to stderr at once."""
        if self._render is None:
            return run.stdout
        lines = Lines()
        lines.feed(run.stdout)
        lines.end()
        return self._render(HandledMessage(*message, outcome, run.exit_code))
