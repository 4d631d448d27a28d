"""Handlers that stay: each is started once, and handles one message after the other, a line of JSON each way.

A handler first says that it speaks so (HELLO), then answers every record on its stdin with one line that
repeats the record's sequence, or id. Whatever else it does fails the message that it holds, and it is started
anew; but one that ends again and again before it has answered anything ends the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kubemqctl.messaging.handlers.launching import LauncherProcess
from kubemqctl.messaging.handlers.message_input import Executable
from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.handlers.pool import KILL_AFTER, HandlerPool, Task
from kubemqctl.messaging.handlers.process import LINGER, HandlerProcess, ProcessLimits
from kubemqctl.model.errors import HandlerFailed, KubemqctlError, UsageError
from kubemqctl.model.limits import MAX_BODY
from kubemqctl.model.text import quoted
from kubemqctl.model.values import whole_seconds

HELLO = {"kubemqctl": 1}
EARLY_ENDS = 3
"""So many ends running before a first answer end the run."""
# Base64 and the escapes of JSON make a line longer than a body.
LONGEST_LINE = 2 * MAX_BODY
_REPLY = {"body", "body_base64", "metadata", "tags", "error", "executed"}


def pool_of(
    handler: HandlerOptions,
    notify: Callable[[], None],
    environ: Mapping[str, str],
    replies: bool = False,
) -> HandlerPool:
    """The handlers that the options ask for; `replies` is whether their answers have bodies and the like."""
    if handler.persistent:
        return PersistentPool(handler, notify, environ, replies)
    return HandlerPool(handler.command, handler.concurrency, notify, environ)


class Answer(NamedTuple):
    """What a handler said of its record: what is wrong, if anything; `reply` is all, for a responder."""

    error: str = ""
    retry: int | None = None
    reply: bytes = b""


def parse_answer(line: bytes, reference: Mapping[str, object], replies: bool) -> Answer:
    """Raises ValueError, in words, for a line that is no answer to the record with that `reference`."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if type(said) is not dict:
        raise ValueError(f"wrote {quoted(line.decode(errors='replace').strip())}, which is no answer")
    named = {name: said.pop(name) for name in ("sequence", "id") if name in said}
    matching = [name for name in named if name in reference]
    if not matching or any(named[name] != reference[name] for name in matching):
        raise ValueError(f"answered another message: {quoted(json.dumps(named))}")
    known = _REPLY if replies else {"error", "retry"}
    if unknown := said.keys() - known:
        raise ValueError(f"wrote an answer with {quoted(min(unknown))}, which means nothing there")
    if replies:
        return Answer(reply=json.dumps(said).encode())
    return _plain(said)


def _plain(said: Mapping[str, Any]) -> Answer:
    error, retry = said.get("error"), said.get("retry")
    if type(error) not in (str, type(None)) or type(retry) not in (str, type(None)):
        raise ValueError("wrote an answer whose error or retry is no text")
    if retry is None:
        return Answer("" if error is None else error or "the handler gave no reason")
    try:
        seconds = whole_seconds(retry, "retry", minimum=1)
    except UsageError as e:
        raise ValueError(f"wrote an answer with a bad retry: {e.message}") from e
    return Answer(error or "the handler asked for it again", seconds)


class PersistentProcess(HandlerProcess):
    """A handler that stays. `task` is what it works on; `answer` what it has said of that."""

    def __init__(
        self, launcher: LauncherProcess, number: int, variables: Mapping[bytes, bytes], replies: bool
    ) -> None:
        self.is_ready = False
        self.has_answered = False
        self.task: Task | None = None
        self.answer: Answer | None = None
        self.fault = ""
        self._line = bytearray()
        self._replies = replies
        self._mute_since: float | None = None
        self._is_broken = False
        super().__init__(launcher, number, variables, b"", ProcessLimits(None, KILL_AFTER, LONGEST_LINE))

    def give(self, task: Task, timeout: float | None) -> None:
        """Let it work on `task`, for `timeout` seconds at most."""
        self.task = task
        # It may have answered without having read all of the last one.
        self._left = memoryview(bytes(self._left) + task.stdin)
        self._lines.prefix = task.prefix
        self._limits = ProcessLimits(timeout, task.kill_after, LONGEST_LINE)
        self._began = time.monotonic()
        self.feed()

    def start_clock(self, timeout: float | None) -> None:
        """It has `timeout` seconds until it is ready."""
        self._limits = self._limits._replace(timeout=timeout)

    def take_answer(self) -> tuple[Task, Answer] | None:
        """What it has answered, once; it is free then."""
        if not self.task or not self.answer:
            return None
        taken = self.task, self.answer
        self.task, self.answer, self.has_answered = None, None, True
        self._lines.prefix = b""
        self._limits = self._limits._replace(timeout=None)
        return taken

    @property
    def is_free(self) -> bool:
        """Whether it can be given a message."""
        is_there = self._exited_at is None and self._ending == "exited" and min(self.stdin, self.stdout) >= 0
        return self.is_ready and self.task is None and is_there

    @property
    def has_input(self) -> bool:
        return bool(self._left) and self.stdin >= 0 and not self._is_broken

    @property
    def seconds(self) -> float:
        """How long it has worked on what it was given."""
        return time.monotonic() - self._began

    @property
    def has_not_read(self) -> bool:
        """Whether nothing of what it was given last has been read, as far as the system tells."""
        if self.task is None or self._ending != "exited" or self.stdin < 0 or sys.platform != "linux":
            return False
        import termios

        count = fcntl.ioctl(self.stdin, termios.FIONREAD, b"\0\0\0\0")
        return int.from_bytes(count, sys.byteorder) + len(self._left) >= len(self.task.stdin)

    def close_stdin(self) -> None:
        """Tell it that there is no more to come."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def feed(self) -> None:
        try:
            while self._left:
                self._left = self._left[os.write(self.stdin, self._left[: 1 << 16]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It has ended, or will answer without having read, which is seen then.
            self._is_broken = True

    def read_stdout(self) -> None:
        chunk = os.read(self.stdout, 1 << 16)
        if not chunk:
            os.close(self.stdout)
            self.stdout = -1
            self._mute_since = time.monotonic()
            return
        self._line += chunk
        while b"\n" in chunk and self._ending == "exited":
            line, newline, rest = bytes(self._line).partition(b"\n")
            if not newline:
                break
            self._line = bytearray(rest)
            self._said(line)
        if len(self._line) > LONGEST_LINE:
            self._misbehave("wrote a line longer than an answer may be")

    def keep_time(self, now: float) -> None:
        # It may only be about to end; if not, there can be no answer any more.
        if self._mute_since is not None and now >= self._mute_since + LINGER:
            self._misbehave("closed its stdout")
        super().keep_time(now)

    @property
    def due(self) -> float | None:
        due, mute = super().due, self._mute_since
        if mute is None or self._exited_at is not None or self._ending != "exited":
            return due
        return mute + LINGER if due is None else min(due, mute + LINGER)

    def _said(self, line: bytes) -> None:
        if not self.is_ready:
            with contextlib.suppress(ValueError, RecursionError):
                self.is_ready = json.loads(line) == HELLO
            if not self.is_ready:
                self._misbehave(
                    f"began with {quoted(line.decode(errors='replace'))}, not {json.dumps(HELLO)}"
                )
            self._limits = self._limits._replace(timeout=None)
        elif self.task is None or self.answer is not None:
            self._misbehave("wrote something while nothing was asked")
        else:
            try:
                self.answer = parse_answer(line, self.task.reference, self._replies)
            except ValueError as e:
                self._misbehave(str(e))

    def _misbehave(self, fault: str) -> None:
        if self._exited_at is None and self._ending == "exited":
            self.fault = f"the handler {fault}"
            self.end("unanswered")

    @property
    def failure(self) -> HandlerOutcome:
        """What came of the message that it held when it ended."""
        end = self.outcome
        if end.ending in ("timed-out", "stopped"):
            return HandlerOutcome(
                None, end.ending, end.exit_code, seconds=self.seconds, last_line=end.last_line
            )
        bare = HandlerOutcome(None, exit_code=end.exit_code).failure
        why = self.fault or f"{bare}{f': {end.last_line}' if end.last_line else ''}, before it answered"
        return HandlerOutcome(None, exit_code=end.exit_code or 1, why=why)


class PersistentPool(HandlerPool):
    """As HandlerPool, with handlers that stay, and have the grace when all is done."""

    def __init__(
        self,
        handler: HandlerOptions,
        notify: Callable[[], None],
        environ: Mapping[str, str],
        replies: bool,
    ) -> None:
        self._grace = handler.grace
        self._timeout = handler.timeout
        self._replies = replies
        self._alive: dict[int, PersistentProcess] = {}
        self._has_begun = False
        self._early_ends = 0
        self._failure: KubemqctlError | None = None
        self._close_by = math.inf
        command: Executable = handler.command
        environ = {**environ, "PYTHONUNBUFFERED": "1"}
        super().__init__(command, handler.concurrency, notify, environ)

    @property
    def _is_over(self) -> bool:
        return self._halted and not self._tasks and not self._alive

    @property
    def _all(self) -> list[HandlerProcess]:
        return [*self._alive.values()]

    def _fail_all(self, error: KubemqctlError) -> None:
        self._failure = error
        for process in [*self._alive.values()]:
            self._let_go(process)

    def _turn(self) -> None:
        self._wakeup.clear()
        now = time.monotonic()
        if self._halted:
            self._bring_to_an_end(now)
        for process in [*self._alive.values()]:
            process.keep_time(now)
            if answered := process.take_answer():
                self._early_ends = 0
                self._tell_answer(process, *answered)
            if process.is_over(now, may_wait=self._stderr_full and not self._halted):
                self._let_go(process)
        self._hand_out()
        if self._is_over:
            return
        due = min((process.due for process in self._alive.values() if process.due), default=math.inf)
        self._wait(min(due, self._close_by) - now)

    def _bring_to_an_end(self, now: float) -> None:
        """What works is stopped; the others see the end of their stdin, and have the grace."""
        self._close_by = min(self._close_by, now + self._grace)
        for process in self._alive.values():
            if (process.task and not process.answer) or now >= self._close_by:
                process.end("stopped")
            else:
                self._forget(process.stdin)
                process.close_stdin()
        if now >= self._close_by:
            self._close_by = math.inf if not self._alive else now + 1.0

    # --- starting, and what there is to do ---

    def _hand_out(self) -> None:
        while self._tasks and (self._closed or self._failure):
            task = self._tasks.popleft()
            self._tell(HandlerOutcome(task.key, "stopped", error=self._failure))
        if self._closed or self._failure:
            return
        free = [process for process in self._alive.values() if process.is_free]
        while self._tasks and free:
            process = free.pop()
            task = self._tasks.popleft()
            process.give(task, task.timeout)
            self._watch_stdin(process)
        starting = sum(not process.is_ready for process in self._alive.values())
        wanted = len(self._tasks) - starting if self._has_begun else self.concurrency
        for _ in range(min(wanted, self.concurrency - len(self._alive))):
            self._start_one()
        self._has_begun = True

    def _start_one(self) -> None:
        self._numbers += 1
        try:
            process = PersistentProcess(self._launcher, self._numbers, {}, self._replies)
        except OSError as e:
            self._fail_all(self._cannot_start(e))
            return
        process.start_clock(self._timeout)
        self._alive[process.number] = process
        self._watch_all(process)

    # --- answers and ends ---

    def _tell_answer(self, process: PersistentProcess, task: Task, answer: Answer) -> None:
        code = 1 if answer.error else 0
        self._tell(
            HandlerOutcome(
                task.key,
                exit_code=code,
                stdout=answer.reply,
                seconds=process.seconds,
                why=answer.error,
                retry=answer.retry,
            )
        )

    def _let_go(self, process: PersistentProcess) -> None:
        """It has ended: what it held has failed, unless it had not read that or the run fails with it."""
        task, is_unread = process.task, process.has_not_read
        self._release(process)
        del self._alive[process.number]
        if process.failed:
            self._failure = self._cannot_start(OSError(process.failed, os.strerror(process.failed)))
        elif not process.has_answered and not self._halted and (process.task or not process.is_ready):
            self._early_ends += 1
            if self._early_ends >= EARLY_ENDS and not self._failure:
                why = process.failure.why or process.failure.failure
                text = f"{why}; it ended {EARLY_ENDS} times running before its first answer"
                self._failure = HandlerFailed(text, hint="see `kubemqctl help handlers`")
        if task and is_unread and not self._closed and not self._failure:
            # It had ended before it was given any: that is no failure of the message.
            self._tasks.appendleft(task)
        elif task:
            self._tell(process.failure._replace(key=task.key, error=self._failure))
