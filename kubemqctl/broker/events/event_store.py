"""Events: sent on to those who listen, stored where that was asked for, delivered from any position."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kubemqctl.broker.events.topic import Member, Reader, Topic
from kubemqctl.broker.storage.event_log import Done, EventLog, Position, Stored
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.storage.schema import Channel
from kubemqctl.broker.subscribers import Account, MessageBuffer, Shared, Subscription, Subscriptions, Usages
from kubemqctl.model.limits import SECOND
from kubemqctl.wire import kubemq_pb2 as pb


class Events:
    """See the head of this file."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.listeners = Subscriptions()
        self.usages = Usages()
        self._account = Account()
        self._clock = clock

    def publish(self, event: pb.Event) -> None:
        """Hand `event` to whoever listens now."""
        data = received(event)
        taken = self.listeners.deliver(event.Channel, Shared(data, self._account))
        self.usages.of(event.Channel, self._clock()).came(len(data), taken)

    def subscribe(self, s: pb.Subscribe) -> Subscription:
        """A subscription, live; to be ended with `leave`."""
        subscription = Subscription(s.Channel, s.Group, MessageBuffer())
        self.listeners.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """The subscription is over."""
        self.listeners.remove(subscription)
        subscription.buffer.close()


KIND = "events_store"
MOST_PENDING = 32 * 1024 * 1024  # bytes of events that wait to be stored
_UNIT = 2_000  # events in one commit
_RETRY = 1.0  # seconds, after places could not be written
# Between two writes of places. Without it they are half the cost of a replay: each is a commit of its own.
_PAUSE = 0.025  # seconds
_START_LATE = 700_000  # nanoseconds by which the community server begins too late


class _Pending(NamedTuple):
    event: pb.Event
    size: int
    done: Done


class Store:
    """All channels of stored events. `number` gives the number of a new channel."""

    def __init__(
        self,
        log: EventLog,
        clock: Callable[[], int],
        number: Callable[[], int],
        *,
        community: bool = False,
    ) -> None:
        self._community = community
        self.topics: dict[str, Topic] = {}
        self._log = log
        self._clock = clock
        self._number = number
        self._clients: set[str] = set()
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._room = asyncio.Event()
        self._committing: asyncio.Task[None] | None = None
        self._moved: dict[Reader, None] = {}
        self._saving: asyncio.Task[None] | None = None
        self._closing = False

    def recover(self, channel: Channel) -> None:
        """Take up a channel that the journal holds."""
        self.topics[channel.name] = Topic(
            channel.number, channel.name, channel.last, channel.bytes, channel.activity
        )

    def end(self, reason: str) -> None:
        """Send all subscribers away."""
        for topic in self.topics.values():
            topic.end(reason)

    async def close(self) -> None:
        """Everybody is gone: see that what is under way gets into the log."""
        self._closing = True
        for task in (self._committing, self._saving):
            if task is not None:
                await task

    def topic(self, name: str) -> Topic:
        """The channel of that name, made when it is new."""
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = Topic(self._number(), name, activity=self._clock())
            self._log.write([(_figures(found, ()), [])])
        return found

    async def create(self, name: str) -> None:
        """Make a channel, unless it is there. Raises JournalError."""
        topic = self.topic(name)
        await self._log.write([(_figures(topic, ()), [])])

    async def delete(self, name: str) -> None:
        """Delete a channel with its events and positions. Raises JournalError; then it is still there.

        Subscribers stay, and get what is stored under the name from now on: the clients of Go and JavaScript
        take the end of a stream for a lost connection, and wait for ever.
        """
        topic = self.topics.pop(name)
        topic.gone = True
        dropped = self._log.drop(topic.number)
        staying = [reader for reader in topic.readers.values() if reader.members]
        topic.readers.clear()
        if staying:
            fresh = self.topic(name)
            for reader in staying:
                reader.start_over(fresh)
            self._log.keep([((fresh.number, reader.name), reader.position()) for reader in staying])
        try:
            await dropped
        except JournalError:
            self.topics[name] = topic
            topic.gone = False
            for reader in staying:
                reader.end("the channel could not be deleted")
            raise

    # --- writing -------------------------------------------------------------------------------

    async def publish(self, event: pb.Event) -> Done:
        """Have `event` stored; the future ends when it is, or with JournalError. Waits for room first."""
        while self._pending_bytes > MOST_PENDING:
            self._room.clear()
            await self._room.wait()
        done: Done = asyncio.get_running_loop().create_future()
        size = event.ByteSize()
        self._pending.append(_Pending(event, size, done))
        self._pending_bytes += size
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return done

    async def _commit(self) -> None:
        while self._pending:
            unit, self._pending = self._pending[:_UNIT], self._pending[_UNIT:]
            batches = self._numbered(p.event for p in unit)
            try:
                await self._log.write([(_figures(topic, events), events) for topic, events in batches])
            except JournalError as e:
                _tell(unit, e)
            else:
                for topic, events in batches:
                    topic.came(events)
                _tell(unit, None)
            self._pending_bytes -= sum(p.size for p in unit)
            self._room.set()
        self._committing = None

    def _numbered(self, events: Iterable[pb.Event]) -> list[tuple[Topic, list[Stored]]]:
        now = self._clock()
        batches: dict[str, tuple[Topic, list[Stored]]] = {}
        for event in events:
            if event.Channel not in batches:
                batches[event.Channel] = (self.topic(event.Channel), [])
            topic, stored = batches[event.Channel]
            # No two events of a channel have one time, and none is older than the one before it.
            at = max(now, (stored[-1].at if stored else topic.last_at) + 1)
            sequence = topic.last + len(stored) + 1
            stored.append(Stored(sequence, at, received(event, at, sequence)))
        return list(batches.values())

    # --- reading -------------------------------------------------------------------------------

    def has_subscription(self, client: str) -> bool:
        """Whether that client id is taken."""
        return client in self._clients

    async def subscribe(self, s: pb.Subscribe) -> Member:
        """A subscription, live and its place remembered; to be ended with `leave`. Raises JournalError."""
        self._clients.add(s.ClientID)
        try:
            topic = self.topic(s.Channel)
            name = f"group {s.Group}" if s.Group else f"client {s.ClientID}"
            reader = topic.readers.get(name) or await self._remembered(topic, name, s)
            return reader.join()
        except BaseException:
            self._clients.discard(s.ClientID)
            raise

    def leave(self, member: Member, client: str) -> None:
        """The subscription is over."""
        self._clients.discard(client)
        member.leave()

    async def _remembered(self, topic: Topic, name: str, s: pb.Subscribe) -> Reader:
        owner = (topic.number, name)
        position = self._log.position(owner)
        if position is None:
            start = Position(self._start(topic, s.EventsStoreTypeData, s.EventsStoreTypeValue))
            await self._log.keep([(owner, start)])
            if topic.gone:
                raise JournalError("the channel was deleted meanwhile")
            position = start
        return topic.readers.setdefault(name, Reader(topic, name, position, self._log, self._save_place))

    def _start(self, topic: Topic, kind: pb.Subscribe.EventsStoreType, value: int) -> int:
        """The first sequence that a new subscription gets; 1 from a channel without events."""
        new = topic.last + 1
        if kind == pb.Subscribe.StartFromFirst:
            return 1
        if kind == pb.Subscribe.StartFromLast:
            return max(1, topic.last)
        if kind == pb.Subscribe.StartAtSequence:
            return min(value, new)
        if kind == pb.Subscribe.StartAtTime:
            late = _START_LATE if self._community else 0
            return self._log.since(topic.number, value + late, topic.last)
        if kind == pb.Subscribe.StartAtTimeDelta:
            return self._log.since(topic.number, self._clock() - value * SECOND, topic.last)
        return new

    def _save_place(self, reader: Reader) -> None:
        # Without a disk there is nothing to survive: the place matters when the last member leaves.
        if self._log.durable or not reader.members:
            self._moved[reader] = None
            if self._saving is None:
                self._saving = asyncio.create_task(self._save())

    async def _save(self) -> None:
        while self._moved:
            readers, self._moved = [r for r in self._moved if not r.topic.gone], {}
            try:
                await self._log.keep([((r.topic.number, r.name), r.position()) for r in readers])
            except JournalError:
                self._moved.update(dict.fromkeys(readers))
                if self._closing:
                    return
                await asyncio.sleep(_RETRY)
                continue
            for reader in readers:
                if not reader.members and reader not in self._moved:
                    reader.topic.readers.pop(reader.name, None)
            await asyncio.sleep(_PAUSE)
        self._saving = None


def received(event: pb.Event, at: int = 0, sequence: int = 0) -> bytes:
    """`event` as its subscribers get it, serialized; plain events have neither time nor sequence."""
    return pb.EventReceive(
        EventID=event.EventID,
        Channel=event.Channel,
        Metadata=event.Metadata,
        Body=event.Body,
        Timestamp=at,
        Sequence=sequence,
        Tags=event.Tags,
    ).SerializeToString()


def _figures(topic: Topic, events: Iterable[Stored]) -> Channel:
    """What the journal is to know of `topic` once `events` are stored."""
    last, at, size = topic.last, topic.last_at, topic.bytes
    for event in events:
        last, at, size = event.sequence, event.at, size + len(event.event)
    return Channel(topic.number, KIND, topic.name, last, size, at, 0)


def _tell(unit: list[_Pending], error: JournalError | None) -> None:
    for pending in unit:
        if pending.done.cancelled():
            continue
        if error is None:
            pending.done.set_result(None)
        else:
            pending.done.set_exception(error)
            pending.done.exception()  # whoever sent it may be gone
