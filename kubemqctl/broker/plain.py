"""ReceiveQueueMessages and AckAllQueueMessages: what is taken is acknowledged, there and then.

Calls on one queue take turns, as on the real server: a peek waits behind a receive that waits.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from kubemqctl.broker import schema
from kubemqctl.broker.core import Bell, Core, TooLarge
from kubemqctl.broker.journal import JournalError
from kubemqctl.broker.queue import Drained, Queue, Taker

_PIECE = 20_000  # sequences


class Plain:
    """The plain calls of all clients. Waits are seconds."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def receive(self, name: str, count: int, wait: float, *, peek: bool) -> tuple[list[bytes], int]:
        """The bodies of up to `count` messages, and how many expired ones were met.

        Waits until there are so many, `wait` seconds at most. Raises TooLarge and JournalError; nothing is
        taken then.
        """
        async with self._turns[name]:
            queue = self._core.queue(name)
            taker = await self._filled(queue, count, wait)
            try:
                bodies = self._core.bodies(queue, taker.taken)
            except (TooLarge, JournalError):
                self._core.give_up(queue, taker)
                raise
            if peek:
                self._core.give_up(queue, taker)
            else:
                await self._acknowledge(queue, taker)
            return bodies, len(taker.expired)

    async def _filled(self, queue: Queue, count: int, wait: float) -> Taker:
        full = Bell()
        taker = Taker(count, full.ring, skips_expired=True)
        queue.join(taker, self._core.clock())
        try:
            await full.wait(wait)
        except asyncio.CancelledError:
            queue.leave(taker)
            self._core.give_up(queue, taker)
            raise
        queue.leave(taker)
        return taker

    def _acknowledge(self, queue: Queue, taker: Taker) -> asyncio.Future[None]:
        if taker.expired:
            self._core.drop_expired(queue, taker.expired)
        return self._core.remove(queue, taker.taken)

    async def ack_all(self, name: str, wait: float) -> int:
        """Drop all that is ready or comes within the next `wait` seconds; returns how many that were."""
        async with self._turns[name]:
            queue = self._core.queue(name)
            drained = queue.drain()
            taker = Taker(float("inf"), lambda: None)
            queue.join(taker, self._core.clock())
            try:
                # Not to be cut off half-way when the caller has a shorter deadline than its wait.
                gone = asyncio.ensure_future(self._drop(queue, drained))
                await asyncio.sleep(wait)
                await asyncio.shield(gone)
            finally:
                queue.leave(taker)
                late = self._core.remove(queue, taker.taken)
            await late
            return len(drained.entries) + drained.unread + len(taker.taken)

    async def _drop(self, queue: Queue, drained: Drained) -> None:
        """Delete what was drained; the backlog by pieces, so that senders get their turn meanwhile."""
        done = drained.after
        try:
            await self._core.remove(queue, drained.entries)
            while done < drained.upto and drained.unread:
                upto = min(done + _PIECE, drained.upto)
                await self._core.journal.write([schema.messages_between(queue.number, done, upto)])
                done = upto
        except JournalError:
            left = queue.refill(done, drained.upto, self._core.clock())
            queue.removed([], drained.unread - left)
            raise
        queue.removed([], drained.unread)
