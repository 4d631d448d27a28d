"""`--pace`: records that go out with the gaps that lie between their times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kubemqctl.messaging.input.message_parsers import MessageBatch
from kubemqctl.model.limits import SECOND

TOGETHER = 0.005
"""Seconds: what is due within this goes out in one request."""


class Due(NamedTuple):
    """Messages that go out together, and when: monotonic seconds."""

    batch: MessageBatch
    at: float


class Pacer:
    """Says when each message is due, so that gaps are `factor` times as short as those of their times.

    Every time is counted from the first one: what a slow server costs is made up for, and adds up to nothing.
    Messages without a time, or with one that is not later than the last, follow at once.
    """

    def __init__(
        self, factor: float, wait: Callable[[float], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._factor = factor
        self._wait = wait
        self._now = now
        self._first: int | None = None
        self._latest = 0
        self._began = self._due = 0.0

    def portions(self, job: MessageBatch, most: int) -> Iterator[Due]:
        """`job` in parts of at most `most` messages that are due together."""
        begin, due = 0, 0.0
        for at, stamp in enumerate(job.times):
            next_due = self.due_at(stamp)
            if at == begin:
                due = next_due
            elif next_due - due > TOGETHER or at - begin >= most:
                yield Due(job.between(begin, at), due)
                begin, due = at, next_due
        if begin < len(job.messages):
            yield Due(job.between(begin, len(job.messages)), due)

    def due_at(self, stamp: int) -> float:
        """When a message of this time (Unix nanoseconds, 0 for none) is due."""
        if stamp > self._latest:
            if self._first is None:
                self._first, self._began = stamp, self._now()
            self._latest = stamp
            self._due = self._began + (stamp - self._first) / SECOND / self._factor
        return self._due

    def wait(self, due: float) -> None:
        """Wait until then, or until a signal comes."""
        self._wait(due - self._now())
