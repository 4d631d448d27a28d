"""A queue: what is ready, who waits for a message, and who gets which. No clock, no wire, no disk of its own.

Messages wait in sequence order. At most WINDOW of them are known here; the rest is counted and comes
back from the journal by pages, so that a long backlog costs no memory. The bodies of those that are
known stay in memory as long as the broker's `Memory` has room.

Consumers stand in a ring. While messages are ready nobody stands there: whoever joins takes a block.
Messages that arrive later go round the ring one by one, as the real server deals them out.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple, Protocol

from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.storage.schema import Entry

WINDOW = 4096
# Larger bodies are read from the journal when they are wanted: kept, they would fill memory by themselves.
LARGE = 65_536  # bytes
PAGE = 1024


class Memory:
    """How many bytes of bodies may stay in memory, over all queues of a broker; None: all of them."""

    def __init__(self, limit: int | None) -> None:
        self.limited = limit is not None
        self._limit = float("inf") if limit is None else limit
        self.used = 0

    @property
    def has_room(self) -> bool:
        return self.used < self._limit

    def keep(self, entry: Entry) -> None:
        """Count the body of `entry`, or let go of it when there is no room."""
        if entry.message is None:
            return
        if self.limited and (entry.size > LARGE or self.used + entry.size > self._limit):
            entry.message = None
        else:
            self.used += entry.size

    def free(self, entries: Iterable[Entry]) -> None:
        """Let go of the bodies of `entries`."""
        for entry in entries:
            if entry.message is not None:
                self.used -= entry.size
                entry.message = None


class Backlog(Protocol):
    """Where a queue's older messages are read from, a page at a time."""

    def __call__(self, after: int, upto: int, limit: int) -> list[Entry]:
        """Up to `limit` messages of this queue with `after` < sequence <= `upto`, in order."""


class Taker:
    """A consumer in line for up to `wants` messages. `full` is called once, when it has them all.

    With `skips_expired` an expired message is put aside in `expired` and does not count; without, it is
    taken like any other (a Get looks at expiry only when it answers). `held` is how many of what was taken
    have gone to the client and are not settled.
    """

    __slots__ = ("expired", "full", "held", "skips_expired", "taken", "wants")

    def __init__(self, wants: float, full: Callable[[], None], *, skips_expired: bool = False) -> None:
        self.wants = wants
        self.full = full
        self.skips_expired = skips_expired
        self.taken: list[Entry] = []
        self.expired: list[Entry] = []
        self.held = 0

    def offer(self, entry: Entry, now: int) -> None:
        if self.skips_expired and 0 < entry.expires <= now:
            self.expired.append(entry)
            return
        self.taken.append(entry)
        self.wants -= 1
        if not self.wants:
            self.full()


class Fellows(Protocol):
    """Who else is there when a consumer leaves; see group.py."""

    def join(self, taker: Taker) -> None: ...

    def leave(self, taker: Taker) -> None: ...

    def burden(self, taker: Taker) -> int: ...

    def divide(self, entries: Sequence[Entry]) -> bool: ...


class Drained(NamedTuple):
    """All that waited: `entries`, and `unread` more in the journal with `after` < sequence <= `upto`."""

    entries: list[Entry]
    after: int
    upto: int
    unread: int


class Queue:
    """See the head of this file. Every `now` is in Unix nanoseconds."""

    def __init__(self, number: int, name: str, memory: Memory, backlog: Backlog) -> None:
        self.number = number
        self.name = name
        self.last = 0  # the last sequence given out, stored or about to be
        self.bytes = 0  # of all messages ever stored, or about to be
        self.waiting = 0  # stored and not settled: ready, held, or still in the journal
        self.delivered = 0  # the highest sequence ever handed out
        self.expired = 0  # since the broker started
        self.last_activity = 0  # Unix nanoseconds
        self.takers = 0
        self.group: Fellows | None = None  # of a queue that is like the community server's
        self.was_read = False
        self.gone = False
        self._memory = memory
        self._backlog = backlog
        self._ready: deque[Entry] = deque()
        self._line: deque[Taker] = deque()
        self._paged = 0  # what is ready or held has a sequence up to here
        self._stored = 0  # what is in the journal has a sequence up to here
        self._unread = 0  # how many lie between the two

    def recover(self, last: int, total_bytes: int, waiting: int) -> None:
        """Take up what the journal holds."""
        self.last = self._stored = last
        self.bytes = total_bytes
        self.waiting = self._unread = waiting
        self.delivered = last - waiting

    def claim(self, count: int) -> int:
        """Reserve `count` sequences; returns the first of them."""
        self.last += count
        return self.last - count + 1

    def unclaim(self, entries: Sequence[Entry]) -> None:
        """What could not be stored gives its sequences back, unless others were given out after them."""
        self.bytes -= sum(entry.size for entry in entries)
        if self.last == entries[-1].sequence:
            self.last = entries[0].sequence - 1

    def admit(self, entries: Sequence[Entry], now: int) -> None:
        """Messages are stored: hand them out or keep them ready."""
        if self.gone:
            return
        self.waiting += len(entries)
        self.last_activity = now
        self._stored = entries[-1].sequence
        if self._unread or (self._memory.limited and len(self._ready) + len(entries) > WINDOW):
            self._unread += len(entries)
        else:
            self._paged = self._stored
            for entry in entries:
                self._memory.keep(entry)
            self._ready.extend(entries)
        self._deal(now)

    def join(self, taker: Taker, now: int) -> None:
        """Put `taker` in line; it takes at once what is ready.

        Raises JournalError when the backlog cannot be read, and `taker` is in line all the same. Nothing else
        here does: who gives something back, or settles it, has nothing to do with the backlog.
        """
        self.takers += 1
        self.was_read = True
        if self.group:
            self.group.join(taker)
        if taker.wants:
            self._line.append(taker)
        if error := self._deal(now):
            raise error

    def leave(self, taker: Taker) -> None:
        """Take `taker` out of line; what it has taken stays with it. Once for each `join`."""
        self.takers -= 1
        if taker in self._line:
            self._line.remove(taker)
        if self.group:
            self.group.leave(taker)

    def go_on(self, taker: Taker, count: int, now: int) -> None:
        """`taker` has settled `count` messages, and takes as many more, as at the community server."""
        more = max(0, count - self.group.burden(taker)) if self.group else count
        if not more:
            return
        taker.wants += more
        if taker not in self._line:
            self._line.append(taker)
        self._deal(now)

    def hand(self, taker: Taker, entry: Entry, now: int) -> None:
        """Hand `entry` to `taker`, who wants some, out of turn."""
        taker.offer(entry, now)
        if not taker.wants and taker in self._line:
            self._line.remove(taker)

    def take_out(self, sequences: Container[int]) -> list[Entry]:
        """Take what is ready and has one of these `sequences`, out of turn."""
        found = [entry for entry in self._ready if entry.sequence in sequences]
        if found:
            self._ready = deque(entry for entry in self._ready if entry.sequence not in sequences)
        return found

    def give_back(self, entries: Sequence[Entry], now: int) -> None:
        """Messages return to their places, uncounted, and go to whoever stands in line."""
        if self.gone:
            self._memory.free(entries)
            return
        if not entries:
            return
        back = sorted(entries, key=_sequence)
        if self.group and self.group.divide(back):
            return
        if not self._ready or back[-1].sequence < self._ready[0].sequence:
            self._ready.extendleft(reversed(back))
        else:
            # What was held in portions comes back one behind the other: only what is newer has to move.
            newer: deque[Entry] = deque()
            while self._ready and self._ready[-1].sequence > back[0].sequence:
                newer.appendleft(self._ready.pop())
            self._ready.extend(heapq.merge(back, newer, key=_sequence))
        self._deal(now)

    def removed(self, entries: Sequence[Entry], unread: int = 0) -> None:
        """Messages are settled for good, `unread` more among them that were never read from the journal."""
        if not self.gone:
            self.waiting -= len(entries) + unread
        self._memory.free(entries)

    def forget_bodies(self, entries: Iterable[Entry]) -> None:
        """Messages were handed out: should they come back, the journal has their bodies."""
        if self._memory.limited:
            self._memory.free(entries)

    def drain(self) -> Drained:
        """Take all that waits, without reading what is in the journal only."""
        drained = Drained(list(self._ready), self._paged, self._stored, self._unread)
        self.was_read = True
        self.delivered = self._stored
        self._ready.clear()
        self._paged = self._stored
        self._unread = 0
        return drained

    def refill(self, after: int, upto: int, now: int) -> int:
        """Take back what the journal still has of a drained backlog; returns how many messages that is.

        Raises JournalError, with nothing taken back.
        """
        entries: list[Entry] = []
        try:
            while page := self._read(after, upto):
                entries += page
                after = page[-1].sequence
        except JournalError:
            self._memory.free(entries)
            raise
        self.give_back(entries, now)
        return len(entries)

    def end(self) -> None:
        """The queue is deleted: everybody in line goes on with what it has."""
        self.gone = True
        self._memory.free(self._ready)
        self._ready.clear()
        self._unread = self.waiting = 0
        while self._line:
            self._line.popleft().full()

    def _deal(self, now: int) -> JournalError | None:
        """Hand out what is ready; returns why what is not in memory cannot be read."""
        line, ready = self._line, self._ready
        while line:
            try:
                if not ready and not self._page():
                    return None
            except JournalError as e:
                return e
            taker = line.popleft()
            entry = ready.popleft()
            taker.offer(entry, now)
            while not line and ready and taker.wants:
                entry = ready.popleft()
                taker.offer(entry, now)
            self.delivered = max(self.delivered, entry.sequence)
            if taker.wants:
                line.append(taker)
        return None

    def _page(self) -> bool:
        """Read the next page of the backlog; False when there is none."""
        if not self._unread:
            return False
        page = self._read(self._paged, self._stored)
        self._paged = page[-1].sequence if page else self._stored
        self._unread = self._unread - len(page) if page else 0
        self._ready.extend(page)
        return bool(page)

    def _read(self, after: int, upto: int) -> list[Entry]:
        """A page of the backlog; of its bodies those stay that there is room for."""
        page = self._backlog(after, upto, PAGE)
        for entry in page:
            self._memory.keep(entry)
        return page


def _sequence(entry: Entry) -> int:
    return entry.sequence
