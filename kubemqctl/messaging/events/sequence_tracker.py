"""Following the sequences of a store, so that every event is passed on once and in order.

Servers drop events for slow readers, lose what was in transit when a connection breaks, and may come back
empty. All of it shows in the sequences; what to do about it is decided here, without a server or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from kubemqctl.model.messages import Event
from kubemqctl.model.values import Start

Step = Literal["pass", "skip", "reopen"]


class Passed(NamedTuple):
    """What may be passed on; `reopen`: a new subscription at `Course.start` has to bring what is missing."""

    events: list[Event]
    reopen: bool = False


class SequenceTracker:
    """Where a subscription is in its store. `say` gets what a person should know."""

    def __init__(self, start: Start, say: Callable[[str], None]) -> None:
        self.missing = 0
        self.last: Event | None = None
        self.begin = start
        self._say = say
        self._wanted = start.value if start.kind == "sequence" and not start.as_stored else None
        self._asked_for = 0
        self._is_new = True

    @property
    def start(self) -> Start:
        """Where the next subscription has to begin."""
        return self.begin if self._wanted is None else Start("sequence", self._wanted)

    @property
    def wanted(self) -> int | None:
        """The next sequence; None before the first event."""
        return self._wanted

    def opened(self) -> None:
        """A new subscription begins."""
        self._is_new = True

    def start_over(self, newer: bool = True) -> None:
        """The server's events are not those of before: go on with what is `newer` than the last that came."""
        self._say("the server has lost its stored events: its sequences start over")
        self._wanted = None
        self.begin = Start("time", self.last.timestamp + 1) if newer and self.last else Start("first")

    def silent(self, upto: int) -> bool:
        """Nothing more comes, though events up to `upto` are stored: True to ask once more."""
        if self._wanted is not None and self._asked_for != self._wanted:
            self._asked_for = self._wanted
            return True
        if self._wanted is not None:
            self._give_up(self._wanted, upto)
        self._wanted = upto + 1
        return False

    def follow(self, events: Sequence[Event]) -> Passed:
        """Take `events` as they came."""
        passed: list[Event] = []
        for event in events:
            step = self._step(event)
            self._is_new = False
            if step == "reopen":
                return Passed(passed, reopen=True)
            if step == "pass":
                passed.append(event)
                self.last = event
                self._wanted = event.sequence + 1
        return Passed(passed)

    def _step(self, event: Event) -> Step:
        if self._wanted is None:
            begin = self.begin
            at = {"time": event.timestamp, "sequence": event.sequence}.get(begin.kind, begin.value)
            return "skip" if at < begin.value else "pass"
        if event.sequence < self._wanted:
            return self._behind(event)
        return self._ahead(event, self._wanted) if event.sequence > self._wanted else "pass"

    def _behind(self, event: Event) -> Step:
        """An event from before what is wanted: not there yet, a repetition, or another store."""
        if self.last is None:
            return "skip"
        newer = event.timestamp > self.last.timestamp
        if not newer and not self._is_new:
            return "skip"
        self.start_over(newer)
        return "pass" if event.sequence == 1 else "reopen"

    def _ahead(self, event: Event, wanted: int) -> Step:
        """A gap: ask for what is missing once, then say that it is gone."""
        if self._asked_for != wanted:
            self._asked_for = wanted
            return "reopen"
        self._give_up(wanted, event.sequence - 1)
        return "pass"

    def _give_up(self, first: int, last: int) -> None:
        self.missing += last - first + 1
        what = f"event {first} is" if first == last else f"events {first} to {last} are"
        self._say(f"{what} gone from the server")
