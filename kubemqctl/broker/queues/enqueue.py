"""How messages get into queues: stored, at once or when their delay is over, and into which queue."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable

from kubemqctl.broker.queues.queue import Queue
from kubemqctl.broker.storage import schema
from kubemqctl.broker.storage.schema import Change, Channel, Delay, Entry, channel_is
from kubemqctl.model.limits import MAX_RECEIVES, SECOND
from kubemqctl.wire import kubemq_pb2 as pb

# At most so many at once, so that a crowd that is due together does not stop everything else.
_CROWD = 1000
_RETRY = 1_000_000_000  # nanoseconds, after the journal refused
# A delayed message, and its body where no journal has it.
Kept = tuple[Delay, bytes | None]


class Delays:
    """A heap and one timer. `release` is given those that are due; they are out of here then."""

    def __init__(self, release: Callable[[list[Kept]], None], clock: Callable[[], int]) -> None:
        self._release = release
        self._clock = clock
        self._heap: list[Delay] = []
        self._bodies: dict[int, bytes] = {}
        self._counts: Counter[str] = Counter()
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def recover(self, delays: list[Delay]) -> None:
        """Take up what the journal holds."""
        self._last = max((delay.number for delay in delays), default=0)
        for delay in delays:
            self._push(delay, None)
        self._set_timer()

    def number(self) -> int:
        """A number for one more."""
        self._last += 1
        return self._last

    def count(self, channel: str) -> int:
        """How many wait for `channel`."""
        return self._counts[channel]

    def add(self, delayed: Iterable[tuple[Delay, bytes]], *, keep: bool) -> list[int]:
        """Messages were stored until they are due; `keep` their bodies here when no journal has them.

        Returns the numbers of those that they took the place of.
        """
        for delay, message in delayed:
            self._push(delay, message if keep else None)
        self._set_timer()
        return []

    def retry(self, due: list[Kept]) -> None:
        """A release could not be written: try again soon."""
        again = self._clock() + _RETRY
        for delay, message in due:
            self._push(delay._replace(due=again), message)
        self._set_timer()

    def forget(self, channel: str) -> None:
        """Drop those on their way to `channel`."""
        for delay in self._heap:
            if delay.channel == channel:
                self._bodies.pop(delay.number, None)
        self._heap = [delay for delay in self._heap if delay.channel != channel]
        heapq.heapify(self._heap)
        del self._counts[channel]

    def stop(self) -> None:
        """Release nothing any more."""
        self._heap.clear()
        self._set_timer()

    def take_due(self, now: int) -> list[Kept]:
        """Those that are due at `now`, a crowd at most."""
        due: list[Kept] = []
        while self._heap and self._heap[0].due <= now and len(due) < _CROWD:
            delay = heapq.heappop(self._heap)
            self._counts[delay.channel] -= 1
            due.append((delay, self._bodies.pop(delay.number, None)))
        return due

    def _push(self, delay: Delay, message: bytes | None) -> None:
        heapq.heappush(self._heap, delay)
        self._counts[delay.channel] += 1
        if message is not None:
            self._bodies[delay.number] = message

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            seconds = max(0.0, (self._heap[0].due - self._clock()) / 1e9)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._when(loop.time() + seconds), self._notify)

    def _when(self, due: float) -> float:
        """When to look at what is due then, by the loop's clock."""
        return due

    def _notify(self) -> None:
        self._timer = None
        if due := self.take_due(self._clock()):
            self._release(due)
        self._set_timer()


_TICK = 0.5  # seconds
_MOST_LOOKED_AT = 1024


class TickingDelays(Delays):
    """As the community server has them: looked at twice a second, the first 1,024 only, whatever is due
    behind them; of two with one message id the first is lost.
    """

    def __init__(self, release: Callable[[list[Kept]], None], clock: Callable[[], int]) -> None:
        super().__init__(release, clock)
        self._behind: deque[Kept] = deque()
        self._numbers: dict[str, int] = {}  # by message id
        self._names: dict[int, str] = {}  # and back

    def add(self, delayed: Iterable[tuple[Delay, bytes]], *, keep: bool) -> list[int]:
        overwritten = []
        for delay, message in delayed:
            name = pb.QueueMessage.FromString(message).MessageID
            if name in self._numbers:
                overwritten.append(self._numbers[name])
                self._drop(self._numbers[name])
            self._numbers[name] = delay.number
            self._names[delay.number] = name
            if len(self._heap) < _MOST_LOOKED_AT:
                self._push(delay, message if keep else None)
            else:
                self._behind.append((delay, message if keep else None))
        self._set_timer()
        return overwritten

    def take_due(self, now: int) -> list[Kept]:
        due = super().take_due(now)
        while self._behind and len(self._heap) < _MOST_LOOKED_AT:
            self._push(*self._behind.popleft())
        for delay, _ in due:
            if name := self._names.pop(delay.number, ""):
                del self._numbers[name]
        return due

    def _drop(self, number: int) -> None:
        """The delayed message of that number is lost."""
        del self._names[number]
        self._behind = deque(kept for kept in self._behind if kept[0].number != number)
        for delay in self._heap:
            if delay.number == number:
                self._heap.remove(delay)
                heapq.heapify(self._heap)
                self._counts[delay.channel] -= 1
                self._bodies.pop(number, None)
                return

    def _when(self, due: float) -> float:
        return math.ceil(due / _TICK) * _TICK


class Enqueuer:
    """Collect with `add` and `delay`, then `seal`; `admit` when all is stored, `undo` when it cannot be."""

    def __init__(self, find: Callable[[str], Queue], now: int) -> None:
        self._find = find
        self._now = now
        self._messages: dict[str, list[pb.QueueMessage]] = {}
        self._entries: list[tuple[Queue, list[Entry]]] = []
        self.delayed: list[tuple[Delay, bytes]] = []

    def add(self, message: pb.QueueMessage) -> None:
        """`message` enters its queue; its attributes so far (receive count, expiry, re-routing) are kept."""
        self._messages.setdefault(message.Channel, []).append(message)

    def delay(self, number: int, message: pb.QueueMessage) -> int:
        """`message` waits as delayed message `number`; returns when it is due (Unix nanoseconds)."""
        due = self._now + message.Policy.DelaySeconds * SECOND
        self.delayed.append((Delay(due, number, message.Channel), message.SerializeToString()))
        return due

    def seal(self) -> list[Change]:
        """Number the messages; returns what the journal is to do."""
        changes = [schema.delays_come(self.delayed)] if self.delayed else []
        for name, messages in self._messages.items():
            queue = self._find(name)
            entries = self._number(queue.claim(len(messages)), messages)
            self._entries.append((queue, entries))
            queue.bytes += sum(entry.size for entry in entries)
            changes.append(queue_is(queue))
            changes.append(schema.messages_come(queue.number, entries))
        return changes

    def admit(self) -> None:
        """They are stored: let the queues have them."""
        for queue, entries in self._entries:
            queue.admit(entries, self._now)

    def undo(self) -> None:
        """They could not be stored: the sequences are free again."""
        for queue, entries in self._entries:
            queue.unclaim(entries)

    def _number(self, first: int, messages: list[pb.QueueMessage]) -> list[Entry]:
        entries = []
        for sequence, message in enumerate(messages, first):
            attributes = message.Attributes
            attributes.Timestamp = self._now
            attributes.Sequence = sequence
            attributes.ReceiveCount += 1
            data = message.SerializeToString()
            entries.append(Entry(sequence, attributes.ExpirationAt, len(data), data))
        return entries


def fresh(message: pb.QueueMessage, now: int) -> pb.QueueMessage:
    """`message` as one that was never received: a sender's attributes mean nothing, expiry counts anew."""
    message.ClearField("Attributes")
    policy = message.Policy
    if not policy.MaxReceiveCount:
        policy.MaxReceiveCount = MAX_RECEIVES
    if policy.ExpirationSeconds:
        message.Attributes.ExpirationAt = now + (policy.DelaySeconds + policy.ExpirationSeconds) * SECOND
    return message


def released(message: bytes, now: int) -> pb.QueueMessage:
    """A delayed message that is due."""
    out = pb.QueueMessage.FromString(message)
    out.Policy.DelaySeconds = 0
    return fresh(out, now)


def copy(message: bytes) -> pb.QueueMessage:
    """The copy that the real server makes of a delivered message: topic and partition are lost."""
    out = pb.QueueMessage.FromString(message)
    for field in ("Topic", "Partition", "PartitionKey"):
        out.ClearField(field)
    return out


def rejected(message: bytes) -> pb.QueueMessage | None:
    """What becomes of a delivered message that was rejected.

    The same for the tail of its queue, with its count; one for the dead-letter queue when that was its last
    receive; or nothing, when it names no such queue.
    """
    out = copy(message)
    policy = out.Policy
    if not 0 < policy.MaxReceiveCount <= out.Attributes.ReceiveCount:
        return out
    if not policy.MaxReceiveQueue:
        return None
    source, out.Channel = out.Channel, policy.MaxReceiveQueue
    expires = out.Attributes.ExpirationAt
    out.Attributes.Clear()
    out.Attributes.ReRouted = True
    out.Attributes.ReRoutedFromQueue = source
    out.Attributes.ExpirationAt = expires
    policy.Clear()
    return out


def requeued(message: bytes, channel: str, now: int) -> pb.QueueMessage:
    """A delivered message sent on to `channel` as a new one."""
    out = copy(message)
    out.Channel = channel
    return fresh(out, now)


def queue_is(q: Queue) -> Change:
    """The queue exists, with its present figures."""
    return channel_is(Channel(q.number, "queues", q.name, q.last, q.bytes, q.last_activity, 0))
