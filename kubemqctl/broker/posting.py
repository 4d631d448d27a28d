"""Messages on their way into queues: one unit of the journal, for any number of messages and queues.

A message is stored as it will be delivered: with its attributes, its receive count already the one that
the receiver sees. Deliveries never change it; what a rejection puts back is a new message.
"""

from __future__ import annotations

from collections.abc import Callable

from kubemqctl.broker import schema
from kubemqctl.broker.queue import Entry, Queue
from kubemqctl.broker.schema import Change, Delay
from kubemqctl.wire import kubemq_pb2 as pb

SECOND = 1_000_000_000


class Posting:
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
            changes.append(schema.queue_is(queue))
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
        policy.MaxReceiveCount = 1024
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
