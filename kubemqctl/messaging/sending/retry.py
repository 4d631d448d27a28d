"""A request that may be sent again: over a new connection, and only where that cannot double a message."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from kubemqctl.model.errors import (
    ConnectionLost,
    InvalidRequest,
    KubemqctlError,
    NotReady,
    TimedOut,
    Unreachable,
)
from kubemqctl.model.messages import Message, SendResult
from kubemqctl.runtime.waiting import Backoff, StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


UNKNOWN = "outcome-unknown"
MUTE = "no-answer"  # the code of an Unreachable, as client.error_translation has it
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries: a server that is busy is not helped by being asked ten times a second."""
T = TypeVar("T")


class PendingRequest(Protocol):
    """A request that was sent."""

    def results(self) -> list[SendResult]:
        """One a message, in order; raises what became of the request."""

    def known(self) -> list[SendResult]:
        """Once `results` has raised: those of the first messages, as many as were answered before."""


class Reconnection(NamedTuple):
    """How a server that was lost is reached again.

    `reconnect` raises Unreachable, and is tried for `patience` seconds.
    """

    reconnect: Callable[[], object]
    patience: float

    def regain(self, error: KubemqctlError, stop: StopSignal, backoff: Backoff | None = None) -> None:
        """Do what may help against `error`. Raises Unreachable when the server does not come back in time."""
        backoff = backoff or Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        if isinstance(error, NotReady):
            stop.wait(backoff.pause())
            return
        deadline = time.monotonic() + self.patience
        while True:
            try:
                self.reconnect()
                return
            except Unreachable:
                if stop or time.monotonic() > deadline:
                    raise
            stop.wait(min(backoff.pause(), deadline - time.monotonic()))

    def resend(
        self,
        again: Callable[[], T],
        error: KubemqctlError,
        stop: StopSignal,
        backoff: Backoff,
        *,
        was_there: bool,
    ) -> T:
        """Reach the server and make a request again.

        What stands before a server that is away, a published port or a balancer, may take connections all
        the same, and end them at once: where a server `was_there` before, a request that does not get out
        is made anew for `patience`.
        """
        deadline = time.monotonic() + (self.patience if was_there else 0)
        while True:
            try:
                self.regain(error, stop, backoff)
                return again()
            except Unreachable as e:
                left = deadline - time.monotonic()
                if not never_left(e) or stop or left <= 0:
                    raise
                error = e
            stop.wait(min(backoff.pause(), left))


class Link(NamedTuple):
    """The connection, as far as sending needs it.

    `build` makes a request of messages and gives what sends it; `refusal` is the error that a result's text
    stands for.
    """

    build: Callable[[Sequence[Message]], Callable[[], PendingRequest]]
    reconnection: Reconnection
    refusal: Callable[[str], KubemqctlError] = InvalidRequest


def retry_request(
    again: Callable[[], T],
    error: KubemqctlError,
    retry: int,
    reconnection: Reconnection,
    stop: StopSignal,
    *,
    was_there: bool = False,
) -> T:
    """Make a request again that failed with `error`: `retry` times, and once for free when it never went out.

    Raises the first error that leaves its outcome open, or else the last one: no later refusal tells what
    became of the request whose answer was lost. `was_there` is as in Reconnection.resend.
    """
    doubt = error if is_unknown(error) else None
    left = retry + never_left(error)
    backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
    while left and error.retryable and not stop:
        left -= 1
        try:
            return reconnection.resend(again, error, stop, backoff, was_there=was_there)
        except KubemqctlError as e:
            error = e
            doubt = doubt or (e if is_unknown(e) else None)
    raise doubt or error


def never_left(error: KubemqctlError) -> bool:
    """Whether the request did not get out, and was refused quickly.

    Who took the connection and said nothing has had its whole time already.
    """
    return isinstance(error, Unreachable) and not is_unknown(error) and error.code != MUTE


def is_unknown(error: KubemqctlError) -> bool:
    """Whether the request may have been carried out: no answer came, or one that is no clear refusal.

    What an answer itself says of a message (status OK) is clear, also in words that are not known here.
    """
    unclear = type(error) is KubemqctlError and error.grpc_status != "OK"
    return unclear or isinstance(error, ConnectionLost | TimedOut)


def in_doubt(error: KubemqctlError, count: int) -> KubemqctlError:
    """`error`, saying what it means for `count` messages."""
    what = "it" if count == 1 else "them"
    out = worded(error, f"{error.message}; it is unknown whether the server accepted {what}")
    out.hint = (
        f"sending {what} again can duplicate {what}: --unknown FILE saves {what}, --retry N sends again"
    )
    return out


def worded(error: KubemqctlError, message: str) -> KubemqctlError:
    """The same error with another message."""
    out = copy.copy(error)
    out.message = message
    return out


class Outlet(NamedTuple):
    """How a pattern sends. `one` raises what the message was refused for; `build` is as in Link."""

    one: Callable[[Message], SendResult]
    build: Callable[[Sequence[Message]], Callable[[], PendingRequest]]


Open = Callable[["Client"], Outlet]
