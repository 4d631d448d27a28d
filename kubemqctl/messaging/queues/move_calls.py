"""What moving and copying need of a source and of a target, which may be two servers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import TimedOut, UsageError
from kubemqctl.model.messages import Message, Received, SendResult

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.queues import Depth, Downstream


class MoveCalls(NamedTuple):
    """Calls of the clients. `send` gives a result a message, in order; `mended` counts changed answers.

    `peek` looks at the first messages without holding them. `now` is the time of the server that the
    messages come from, in Unix nanoseconds. `reconnect` and `reconnect_target` raise what is in their way;
    the second is None where source and target are one server, and share a connection. `leaves_open` is
    whether a refusal of the target leaves it open that the message is there.
    """

    open: Callable[[], Downstream]
    depth: Callable[[], Depth | None]
    peek: Callable[[int], list[Received]]
    send: Callable[[Sequence[Message]], Sequence[SendResult]]
    now: Callable[[], int]
    reconnect: Callable[[], None]
    reconnect_target: Callable[[], None] | None = None
    mended: Callable[[], int] = lambda: 0
    leaves_open: Callable[[str], bool] = lambda text: False


def move_calls(source: Client, channel: str, target: Client | None = None) -> MoveCalls:
    """The calls that bring messages from the queue `channel` of `source` to `target`, or within `source`."""
    from kubemqctl.client import connection, queues
    from kubemqctl.client.error_translation import server_error

    to = target or source
    return MoveCalls(
        lambda: queues.Downstream(source),
        queues.Gauge(source, channel).read,
        lambda count: queues.peek(source, channel, count, 1.0),
        lambda messages: queues.batch(to, messages)().results(),
        lambda: connection.server_time(source),
        partial(connection.reconnect, source),
        partial(connection.reconnect, target) if target else None,
        lambda: source.mended,
        lambda text: isinstance(server_error(text), TimedOut),
    )


def check_two_queues(source: Client, target: Client, channel: str) -> None:
    """Refuse a target of the same name on the same server, whatever address that was reached by.

    What Ping tells of a server is its host and the second of its start. Two that have both in common are
    told apart by the sequences of their queues. Raises UsageError.
    """
    from kubemqctl.client import connection, queues

    here, there = connection.ping(source), connection.ping(target)
    if (here.host, here.started_at) != (there.host, there.started_at):
        return
    looks = queues.infos(source), queues.infos(target), queues.infos(source)
    if not may_be_one(*looks):
        return
    raise UsageError(
        f"source and target are the same queue: {channel}, on one server",
        hint="give the target another name, or a profile of another server",
    )


def may_be_one(*looks: Sequence[ChannelInfo]) -> bool:
    """Whether the queues that were seen, one look after the other, may be those of one server.

    Its sequences grow and never shrink, whatever others do with it meanwhile.
    """
    seen: dict[str, int] = {}
    for look in looks:
        now = {q.name: q.last_sequence or 0 for q in sorted(look, key=lambda q: q.last_sequence or 0)}
        if any(now.get(name, 0) < last for name, last in seen.items()):
            return False
        seen = now
    return True


class Sequences:
    """A set of sequences that takes little room, since most of them follow one another."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, sequence: int) -> bool:
        at = bisect_right(self._firsts, sequence) - 1
        return at >= 0 and sequence <= self._lasts[at]

    def update(self, sequences: Iterable[int]) -> None:
        """Add these."""
        for sequence in sequences:
            at = bisect_right(self._firsts, sequence) - 1
            if at >= 0 and sequence <= self._lasts[at]:
                continue
            self._count += 1
            if at >= 0 and sequence == self._lasts[at] + 1:
                self._lasts[at] = sequence
            else:
                self._firsts.insert(at + 1, sequence)
                self._lasts.insert(at + 1, sequence)
