"""Copies of messages on their way to other queues, or back with a delay: sent before these are settled."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kubemqctl.messaging.queues.held_messages import Concluded, HeldMessage
from kubemqctl.model.errors import KubemqctlError, Partial, TooLarge
from kubemqctl.model.messages import Message

if TYPE_CHECKING:
    from kubemqctl.client.queues import PendingBatch

MOST_AT_ONCE = 100
BYTES_AT_ONCE = 8 << 20
MOST_PENDING = 1_000
"""Retries of a worker that may wait for their time: a server delays 1,024 messages, of all its clients."""
Send = Callable[[Sequence[Message]], "PendingBatch"]


class Forwarder:
    """Sends copies, one request under way at a time, so that their order holds."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queued: deque[HeldMessage] = deque()
        self._sent: list[HeldMessage] = []
        self._under_way: PendingBatch | None = None
        self._due: list[float] = []

    def __len__(self) -> int:
        """How many have no answer yet."""
        return len(self._queued) + len(self._sent)

    @property
    def is_full(self) -> bool:
        """Whether as many retries wait for their time as may."""
        while self._due and self._due[0] <= time.monotonic():
            heapq.heappop(self._due)
        return len(self._due) >= MOST_PENDING

    def add(self, work: HeldMessage) -> None:
        """Send the copy of `work`."""
        self._queued.append(work)

    def look(self) -> list[Concluded]:
        """What was answered; `error` is why a copy was not taken. Raises what lost the connection."""
        concluded: list[Concluded] = []
        if self._under_way and self._under_way.pending.done():
            concluded = self._answered(self._under_way)
            self._under_way = None
        if self._queued and self._under_way is None:
            self._begin()
        return concluded

    def _begin(self) -> None:
        size = 0
        while self._queued and len(self._sent) < MOST_AT_ONCE and (size < BYTES_AT_ONCE or not self._sent):
            work = self._queued.popleft()
            size += len(work.message.body)
            self._sent.append(work)
        self._under_way = self._send([work.copy for work in self._sent])

    def _answered(self, batch: PendingBatch) -> list[Concluded]:
        sent, self._sent = self._sent, []
        try:
            results = batch.results()
        except TooLarge as e:
            return [Concluded(work, e) for work in sent]
        except KubemqctlError:
            self._sent = sent
            raise
        for work in sent:
            if work.decision.kind == "retry":
                heapq.heappush(self._due, time.monotonic() + work.decision.value)
        return [
            Concluded(work, Partial(f"a copy was refused: {result.error}") if result.error else None)
            for work, result in zip(sent, results, strict=True)
        ]

    def drop(self) -> list[HeldMessage]:
        """The connection is gone; returns those whose copy was not sent, or perhaps not taken."""
        dropped = [*self._sent, *self._queued]
        self._sent, self._under_way = [], None
        self._queued.clear()
        return dropped
