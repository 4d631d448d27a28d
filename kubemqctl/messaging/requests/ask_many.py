"""`cmd send` and `query send` with many requests: some at a time, answers in the order of the input.

A request whose answer was lost is neither answered nor refused, and is not sent again. While the input is
silent nothing is unanswered: a live pipe gets its answers as they come.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.input.bodies import split_source
from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.messaging.message_view import MessageView, rendered
from kubemqctl.messaging.requests.ask_options import ManyOptions, refusal
from kubemqctl.messaging.requests.request_parsers import Parse, request_parser
from kubemqctl.messaging.sending.pace import Pacer
from kubemqctl.messaging.sending.retry import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    UNKNOWN,
    Reconnection,
    never_left,
    worded,
)
from kubemqctl.model import record_parser
from kubemqctl.model.errors import (
    ConnectionLost,
    KubemqctlError,
    Partial,
    Refused,
    TimedOut,
    TooLarge,
    Unreachable,
    UsageError,
)
from kubemqctl.model.limits import MAX_BODY
from kubemqctl.model.messages import Request, Response
from kubemqctl.output.stderr import FirstFew, is_terminal
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Backoff, RateLimiter, StopSignal, Wakeup

if TYPE_CHECKING:
    from kubemqctl.client.requests import Kind, PendingResponse

MOST_HELD = 1_000
"""So many answers wait at most for one that comes before them in the input."""


class Ask(NamedTuple):
    """One request of many, under way."""

    line: int
    request: Request
    pending: PendingResponse


def ask_many(
    run: Invocation,
    kind: Kind,
    template: Request,
    body: str | None,
    file: str | None,
    many: ManyOptions,
    view: MessageView[Response] | None = None,
) -> int:
    """Send what the input brings; raises what became of it, or returns a signal's exit code.

    `template` has everything but the bodies; a timeout of 0 is one that was not given.
    """
    with (
        StopSignal() as stop,
        closing(Stdout(1, stop.fd)) as stdout,
        split_source(
            body,
            [] if file is None else [file],
            many.separators,
            stdin_is_terminal=is_terminal(0),
            stop_fd=stop.fd,
        ) as (_, batches),
        run.client() as client,
    ):
        from kubemqctl.client.requests import PendingResponse

        asker = Asker(
            lambda request, notify: PendingResponse(client, request, kind, notify),
            Reconnection(client.reconnect, run.settings().connect_timeout),
            _emitter(run, stdout, kind, rendered(view, run.renderer(Response, many.separators.between).one)),
            run.report,
            stop,
            many,
        )
        asker.run(batches, request_parser(template, kind, many))
    if stop:
        run.note(f"stopped after line {asker.last_line}: {asker.summary()}")
        return stop.exit_code
    if error := asker.ending():
        raise error
    run.note(asker.summary())
    return 0


Emit = Callable[[int, Response], None]


def _emitter(run: Invocation, stdout: Stdout, kind: Kind, render: Callable[[object], bytes]) -> Emit:
    """Prints answers; a refusal is printed where records are, and named on stderr."""
    form = run.form().name

    def emit(line: int, response: Response) -> None:
        if form in ("human", "raw") and not response.executed:
            return
        if form == "raw" and kind == "commands":
            return
        stdout.write(render(response._replace(line=line)))

    return emit


# --- asking ---


class Asker:
    """One run: what was asked, answered, refused and not answered. `last_line` is the last one dealt with."""

    def __init__(
        self,
        begin: Callable[[Request, Callable[[], None]], PendingResponse],
        reconnection: Reconnection,
        emit: Emit,
        complain: Callable[[KubemqctlError], None],
        stop: StopSignal,
        many: ManyOptions,
    ) -> None:
        self.answered = self.refused = self.unanswered = self.unknown = 0
        self.unsent = self.bad = self.skipped = 0
        self.last_line = 0
        self.gave_up: KubemqctlError | None = None
        self._begin = begin
        self._reconnection = reconnection
        self._was_there = False  # the server, at some time in this run
        self._emit = emit
        self._name = FirstFew(complain)
        self._complain = complain
        self._stop = stop
        self._concurrency = many.concurrency or 1
        self._limiter = RateLimiter(many.rate, self._pause) if many.rate else None
        self._pacer = Pacer(many.pace, self._pause) if many.pace else None
        self._asked: deque[Ask] = deque()
        self._wakeup = Wakeup()

    def run(self, batches: Iterator[InputBatch], parse: Parse) -> None:
        """Ask all of it; ends early on a signal, and when the server is gone for good."""
        try:
            for batch in batches:
                self.skipped += batch.skipped
                for line in batch.oversize:
                    self._refuse_line(line, TooLarge(f"too large: the maximum is {MAX_BODY} bytes"))
                for line, piece in zip(batch.lines, batch.pieces, strict=True):
                    self._take(line, piece, parse)
                if batch.idle:
                    self._settle(0)
                if self._is_over:
                    break
            self._settle(0)
        finally:
            self._wakeup.close()
        self._name.rest(lambda text: self._complain(Partial(text)))

    @property
    def _is_over(self) -> bool:
        return bool(self._stop) or self.gave_up is not None

    def _take(self, line: int, piece: bytes, parse: Parse) -> None:
        if self._is_over:
            return
        try:
            request = parse(piece)
            due = self._due_at(piece)
        except UsageError as e:
            self._refuse_line(line, e)
            return
        self._settle(self._concurrency - 1)
        if self._limiter:
            self._limiter(1)
        if self._pacer:
            self._pacer.wait(due)
        if not self._is_over:
            self._asked.append(Ask(line, request, self._begin(request, self._wakeup.notify)))

    def _due_at(self, record: bytes) -> float:
        """When its request is to go, in monotonic seconds; 0 where no pace is kept."""
        if self._pacer is None:
            return 0.0
        return self._pacer.due_at(record_parser.time_of(record_parser.parse(record)))

    def _refuse_line(self, line: int, error: KubemqctlError) -> None:
        self.bad += 1
        self._complain_of(line, error)

    def _settle(self, most: int) -> None:
        """Wait until at most `most` requests are unanswered; print what has been answered, in order."""
        while True:
            self._wakeup.clear()
            self._finish_answered()
            unanswered = sum(not ask.pending.done() for ask in self._asked)
            if unanswered <= most and len(self._asked) <= most + MOST_HELD:
                return
            # Signals are seen by the one who takes the next line: what is under way has an answer first.
            select.select([self._wakeup.fd], [], [])

    def _finish_answered(self) -> None:
        while self._asked and self._asked[0].pending.done():
            self._finish(self._asked.popleft())

    def _pause(self, seconds: float) -> None:
        """Wait for the next request's time, or until a signal comes; answers are printed as they come."""
        until = time.monotonic() + seconds
        while not self._stop and (left := until - time.monotonic()) > 0:
            self._wakeup.clear()
            self._finish_answered()
            select.select([self._wakeup.fd, self._stop.fd], [], [], left)

    def _finish(self, ask: Ask) -> None:
        try:
            response = self._result(ask)
        except KubemqctlError as e:
            self._failed(ask, e)
        else:
            self._was_there = True
            if response.executed:
                self.answered += 1
            else:
                self.refused += 1
                self._complain_of(ask.line, refusal(response))
            self._emit(ask.line, response)
        self.last_line = ask.line

    def _result(self, ask: Ask) -> Response:
        """The answer. A request that never left is sent again over a new connection, once there is one."""
        try:
            return ask.pending.result()
        except ConnectionLost:
            raise
        except Unreachable as e:
            if self.gave_up:
                raise
            return self._again(ask.request, e)

    def _again(self, request: Request, error: Unreachable) -> Response:
        try:
            return self._reconnection.resend(
                lambda: self._begin(request, lambda: None).result(),
                error,
                self._stop,
                Backoff(FIRST_PAUSE, LONGEST_PAUSE),
                was_there=self._was_there,
            )
        except Unreachable as e:
            if never_left(e):
                self.gave_up = worded(e, e.message)
            raise

    def _failed(self, ask: Ask, error: KubemqctlError) -> None:
        told = error.message
        self._was_there |= isinstance(error, TimedOut | ConnectionLost)
        if isinstance(error, TimedOut):
            self.unanswered += 1
        elif isinstance(error, ConnectionLost):
            self.unknown += 1
            told = UNKNOWN
        elif isinstance(error, Unreachable):
            self.unsent += 1
        else:
            self.refused += 1
        self._complain_of(ask.line, error)
        self._emit(ask.line, Response(ask.request.channel, ask.request.id, executed=False, error=told))

    def _complain_of(self, line: int, error: KubemqctlError) -> None:
        self.last_line = max(line, self.last_line)
        error.message = f"line {line}: {error.message}"
        self._name(error)

    # --- how it ended ---

    def summary(self) -> str:
        """One line for people: `3 answered, 1 refused`."""
        parts: Sequence[tuple[int, str]] = (
            (self.refused, "refused"),
            (self.unsent, "not sent"),
            (self.unanswered, "not answered"),
            (self.unknown, "with unknown outcome"),
            (self.bad, "invalid"),
            (self.skipped, "empty skipped"),
        )
        return ", ".join([f"{self.answered:,} answered", *(f"{n:,} {what}" for n, what in parts if n)])

    def ending(self) -> KubemqctlError | None:
        """None when every request was carried out; else the error that has the exit code."""
        failed = (self.refused, self.unanswered, self.unsent, self.unknown, self.bad)
        if gone := self.gave_up:
            if not (self.answered or self.refused or self.unanswered or self.unknown):
                return gone
            return Partial(
                f"{gone.message}; stopped after line {self.last_line}: {self.summary()}", hint=gone.hint
            )
        if not any(failed):
            return None
        if self.answered or sum(map(bool, failed)) > 1:
            return Partial(self.summary())
        if self.refused:
            return Refused(self.summary())
        if self.unanswered:
            return TimedOut(self.summary())
        if self.unknown:
            return ConnectionLost(self.summary())
        if self.unsent:
            return Unreachable(self.summary())
        return UsageError("nothing was sent: no line is a valid record")
