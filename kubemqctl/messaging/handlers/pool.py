"""Handlers: some at a time, each given a message and heard of when it has ended.

One thread serves them all. It starts none itself: see `launcher`.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import queue
import resource
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from kubemqctl.messaging.handlers.launching import LauncherProcess
from kubemqctl.messaging.handlers.message_input import (
    MESSAGE_VARIABLES,
    Executable,
    Input,
    fitting,
    room_for_variables,
    stdin_bytes,
    variables,
)
from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.handlers.process import HandlerProcess, ProcessLimits
from kubemqctl.model.errors import HandlerFailed, KubemqctlError, NotFound, UsageError
from kubemqctl.model.limits import MAX_BODY
from kubemqctl.model.messages import NO_TAGS
from kubemqctl.model.text import escaped, reason, why_not_started
from kubemqctl.output.stderr_writer import STDERR
from kubemqctl.runtime.waiting import Wakeup, milliseconds

KILL_AFTER = 2.0
"""Seconds between SIGTERM and SIGKILL."""
# How often what is over is looked for while our stderr takes nothing: seconds.
TICK = 0.02
# Descriptors of one handler, and those that the rest of the program may need.
_OF_EACH, _OF_OURS = 3, 64


class Task(NamedTuple):
    """One run of a handler. `key` is the caller's own and comes back with the outcome.

    `timeout`, counted from the start, and `kill_after` are seconds. `prefix` begins its lines on stderr, and
    `reference` has what the answer of a persistent handler repeats.
    """

    key: Any
    stdin: bytes
    variables: Mapping[str, str]
    timeout: float | None = None
    kill_after: float = KILL_AFTER
    prefix: bytes = b""
    reference: Mapping[str, object] = NO_TAGS


def task(
    key: object,
    noun: object,
    form: Input = "body",
    timeout: float | None = None,
    *,
    prefix: bool = False,
    persistent: bool = False,
) -> Task:
    """The run of a handler for the message `noun`; with `prefix` its stderr is told by the sequence.

    One that is `persistent` was started long before, with no variables of a message.
    """
    sequence, id = getattr(noun, "sequence", 0), getattr(noun, "id", "")
    reference = {"sequence": sequence} if sequence else {"id": id}
    if sequence and not hasattr(noun, "receive_count"):
        reference["id"] = id  # a stored event has both
    begin = f"#{sequence} ".encode() if prefix else b""
    given = {} if persistent else variables(noun)
    return Task(key, stdin_bytes(noun, form), given, timeout, prefix=begin, reference=reference)


class HandlerPool:
    """Up to `concurrency` handlers at a time; a context manager that leaves none of them behind.

    `notify` is called, from any thread, when there is an outcome that `ended` will give.
    `most_output` is how many bytes of stdout one may write; more, and it is ended.
    Raises UsageError when the system's limits leave no room for that, HandlerFailed when nothing can start.
    """

    def __init__(
        self,
        command: Executable,
        concurrency: int,
        notify: Callable[[], None] = lambda: None,
        environ: Mapping[str, str] = os.environ,
        most_output: int = MAX_BODY,
    ) -> None:
        self.concurrency = concurrency
        self._command = command
        self._notify = notify
        self._outcomes: queue.SimpleQueue[HandlerOutcome] = queue.SimpleQueue()
        # Those of a handler above us would tell of another message.
        own = {
            os.fsencode(name): os.fsencode(value)
            for name, value in environ.items()
            if name not in MESSAGE_VARIABLES
        }
        self._room = room_for_variables(command, own)
        self._most_output = most_output
        self._tasks: deque[Task] = deque()
        self._processes: dict[int, tuple[HandlerProcess, Task]] = {}
        self._numbers = 0
        self._serving: dict[int, Callable[[], None]] = {}
        self._poll = select.poll()
        self._changed = threading.Condition()
        self._under_way = 0
        self._closed = self._halted = self._done = False
        self._stderr_full = False
        self._wakeup = Wakeup()
        try:
            self._launcher = LauncherProcess(command, own)
        except OSError as e:
            raise HandlerFailed(f"handlers cannot be started: {reason(e)}", code="handler-not-started") from e
        _allow_descriptors(concurrency)
        self._watch(self._wakeup.fd, lambda: None)
        self._watch(self._launcher.fd, self._hear)
        self._thread = threading.Thread(target=self._serve, name="handlers", daemon=True)
        self._thread.start()

    def __enter__(self) -> HandlerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish(0)

    @property
    def under_way(self) -> int:
        """How many were begun and have no outcome yet."""
        return self._under_way

    @property
    def free(self) -> int:
        """How many more could run at once."""
        return self.concurrency - self._under_way

    def start(self, task: Task) -> None:
        """Run the handler for `task`; with none free it begins when one is."""
        with self._changed:
            self._under_way += 1
        self._tasks.append(task)
        self._wakeup.notify()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until none is under way, at most `seconds`; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, seconds)

    def ended(self) -> Iterator[HandlerOutcome]:
        """The outcomes that have come, each once, in the order in which handlers ended; never waits."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._outcomes.get_nowait()

    def begin_no_more(self) -> None:
        """Give back what no handler has begun, as "stopped"; those that run go on."""
        self._closed = True
        self._wakeup.notify()

    def finish(self, grace: float) -> None:
        """Start no more, wait `grace` seconds for those that run, end the rest; all have ended on return.

        The outcome of what was not begun is "stopped".
        """
        if self._done:
            return
        self.begin_no_more()
        self.wait(grace)
        self._halted = True
        self._wakeup.notify()
        self._thread.join()
        self._done = True
        self._launcher.close()
        self._wakeup.close()

    # --- the loop ---

    @property
    def _is_over(self) -> bool:
        return self._halted and not self._tasks and not self._processes

    def _serve(self) -> None:
        while not self._is_over:
            try:
                self._turn()
            except Exception as e:
                # Whoever waits for the outcomes would wait for ever.
                error = e if isinstance(e, KubemqctlError) else _bug(e)
                self._fail_all(error)
                self._closed = True
                self._forget(self._launcher.fd)

    def _fail_all(self, error: KubemqctlError) -> None:
        for process, task in [*self._processes.values()]:
            self._conclude(process, HandlerOutcome(task.key, error=error))

    def _turn(self) -> None:
        self._wakeup.clear()
        now = time.monotonic()
        for process, task in [*self._processes.values()]:
            if self._halted:
                process.end("stopped")
            process.keep_time(now)
            if process.is_over(now, may_wait=self._stderr_full and not self._halted):
                self._conclude(process, self._outcome(process, task))
        while self._tasks and (self._closed or len(self._processes) < self.concurrency):
            self._begin(self._tasks.popleft())
        if self._halted and not self._processes:
            return
        due = min((process.due for process, _ in self._processes.values() if process.due), default=math.inf)
        self._wait(due - now)

    def _wait(self, patience: float) -> None:
        """Serve what there is to be served within `patience` seconds."""
        # Where our own stderr is what is waited for, its descriptor tells.
        patience = max(patience, TICK if self._stderr_full else 0.0)
        for fd, _ in self._poll.poll(milliseconds(patience)):
            if serve := self._serving.get(fd):
                serve()

    def _begin(self, task: Task) -> None:
        if self._closed:
            self._tell(HandlerOutcome(task.key, "stopped"))
            return
        self._numbers += 1
        limits = ProcessLimits(task.timeout, task.kill_after, self._most_output)
        own = fitting(task.variables, self._room)
        try:
            process = HandlerProcess(self._launcher, self._numbers, own, task.stdin, limits, task.prefix)
        except OSError as e:
            self._tell(HandlerOutcome(task.key, error=self._cannot_start(e)))
            return
        self._processes[process.number] = process, task
        self._watch_all(process)
        self._watch_stdin(process)

    def _hear(self) -> None:
        there = {process.number: process for process in self._all}
        for report in self._launcher.read():
            if report.number in there:
                process = there[report.number]
                if report.failed:
                    process.not_started(report.failed)
                else:
                    process.exited(report.exit_code)

    def _outcome(self, process: HandlerProcess, task: Task) -> HandlerOutcome:
        if not process.failed:
            return HandlerOutcome(task.key, *process.outcome)
        why = OSError(process.failed, os.strerror(process.failed))
        if process.failed == errno.E2BIG and self._room > 0:
            # That is about this message, whatever the reckoning said.
            return HandlerOutcome(task.key, "not-handed-over", 126, last_line=reason(why))
        return HandlerOutcome(task.key, error=self._cannot_start(why))

    def _conclude(self, process: HandlerProcess, outcome: HandlerOutcome) -> None:
        self._release(process)
        del self._processes[process.number]
        self._tell(outcome)

    def _release(self, process: HandlerProcess) -> None:
        """It has ended, and its pipes with it."""
        for fd in (process.stdin, process.stdout, process.stderr):
            self._forget(fd)
        process.close()

    def _tell(self, outcome: HandlerOutcome) -> None:
        try:
            self._outcomes.put(outcome)
            self._notify()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _cannot_start(self, error: OSError) -> KubemqctlError:
        name = escaped(self._command.words[0])
        why, hint = why_not_started(error)
        if isinstance(error, FileNotFoundError):
            return NotFound(f"the handler {name} cannot be started: {why}")
        return HandlerFailed(
            f"the handler {name} cannot be started: {why}", hint=hint, code="handler-not-started"
        )

    # --- the pipes ---

    def _watch_all(self, process: HandlerProcess) -> None:
        self._watch(process.stdout, lambda: self._read_stdout(process))
        if not self._stderr_full:
            self._watch(process.stderr, lambda: self._read_stderr(process))

    def _watch_stdin(self, process: HandlerProcess) -> None:
        if process.has_input:
            self._watch(process.stdin, partial(self._feed, process), select.POLLOUT)

    def _watch(self, fd: int, serve: Callable[[], None], events: int = select.POLLIN) -> None:
        self._poll.register(fd, events)
        self._serving[fd] = serve

    def _forget(self, fd: int) -> None:
        if self._serving.pop(fd, None):
            self._poll.unregister(fd)

    def _feed(self, process: HandlerProcess) -> None:
        fd = process.stdin
        process.feed()
        if not process.has_input:
            self._forget(fd)

    def _read_stdout(self, process: HandlerProcess) -> None:
        fd = process.stdout
        process.read_stdout()
        if process.stdout < 0:
            self._forget(fd)

    def _read_stderr(self, process: HandlerProcess) -> None:
        fd = process.stderr
        process.read_stderr()
        if process.stderr < 0:
            self._forget(fd)
        if not STDERR.is_clear and not self._stderr_full:
            self._hold_stderr()

    def _hold_stderr(self) -> None:
        """Our stderr takes no more: handlers wait as if they wrote to it themselves."""
        self._stderr_full = True
        for process in self._all:
            self._forget(process.stderr)
        self._watch(STDERR.poll_fd, self._drain_stderr, select.POLLOUT)

    def _drain_stderr(self) -> None:
        if not STDERR.offer(b""):
            return
        self._stderr_full = False
        self._forget(STDERR.poll_fd)
        for process in self._all:
            if process.stderr >= 0:
                self._watch(process.stderr, partial(self._read_stderr, process))

    @property
    def _all(self) -> list[HandlerProcess]:
        return [process for process, _ in self._processes.values()]


def _allow_descriptors(concurrency: int) -> None:
    """Raise the limit of open files as far as needed; handlers still get the one that we were given."""
    needed = concurrency * _OF_EACH + _OF_OURS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        most = (hard - _OF_OURS) // _OF_EACH
        raise UsageError(
            f"--concurrency {concurrency} needs {needed} open files, and the limit is {hard}",
            hint=f"use --concurrency {most}, or raise the limit: ulimit -n {needed}"
            if most > 0
            else f"raise the limit: ulimit -n {needed}",
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _bug(e: Exception) -> KubemqctlError:
    return KubemqctlError(f"this is a bug in kubemqctl: {type(e).__name__}: {e}")
