"""What a request is answered, and answers on their way to those who asked.

An answer is constant, the request itself, or what a handler makes of it. A handler is stopped shortly
before its request's time is over, so that the one who asked still hears that it failed. No answer waits
for another: one that is lost with the connection is sent again until the request's time is over (a server
drops the second of two).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.handlers import pool
from kubemqctl.messaging.handlers.message_input import Input
from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.handlers.pool import KILL_AFTER, Task
from kubemqctl.model.errors import KubemqctlError, NotReady, RecordError, TimedOut, TooLarge, Unreachable
from kubemqctl.model.limits import SECOND
from kubemqctl.model.messages import AnsweredRequest, Reply, Request, Response
from kubemqctl.model.record_parser import reply_from_line

if TYPE_CHECKING:
    from kubemqctl.client.streams import Pending


Rule = Callable[[Request], Reply]


class ArrivedRequest(NamedTuple):
    """A request and when it came, in monotonic seconds."""

    request: Request
    at: float

    @property
    def expires(self) -> float:
        """When the one who asked gives up."""
        return self.at + self.request.timeout

    @property
    def margin(self) -> float:
        """Seconds that stopping a handler and answering may take."""
        # A fifth leaves most of a short time-out to the handler; a second is long for any network.
        return min(1.0, self.request.timeout / 5)

    @property
    def latest(self) -> float:
        """When a handler has to be stopped."""
        return self.expires - self.margin

    @property
    def last_start(self) -> float:
        """When a handler may be started at the latest: one with less time would be stopped in its work."""
        return self.latest - self.margin


def arrived(request: Request) -> ArrivedRequest:
    """`request`, which came now."""
    return ArrivedRequest(request, time.monotonic())


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


def task(
    came: ArrivedRequest, form: Input, timeout: float | None, now: float, persistent: bool = False
) -> Task:
    """The run of a handler for a request: it ends in time for an answer, or after `timeout` seconds."""
    left = came.latest - now
    limit = left if timeout is None else min(left, timeout)
    kill_after = min(KILL_AFTER, left - limit + came.margin / 2)
    run = pool.task(came, came.request, form, limit, persistent=persistent)
    return run._replace(kill_after=kill_after)


def reply_of(outcome: HandlerOutcome, form: Input, given: Reply) -> Reply:
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


def answered(came: ArrivedRequest, reply: Reply, handler_exit: int) -> AnsweredRequest:
    """The record of a request that was answered `reply`."""
    elapsed = round((time.monotonic() - came.at) * SECOND)
    return AnsweredRequest(*came.request, reply.executed, reply.error, handler_exit, elapsed)


PAUSE = 0.2
"""Seconds until a lost answer is sent again."""
Send = Callable[[ArrivedRequest, Reply, Callable[[], None]], "Pending"]


class PendingAnswer(NamedTuple):
    """An answer, and what to tell when it has arrived."""

    came: ArrivedRequest
    reply: Reply
    handler_exit: int = 0


Settled = Callable[[PendingAnswer, KubemqctlError | None], None]


class AnswerSender:
    """`send` begins to send one and notifies when it is gone; `settled` hears of each, once."""

    def __init__(self, send: Send, settled: Settled, notify: Callable[[], None]) -> None:
        self._send = send
        self._settled = settled
        self._notify = notify
        self._sent: list[tuple[PendingAnswer, Pending]] = []
        self._again: list[tuple[float, PendingAnswer, KubemqctlError]] = []

    @property
    def under_way(self) -> int:
        """How many are not settled."""
        return len(self._sent) + len(self._again)

    @property
    def due(self) -> float | None:
        """When `look` has to send one again, in monotonic seconds."""
        return self._again[0][0] if self._again else None

    def begin(self, pending: PendingAnswer) -> None:
        """Send an answer, unless it is too late: this process may have been stopped for a while."""
        if time.monotonic() >= pending.came.expires:
            # A server takes it in silence and drops it: nobody has been answered.
            self._settled(pending, TimedOut("it came after the request's time was over"))
            return
        try:
            self._sent.append((pending, self._send(pending.came, pending.reply, self._notify)))
        except KubemqctlError as e:
            self._failed(pending, e)

    def look(self) -> None:
        """Settle what has been sent, and send again what is due."""
        sent, self._sent = self._sent, []
        for pending, call in sent:
            if not call.done():
                self._sent.append((pending, call))
                continue
            try:
                call.result()
            except KubemqctlError as e:
                self._failed(pending, e)
            else:
                self._settled(pending, None)
        now = time.monotonic()
        while self._again and self._again[0][0] <= now:
            self.begin(self._again.pop(0)[1])

    def give_up(self) -> None:
        """Settle as lost what is still under way."""
        lost, self._again = self._again, []
        for _, pending, error in lost:
            self._settled(pending, error)
        sent, self._sent = self._sent, []
        for pending, _ in sent:
            self._settled(pending, TimedOut("the server did not accept it in time"))

    def _failed(self, pending: PendingAnswer, error: KubemqctlError) -> None:
        again = time.monotonic() + PAUSE
        if isinstance(error, TooLarge) and pending.reply.executed:
            self.begin(
                pending._replace(reply=refusal(pending.reply, f"the reply is too large: {error.message}"))
            )
        elif isinstance(error, Unreachable | TimedOut | NotReady) and again < pending.came.expires:
            self._again.append((again, pending, error))
        else:
            self._settled(pending, error)
