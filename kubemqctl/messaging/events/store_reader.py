"""Reading a store: where to begin, how to come back after a break, and where to end.

No call tells what a store holds, so what has to be known of it comes from short subscriptions of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kubemqctl.messaging.events.checkpoint import Checkpoint, CheckpointPosition
from kubemqctl.messaging.events.sequence_tracker import SequenceTracker
from kubemqctl.model.errors import PASSING, ConfigError
from kubemqctl.model.limits import SECOND
from kubemqctl.model.messages import Event
from kubemqctl.model.values import End, Start

if TYPE_CHECKING:
    from kubemqctl.client.events import StoredChannel
    from kubemqctl.client.feed import Feed


# So long an id may still be taken by the subscription that broke: seconds. Beyond, the server has not
# noticed that we are gone, and may not for hours.
ID_IN_USE = 3.0
# Attempts further apart than this belong to different breaks: seconds.
NEXT_BREAK = 10.0
SOON = 0.5
# How late server 2.4.0 may begin where a time is asked for, in nanoseconds: it was 0.7 ms.
LATE = SECOND
NEWEST = Start("last")


def first_position(store: StoredChannel, start: Start, checkpoint: Checkpoint | None) -> Start:
    """The first subscription's start, without `ago` and `back`. A checkpoint's position goes first.

    Raises ConfigError for a position that the server does not have.
    """
    if checkpoint and checkpoint.position:
        _check_position(store, checkpoint.path, checkpoint.position)
        return Start("sequence", checkpoint.position.sequence + 1)
    if start.kind == "ago":
        start = with_absolute_time(start, store.clock())
    if start.kind == "back":
        newest = store.first(NEWEST)
        return (
            Start("sequence", max(1, newest.sequence - start.value + 1), True) if newest else Start("first")
        )
    if checkpoint and start.kind in ("new", "last"):
        return _pinned(store, start, checkpoint)
    return start


def _pinned(store: StoredChannel, start: Start, checkpoint: Checkpoint) -> Start:
    """`new` and `last` as a sequence: a run that ends before its first event leaves a position too."""
    newest = store.first(NEWEST)
    if start.kind == "new":
        checkpoint.save(newest)
    after = newest.sequence if newest else 0
    return Start("sequence", after + 1 if start.kind == "new" else max(1, after))


def _check_position(store: StoredChannel, path: str, position: CheckpointPosition) -> None:
    if not position.sequence:
        return
    found = store.first(Start("sequence", position.sequence))
    what = f"the checkpoint {path} is at event {position.sequence} of {store.channel}"
    hint = f"to start over, delete {path}, and give the position with --from"
    if found is None or found.sequence < position.sequence:
        newest = store.first(NEWEST)
        has = f"none after event {newest.sequence}" if newest else "no event of that channel"
        raise ConfigError(f"{what}, ahead of the server, which has {has}", hint=hint)
    if found.sequence == position.sequence and not position.is_of(found):
        raise ConfigError(f"{what}, but the server has another event there", hint=hint)


class StoreReader:
    """Opens the subscription, first and after each break. Without `tracker` the server keeps the position."""

    def __init__(
        self, store: StoredChannel, tracker: SequenceTracker | None, start: Start, durable: str
    ) -> None:
        self.gap = False  # only something is missing: the server and its events are the same
        self._store = store
        self._tracker = tracker
        self._start = start
        self._durable = durable
        self._client_id = durable or store.fresh_id()
        self._opened: int | None = None  # monotonic nanoseconds: a clock that is set takes no time
        self._tried = self._broken = 0.0

    def open(self, notify: Callable[[], None]) -> Feed[Event]:
        """Subscribe; see `Live` for when."""
        start = self._next_start(self._tracker) if self._tracker else self._start
        if self._opened is None:
            self._opened = time.monotonic_ns()
        elif self._tracker and start.kind == "new":
            start = self._came_back(self._tracker, start, self._opened)
        elif not self._durable:
            self._client_id = self._store.fresh_id()
        return self._store.open(self._client_id, _earlier(start) if self._tracker else start, notify)

    def _next_start(self, tracker: SequenceTracker) -> Start:
        if tracker.last and not self.gap:
            self._verify(tracker, tracker.last)
        self.gap = False
        tracker.opened()
        return tracker.start

    def _verify(self, tracker: SequenceTracker, last: Event) -> None:
        """After a break: see whether the server still has the last event that came, and no other there."""
        found = self._store.first(Start("sequence", last.sequence))
        if found is None or found.sequence < last.sequence:
            tracker.start_over()
        elif found.sequence == last.sequence and (found.id, found.timestamp) != (last.id, last.timestamp):
            tracker.start_over(newer=found.timestamp > last.timestamp)

    def _came_back(self, tracker: SequenceTracker, start: Start, opened: int) -> Start:
        """Before the first event the same id comes back: the server knows since when it wants what is new.

        It counts what was on its way as delivered, though, so what is stored since then is begun with.
        """
        # Looked at once the server's time is there: what asking for it takes is no time before.
        clock = self._store.clock()
        since = Start("time", clock - (time.monotonic_ns() - opened))
        now = time.monotonic()
        if now - self._tried > NEXT_BREAK:
            self._broken = now
        self._tried = now
        if now - self._broken < ID_IN_USE and not self._store.first(since):
            return start
        self._client_id = self._store.fresh_id()
        tracker.begin = since
        return since


class EndCondition:
    """Where reading ends: behind the event `sequence`, or the last one of a time.

    `is_stored` is whether all events up to there are stored already.
    """

    def __init__(self, end: End, store: StoredChannel, start: Start) -> None:
        self.due: float | None = None  # when the time is up; monotonic seconds
        self.sequence = end.value if end.kind == "sequence" else None
        self._time = end.value if end.kind == "time" else None
        self._store = store
        newest = store.first(NEWEST)
        if newest is None or (end.kind == "now" and not _brings(start, newest)):
            self.sequence = 0
        elif end.kind == "now":
            self.sequence = newest.sequence
        elif self._time is not None:
            self._wait_for(self._time, start, newest)
        self.is_stored = newest is None or (self.sequence is not None and self.sequence <= newest.sequence)
        if newest and self.is_stored and not _brings(start, newest):
            self.sequence = 0

    def _wait_for(self, at: int, start: Start, newest: Event) -> None:
        """A time: once it has passed, all that is stored by then."""
        left = at - self._store.clock()
        if left <= 0:
            self.sequence = newest.sequence if _brings(start, newest) else 0
        else:
            self.due = time.monotonic() + left / 1e9

    def cut(self, events: list[Event]) -> tuple[list[Event], bool]:
        """The events that lie within, and whether those are all there will be."""
        for at, event in enumerate(events):
            beyond = self._time is not None and event.timestamp > self._time
            if beyond or (self.sequence is not None and event.sequence > self.sequence):
                return events[:at], True
        return events, bool(events) and events[-1].sequence == self.sequence

    def is_reached(self, wanted: int | None) -> bool:
        """Whether nothing more can come, when `wanted` is the next sequence."""
        if self.due is not None and time.monotonic() >= self.due:
            self._close()
        if self.sequence is None:
            return False
        return not self.sequence or (wanted is not None and wanted > self.sequence)

    def _close(self) -> None:
        """The time is up: what is stored by now is all. A connection that is lost just now is asked again."""
        try:
            newest = self._store.first(NEWEST)
        except PASSING:
            self.due = time.monotonic() + SOON
            return
        self.sequence, self.due, self.is_stored = newest.sequence if newest else 0, None, True


def _brings(start: Start, newest: Event) -> bool:
    """Whether a subscription from `start` brings what is stored, up to `newest`."""
    if start.kind == "new":
        return False
    if start.kind == "sequence":
        return start.value <= newest.sequence
    return start.kind != "time" or start.value <= newest.timestamp


def _earlier(start: Start) -> Start:
    """What to ask a server for to get all from `start` on; the tracker passes over what is too early."""
    if start.kind != "time":
        return start
    return Start("time", start.value - LATE) if start.value > LATE else Start("first")


def with_absolute_time(start: Start, server_now: int) -> Start:
    """`start` with a time in place of `ago`; the beginning of time is `first`, as servers refuse it."""
    if start.kind == "ago":
        start = Start("time", server_now - start.value)
    return Start("first") if start.kind == "time" and start.value <= 0 else start
