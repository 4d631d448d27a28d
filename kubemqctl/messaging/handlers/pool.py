"""Handlers: some at a time, each given a message and heard of when it has ended."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Literal, NamedTuple

from kubemqctl.messaging.handlers.process import Ending, HandlerProcess, ProcessEnd, ProcessLimits, kill_all
from kubemqctl.model.errors import HandlerFailed, KubemqctlError, NotFound
from kubemqctl.model.limits import MAX_BODY
from kubemqctl.model.records import field
from kubemqctl.model.text import escaped, reason
from kubemqctl.model.values import format_duration
from kubemqctl.runtime.waiting import SIGNALS, StopSignal

GRACE = 10.0
"""Seconds that running handlers get when the run is told to end."""
KILL_AFTER = 2.0
"""Seconds between SIGTERM and SIGKILL."""


class Task(NamedTuple):
    """One run of a handler. `key` is the caller's own and comes back with the outcome.

    `timeout`, counted from the start, and `kill_after` are seconds.
    """

    key: Any
    stdin: bytes
    variables: Mapping[str, str]
    timeout: float | None = None
    kill_after: float = KILL_AFTER


class HandlerOutcome(NamedTuple):
    """What came of a run. `exit_code` is 128+n for signal n, as in a shell; `last_line` is stderr's.

    `error` says why it could not even be started.
    """

    key: Any
    ending: Ending = "exited"
    exit_code: int = 0
    stdout: bytes = b""
    last_line: str = ""
    seconds: float = 0.0
    error: KubemqctlError | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.ending == "exited" and not self.exit_code and not self.error

    @property
    def failure(self) -> str:
        """Why it is not ok, in words."""
        if self.error:
            return self.error.message
        return _ENDINGS[self.ending](self)

    @property
    def explained(self) -> str:
        """The same with the last line of stderr, where the handler ended by itself."""
        return f"{self.failure}: {self.last_line}" if self.last_line and not self.error else self.failure


_ENDINGS: dict[Ending, Callable[[HandlerOutcome], str]] = {
    "exited": lambda outcome: f"the handler ended with {_code_text(outcome.exit_code)}",
    "timed-out": lambda outcome: (
        f"the handler was stopped after {format_duration(round(outcome.seconds, 1))}"
    ),
    "stopped": lambda outcome: "the handler was stopped, as the run had to end",
    "too-much-output": lambda outcome: "the handler was stopped: it wrote more than a message can hold",
}


def _code_text(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(code - 128).name
    return f"exit code {code}"


def task(key: object, noun: object, form: Input = "body", timeout: float | None = None) -> Task:
    """The run of a handler for the message `noun`."""
    return Task(key, stdin_bytes(noun, form), variables(noun), timeout)


# --- many at a time ---


class HandlerPool:
    """Up to `concurrency` handlers at a time; a context manager that leaves none of them behind.

    `notify` is called, from any thread, when there is an outcome that `ended` will give.
    `most_output` is how many bytes of stdout one may write; more, and it is ended.
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
        # Those of a handler above us would tell of another message.
        self._environ = {
            os.fsencode(name): os.fsencode(value)
            for name, value in environ.items()
            if name not in MESSAGE_VARIABLES
        }
        self._most_output = most_output
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[HandlerOutcome] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._under_way = 0
        self._halt_fd, self._halt = os.pipe()
        self._closed = False

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
            if len(self._threads) < min(self._under_way, self.concurrency):
                self._threads.append(threading.Thread(target=self._work, name="handler", daemon=True))
                self._threads[-1].start()
        self._tasks.put(task)

    def ended(self) -> Iterator[HandlerOutcome]:
        """The outcomes that have come, each once, in the order in which handlers ended; never waits."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._outcomes.get_nowait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until none is under way, at most `seconds`; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, seconds)

    def finish(self, grace: float = GRACE) -> None:
        """Start no more, wait `grace` seconds for those that run, end the rest; all have ended on return.

        The outcome of what was not begun is "stopped".
        """
        if self._closed:
            return
        self._closed = True
        if not self.wait(grace):
            os.write(self._halt, b"!")
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        os.close(self._halt_fd)
        os.close(self._halt)

    def _work(self) -> None:
        while task := self._tasks.get():
            try:
                self._outcomes.put(self._outcome(task))
                self._notify()
            finally:
                with self._changed:
                    self._under_way -= 1
                    self._changed.notify_all()

    def _outcome(self, task: Task) -> HandlerOutcome:
        if self._closed:
            return HandlerOutcome(task.key, "stopped")
        try:
            return HandlerOutcome(task.key, *self._ended(task))
        except OSError as e:
            return HandlerOutcome(task.key, error=_not_started(self._command, e))
        except Exception as e:
            # Whoever waits for the outcome would wait for ever.
            return HandlerOutcome(
                task.key, error=KubemqctlError(f"this is a bug in kubemqctl: {type(e).__name__}: {e}")
            )

    def _ended(self, task: Task) -> ProcessEnd:
        # Bytes, because a locale must not decide what a message may hold.
        own = {name.encode(): value.encode() for name, value in task.variables.items()}
        limits = ProcessLimits(task.timeout, task.kill_after, self._most_output)
        words, path = self._command
        return HandlerProcess(words, path, self._environ | own, task.stdin, limits, self._halt_fd).run()


def _not_started(command: Executable, error: OSError) -> KubemqctlError:
    name, why = escaped(command.words[0]), reason(error)
    if isinstance(error, FileNotFoundError):
        return NotFound(
            f"the handler {name} cannot be started: it, or the interpreter it names, does not exist"
        )
    hint = "a script begins with a line such as #!/bin/sh" if why == "exec format error" else ""
    return HandlerFailed(
        f"the handler {name} cannot be started: {why}", hint=hint, code="handler-not-started"
    )


BELIEVED_AFTER = 0.2
"""Seconds; see FailureDelay."""
_STOP_CODES = frozenset(128 + signum for signum in SIGNALS)


class FailureDelay:
    """Outcomes on their way to being judged, in order: a stop that was asked for makes no failures.

    A service manager's stop reaches handlers as well as us, in any order: one that ends badly behind it or
    shortly before was stopped. So a failure, and what ended behind it, waits for a moment.
    """

    def __init__(self, stop: StopSignal) -> None:
        self._stop = stop
        self._outcomes: deque[tuple[float, HandlerOutcome]] = deque()

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def left(self) -> float:
        """Seconds until `ready` has something."""
        return self._outcomes[0][0] - time.monotonic() if self._outcomes else math.inf

    @property
    def may_be_stop(self) -> bool:
        """Whether a handler has ended as a stop ends it: then no other should be begun."""
        return any(outcome.exit_code in _STOP_CODES for _, outcome in self._outcomes)

    def put(self, outcome: HandlerOutcome) -> None:
        """`outcome` came now; only one that ended badly by itself needs time."""
        waits = outcome.ending == "exited" and not outcome.ok and not outcome.error
        self._outcomes.append((time.monotonic() + (BELIEVED_AFTER if waits else 0.0), outcome))

    def ready(self) -> Iterator[HandlerOutcome]:
        """Those whose time has come; all of them once there is a stop, which makes bad ends stopped ones."""
        while self._outcomes and (self._stop or self.left <= 0):
            _, outcome = self._outcomes.popleft()
            if self._stop and not outcome.ok and not outcome.error:
                outcome = outcome._replace(ending="stopped")
            yield outcome


class StopWithHandlers(StopSignal):
    """A StopSignal; when the second signal ends the process at once, it takes the running handlers along."""

    def _caught(self, signum: int, frame: FrameType | None) -> None:
        if self.signum:
            kill_all()
        super()._caught(signum, frame)


LARGEST_VARIABLE = 100 << 10
"""Bytes; Linux takes 128 KiB for one `NAME=VALUE`."""
Input = Literal["body", "json"]
_VARIABLES = {
    f"KUBEMQ_{name.upper()}": name
    for name in ("channel", "id", "metadata", "sequence", "receive_count", "timestamp", "timeout", "tags")
}
_ALWAYS = {"channel", "id", "metadata", "tags"}
_OMITTED = "KUBEMQ_OMITTED"
MESSAGE_VARIABLES = frozenset((*_VARIABLES, _OMITTED))
"""All that may tell of a message; those of a handler above us would tell of another one."""


def variables(noun: object) -> dict[str, str]:
    """The environment that tells of a message; what does not fit is left out and named in KUBEMQ_OMITTED.

    Channel, id, metadata and tags are always there, the others where the message has them.
    """
    given: dict[str, str] = {}
    omitted = []
    for variable, name in _VARIABLES.items():
        text = _text(noun, name)
        if "\0" in text or len(text.encode()) > LARGEST_VARIABLE:
            omitted.append(variable)
        elif text or name in _ALWAYS:
            given[variable] = text
    if omitted:
        given[_OMITTED] = " ".join(omitted)
    return given


def _text(noun: object, name: str) -> str:
    if name == "tags":
        return json.dumps(field(noun, name) or {}, separators=(",", ":"), ensure_ascii=False)
    value = field(noun, name)
    return "" if value is None else str(value)


def stdin_bytes(noun: Any, form: Input) -> bytes:
    """What the handler reads: the body's exact bytes, or the whole record as a line of JSON."""
    if form == "body":
        return bytes(noun.body)
    from kubemqctl.output.forms import json_renderer

    return json_renderer()(noun)


class Executable(NamedTuple):
    """A handler that was found: the words as given, and the file that the first of them means."""

    words: tuple[str, ...]
    path: str
