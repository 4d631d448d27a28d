"""`queue receive`: messages are printed, and acknowledged once their bytes are out.

What was not written goes back to its queue, in order and uncounted.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import accumulate
from typing import TYPE_CHECKING

from kubemqctl.messaging.message_view import MessageView, rendered
from kubemqctl.messaging.queues.fetcher import Fetcher
from kubemqctl.messaging.queues.receive_options import BYTES_IN_A_PIECE, ReceiveOptions, printer_calls
from kubemqctl.messaging.recovery import Say
from kubemqctl.model.errors import PASSING, KubemqctlError, Partial, ReaderGone, TimedOut, UsageError
from kubemqctl.model.messages import Received
from kubemqctl.model.text import count_text
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.queues import Downstream, HeldBatch


DEFAULT_WAIT = 1.0  # seconds


def receive_options(
    channel: str,
    count: int | None,
    everything: bool,
    follow: bool,
    wait: float | None,
    idle: float | None,
    lasting: float | None,
    auto_ack: bool,
) -> ReceiveOptions:
    """The options of `queue receive`, None where not given, as what they mean together."""
    if everything and (count is not None or follow):
        raise UsageError("--all cannot be used with --count or --follow")
    if follow and wait is not None:
        raise UsageError(
            "--wait cannot be used with --follow", hint="to stop when nothing arrives, use --idle D"
        )
    endless = follow or (lasting is not None and not everything)
    first = wait if wait is not None else idle
    if first is None and not endless:
        first = DEFAULT_WAIT
    return ReceiveOptions(
        channel,
        most=None if count is None and (everything or follow) else count or 1,
        everything=everything,
        follow=follow,
        wait=first,
        idle=idle if idle is not None else first,
        lasting=lasting,
        auto_ack=auto_ack,
        is_counted=count is not None,
    )


def receive_messages(
    run: Invocation,
    options: ReceiveOptions,
    delimiter: bytes | None,
    view: MessageView[Received] | None = None,
) -> int:
    """Receive and print; returns the exit code. Raises NothingArrived where that is a failure."""
    render = rendered(view, run.renderer(Received, delimiter).one)
    with closing(Stdout()) as stdout, run.client() as client, StopSignal() as stop:
        stdout.stop_fd = stop.fd
        if options.follow:
            run.note_on_terminal(f"waiting for messages on {options.channel}; press Ctrl-C to stop")
        client.stopping = stop.__bool__
        calls = printer_calls(client, options.channel, only_bodies=run.form().name == "raw")
        fetcher = Fetcher(calls, options, stop, Say(run.warn, run.note))
        printer = MessagePrinter(fetcher, stdout, render, stop, options.auto_ack)
        try:
            printer.run()
        except ReaderGone:
            if not stop:
                raise
        except PASSING as e:
            if not stop:
                raise
            run.warn(e.message)
        finally:
            _summarize(run, printer.summary, options)
            if fetcher.lost:
                what = count_text(fetcher.lost, "message")
                run.warn(f"up to {what} may be lost: acknowledged by the server, but not arrived here")
        if stop:
            return stop.exit_code
    if not printer.summary.arrived and not options.may_be_empty:
        raise options.nothing()
    return 0


def _summarize(run: Invocation, summary: ReceiveSummary, options: ReceiveOptions) -> None:
    if options.most != 1 or summary.given_back or summary.unconfirmed:
        parts = [f"{count_text(summary.arrived, 'message')} received"]
        if not options.auto_ack:
            parts.append(f"{count_text(summary.acked)} acknowledged")
        if summary.given_back:
            parts.append(f"{count_text(summary.given_back)} given back")
        run.note(", ".join(parts))
    if summary.unconfirmed:
        what = count_text(summary.unconfirmed, "message")
        run.warn(f"{what} printed, but the acknowledgement is not confirmed: they may be delivered again")


# While a slow reader takes a long transaction, what it has is acknowledged so often: seconds.
SETTLE_EVERY = 0.5


class ReceiveSummary:
    """What became of the messages of a run."""

    def __init__(self) -> None:
        self.arrived = 0
        self.acked = 0
        self.given_back = 0
        self.unconfirmed = 0


class PrintedBatch:
    """A transaction whose messages are being written, with the offsets at which they end."""

    def __init__(self, down: Downstream, held: HeldBatch, ends: list[int]) -> None:
        self.down = down
        self.held = held
        self.sequences = [m.sequence for m in held.messages]
        self.ends = ends
        self.asked = 0  # so many acknowledgements were sent
        self.done = 0  # so many are known to have been carried out

    @property
    def left(self) -> int:
        """How many messages are unsettled."""
        return len(self.sequences) - self.done

    def ack(self, count: int) -> None:
        """Acknowledge the first `count`, each once."""
        if count > self.asked:
            self.down.ack(self.held, self.sequences[self.asked : count])
            self.asked = count


class UnackedOutput:
    """Which messages are not acknowledged yet, and how far their bytes have come."""

    def __init__(self, summary: ReceiveSummary) -> None:
        self._open: deque[PrintedBatch] = deque()
        self._summary = summary

    @property
    def held(self) -> int:
        """How many messages that are."""
        return sum(p.left for p in self._open)

    def add(self, down: Downstream, held: HeldBatch, lengths: Sequence[int], offset: int) -> None:
        """`held` is about to be written from `offset` on, its messages `lengths` bytes long."""
        self._open.append(PrintedBatch(down, held, list(accumulate(lengths, initial=offset))[1:]))

    def settle(self, taken: int) -> None:
        """Acknowledge what ends at or before `taken`, and wait until the server has done so.

        Raises Partial when it refused to. After a time-out it may be called again: what came of the first
        try is waited for then.
        """
        out = [(p, count) for p in self._open if (count := bisect_right(p.ends, taken)) > p.done]
        for p, count in out:
            p.ack(count)
        last = {id(p.down): p for p, _ in out}
        try:
            for p in last.values():
                if p.down.barrier(p.held).intersection(p.sequences[: p.asked]):
                    raise Partial("the server did not accept an acknowledgement", code="not-settled")
        except Partial:
            self._summary.unconfirmed += sum(count - p.done for p, count in out)
            self._drop(out)
            raise
        self._summary.acked += sum(count - p.done for p, count in out)
        self._drop(out)

    def _drop(self, out: Sequence[tuple[PrintedBatch, int]]) -> None:
        for p, count in out:
            p.done = count
        while self._open and not self._open[0].left:
            self._open.popleft()

    def give_back(self) -> None:
        """Close what is left: the server puts it where it was."""
        for p in self._open:
            p.down.close(p.held)
        for p in {id(p.down): p for p in self._open}.values():
            p.down.barrier(p.held)
        self._summary.given_back += self.held
        self._open.clear()

    def forget(self, offset: int) -> None:
        """The connection is gone: what was written, up to `offset`, and not confirmed may come again."""
        self._summary.unconfirmed += sum(bisect_right(p.ends, offset) - p.done for p in self._open)
        self._open.clear()


class MessagePrinter:
    """Writes messages as they come: the `Settler` of a run of `queue receive`."""

    def __init__(
        self,
        fetcher: Fetcher,
        stdout: Stdout,
        render: Callable[[Received], bytes],
        stop: StopSignal,
        auto_ack: bool,
    ) -> None:
        self.summary = ReceiveSummary()
        self._fetcher = fetcher
        self._stdout = stdout
        self._render = render
        self._stop = stop
        self._auto_ack = auto_ack
        self._unacked = UnackedOutput(self.summary)
        self._settled_at = 0.0

    def run(self) -> None:
        """Print until the fetcher ends; then settle. Raises what ended it otherwise."""
        try:
            for held in self._fetcher.rounds(self):
                if not self._print(held):
                    break
        finally:
            self._end()
        if self.summary.given_back and self._stdout.reader_gone():
            raise ReaderGone()

    def _print(self, held: HeldBatch) -> bool:
        """Write a transaction; False when a stop came before its end."""
        self.summary.arrived += len(held.messages)
        data = list(map(self._render, held.messages))
        if not self._auto_ack:
            self._unacked.add(self._fetcher.down, held, list(map(len, data)), self._stdout.offset)
        # A batch less in memory while the next one comes.
        held.messages.clear()
        try:
            return all(self._write(piece) for piece in _pieces(data))
        except PASSING:
            # It shows again at the next round, which knows what to do about it.
            return True

    def _write(self, piece: bytes) -> bool:
        if time.monotonic() - self._settled_at > SETTLE_EVERY:
            self.settle()
        # What the server has acknowledged already would be lost.
        may_stop = self._stop and not self._auto_ack
        return not may_stop and self._stdout.write(piece)

    # --- the Settler ---

    @property
    def is_late(self) -> bool:
        return self._stdout.is_pipe

    @property
    def held(self) -> int:
        return self._unacked.held

    def settle(self) -> None:
        if self._stdout.reader_gone():
            raise ReaderGone()
        self._unacked.settle(self._stdout.bytes_taken)
        self._settled_at = time.monotonic()

    def settle_soon(self) -> None:
        if self.held and self._stdout.drain():
            self.settle()

    def forget(self) -> None:
        self._unacked.forget(self._stdout.offset)

    def _end(self) -> None:
        try:
            self._settle_last(self._stdout.finish())
            self._unacked.give_back()
        except KubemqctlError:
            self.forget()
            raise
        finally:
            self._fetcher.close()

    def _settle_last(self, taken: int) -> None:
        """As `settle`; a server that has much to do is given twice the time."""
        try:
            self._unacked.settle(taken)
        except TimedOut:
            if self._stop:
                raise
            self._unacked.settle(taken)


def _pieces(data: Sequence[bytes]) -> Iterator[bytes]:
    """`data` joined, in pieces of a bounded size that end where a message ends."""
    first = size = 0
    for at, message in enumerate(data):
        size += len(message)
        if size >= BYTES_IN_A_PIECE:
            yield b"".join(data[first : at + 1])
            first, size = at + 1, 0
    yield b"".join(data[first:])
