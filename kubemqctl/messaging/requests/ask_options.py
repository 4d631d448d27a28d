"""What `cmd send` and `query send` were asked for, for one request and for many, and what a refusal is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kubemqctl.messaging.message_view import MessageView
from kubemqctl.model.errors import Refused, UsageError
from kubemqctl.model.messages import Request, Response

DEFAULT_TIMEOUT = 10.0
"""Seconds."""


class ManyOptions(NamedTuple):
    """How the input is split into requests, and how they are sent."""

    lines: bool = False
    nul: bool = False
    delimiter: bytes | None = None
    json_lines: bool = False
    keep_id: bool = False
    rate: float | None = None
    concurrency: int | None = None
    encode: Callable[[bytes], bytes] | None = None

    @property
    def is_many(self) -> bool:
        """Whether the input is split at all."""
        return self.lines or self.nul or self.delimiter is not None or self.json_lines

    @property
    def between(self) -> bytes:
        """What separates requests in the input, and bodies in the output."""
        return b"\0" if self.nul else b"\n" if self.delimiter is None else self.delimiter

    def check(self) -> None:
        """Refuse what does not fit together. Raises UsageError."""
        if sum((self.lines, self.nul, self.delimiter is not None, self.json_lines)) > 1:
            raise UsageError("--lines, -0, --delimiter and --json-lines cannot be used together")
        if self.keep_id and not self.json_lines:
            raise UsageError("--keep-id needs --json-lines")
        if not self.between:
            raise UsageError("--delimiter is empty")
        for name, value in (("--rate", self.rate), ("--concurrency", self.concurrency)):
            if value is not None and not self.is_many:
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
