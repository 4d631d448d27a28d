"""How a handler's run ended, in words, and when a bad end is believed to be a failure."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kubemqctl.messaging.handlers.launching import kill_all
from kubemqctl.messaging.handlers.process import Ending
from kubemqctl.model.errors import KubemqctlError, signal_name
from kubemqctl.model.values import format_duration
from kubemqctl.runtime.waiting import SIGNALS, StopSignal


class HandlerOutcome(NamedTuple):
    """What came of a run. `exit_code` is 128+n for signal n, as in a shell; `last_line` is stderr's.

    `error` says why it could not even be started. A persistent handler says itself `why` it failed, and may
    ask for the message again in `retry` seconds.
    """

    key: Any
    ending: Ending = "exited"
    exit_code: int = 0
    stdout: bytes = b""
    last_line: str = ""
    seconds: float = 0.0
    error: KubemqctlError | None = None
    why: str = ""
    retry: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.ending == "exited" and not self.exit_code and not self.error

    @property
    def failure(self) -> str:
        """Why it is not ok, in words."""
        if self.error:
            return self.error.message
        if self.why and self.ending == "exited":
            return self.why
        return _ENDINGS[self.ending](self)

    @property
    def short(self) -> str:
        """The same in as few words as may be."""
        if self.ending == "exited":
            return self.why or _code_text(self.exit_code)
        return "timed out" if self.ending == "timed-out" else self.failure

    @property
    def explained(self) -> str:
        """The same with the last line of stderr, where the handler ended by itself."""
        return self._with_last_line(self.failure)

    @property
    def in_short(self) -> str:
        """The same in one line for people."""
        return self._with_last_line(self.short)

    def _with_last_line(self, text: str) -> str:
        is_told = self.ending in ("exited", "timed-out") and not self.error and not self.why
        return f"{text}: {self.last_line}" if is_told and self.last_line else text


_ENDINGS: dict[Ending, Callable[[HandlerOutcome], str]] = {
    "exited": lambda outcome: f"the handler ended with {_code_text(outcome.exit_code)}",
    "timed-out": lambda outcome: (
        f"the handler was stopped after {format_duration(round(outcome.seconds, 1))}"
    ),
    "stopped": lambda outcome: "the handler was stopped, as the run had to end",
    "unanswered": lambda outcome: outcome.why,
    "not-handed-over": lambda outcome: f"the handler cannot be given the message: {outcome.last_line}",
    "too-much-output": lambda outcome: "the handler was stopped: it wrote more than a message can hold",
}


def _code_text(code: int) -> str:
    return signal_name(code) or f"exit code {code}"


BELIEVED_AFTER = 0.2
"""Seconds; see FailureDelay."""
_STOP_CODES = frozenset(128 + signum for signum in SIGNALS)


class FailureDelay:
    """Outcomes on their way to being judged: a stop that was asked for makes no failures.

    A service manager's stop reaches handlers as well as us, in any order: one that ends badly behind it or
    shortly before was stopped. So a failure waits for a moment, and `in_order` what ended behind it.
    """

    def __init__(self, stop: StopSignal, in_order: bool = True) -> None:
        self._stop = stop
        self._in_order = in_order
        self._at_once: deque[HandlerOutcome] = deque()
        self._outcomes: deque[tuple[float, HandlerOutcome]] = deque()

    def __len__(self) -> int:
        return len(self._outcomes) + len(self._at_once)

    @property
    def left(self) -> float:
        """Seconds until `ready` has something."""
        if self._at_once:
            return 0.0
        return self._outcomes[0][0] - time.monotonic() if self._outcomes else math.inf

    @property
    def may_be_stop(self) -> bool:
        """Whether a handler has ended as a stop ends it: then no other should be begun."""
        return any(outcome.exit_code in _STOP_CODES for _, outcome in self._outcomes)

    def put(self, outcome: HandlerOutcome) -> None:
        """`outcome` came now; only one that ended badly by itself needs time."""
        if outcome.ok and not self._in_order:
            self._at_once.append(outcome)
            return
        waits = outcome.ending == "exited" and not outcome.ok and not outcome.error
        self._outcomes.append((time.monotonic() + (BELIEVED_AFTER if waits else 0.0), outcome))

    def ready(self) -> Iterator[HandlerOutcome]:
        """Those whose time has come; all of them once there is a stop, which makes bad ends stopped ones."""
        while self._at_once:
            yield self._at_once.popleft()
        while self._outcomes and (self._stop or self.left <= 0):
            _, outcome = self._outcomes.popleft()
            if self._stop and not outcome.ok and not outcome.error:
                outcome = outcome._replace(ending="stopped")
            yield outcome


class StopWithHandlers(StopSignal):
    """A StopSignal; when the second signal ends the process at once, it takes the running handlers along."""

    def __init__(self) -> None:
        super().__init__()
        self.last_acts.append(kill_all)
