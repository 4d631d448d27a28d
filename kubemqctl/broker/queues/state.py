"""All that the broker knows: its queues, its delayed messages, its channels by name. One event loop owns it.

What changes is written first and takes effect when it is on disk (`then`), in the order of writing; a write
that fails takes nothing from anybody. Waits are seconds, times are Unix nanoseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from kubemqctl.broker import rules
from kubemqctl.broker.queues import enqueue
from kubemqctl.broker.queues.enqueue import Delays, Enqueuer, Kept, TickingDelays
from kubemqctl.broker.queues.group import Group
from kubemqctl.broker.queues.queue import Memory, Queue, Taker
from kubemqctl.broker.rules import new_id
from kubemqctl.broker.storage import schema
from kubemqctl.broker.storage.journal import Journal, JournalError
from kubemqctl.broker.storage.schema import Entry
from kubemqctl.model.limits import MAX_MESSAGE
from kubemqctl.wire import kubemq_pb2 as pb

BODIES_IN_MEMORY = 32 * 1024 * 1024  # bytes, over all queues


class TooLarge(Exception):
    """An answer of `size` bytes is more than a message may have."""

    def __init__(self, size: int) -> None:
        super().__init__(f"trying to send message larger than max ({size} vs. {MAX_MESSAGE})")


class TakerFull:
    """Notified once, by whoever fills a taker; waited for once. Made inside a running loop."""

    def __init__(self) -> None:
        self._notified: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def notify(self) -> None:
        if not self._notified.done():
            self._notified.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Until it is notified, `seconds` at most."""
        # Not wait_for: before Python 3.12 it swallows a cancellation that comes with the notification.
        if not self._notified.done():
            await asyncio.wait([self._notified], timeout=seconds)


class BrokerState:
    """See the head of this file."""

    def __init__(
        self, journal_: Journal, clock: Callable[[], int] = time.time_ns, *, community: bool = False
    ) -> None:
        self.journal = journal_
        self.clock = clock
        self.community = community  # answer as the community server does where we differ on purpose
        # Whether a message that a method is done with is to come again: a fault on purpose.
        self.redelivers: Callable[[str], bool] | None = None
        self.at_close: set[Callable[[], None]] = set()  # streams that have something to put back
        self.queues: dict[str, Queue] = {}
        # Channels of the other types, by type and name.
        self.names: dict[tuple[str, str], schema.Channel] = {}
        self._next_number = 1
        self._memory = Memory(BODIES_IN_MEMORY if journal_.durable else None)
        self.delays = (TickingDelays if community else Delays)(self._release, clock)

    def recover(self) -> None:
        """Take up what the journal holds. Raises JournalError."""
        recovered = self.journal.recover()
        for channel in recovered.channels:
            self._next_number = max(self._next_number, channel.number + 1)
            if channel.type == "queues":
                queue = self._new_queue(channel.number, channel.name)
                queue.recover(channel.last, channel.bytes, channel.waiting)
                queue.last_activity = channel.activity
            else:
                self.names[channel.type, channel.name] = channel
        self.delays.recover(recovered.delays)

    async def close(self) -> None:
        """Everybody has been sent away: bring the journal to its end."""
        for leave in list(self.at_close):
            leave()
        self.delays.stop()
        await self.journal.close()

    def queue(self, name: str) -> Queue:
        """The queue of that name, made when it is new."""
        found = self.queues.get(name)
        if found is None:
            self.create_queue(name)
            found = self.queues[name]
        return found

    def create_queue(self, name: str) -> asyncio.Future[None]:
        """Make a queue of that name, unless there is one."""
        if name in self.queues:
            return self.journal.write([])
        return self.journal.write([enqueue.queue_is(self._new_queue(self.new_number(), name))])

    # --- sending -------------------------------------------------------------------------------

    async def send(self, messages: Sequence[pb.QueueMessage]) -> list[pb.SendQueueMessageResult]:
        """Store what is valid of `messages`; one result each, in order."""
        now = self.clock()
        batch = Enqueuer(self.queue, now)
        results = [self._accept(batch, message, now) for message in messages]
        try:
            await self._write(batch, batch.seal())
        except JournalError as e:
            why = f"cannot store the message: {e}"
            return [r if r.IsError else _failed(r.MessageID, why) for r in results]
        return results

    def _accept(self, batch: Enqueuer, m: pb.QueueMessage, now: int) -> pb.SendQueueMessageResult:
        if not m.MessageID:
            m.MessageID = new_id()
        refused = rules.message(m, community=self.community) or rules.unpublishable(m.Channel)
        if refused:
            return _failed(m.MessageID, refused)
        enqueue.fresh(m, now)
        due = 0
        if m.Policy.DelaySeconds:
            due = batch.delay(self.delays.number(), m)
        else:
            batch.add(m)
        expires = m.Attributes.ExpirationAt if m.HasField("Attributes") else 0
        return pb.SendQueueMessageResult(
            MessageID=m.MessageID, SentAt=now, ExpirationAt=expires, DelayedTo=due
        )

    def _write(
        self, batch: Enqueuer, changes: list[schema.Change], gone: Iterable[tuple[Queue, list[Entry]]] = ()
    ) -> asyncio.Future[None]:
        """Store what is posted, and let `gone` go, in one unit."""
        gone = list(gone)

        def then() -> None:
            for queue, entries in gone:
                queue.removed(entries)
            batch.admit()
            overwritten = self.delays.add(batch.delayed, keep=not self.journal.durable)
            if overwritten:
                self.journal.write([schema.delays_go(overwritten)])

        def otherwise() -> None:
            batch.undo()
            for queue, entries in gone:
                queue.give_back(entries, self.clock())

        return self.journal.write(changes, then, otherwise)

    def _release(self, due: list[Kept]) -> None:
        """Delayed messages are due: they enter their queues as new ones."""
        now = self.clock()
        batch = Enqueuer(self.queue, now)
        try:
            for delay, kept in due:
                message = kept if kept is not None else self.journal.delayed(delay.number)
                batch.add(enqueue.released(message, now))
        except JournalError:
            self.delays.retry(due)
            return
        changes = [schema.delays_go(delay.number for delay, _ in due), *batch.seal()]

        def otherwise() -> None:
            batch.undo()
            self.delays.retry(due)

        self.journal.write(changes, batch.admit, otherwise)

    # --- taking --------------------------------------------------------------------------------

    def give_up(self, queue: Queue, taker: Taker) -> None:
        """Give back what `taker` took; drop what had expired."""
        queue.give_back(taker.taken, self.clock())
        if taker.expired:
            self.drop_expired(queue, taker.expired)

    def remove(self, queue: Queue, entries: Sequence[Entry]) -> asyncio.Future[None]:
        """Settle `entries` for good; they return to the queue when that cannot be written (JournalError)."""
        return self.journal.write(
            [schema.messages_go(queue.number, entries)] if entries else [],
            lambda: queue.removed(entries),
            lambda: queue.give_back(entries, self.clock()),
        )

    def acknowledge(self, queue: Queue, entries: Sequence[Entry], method: str) -> asyncio.Future[None]:
        """Settle what a client that used `method` is done with."""
        if self.redelivers is None:
            return self.remove(queue, entries)
        again: list[Entry] = []
        done: list[Entry] = []
        for entry in entries:
            (again if self.redelivers(method) else done).append(entry)
        queue.give_back(again, self.clock())
        return self.remove(queue, done)

    def drop_expired(self, queue: Queue, entries: Sequence[Entry]) -> asyncio.Future[None]:
        """Let go of messages that nobody came for in time."""
        queue.expired += len(entries)
        return self.remove(queue, entries)

    def bodies(self, queue: Queue, entries: Sequence[Entry]) -> list[bytes]:
        """The messages of `entries`, serialized. Raises TooLarge before anything is read, JournalError."""
        size = sum(entry.size + 6 for entry in entries)
        if size > MAX_MESSAGE:
            raise TooLarge(size)
        read = self.journal.message
        return [e.message if e.message is not None else read(queue.number, e.sequence) for e in entries]

    def replace(
        self, queue: Queue, entries: list[Entry], successors: Iterable[pb.QueueMessage]
    ) -> asyncio.Future[None]:
        """`successors` enter their queues and `entries` go, in one unit; ends in JournalError or nothing.

        It is under way on return: a stream that is cut off cannot wait for it.
        """
        batch = Enqueuer(self.queue, self.clock())
        for message in successors:
            # The community server takes any name for dead letters, and loses those that it cannot store.
            if not rules.unpublishable(message.Channel):
                batch.add(message)
        changes = [*batch.seal(), schema.messages_go(queue.number, entries)]
        return self._write(batch, changes, [(queue, entries)])

    async def exchange(self, queue: Queue, entry: Entry, message: pb.QueueMessage) -> str:
        """Send `message` as a new one and let `entry` go, in one unit; returns why it is not taken, or "".

        Raises JournalError; `entry` is back in its queue then.
        """
        now = self.clock()
        batch = Enqueuer(self.queue, now)
        result = self._accept(batch, message, now)
        if not result.IsError:
            changes = [*batch.seal(), schema.messages_go(queue.number, [entry])]
            await self._write(batch, changes, [(queue, [entry])])
        return result.Error

    # --- channels ------------------------------------------------------------------------------

    async def delete_queue(self, queue: Queue) -> None:
        """Delete a queue with all that is in it or on its way to it.

        Raises JournalError; then it is as it was.
        """
        del self.queues[queue.name]

        def then() -> None:
            queue.end()
            self.delays.forget(queue.name)

        def otherwise() -> None:
            self.queues[queue.name] = queue

        changes = [*schema.channel_gone(queue.number), schema.delays_gone(queue.name)]
        await self.journal.write(changes, then, otherwise)

    def new_number(self) -> int:
        """A number for a new channel."""
        self._next_number += 1
        return self._next_number - 1

    def _new_queue(self, number: int, name: str) -> Queue:
        def backlog(after: int, upto: int, limit: int) -> list[Entry]:
            return self.journal.page(number, after, upto, limit, bodies=self._memory.has_room)

        queue = self.queues[name] = Queue(number, name, self._memory, backlog)
        if self.community:
            queue.group = Group(queue, self.clock)
        return queue


def _failed(message_id: str, error: str) -> pb.SendQueueMessageResult:
    return pb.SendQueueMessageResult(MessageID=message_id, IsError=True, Error=error)
