"""What `queue receive` and `queue peek` do between their options and the rooms that do the work."""

from __future__ import annotations

import time
from contextlib import closing
from typing import IO, TYPE_CHECKING, NamedTuple

from kubemqctl.intake import BYTES_AT_ONCE, MOST_AT_ONCE, ROUND, Intake, Source, Wish
from kubemqctl.model.errors import NothingArrived, ReaderGone, TimedOut, TooLarge, UsageError
from kubemqctl.model.messages import Received
from kubemqctl.model.text import count_text
from kubemqctl.output.forms import Renderer
from kubemqctl.output.stdout import Sink
from kubemqctl.receiving import BYTES_IN_A_PIECE, Printer, Tally
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Stop

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client

DEFAULT_WAIT = 1.0  # seconds
# A peek that waits keeps other consumers of its queue waiting on server 2.4.0: it asks in short rounds.
LONGEST_PEEK = 5.0
SHORTEST_PEEK = 1.0
MOST_IN_A_PEEK = 1024
BYTES_IN_MEMORY = 16 << 20


def wished(
    channel: str,
    count: int | None,
    everything: bool,
    follow: bool,
    wait: float | None,
    idle: float | None,
    lasting: float | None,
    auto_ack: bool,
) -> Wish:
    """The options of `queue receive`, None where not given, as what they mean together."""
    if everything and (count is not None or follow):
        raise UsageError("--all excludes --count and --follow")
    if follow and wait is not None:
        raise UsageError("--follow waits without an end: --wait does not go with it", hint="write --idle D")
    endless = follow or (lasting is not None and not everything)
    first = wait if wait is not None else idle
    if first is None and not endless:
        first = DEFAULT_WAIT
    return Wish(
        channel,
        most=None if count is None and (everything or follow) else count or 1,
        everything=everything,
        follow=follow,
        wait=first,
        idle=idle if idle is not None else first,
        lasting=lasting,
        auto_ack=auto_ack,
    )


def receive_messages(run: Invocation, wish: Wish, delimiter: bytes | None) -> int:
    """Receive and print; returns the exit code. Raises NothingArrived where that is a failure."""
    render = run.renderer(Received, delimiter)
    with closing(Sink()) as sink, run.client() as client, Stop() as stop:
        sink.stop_fd = stop.fd
        if wish.follow:
            run.greet(f"waiting for messages of {wish.channel}: Ctrl-C ends it")
        intake = Intake(_source(client, wish.channel), wish, stop, run.note)
        printer = Printer(intake, sink, render.one, stop, wish.auto_ack)
        try:
            printer.run()
        except ReaderGone:
            if not stop:
                raise
        finally:
            _summarize(run, printer.tally, wish)
        if stop:
            return stop.exit_code
    if not printer.tally.arrived and not wish.may_be_empty:
        raise NothingArrived(f"nothing arrived on {wish.channel}", hint="wait longer with --wait 30s")
    return 0


def _source(client: Client, channel: str) -> Source:
    from kubemqctl.client import connection, queues

    def reconnect() -> None:
        client.reconnect()
        connection.ping(client)

    def look() -> bool:
        try:
            return bool(queues.peek(client, channel, 1, SHORTEST_PEEK))
        except TimedOut:
            # Server 2.4.0 lets it wait until other consumers of the queue have waited.
            return False

    return Source(lambda: queues.Downstream(client), queues.Gauge(client, channel).read, reconnect, look)


def _summarize(run: Invocation, tally: Tally, wish: Wish) -> None:
    if wish.most != 1 or tally.given_back or tally.unconfirmed:
        parts = [f"{count_text(tally.arrived, 'message')} received"]
        if not wish.auto_ack:
            parts.append(f"{count_text(tally.acked)} acknowledged")
        if tally.given_back:
            parts.append(f"{count_text(tally.given_back)} given back")
        run.note(", ".join(parts))
    if tally.unconfirmed:
        what = count_text(tally.unconfirmed, "message")
        run.warn(f"{what} printed but not confirmed as acknowledged: this may come again")


def peek_messages(
    run: Invocation, channel: str, count: int | None, wait: float, delimiter: bytes | None
) -> bool:
    """Print the first `count` messages, None for all; whether there were any.

    One call where one message is asked for.
    """
    render = run.renderer(Received, delimiter)
    with closing(Sink()) as sink, run.client() as client:
        ask, size = (1, 0) if count == 1 else _how_many(client, channel, count)
        if count is None and not ask:
            return False
        try:
            if ask <= MOST_IN_A_PEEK:
                messages = _peek(client, channel, ask, wait)
                sink.write(b"".join(map(render.one, messages)))
                return bool(messages)
        except TooLarge:
            if ask == 1:
                raise
        return _look_under_transaction(client, Look(channel, ask, size), render, sink)


def _how_many(client: Client, channel: str, count: int | None) -> tuple[int, int]:
    """How many messages to ask for, of those that are there, and their mean size in bytes."""
    from kubemqctl.client import queues

    depth = queues.Gauge(client, channel).read()
    if depth is None:
        return min(count or MOST_IN_A_PEEK, MOST_IN_A_PEEK), 0
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


def _look_under_transaction(client: Client, look: Look, render: Renderer, sink: Sink) -> bool:
    """More than one peek can show: taken in portions, all held until the last, then closed back.

    Kept in a file meanwhile, so that neither the queue's size nor a slow reader costs more than disk space.
    """
    from tempfile import SpooledTemporaryFile

    portion = max(1, min(MOST_AT_ONCE, BYTES_AT_ONCE // max(1, look.size)))
    with SpooledTemporaryFile(max_size=BYTES_IN_MEMORY) as spool:
        while not _collected(client, look, portion, render, spool):
            portion //= 2
            spool.seek(0)
            spool.truncate()
        found = spool.tell() > 0
        spool.seek(0)
        while piece := spool.read(BYTES_IN_A_PIECE):
            sink.write(piece)
    return found


def _collected(client: Client, look: Look, portion: int, render: Renderer, spool: IO[bytes]) -> bool:
    """Put the messages into `spool`; False when a portion was over the size limit, which gives all back."""
    from kubemqctl.client import queues

    held: list[queues.Held] = []
    seen = 0
    with queues.Downstream(client) as down:
        while seen < look.most:
            ask = min(portion, look.most - seen)
            began = time.monotonic()
            try:
                got = down.get(look.channel, ask, ROUND)
            except TooLarge:
                if ask == 1:
                    raise
                return False
            spool.write(b"".join(map(render.one, got.messages)))
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
