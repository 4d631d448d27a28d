"""`queue peek`: messages are looked at and stay where they are.

Server 2.4.0 shows the first 1,024 of a queue at most. More are taken under a transaction and given back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from typing import IO, TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.message_view import MessageView
from kubemqctl.messaging.queues.fetch import BYTES_AT_ONCE, MOST_AT_ONCE, ROUND, SHORTEST_PEEK
from kubemqctl.messaging.queues.receive import BYTES_IN_A_PIECE
from kubemqctl.model.errors import TooLarge
from kubemqctl.model.limits import MAX_PEEK
from kubemqctl.model.messages import Received
from kubemqctl.output.forms import Renderer
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


# A peek that waits keeps other consumers of its queue waiting on server 2.4.0: it asks in short rounds.
LONGEST_PEEK = 5.0
# How soon a queue is looked through again for a message that matches: seconds.
LOOK_AGAIN = 0.2
BYTES_IN_MEMORY = 16 << 20


class Show:
    """What is printed of the messages that are seen: of those that `view` gives the first `count`, or all."""

    def __init__(self, view: MessageView[Received] | None, render: Renderer, count: int | None) -> None:
        self.is_filtered = view is not None and bool(view.conditions)
        self.count = count
        self._view = view
        self._render = render
        self._left = math.inf if count is None else count

    @property
    def is_full(self) -> bool:
        """Whether nothing more is wanted."""
        return self._left <= 0

    def of(self, messages: Sequence[Received]) -> bytes:
        """These as they are printed; nothing when none of them is wanted."""
        out = []
        for message in messages:
            shown = self._view(message) if self._view else message
            if shown is not None and self._left > 0:
                self._left -= 1
                out.append(self._render.one(shown))
        return b"".join(out)

    def start_over(self) -> None:
        """What was shown so far is taken back."""
        self._left = math.inf if self.count is None else self.count


def peek_messages(
    run: Invocation,
    channel: str,
    count: int | None,
    wait: float,
    delimiter: bytes | None,
    view: MessageView[Received] | None = None,
) -> bool:
    """Print the first `count` messages that `view` gives, None for all; whether there were any.

    One call where one message is asked for, whichever it is.
    """
    show = Show(view, run.renderer(Received, delimiter), count)
    with closing(Stdout()) as stdout, run.client() as client:
        if not show.is_filtered or count is None:
            return _look(client, channel, wait, show, stdout)
        deadline = time.monotonic() + wait
        # Patience counts from what matches: the queue is looked through again for as long.
        while not _look(client, channel, 0.0, show, stdout):
            if (left := deadline - time.monotonic()) <= 0:
                return False
            time.sleep(min(left, LOOK_AGAIN))
        return True


def _look(client: Client, channel: str, wait: float, show: Show, stdout: Stdout) -> bool:
    wanted = None if show.is_filtered else show.count
    ask, size = (1, 0) if wanted == 1 else _how_many(client, channel, wanted)
    if wanted is None and not ask:
        return False
    try:
        if ask <= MAX_PEEK:
            shown = show.of(_peek(client, channel, ask, wait))
            stdout.write(shown)
            return bool(shown)
    except TooLarge:
        if ask == 1:
            raise
    return _look_under_transaction(client, Look(channel, ask, size), show, stdout)


def _how_many(client: Client, channel: str, count: int | None) -> tuple[int, int]:
    """How many messages to ask for, of those that are there, and their mean size in bytes."""
    from kubemqctl.client import queues

    depth = queues.Gauge(client, channel).read()
    if depth is None:
        return min(count or MAX_PEEK, MAX_PEEK), 0
    return depth.waiting if count is None else min(depth.waiting, count), depth.size


def _peek(client: Client, channel: str, ask: int, wait: float) -> list[Received]:
    """The first `ask` messages; where there are none, the first that comes within `wait` seconds."""
    from kubemqctl.client import queues

    deadline = time.monotonic() + wait
    # A peek is answered when it is full: what others hold, or has expired, must not keep it for long.
    patience = min(wait, LONGEST_PEEK) if ask <= 1 else SHORTEST_PEEK
    while True:
        messages = queues.peek(client, channel, max(1, ask), patience)
        left = deadline - time.monotonic()
        if messages or left <= 0:
            return messages
        ask, patience = 1, min(left, LONGEST_PEEK)


class Look(NamedTuple):
    """What to look at: the first `most` messages of a channel, about `size` bytes each."""

    channel: str
    most: int
    size: int


def _look_under_transaction(client: Client, look: Look, show: Show, stdout: Stdout) -> bool:
    """More than one peek can show: taken in portions, all held until the last, then closed back.

    Kept in a file meanwhile, so that neither the queue's size nor a slow reader costs more than disk space.
    """
    from tempfile import SpooledTemporaryFile

    portion = max(1, min(MOST_AT_ONCE, BYTES_AT_ONCE // max(1, look.size)))
    with SpooledTemporaryFile(max_size=BYTES_IN_MEMORY) as spool:
        while not _collected(client, look, portion, show, spool):
            portion //= 2
            spool.seek(0)
            spool.truncate()
            show.start_over()
        found = spool.tell() > 0
        spool.seek(0)
        while piece := spool.read(BYTES_IN_A_PIECE):
            stdout.write(piece)
    return found


def _collected(client: Client, look: Look, portion: int, show: Show, spool: IO[bytes]) -> bool:
    """Put the messages into `spool`; False when a portion was over the size limit, which gives all back."""
    from kubemqctl.client import queues

    held: list[queues.HeldBatch] = []
    seen = 0
    with queues.Downstream(client) as down:
        while seen < look.most and not show.is_full:
            ask = min(portion, look.most - seen)
            began = time.monotonic()
            try:
                got = down.get(look.channel, ask, ROUND)
            except TooLarge:
                if ask == 1:
                    raise
                return False
            spool.write(show.of(got.messages))
            seen += len(got.messages)
            if got.messages:
                held.append(got._replace(messages=[]))
            elif time.monotonic() - began > ROUND * 0.9:
                break
        for transaction in held:
            down.close(transaction)
        if held:
            down.barrier(held[-1])
    return True
