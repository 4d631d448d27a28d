"""What became of the messages of a run: counted, and turned into the one way that the run ends."""

from __future__ import annotations

from kubemqctl.model.errors import KubemqctlError, Partial, TimedOut, UsageError
from kubemqctl.model.text import count_text


class Tally:
    """The fates of a run's messages.

    `bad` counts lines that are no messages, `last_line` is the last one that was dealt with, and `gave_up`
    says why the run ended before its input.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.failed = 0
        self.unknown = 0
        self.skipped = 0
        self.bad = 0
        self.last_line = 0
        self.gave_up: KubemqctlError | None = None

    def summary(self) -> str:
        """One line for people: `3 sent, 1 failed`."""
        failed = self.failed + self.bad
        parts = (
            (failed, f"{failed:,} failed"),
            (self.unknown, f"{self.unknown:,} with unknown outcome"),
            (self.skipped, f"{count_text(self.skipped, 'empty piece')} skipped"),
        )
        return ", ".join([f"{self.accepted:,} sent", *(text for count, text in parts if count)])

    def stopping(self) -> str:
        """How far a run came that did not come to its end."""
        return f"stopped after line {self.last_line}" if self.last_line else "stopped before the first line"

    def ending(self) -> KubemqctlError | None:
        """None when nothing failed; else the error that the run ends with, which has the exit code."""
        gone = self.gave_up
        if gone and not self.accepted and not isinstance(gone, TimedOut):
            return gone
        if gone:
            return Partial(f"{gone.message}; {self.stopping()}: {self.summary()}", hint=gone.hint)
        if self.bad and not (self.accepted or self.failed or self.unknown):
            return UsageError(
                "nothing was sent: no line is a message",
                hint="a record looks like what `kubemqctl queue peek CHANNEL -o json` prints",
            )
        return Partial(self.summary()) if self.failed or self.unknown or self.bad else None
