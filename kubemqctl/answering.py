"""What a request is answered: always the same, itself, or what a handler makes of it; and until when.

A handler is stopped shortly before its request's time is over, so that the one who asked still hears that
it failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kubemqctl.messaging.handlers.pool import KILL_AFTER, Input, Outcome, Task, stdin_bytes, variables
from kubemqctl.model.errors import RecordError
from kubemqctl.model.messages import Answered, Reply, Request, Response
from kubemqctl.model.record_parser import reply_from_line

Rule = Callable[[Request], Reply]


class Arrived(NamedTuple):
    """A request and when it came, in monotonic seconds."""

    request: Request
    at: float

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def expires(self) -> float:
        """When the one who asked gives up."""
        return self.at + self.request.timeout

    @property
    def margin(self) -> float:
        """Seconds that stopping a handler and answering may take."""
        return min(1.0, self.request.timeout / 5)

    @property
    def latest(self) -> float:
        """When a handler has to be stopped."""
        return self.expires - self.margin


def arrived(request: Request) -> Arrived:
    """`request`, which came now."""
    return Arrived(request, time.monotonic())


# --- rules ---


def same(reply: Reply) -> Rule:
    """Every request is answered `reply`."""
    return lambda request: reply


def echo(given: Reply) -> Rule:
    """Every request gets itself back; metadata and tags of `given` are put over its own."""
    return lambda request: Reply(
        body=request.body,
        metadata=given.metadata or request.metadata,
        tags={**request.tags, **given.tags},
    )


def refusal(given: Reply, error: str) -> Reply:
    """The answer that something failed, with the tags of `given`."""
    return Reply(executed=False, error=error, tags=given.tags)


# --- handlers ---


def task(came: Arrived, form: Input, timeout: float | None, now: float) -> Task:
    """The run of a handler for a request: it ends in time for an answer, or after `timeout` seconds."""
    left = came.latest - now
    limit = left if timeout is None else min(left, timeout)
    kill_after = min(KILL_AFTER, left - limit + came.margin / 2)
    return Task(came, stdin_bytes(came.request, form), variables(came.request), limit, kill_after)


def reply_of(outcome: Outcome, form: Input, given: Reply) -> Reply:
    """What a handler's run says: stdout is the body, or the whole reply; the end of stderr says why not."""
    if not outcome.ok:
        said = outcome.last_line if outcome.ending == "exited" else ""
        return refusal(given, said or outcome.failure)
    if form == "body":
        return given._replace(body=outcome.stdout)
    try:
        reply = reply_from_line(outcome.stdout)
    except RecordError as e:
        return refusal(given, f"the handler wrote no reply: {e.message}")
    if not reply.executed and not reply.error:
        reply = reply._replace(error="the handler gave no reason")
    return reply._replace(metadata=reply.metadata or given.metadata, tags=_over(given.tags, reply.tags))


def _over(below: Mapping[str, str], above: Mapping[str, str]) -> Mapping[str, str]:
    return {**below, **above} if below else above


# --- what travels, and what is printed ---


def response(request: Request, reply: Reply, carries_body: bool) -> Response:
    """`reply` on its way to the one who asked; servers carry no body for a command."""
    return Response(
        channel=request.channel,
        id=request.id,
        executed=reply.executed,
        error=reply.error,
        body=reply.body if carries_body else b"",
        metadata=reply.metadata,
        tags=reply.tags,
        timestamp=time.time_ns(),
        reply_channel=request.reply_channel,
    )


def answered(came: Arrived, reply: Reply, handler_exit: int) -> Answered:
    """The record of a request that was answered `reply`."""
    return Answered(*came.request, reply.executed, reply.error, handler_exit)
