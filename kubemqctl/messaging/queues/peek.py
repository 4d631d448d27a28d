"""`queue peek`: messages are looked at and stay where they are.

Server 2.4.0 shows the first 1,024 of a queue at most. More are taken under a transaction and given back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import IO, TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.message_view import MessageView
from kubemqctl.messaging.queues.receive_options import (
    BYTES_AT_ONCE,
    BYTES_IN_A_PIECE,
    BYTES_TO_HOLD,
    MOST_AT_ONCE,
    MOST_TO_HOLD,
    ROUND,
    SHORTEST_PEEK,
    Doubt,
    missing,
    not_given,
    round_for,
)
from kubemqctl.model.errors import KubemqctlError, OutputError, TooLarge
from kubemqctl.model.limits import MAX_MESSAGE, MAX_PEEK
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
# What server 2.4.0 may need until it has what a stream held, and gives it to the next: seconds.
GIVING_BACK = 0.5


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
        look = Looker(client, channel, show, stdout, run.warn)
        if not show.is_filtered or count is None:
            return look(wait)
        deadline = time.monotonic() + wait
        # Patience counts from what matches: the queue is looked through again for as long.
        while not look(0.0):
            if (left := deadline - time.monotonic()) <= 0:
                return False
            time.sleep(min(left, LOOK_AGAIN))
        return True


class Looker:
    """Looks a queue through, as often as it is called; whether something was shown."""

    def __init__(
        self, client: Client, channel: str, show: Show, stdout: Stdout, warn: Callable[[str], None]
    ) -> None:
        from kubemqctl.client import queues

        self._client = client
        self._channel = channel
        self._show = show
        self._stdout = stdout
        self._warn = warn
        self._depth = queues.Gauge(client, channel).read

    def __call__(self, wait: float) -> bool:
        """What waits; where that is nothing, the first message that comes within `wait` seconds.

        With all wanted, or all looked through for what matches, only what waits now.
        """
        from kubemqctl.client import queues

        count = None if self._show.is_filtered else self._show.count
        doubt = Doubt(self._depth, self._warn)
        deadline = math.inf
        while True:
            ask, size, total = (1, 0, 0) if count == 1 else self._how_many(count)
            deadline = min(deadline, time.monotonic() + (0.0 if count is None else wait))
            # One that does not fit would be in vain, and on server 2.4.0 disturb the order of what follows.
            if ask > MAX_PEEK or ask * size > MAX_MESSAGE:
                break
            left = deadline - time.monotonic()
            # A peek is answered when it is full: what others hold, or has expired, must not keep it for long.
            patience = min(max(left, SHORTEST_PEEK), LONGEST_PEEK) if ask == 1 else SHORTEST_PEEK
            try:
                messages = queues.peek(self._client, self._channel, ask, patience)
            except TooLarge:
                if ask == 1:
                    raise
                break
            if messages or (time.monotonic() >= deadline and doubt.is_end(0)):
                return self._print(messages, ask)
            # Of all there may be any number by now; else the first that comes is what is waited for.
            count = count and 1
        return self._look_under_transaction(ask, total)

    def _how_many(self, count: int | None) -> tuple[int, int, int]:
        """How many messages to ask for; the bytes of one, and of all that are there."""
        depth = self._depth()
        if depth is None:
            return min(count or MAX_PEEK, MAX_PEEK), 0, 0
        total = depth.bytes if depth.is_clean else depth.waiting * depth.size
        there = depth.waiting
        if self._show.count is None and not there:
            # Several may have come since they were counted, and the first is not all.
            there = min(MAX_PEEK, MAX_MESSAGE // max(1, depth.size))
        return max(1, there if count is None else min(there, count)), depth.size, total

    def _print(self, messages: list[Received], asked: int) -> bool:
        """Print what is wanted of them; where all is, say how many the server counts beside those it gave."""
        shown = self._show.of(messages)
        self._stdout.write(shown)
        if messages and len(messages) < asked and self._show.count is None:
            left = min(asked - len(messages), missing(self._depth(), len(messages)))
            if left > 0:
                self._warn(not_given(left))
        return bool(shown)

    def _look_under_transaction(self, most: int, total: int) -> bool:
        """More than one peek can show: taken in portions, all held until the last, then closed back.

        Kept in a file meanwhile, so that neither the queue's size nor a slow reader costs more than disk
        space, and of that no more than half.
        """
        from tempfile import SpooledTemporaryFile

        so_far = Again(MOST_AT_ONCE, -1)
        with SpooledTemporaryFile(max_size=BYTES_IN_MEMORY) as spool:
            while again := self._collected(most, total, spool, so_far):
                so_far = again
                spool.seek(0)
                spool.truncate()
                self._show.start_over()
                time.sleep(GIVING_BACK)
            found = spool.tell() > 0
            spool.seek(0)
            while piece := spool.read(BYTES_IN_A_PIECE):
                self._stdout.write(piece)
        return found

    def _collected(self, most: int, total: int, spool: IO[bytes], so_far: Again) -> Again | None:
        """Put the messages into `spool`; or how that is to be done again, for all goes back.

        That is so when a portion is over the size limit, and when less comes than the server counts: 2.4.0
        gives what a consumer has left whole to the first transaction, whatever that asks for, and nobody sees
        the rest before it is closed. So all is asked for at once then, as long as that brings more.
        """
        from kubemqctl.client import queues

        held: list[queues.HeldBatch] = []
        seen, room = Seen(), SpoolRoom()
        with queues.Downstream(self._client) as down:
            while seen.count < most and not self._show.is_full:
                left = most - seen.count
                # What was not seen yet may be the greater for it, and an answer that does not fit is in vain.
                size = max(total - seen.bytes, 0) // left
                at_most = BYTES_AT_ONCE if so_far.portion <= MOST_AT_ONCE else BYTES_TO_HOLD
                ask = max(1, min(so_far.portion, left, at_most // max(1, size)))
                began = time.monotonic()
                try:
                    got = down.get(self._channel, ask, round_for(ask, size))
                except TooLarge:
                    if ask == 1:
                        raise
                    return so_far._replace(portion=ask // 2)
                seen.add(got.messages)
                spool.write(self._show.of(got.messages))
                room.check(spool.tell())
                if got.messages:
                    held.append(got._replace(messages=[]))
                elif time.monotonic() - began > ROUND * 0.9:
                    hidden = missing(self._depth(), seen.count)
                    if hidden > 0 and seen.count > so_far.furthest:
                        return Again(seen.count + MOST_TO_HOLD, seen.count)
                    if hidden > 0:
                        self._warn(not_given(hidden))
                    break
            for transaction in held:
                down.close(transaction)
            if held:
                down.barrier(held[-1])
        return None


class Again(NamedTuple):
    """So many messages are to be asked for; `furthest` is how many came when some were hidden."""

    portion: int
    furthest: int


class Seen:
    """Counts messages. Raises KubemqctlError when some come twice: a server could do that for ever."""

    def __init__(self) -> None:
        self.count = self.bytes = 0
        self._first = math.inf
        self._last = 0

    def add(self, messages: Sequence[Received]) -> None:
        """These were given."""
        for message in messages:
            self._first = min(self._first, message.sequence)
            self._last = max(self._last, message.sequence)
            self.bytes += len(message.body) + len(message.metadata)
        self.count += len(messages)
        if messages and self.count > self._last - self._first + 1:
            raise KubemqctlError(
                "the server gives more messages than it has: some come twice", code="invalid-response"
            )


class SpoolRoom:
    """How much may be kept in a file: half of what the disk has left."""

    EVERY = 64 << 20  # bytes

    def __init__(self) -> None:
        self._checked = 0

    def check(self, size: int) -> None:
        """The file has so many bytes now. Raises OutputError when the disk has less left."""
        if size < self._checked + self.EVERY:
            return
        import shutil
        import tempfile

        self._checked = size
        if shutil.disk_usage(tempfile.gettempdir()).free < size:
            raise OutputError(
                f"the messages do not fit into {tempfile.gettempdir()}",
                hint="look at fewer: --count N; or set TMPDIR to a folder with more space",
            )
