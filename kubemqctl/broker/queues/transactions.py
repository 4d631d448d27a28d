"""QueuesDownstream: the transactions of one stream. A transaction is what one Get took, until it is settled.

A Get that was answered before it was full stays in line, as on the real server, and swallows what comes
until it is settled or closed; what it swallowed nobody has seen, so it goes back then, in order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from kubemqctl.broker import rules
from kubemqctl.broker.queues import enqueue
from kubemqctl.broker.queues.queue import Queue, Taker
from kubemqctl.broker.queues.state import BrokerState, TakerFull
from kubemqctl.broker.rules import new_transaction_id
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.storage.schema import Entry
from kubemqctl.wire import kubemq_pb2 as pb

MOST_IN_A_GET = 200_000
SHORTEST_WAIT = 1000  # milliseconds
_CLOSED_REMEMBERED = 1000


class SettlementRefused(Exception):
    """A settlement that is answered with an error."""


class Got(NamedTuple):
    """A Get's outcome: the messages, serialized."""

    transaction: str
    messages: list[bytes]


class Transaction:
    """What one Get holds."""

    def __init__(self, state: BrokerState, queue: Queue, taker: Taker) -> None:
        self._state = state
        self._queue = queue
        self._taker = taker
        self._held: dict[int, Entry] = {}
        self.closed = False

    def hold(self, entries: Sequence[Entry]) -> None:
        """The Get is answered with `entries`; what its taker takes from now on is swallowed."""
        self._held = {entry.sequence: entry for entry in entries}
        self._taker.taken = []
        self._queue.forget_bodies(entries)
        self._close_if_settled()

    def close(self) -> None:
        """Give back what is unsettled: in its order, with its sequences, uncounted."""
        if self.closed:
            return
        self.closed = True
        self._queue.leave(self._taker)
        back = [*self._held.values(), *self._taker.taken]
        self._held = {}
        self._queue.give_back(back, self._state.clock())

    def active(self) -> list[int]:
        if self.closed:
            raise SettlementRefused("cannot get active offsets with closed response ")
        return self._all()

    def _all(self) -> list[int]:
        """The sequences held; the community server has them in random order."""
        held = list(self._held)
        if self._state.community:
            random.shuffle(held)
        return held

    async def ack(self, sequences: Sequence[int] | None) -> None:
        """Settle the messages with `sequences`, None for all.

        Here and below: SettlementRefused is raised after what could be done was done.
        """
        await self._settle("ack", sequences, self._remove)

    async def nack(self, sequences: Sequence[int] | None) -> None:
        """Reject: to the tail, counted, or to the dead-letter queue."""
        await self._settle("nack", sequences, self._reject)

    async def requeue(self, sequences: Sequence[int] | None, channel: str) -> None:
        """Send on to `channel` as new messages."""
        if self.closed:
            raise SettlementRefused(
                f"cannot {'ack' if sequences is None else 'requeue'} messages with closed response "
            )
        if not channel:
            raise SettlementRefused("cannot requeue messages with empty channel destination ")
        await self._settle("requeue", sequences, lambda entries: self._send_on(entries, channel))

    async def _settle(
        self, verb: str, sequences: Sequence[int] | None, how: Callable[[list[Entry]], Awaitable[None]]
    ) -> None:
        if self.closed:
            raise SettlementRefused(f"cannot {verb} messages with closed response ")
        if sequences is None:
            sequences = self._all()
        elif not sequences:
            raise SettlementRefused(f"cannot {verb} empty list of of offsets")
        entries, foreign = self._pick(sequences)
        try:
            await how(entries)
            if self._state.community and not self.closed:
                self._queue.go_on(self._taker, len(entries), self._state.clock())
        except JournalError as e:
            raise SettlementRefused(f"cannot {verb} messages, the journal failed: {e}") from e
        finally:
            self._close_if_settled()
        if foreign is not None:
            raise SettlementRefused(f"invalid {'nack' if verb == 'nack' else 'ack'} sequence id {foreign}")

    def _pick(self, sequences: Sequence[int]) -> tuple[list[Entry], int | None]:
        """Take out the messages with `sequences`, as far as they are held; then the first that is not."""
        picked: list[Entry] = []
        for sequence in sequences:
            entry = self._held.pop(sequence, None)
            if entry is None:
                return picked, sequence
            picked.append(entry)
        return picked, None

    def _close_if_settled(self) -> None:
        self._taker.held = len(self._held)
        if not self._held:
            self.close()

    async def _remove(self, entries: list[Entry]) -> None:
        await self._state.acknowledge(self._queue, entries, "QueuesDownstream")

    async def _reject(self, entries: list[Entry]) -> None:
        successors = map(enqueue.rejected, self._bodies(entries))
        await self._state.replace(self._queue, entries, [m for m in successors if m])

    async def _send_on(self, entries: list[Entry], channel: str) -> None:
        now = self._state.clock()
        good: list[pb.QueueMessage] = []
        refused = ""
        for body in self._bodies(entries):
            message = enqueue.requeued(body, channel, now)
            refused = rules.message(message, community=self._state.community) or rules.unpublishable(channel)
            if refused:
                break
            good.append(message)
        # What was not sent on stays held.
        self._held.update((entry.sequence, entry) for entry in entries[len(good) :])
        await self._state.replace(self._queue, entries[: len(good)], good)
        if refused:
            raise SettlementRefused(
                f"re-queue message with seq {entries[len(good)].sequence} failed, {refused}"
            )

    def _bodies(self, entries: list[Entry]) -> list[bytes]:
        try:
            return self._state.bodies(self._queue, entries)
        except JournalError:
            self._held.update((entry.sequence, entry) for entry in entries)
            raise


class Transactions:
    """Those of one stream. `close` when it ends."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._known: dict[str, Transaction] = {}
        self._ghosts: set[asyncio.Future[None]] = set()

    def find(self, transaction: str) -> Transaction | None:
        return self._known.get(transaction)

    def close(self) -> None:
        """The stream is over: what it holds goes back."""
        for transaction in self._known.values():
            transaction.close()

    async def get(self, name: str, most: int, wait: int, *, auto_ack: bool) -> Got:
        """Take up to `most` messages (0: as many as may be); waits for so many, `wait` milliseconds at most.

        Raises TooLarge and JournalError, with everything given back.
        """
        queue = self._state.queue(name)
        full = TakerFull()
        taker = Taker(most if most > 0 else MOST_IN_A_GET, full.notify)
        seconds = max(wait, SHORTEST_WAIT) / 1000
        begun = asyncio.get_running_loop().time()
        try:
            queue.join(taker, self._state.clock())
            await full.wait(seconds)
            live, messages = self._answer(queue, taker)
        except BaseException as e:
            left = begun + seconds - asyncio.get_running_loop().time()
            if self._state.community and isinstance(e, asyncio.CancelledError) and left > 0:
                ghost = asyncio.ensure_future(self._go_on(queue, taker, full, left, auto_ack=auto_ack))
                self._ghosts.add(ghost)
                ghost.add_done_callback(self._ghosts.discard)
            else:
                queue.leave(taker)
                self._state.give_up(queue, taker)
            raise
        transaction = Transaction(self._state, queue, taker)
        transaction.hold(live)
        name = self._remember(transaction)
        if auto_ack and not transaction.closed:
            await transaction.ack(None)
        return Got(name, messages)

    async def _go_on(
        self, queue: Queue, taker: Taker, full: TakerFull, seconds: float, *, auto_ack: bool
    ) -> None:
        """A Get of the community server whose stream is gone: it waits and takes all the same."""
        try:
            await full.wait(seconds)
        finally:
            queue.leave(taker)
            if auto_ack:
                self._state.remove(queue, taker.taken)
            else:
                self._state.give_up(queue, taker)

    def _answer(self, queue: Queue, taker: Taker) -> tuple[list[Entry], list[bytes]]:
        now = self._state.clock()
        live = [entry for entry in taker.taken if not 0 < entry.expires <= now]
        messages = self._state.bodies(queue, live)
        if len(live) < len(taker.taken):
            self._state.drop_expired(queue, [entry for entry in taker.taken if 0 < entry.expires <= now])
        return live, messages

    def _remember(self, transaction: Transaction) -> str:
        name = new_transaction_id()
        self._known[name] = transaction
        if len(self._known) > _CLOSED_REMEMBERED:
            closed = next((n for n, t in self._known.items() if t.closed), None)
            if closed is not None:
                del self._known[closed]
        return name
