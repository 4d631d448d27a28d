"""What `cmd send` and `query send` were asked for, for one request and for many, and what a refusal is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kubemqctl.messaging.input.splitting import Separators
from kubemqctl.messaging.message_view import MessageView
from kubemqctl.model.errors import Refused, UsageError
from kubemqctl.model.messages import Request, Response

DEFAULT_TIMEOUT = 10.0
"""Seconds."""


class ManyOptions(NamedTuple):
    """How the input is split into requests, if at all, and how they are sent."""

    separators: Separators = Separators()
    keep_id: bool = False
    rate: float | None = None
    concurrency: int | None = None
    encode: Callable[[bytes], bytes] | None = None
    keep_channel: bool = False
    pace: float | None = None

    def check(self) -> None:
        """Refuse what does not fit together. Raises UsageError."""
        self.separators.check()
        self.separators.check_records(keep_id=self.keep_id, keep_channel=self.keep_channel, pace=self.pace)
        if self.pace is not None and self.rate is not None:
            raise UsageError("--pace and --rate cannot be used together")
        for name, value in (("--rate", self.rate), ("--concurrency", self.concurrency)):
            if value is not None and not self.separators:
                hint = "split the input with --lines, -0 or --delimiter"
                raise UsageError(f"{name} needs many requests", hint=hint)


class AskOptions(NamedTuple):
    """A request to send: everything but its body, and where that comes from.

    A timeout of 0 is one that was not given.
    """

    request: Request
    body: str | None
    file: str | None
    many: ManyOptions = ManyOptions()
    view: MessageView[Response] | None = None


def refusal(response: Response) -> Refused:
    """The error that a response with `executed=false` is."""
    why = response.error or f"{response.channel} refused the request without a reason"
    return Refused(why, server_message=response.error)
