"""`cmd respond` and `query respond`: every request that arrives gets an answer, and gets it in time.

Requests wait here while all handlers are busy, because a server drops what its subscriber does not take.
At the end all that was taken is settled: answered, one way or another.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kubemqctl.messaging.handlers.message_input import Input
from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import FailureDelay, HandlerOutcome
from kubemqctl.messaging.handlers.persistent import pool_of
from kubemqctl.messaging.handlers.pool import HandlerPool, Task
from kubemqctl.messaging.handlers.process import to_stderr
from kubemqctl.messaging.requests import answers
from kubemqctl.messaging.requests.answers import AnswerSender, ArrivedRequest, PendingAnswer, Rule, Send
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.messages import AnsweredRequest, Reply, bytes_held
from kubemqctl.model.text import id_text
from kubemqctl.output.stderr import FirstFew
from kubemqctl.runtime.waiting import StopSignal, Wakeup

MOST_WAITING = 10_000
MOST_BYTES_WAITING = 64 << 20
"""Of all that requests hold; beyond it, and beyond MOST_WAITING, they are refused.

Whoever asks waits for an answer: a refusal at once is worth more than a place in a long queue.
"""
LAST_ANSWERS = 5.0
"""Seconds that the last answers may take when the run ends."""


class RespondOptions(NamedTuple):
    """What is answered: by `rule`, or by `handler`, whose stdout has the form `output`.

    `given` has the metadata and tags of every reply; `most` requests, 0 for no limit. `stdout_is_body` is
    false for commands: servers carry no body back, so there a handler's stdout goes to stderr.
    """

    rule: Rule | None
    handler: HandlerOptions | None
    output: Input
    given: Reply
    most: int
    stdout_is_body: bool


class RespondSummary:
    """What became of the requests of a run."""

    def __init__(self) -> None:
        self.taken = 0
        self.executed = 0
        self.failed = 0
        self.expired = 0
        self.lost = 0

    def summary(self) -> str:
        """One line for stderr."""
        parts = [f"{self.taken:,} received", f"{self.executed:,} executed"]
        for count, what in (
            (self.failed, "answered as failed"),
            (self.expired, "expired before a handler was free"),
            (self.lost, "whose answer was lost"),
        ):
            if count:
                parts.append(f"{count:,} {what}")
        return ", ".join(parts)


class Responder:
    """Answers the requests it is given. `failure` is what has to end the run, when there is something.

    `show` gets the record of each; `say` what people should know. `wake` is called, from any thread, when
    `step` has something to do.
    """

    def __init__(
        self,
        options: RespondOptions,
        environ: Mapping[str, str],
        send: Send,
        show: Callable[[AnsweredRequest], None],
        say: Callable[[str], None],
        stop: StopSignal,
    ) -> None:
        self.summary = RespondSummary()
        self.failure: KubemqctlError | None = None
        self.wake: Callable[[], None] = lambda: None
        self._options = options
        self._show = show
        self._say = say
        self._name_failure = FirstFew(say)
        self._wakeup = Wakeup()
        self._answer_sender = AnswerSender(send, self._settled, self._notify)
        self._waiting: deque[ArrivedRequest] = deque()
        self._bytes = 0
        self._answering_bytes = 0
        self._stop = stop
        self._delay = FailureDelay(stop)
        self._cannot_start = ""
        handler = options.handler
        self._pool = pool_of(handler, self._notify, environ, replies=True) if handler else None

    @property
    def over(self) -> bool:
        """Whether no more requests are wanted."""
        return self.failure is not None or self._is_full

    @property
    def has_enough(self) -> bool:
        """Whether no more should be given for now: so much is held until answers have arrived."""
        return self._bytes + self._answering_bytes > MOST_BYTES_WAITING

    @property
    def _is_full(self) -> bool:
        return 0 < self._options.most <= self.summary.taken

    @property
    def due(self) -> float | None:
        """When `step` has something to do though nothing happens, in monotonic seconds."""
        dues = [self._waiting[0].last_start] if self._waiting else []
        if self._answer_sender.due is not None:
            dues.append(self._answer_sender.due)
        if self._delay:
            dues.append(time.monotonic() + self._delay.left)
        return min(dues, default=None)

    def take(self, requests: Iterable[ArrivedRequest]) -> None:
        """Answer these, now or when a handler is free; those over the count are left alone."""
        for came in requests:
            if self.over:
                return
            self.summary.taken += 1
            if self._options.rule:
                self._answer(PendingAnswer(came, self._options.rule(came.request)))
            elif len(self._waiting) >= MOST_WAITING or self._bytes > MOST_BYTES_WAITING:
                self._refuse(came, f"the responder is busy: {len(self._waiting)} requests are waiting")
            else:
                self._waiting.append(came)
                self._bytes += bytes_held(came.request)

    def step(self) -> None:
        """Do all that can be done without waiting."""
        self._collect()
        if self._pool:
            self._start(self._pool)
        self._answer_sender.look()

    # --- from arrival to handler ---

    def _start(self, pool: HandlerPool) -> None:
        """Hand over what handlers are free for, after refusing what would come too late."""
        while self._waiting:
            now = time.monotonic()
            if self._cannot_start:
                self._refuse(self._next(), self._cannot_start)
            elif now >= self._waiting[0].last_start:
                self._too_late(self._next(), now)
            elif pool.free > 0:
                pool.start(self._task(self._next(), now))
            else:
                return

    def _next(self) -> ArrivedRequest:
        came = self._waiting.popleft()
        self._bytes -= bytes_held(came.request)
        return came

    def _task(self, came: ArrivedRequest, now: float) -> Task:
        handler = self._options.handler
        assert handler
        return answers.task(came, handler.input, handler.timeout, now, handler.persistent)

    def _too_late(self, came: ArrivedRequest, now: float) -> None:
        why = "no handler was free in time"
        if now < came.expires:
            self._refuse(came, why)
        else:
            self.summary.expired += 1
            self._name(came, f"{why}: not run")
            self._print(PendingAnswer(came, self._refusal(why)))

    def _refuse(self, came: ArrivedRequest, why: str) -> None:
        self._name(came, why)
        self._answer(PendingAnswer(came, self._refusal(why)))

    def _refusal(self, why: str) -> Reply:
        return answers.refusal(self._options.given, why)

    # --- from handler to answer ---

    def _notify(self) -> None:
        self._wakeup.notify()
        self.wake()

    def _collect(self) -> None:
        for outcome in self._pool.ended() if self._pool else ():
            # Somebody waits for the answer: only an end by a signal, as a service manager sends, may wait.
            if outcome.ok or (outcome.exit_code <= 128 and not self._stop):
                self._ended(outcome)
            else:
                self._delay.put(outcome)
        for outcome in self._delay.ready():
            self._ended(outcome)

    def _ended(self, outcome: HandlerOutcome) -> None:
        came, options = outcome.key, self._options
        reply = answers.reply_of(outcome, options.output, options.given)
        if not options.stdout_is_body and options.output == "body":
            to_stderr(outcome.stdout)
        if not reply.executed:
            self._name(came, reply.error if outcome.ok else outcome.failure)
        if outcome.error:
            self.failure = self.failure or outcome.error
            self._cannot_start = outcome.failure
        self._answer(PendingAnswer(came, reply, outcome.exit_code))

    # --- from answer to record ---

    def _answer(self, pending: PendingAnswer) -> None:
        self._answering_bytes += bytes_held(pending.came.request)
        self._answer_sender.begin(pending)

    def _settled(self, pending: PendingAnswer, error: KubemqctlError | None) -> None:
        self._answering_bytes -= bytes_held(pending.came.request)
        if error:
            self.summary.lost += 1
            why = f"its answer was lost: {error.message}"
            self._name(pending.came, why)
            pending = pending._replace(reply=self._refusal(why))
        elif pending.reply.executed:
            self.summary.executed += 1
        else:
            self.summary.failed += 1
        self._print(pending)

    def _print(self, pending: PendingAnswer) -> None:
        try:
            self._show(answers.answered(*pending))
        except KubemqctlError as e:
            # What was taken is still answered, though it cannot be printed any more.
            self.failure = self.failure or e
            self._show = lambda answered: None

    def _name(self, came: ArrivedRequest, what: str) -> None:
        self._name_failure(f"{id_text(came.request.id)}: {what}")

    # --- the end ---

    def finish(self, stop: StopSignal, grace: float) -> None:
        """Settle all that was taken, within `grace` seconds unless the run ends by its count."""
        end = None
        while self._is_busy:
            if end is None and (stop or not self._is_full):
                end = time.monotonic() + grace
            if end is not None and time.monotonic() >= end:
                break
            self._wait(stop, end)
            self.step()
        self._give_up()
        self._name_failure.rest(self._say)

    @property
    def _is_busy(self) -> bool:
        running = self._pool and self._pool.under_way
        return bool(self._waiting or self._delay or self._answer_sender.under_way or running)

    def _wait(self, stop: StopSignal | None, end: float | None) -> None:
        """Until there is news, a first signal, or the next thing is due."""
        dues = [at for at in (self.due, end) if at is not None]
        patience = max(0.0, min(dues) - time.monotonic()) if dues else None
        # After the first signal its descriptor stays readable.
        watched = [self._wakeup.fd] if stop is None or stop else [self._wakeup.fd, stop.fd]
        select.select(watched, [], [], patience)
        self._wakeup.clear()

    def _give_up(self) -> None:
        """End the handlers that still run, refuse what they had no time for, and see the answers off."""
        if self._pool:
            self._pool.finish(0)
        self._collect()
        while self._delay:
            self._wait(None, time.monotonic() + self._delay.left)
            self._collect()
        while self._waiting:
            self._refuse(self._next(), "the responder has stopped")
        end = time.monotonic() + LAST_ANSWERS
        while self._answer_sender.under_way and time.monotonic() < end:
            self._wait(None, end)
            self._answer_sender.look()
        self._answer_sender.give_up()
        self._wakeup.close()
