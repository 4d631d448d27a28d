"""A channel of stored events: its figures, and those who read it. No clock, no wire.

Every reader has a durable place. A subscription without a group is a reader with one member; a group is one
with many, who get the events by turns. A member holds what it was dealt until that is on its stream; what
never got there goes to the others, or waits for whoever comes next: a place is more than one number.

Events are pulled from the log as members have room: one that does not read costs a buffer and delays nobody.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence

from kubemqctl.broker.storage.event_log import EventLog, Position, Stored
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.subscribers import BUFFER, SlowReaderTimer, StreamBuffer

_MEMBER_BYTES = 4 * 1024 * 1024  # a member is dealt nothing more while it holds so much


class Member(StreamBuffer[Stored]):
    """One subscription of a reader. Each event taken with `next` is to be reported to `sent`."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.on_stream: Stored | None = None  # taken, and perhaps not yet on the stream
        self._bytes = 0
        self._patience = SlowReaderTimer(self._full, reader.lose)

    @property
    def backlog(self) -> int:
        """How many events are stored for this member or its group, and not on a stream yet."""
        return len(self._waiting) + self.reader.undealt

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < BUFFER and self._bytes < _MEMBER_BYTES

    def deal(self, stored: Stored) -> None:
        """One more for this member."""
        self._bytes += len(stored.event)
        self.put(stored)
        if self._full():
            self._patience.watch()

    async def next(self) -> Stored:
        stored = self.on_stream = await super().next()
        self._bytes -= len(stored.event)
        self._patience.moved()
        self.reader.deal()
        return stored

    def sent(self) -> None:
        """The event taken last is on the stream."""
        if self.on_stream:
            self.reader.topic.went_out(self.on_stream)
        self.on_stream = None
        self.reader.moved()

    def holds(self) -> list[int]:
        """The sequences that are not on the stream yet."""
        held = [stored.sequence for stored in self._waiting]
        return [self.on_stream.sequence, *held] if self.on_stream else held

    def start_over(self) -> None:
        """What it was dealt is deleted; an event on its way to the stream still gets there."""
        self._waiting.clear()
        self._bytes = 0
        self.on_stream = None

    def leave(self) -> None:
        """The subscription is over."""
        self._patience.stop()
        self.reader.leave(self)

    def _full(self) -> bool:
        return len(self._waiting) >= BUFFER


class Reader:
    """A durable place in a topic, and the members that read from it now; `save` is told when it moves."""

    def __init__(
        self, topic: Topic, name: str, position: Position, log: EventLog, save: Callable[[Reader], None]
    ) -> None:
        self.topic = topic
        self.name = name
        self.members: deque[Member] = deque()
        self._next = position.next
        self._back = list(position.missing)  # a heap: handed out once, and still wanted
        self._page: deque[Stored] = deque()  # read from the log, to be dealt next
        self._log = log
        self.moved: Callable[[], None] = lambda: save(self)

    @property
    def undealt(self) -> int:
        """How many events are stored that no member has been dealt."""
        return len(self._back) + max(0, self.topic.last + 1 - self._next)

    def join(self) -> Member:
        """One more member; it is dealt what is there."""
        member = Member(self)
        self.members.append(member)
        self.deal()
        return member

    def leave(self, member: Member) -> None:
        """A member ended: what it held goes to the others."""
        for sequence in member.holds():
            heapq.heappush(self._back, sequence)
        self.members.remove(member)
        self.moved()
        self.deal()

    def position(self) -> Position:
        """Where whoever comes next goes on."""
        missing = sorted([*self._back, *(s for member in self.members for s in member.holds())])
        first = self._next
        while missing and missing[-1] == first - 1:
            first = missing.pop()
        return Position(first, tuple(missing))

    def start_over(self, topic: Topic) -> None:
        """The channel was deleted: go on with `topic`, which has its name and begins anew."""
        self.topic = topic
        topic.readers[self.name] = self
        self._next = 1
        self._back.clear()
        self._page.clear()
        for member in self.members:
            member.start_over()

    def come(self, fresh: Sequence[Stored]) -> None:
        """Events were stored: deal them from memory if everything before was dealt."""
        if not self._page and not self._back and self._next == fresh[0].sequence:
            self._page.extend(fresh)
            self.deal()
            # What nobody has room for is read again later; it would wait here without a bound.
            self._page.clear()
        else:
            self.deal()

    def deal(self) -> None:
        """Hand out what is there, by turns, to those who have room."""
        try:
            while self._has_more() and (member := self._in_turn()):
                member.deal(self._take())
        except JournalError as e:
            self.end(f"the journal cannot be read: {e}")

    def end(self, reason: str) -> None:
        """Send all members away."""
        for member in self.members:
            member.end(reason)

    def lose(self) -> None:
        """Nobody has taken anything for too long: the next event is lost for this reader."""
        if self._next <= self.topic.last and not any(member.has_room for member in self.members):
            if self._page:
                self._page.popleft()
            self._next += 1
            self.moved()

    def _in_turn(self) -> Member | None:
        """The next member that has room; it goes to the end of the line."""
        for _ in range(len(self.members)):
            member = self.members[0]
            self.members.rotate(-1)
            if member.has_room:
                return member
        return None

    def _has_more(self) -> bool:
        return bool(self._back) or self._next <= self.topic.last

    def _take(self) -> Stored:
        if self._back:
            stored = self._read(self._back[0])[0]
            heapq.heappop(self._back)
            return stored
        if not self._page:
            self._page.extend(self._read(self._next))
        self._next += 1
        return self._page.popleft()

    def _read(self, sequence: int) -> list[Stored]:
        """A page that begins with that event. Raises JournalError when it does not."""
        page = self._log.page(self.topic.number, sequence - 1)
        if not page or page[0].sequence != sequence:
            raise JournalError(f"event {sequence} is not in the journal")
        return page


class Topic:
    """The figures of a channel; all that they count is stored. `last_at` is in Unix nanoseconds."""

    def __init__(self, number: int, name: str, last: int = 0, size: int = 0, activity: int = 0) -> None:
        self.number = number
        self.name = name
        self.last = last
        self.bytes = size
        self.last_at = activity  # of the last event, or when it was made
        self.readers: dict[str, Reader] = {}
        self.messages_out = self.bytes_out = 0  # since the broker began
        self.gone = False

    def came(self, events: Sequence[Stored]) -> None:
        """Events are stored: let the readers have them."""
        self.last = events[-1].sequence
        self.last_at = events[-1].at
        self.bytes += sum(len(e.event) for e in events)
        for reader in list(self.readers.values()):
            reader.come(events)

    def went_out(self, stored: Stored) -> None:
        """An event was put on a stream."""
        self.messages_out += 1
        self.bytes_out += len(stored.event)

    def end(self, reason: str) -> None:
        """Nothing comes any more."""
        for reader in self.readers.values():
            reader.end(reason)
