"""Sending many messages, so that order holds, memory stays flat, and each one's fate is known.

One request is under way while the next is built; its answer is taken before the next goes out. Each
message ends as accepted, failed (the server or the line itself said no) or unknown (the answer was lost:
it may be stored, so it is neither sent again nor called failed unless --retry asks for that).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from kubemqctl.messaging.input.message_parsers import MessageBatch, ParsedBatch
from kubemqctl.messaging.input.splitting import MAX_COUNT, InputBatch
from kubemqctl.messaging.sending.pace import Due, Pacer
from kubemqctl.messaging.sending.retry import (
    UNKNOWN,
    Link,
    PendingRequest,
    in_doubt,
    is_unknown,
    retry_request,
    worded,
)
from kubemqctl.model.errors import (
    AuthError,
    ConnectionLost,
    KubemqctlError,
    Partial,
    TimedOut,
    Unreachable,
    Unsupported,
    UsageError,
)
from kubemqctl.model.messages import SendResult
from kubemqctl.model.text import count_text
from kubemqctl.output.stderr import FirstFew
from kubemqctl.runtime.waiting import RateLimiter, StopSignal

if TYPE_CHECKING:
    from kubemqctl.messaging.sending.unsent_files import UnsentFiles


# A failure of many lines names so many spans of them.
MOST_SPANS = 5
# Requests in a row without an answer, each over a connection that could be made, until the run ends.
MOST_UNANSWERED = 3


class Sender:
    """Sends the messages it is given, in order, and gives every result to `emit`."""

    def __init__(
        self,
        link: Link,
        emit: Callable[[Sequence[SendResult]], None],
        complain: Callable[[KubemqctlError], None],
        stop: StopSignal,
        unsent: UnsentFiles,
        *,
        most: int = MAX_COUNT,
        limiter: RateLimiter | None = None,
        pacer: Pacer | None = None,
        retry: int = 0,
        more_input: Callable[[], bool] = lambda: False,
    ) -> None:
        self.summary = SendSummary()
        self._link = link
        self._emit = emit
        self._complain = complain
        self._stop = stop
        self._unsent = unsent
        self._most = most if limiter is None else min(most, limiter.portion)
        self._limiter = limiter
        self._pacer = pacer
        self._retry = retry
        self._more_input = more_input
        self._under_way: tuple[MessageBatch, PendingRequest] | None = None
        self._down: KubemqctlError | None = None
        self._unanswered = 0
        self._was_there = False  # the server, at some time in this run
        # With their lines, until they are given out.
        self._results: list[tuple[Sequence[int], Sequence[SendResult]]] = []
        self._name_failure = FirstFew(complain)

    def run(self, batches: Iterable[InputBatch], parse: Callable[[InputBatch], ParsedBatch]) -> SendSummary:
        """Send all of `batches`; stops early when the connection is lost for good, or on a signal."""
        try:
            for batch in batches:
                piece = parse(batch)
                self.summary.skipped += batch.skipped
                self.summary.bad += len(piece.bad)
                for line, error in piece.bad:
                    self.summary.last_line = max(line, self.summary.last_line)
                    self._name([line], error)
                self._send(piece.job)
                if batch.idle:
                    self._collect()
                # What is still to be read goes into the file that keeps it, as far as it is there already.
                # While a server was waited for, more has come behind a batch that was the last one.
                is_last = batch.idle and not (self.summary.gave_up and self._more_input())
                gave_up = self.summary.gave_up and (is_last or not self._unsent.keeps_failed)
                if self._stop or gave_up:
                    break
        finally:
            # Whatever ended it, an input that broke too: what was sent has an answer.
            self._collect()
        self.summary.gave_up = self.summary.gave_up or self._down
        self._name_failure.rest(lambda text: self._complain(Partial(text)))
        return self.summary

    def _send(self, job: MessageBatch) -> None:
        """Begin to send `job`, each part once the one before is answered and its time has come."""
        for part, due in self._portions(job):
            send = self._link.build(part.messages)
            self._collect()
            if self._limiter and not self.summary.gave_up:
                self._limiter(len(part.messages))
            if self._pacer and not self.summary.gave_up:
                self._pacer.wait(due)
            if self._stop:
                return
            self._begin(part, send)

    def _portions(self, job: MessageBatch) -> Iterable[Due]:
        if self._pacer:
            return self._pacer.portions(job, self._most)
        return (Due(part, 0.0) for part in job.portions(self._most))

    def _begin(self, job: MessageBatch, send: Callable[[], PendingRequest]) -> None:
        if not self._is_up():
            self._set_aside(job)
            return
        try:
            self._under_way = job, send()
        except KubemqctlError as e:
            try:
                self._lost(job, e)
            finally:
                self._tell()

    def _is_up(self) -> bool:
        """Whether there is a server to send to; one that was lost is looked for here, when it is needed."""
        if self._down and not self.summary.gave_up:
            try:
                self._link.reconnection.regain(self._down, self._stop)
                self._down = None
            except KubemqctlError as e:
                self.summary.gave_up = e
        return self.summary.gave_up is None

    def _collect(self) -> None:
        """Take the answer of what is under way."""
        if self._under_way is None:
            return
        job, under_way = self._under_way
        self._under_way = None
        try:
            self._settle(job, under_way)
        except _Unsettled as e:
            self._lost(e.job, e.error)
        finally:
            self._tell()

    def _settle(self, job: MessageBatch, request: PendingRequest) -> None:
        """Wait for what becomes of `job`. Raises _Unsettled for the part of which that is not known yet.

        That is what was not answered, and with --retry what the server refused only for now. A stream that
        breaks behind its last answer leaves nothing open.
        """
        error: KubemqctlError | None = None
        later: list[int] = []
        try:
            results = request.results()
        except KubemqctlError as e:
            error, results = e, request.known()
        else:
            if self._retry:
                later = [i for i, r in enumerate(results) if r.error and self._is_for_now(r.error)]
        if later:
            refused = set(later)
            settled = [i for i in range(len(results)) if i not in refused]
            self._done(job.at(settled), [results[i] for i in settled])
            raise _Unsettled(job.at(later), self._link.refusal(results[later[0]].error))
        answered, rest = job.split(len(results))
        self._done(answered, results)
        if rest.messages and error:
            raise _Unsettled(rest, error)

    def _is_for_now(self, refusal: str) -> bool:
        return self._link.refusal(refusal).retryable

    def _done(self, job: MessageBatch, results: Sequence[SendResult]) -> None:
        """The server has accepted or refused each message of `job`."""
        if not results:
            return
        refused = {i: self._link.refusal(r.error) for i, r in enumerate(results) if r.error}
        # A server may not know either: what stores its messages did not answer it in time.
        unknown = {i for i, error in refused.items() if is_unknown(error)}
        failed = [i for i in refused if i not in unknown]
        self._unanswered = 0
        self._was_there = True
        self.summary.accepted += len(results) - len(refused)
        self.summary.failed += len(failed)
        self.summary.unknown += len(unknown)
        for i, error in refused.items():
            self._name([job.lines[i]], in_doubt(error, 1) if i in unknown else error)
        if unknown:
            results = [r._replace(error=UNKNOWN) if i in unknown else r for i, r in enumerate(results)]
        self._results.append((job.lines, results))
        self._unsent.failed([job.messages[i] for i in failed])
        self._unsent.unknown([job.messages[i] for i in sorted(unknown)])

    def _lost(self, job: MessageBatch, error: KubemqctlError) -> None:
        """A request failed: try again where that is safe or was asked for, then record its fate."""

        def again() -> None:
            nonlocal job
            try:
                self._settle(job, self._link.build(job.messages)())
            except _Unsettled as e:
                job = e.job
                raise e.error from e

        try:
            retry_request(
                again,
                error,
                self._retry,
                self._link.reconnection,
                self._stop,
                was_there=self._was_there,
            )
        except KubemqctlError as e:
            self._record(job, e)
            self._after(e)

    def _record(self, job: MessageBatch, error: KubemqctlError) -> None:
        """None of `job` was accepted, or nobody knows."""
        unknown = is_unknown(error)
        count = len(job.messages)
        if not count:
            return
        if unknown:
            self.summary.unknown += count
        else:
            self.summary.failed += count
        self._name(job.lines, in_doubt(error, count) if unknown else error)
        told = UNKNOWN if unknown else error.message
        self._results.append((job.lines, [SendResult(m.id, m.channel, error=told) for m in job.messages]))
        (self._unsent.unknown if unknown else self._unsent.failed)(job.messages)

    def _tell(self) -> None:
        """Give out what became of a request, in the order of the input: a retry knows some of it first."""
        parts, self._results = self._results, []
        if not parts:
            return
        lines, results = parts[0]
        if len(parts) > 1:
            pairs = [pair for part in parts for pair in zip(*part, strict=True)]
            pairs.sort(key=lambda pair: pair[0])
            lines, results = [line for line, _ in pairs], [result for _, result in pairs]
        self.summary.last_line = lines[-1]
        self._emit(results)

    def _after(self, error: KubemqctlError) -> None:
        """Go on, or give up: nothing helps against a refused token, and little against silence."""
        if isinstance(error, AuthError | Unsupported):
            self.summary.gave_up = error
        elif isinstance(error, Unreachable | TimedOut):
            self._down = error
            self._was_there |= isinstance(error, ConnectionLost)
            self._unanswered += 1
            if self._unanswered == MOST_UNANSWERED:
                self.summary.gave_up = error

    def _set_aside(self, job: MessageBatch) -> None:
        """After giving up: what was still read is not sent."""
        assert self.summary.gave_up
        why = self.summary.gave_up.message
        self.summary.failed += len(job.messages)
        self.summary.last_line = job.lines[-1]
        self._emit([SendResult(m.id, m.channel, error=f"not sent: {why}") for m in job.messages])
        self._unsent.failed(job.messages)

    def _name(self, lines: Sequence[int], error: KubemqctlError) -> None:
        self._name_failure(worded(error, f"{_lines_text(lines)}: {error.message}"), len(lines))


class _Unsettled(Exception):
    """The fate of `job` is not known yet, for what `error` says."""

    def __init__(self, job: MessageBatch, error: KubemqctlError) -> None:
        super().__init__(error.message)
        self.job = job
        self.error = error


def _lines_text(lines: Sequence[int]) -> str:
    """`line 3`, `lines 3 to 7`, or `lines 3 to 7, 9`: at most so many of them that a person reads it."""
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    texts = [f"{first}" if first == last else f"{first} to {last}" for first, last in spans]
    if len(texts) > MOST_SPANS:
        texts = [*texts[:MOST_SPANS], "…"]
    return f"{'line' if len(lines) == 1 else 'lines'} {', '.join(texts)}"


class SendSummary:
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
                "nothing was sent: no line is a valid record",
                hint="to see what records look like: kubemqctl queue peek CHANNEL -o json",
            )
        return Partial(self.summary()) if self.failed or self.unknown or self.bad else None
