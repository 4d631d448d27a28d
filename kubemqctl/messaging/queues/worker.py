"""`queue receive` with a handler: take, run, settle, many at a time.

One thread decides. It is woken when messages arrive, when handlers end and by signals, and has as many
messages in hand as handlers may run. A message is settled when its handler has ended and what is printed
of it is out, so that whatever breaks leaves it in its queue.
"""

from __future__ import annotations

import math
import queue
import select
import time
from collections.abc import Callable
from contextlib import closing

from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.pool import HandlerOutcome, HandlerPool, StopWithHandlers, task
from kubemqctl.messaging.handlers.process import StderrLines
from kubemqctl.messaging.queues.decisions import OUTCOMES, Settlement, after_reject, is_last, name
from kubemqctl.messaging.queues.fetch import (
    LONGEST_PAUSE,
    PASSING,
    ROUND,
    SHORTEST_PAUSE,
    QueueCalls,
    ReceiveBudget,
    ReceiveOptions,
    worker_calls,
)
from kubemqctl.messaging.queues.held_messages import HeldMessage, HeldMessages, SettlementQueue
from kubemqctl.model.errors import HandlerFailed, KubemqctlError, NothingArrived, ReaderGone
from kubemqctl.model.messages import HandledMessage, Received
from kubemqctl.model.text import count_text
from kubemqctl.output.stderr import FirstFew
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal, Wakeup, milliseconds

# How often a pipe is asked whether its reader has taken what is in it: seconds.
TICK = 0.02


class Worker:
    """One run. `run` returns when all is settled, or raises why it had to end."""

    def __init__(
        self,
        run: Invocation,
        options: ReceiveOptions,
        handler: HandlerOptions,
        on_fail: Settlement,
        calls: QueueCalls,
        stdout: Stdout,
        stop: StopSignal,
        wakeup: Wakeup,
    ) -> None:
        self.handled = self.failed = 0
        self._run = run
        self._options = options
        self._handler = handler
        self._on_fail = on_fail
        self._calls = calls
        self._stdout = stdout
        self._stop = stop
        self._wakeup = wakeup
        self._report = HandledOutput(run)
        self._name_failure = FirstFew(run.warn)
        self._budget = ReceiveBudget(options, calls)
        self._held_messages = HeldMessages(calls.open, options.channel)
        self.settlements = SettlementQueue(self._held_messages, options.everything, self._end_with)
        self._outcomes: queue.SimpleQueue[HandlerOutcome] = queue.SimpleQueue()
        self._running: dict[int, HeldMessage | None] = {}
        self._lost_work: dict[int, Received] = {}
        self._error: KubemqctlError | None = None
        self._lost: KubemqctlError | None = None
        self._grace_until = math.inf
        self._numbers = 0

    def run(self) -> None:
        """See the class."""
        handler = self._handler
        self._pool = HandlerPool(handler.command, handler.concurrency, self._deliver, self._run.environ)
        with self._pool:
            try:
                while self._go_on():
                    self._wait()
                self._finish()
            finally:
                self._held_messages.drop()
        if self._error:
            raise self._error
        if self.failed:
            raise HandlerFailed(f"the handler failed for {self.failed} of {self.handled}")

    @property
    def taken(self) -> int:
        """How many messages were given to a handler."""
        return self._budget.taken

    def _deliver(self, outcome: HandlerOutcome) -> None:
        self._outcomes.put(outcome)
        self._wakeup.notify()

    # --- the loop ---

    def _go_on(self) -> bool:
        """One turn; False when there is nothing left to do."""
        self._wakeup.clear()
        self._collect()
        try:
            self.settlements.settle(self._stdout.bytes_taken)
            self._take()
        except PASSING as e:
            self._lose(e)
        if self._stdout.reader_gone():
            self._end_with(ReaderGone())
        self._watch_the_clock()
        if self._lost and not self._running:
            self._regain(self._lost)
        return bool(self._running) or self._held_messages.asking or not self._budget.over

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup.fd, select.POLLIN)
        if self._grace_until == math.inf:
            poll.register(self._stop.fd, select.POLLIN)
        if self._stdout.watch_fd is not None and not self._error:
            poll.register(self._stdout.watch_fd, 0)
        due = [self._budget.pause or ROUND]
        if self._running:
            due.append(self._grace_until - time.monotonic())
        if self.settlements:
            due.append(TICK)
        poll.poll(milliseconds(min(due)))

    def _watch_the_clock(self) -> None:
        """Begin the end when it is time, and make an end when the grace is over."""
        if not self._running:
            self._budget.look()
        if self._stop:
            self._hurry()
        if time.monotonic() >= self._grace_until and self._running:
            self._pool.finish(0)
            self._collect()

    def _hurry(self) -> None:
        """Take no more; what runs has the grace."""
        self._budget.over = True
        self._grace_until = min(self._grace_until, time.monotonic() + self._handler.grace)

    def _end_with(self, error: KubemqctlError) -> None:
        self._error = self._error or error
        self._hurry()

    # --- taking ---

    def _take(self) -> None:
        budget = self._budget
        while True:
            got = self._held_messages.got()
            if isinstance(got, HeldMessage):
                self._begin(got)
            elif got is not None:
                budget.came_empty(got)
            if self._held_messages.asking or self._lost or len(self._running) >= self._handler.concurrency:
                return
            budget.look()
            if budget.over or budget.pause:
                return
            self._held_messages.ask(budget.time_left())

    def _begin(self, work: HeldMessage) -> None:
        message = work.message
        if self.settlements.ack_if_done(work):
            return
        if self._budget.came(message):
            self._numbers += 1
            self._running[self._numbers] = work
            self._pool.start(task(self._numbers, message, self._handler.input, self._handler.timeout))
        else:
            self.settlements.conclude(work, Settlement("return"))

    # --- handlers that ended ---

    def _collect(self) -> None:
        while not self._outcomes.empty():
            self._ended(self._outcomes.get())

    def _ended(self, outcome: HandlerOutcome) -> None:
        work = self._running.pop(outcome.key)
        message = work.message if work else self._lost_work.pop(outcome.key)
        self._budget.resumed()
        decision = self._judge(message, outcome)
        if decision.kind == "return" and outcome.ending == "stopped":
            data = b""
        else:
            data = self._report.of(message, outcome, OUTCOMES[decision.kind])
        if not self._out(data):
            decision = Settlement("return")
        if work:
            self.settlements.add(work, decision, self._stdout.offset if data else 0)
        elif decision.kind == "ack":
            # What held it is gone, and it comes again.
            self.settlements.remember(message)

    def _judge(self, message: Received, outcome: HandlerOutcome) -> Settlement:
        """What is to become of a message, after its handler."""
        if outcome.error:
            self._end_with(outcome.error)
            return Settlement("return")
        if outcome.ending == "stopped":
            return Settlement("return")
        self.handled += 1
        if outcome.ok:
            self._budget.succeeded()
            return Settlement("ack")
        self.failed += 1
        self._name(message, outcome)
        if self._on_fail.kind == "return":
            self._budget.over = True
        elif self._budget.failed(self._handler.concurrency):
            self._run.note("all messages fail: slowing down")
        return self._on_fail

    def _name(self, message: Received, outcome: HandlerOutcome) -> None:
        text = f"{name(message)}: {outcome.failure}"
        if self._on_fail.kind == "reject" and is_last(message):
            text += f"; {after_reject(message)}"
        self._name_failure(text)

    def _out(self, data: bytes) -> bool:
        """Write `data`; False when it did not go out, so that its message must not be settled."""
        if not data:
            return True
        if self._error:
            return False
        try:
            return self._stdout.write(data)
        except KubemqctlError as e:
            self._end_with(e)
            return False

    def _finish(self) -> None:
        """Everything has ended: settle what can be."""
        try:
            self.settlements.finish(self._stdout.finish())
        except PASSING as e:
            self._lose(e)
            self._error = self._error or e
        if self.settlements.outcomes["returned"] and self._stdout.reader_gone():
            self._error = self._error or ReaderGone()

    # --- a lost connection ---

    def _lose(self, error: KubemqctlError) -> None:
        """All that is held goes back by itself; what ran well is known when it comes again."""
        self._held_messages.drop()
        self.settlements.forget()
        for key, work in self._running.items():
            if work:
                self._lost_work[key] = work.message
        self._running = dict.fromkeys(self._running)
        if self._options.follow and not self._error:
            if not self._lost:
                self._run.note(f"{error.message}; trying again")
            self._lost = error
            self._budget.resumed()
        else:
            self._end_with(error)

    def _regain(self, error: KubemqctlError) -> None:
        """Connect again; only once no handler runs, so that no message is handled twice at a time."""
        self._lost = None
        pause = SHORTEST_PAUSE
        while not self._stop:
            self._budget.look()
            if self._budget.over:
                self._end_with(error)
                return
            try:
                self._calls.reconnect()
            except PASSING:
                self._stop.wait(min(pause, self._budget.time_left()))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            self._budget.resumed()
            self._wakeup.notify()
            self._run.note("connected again")
            return


_WORDS = {"acked": "acknowledged", "rejected": "rejected", "resent": "resent", "returned": "given back"}


def handle_messages(
    run: Invocation, options: ReceiveOptions, handler: HandlerOptions, on_fail: Settlement
) -> int:
    """Give messages to a handler; returns the exit code. Raises HandlerFailed when one failed."""
    with (
        closing(Stdout()) as stdout,
        run.client() as client,
        StopWithHandlers() as stop,
        closing(Wakeup()) as wakeup,
    ):
        stdout.stop_fd = stop.fd
        if options.follow:
            run.note_on_terminal(f"waiting for messages on {options.channel}; press Ctrl-C to stop")
        calls = worker_calls(client, options.channel, wakeup.notify)
        worker = Worker(run, options, handler, on_fail, calls, stdout, stop, wakeup)
        try:
            worker.run()
        except (HandlerFailed, ReaderGone):
            if not stop:
                raise
        finally:
            _summarize_handled(run, options, worker)
        if stop:
            return stop.exit_code
    if not worker.taken and not options.may_be_empty:
        raise NothingArrived.on(options.channel)
    return 0


def _summarize_handled(run: Invocation, options: ReceiveOptions, worker: Worker) -> None:
    if options.most != 1 or worker.settlements.unconfirmed or worker.settlements.outcomes["returned"]:
        told = [
            f"{count_text(n)} {_WORDS[outcome]}" for outcome, n in worker.settlements.outcomes.items() if n
        ]
        run.note(", ".join([f"{count_text(worker.handled, 'message')} handled", *told]))
    if worker.settlements.unconfirmed:
        what = count_text(worker.settlements.unconfirmed, "message")
        run.warn(f"{what} handled, but the acknowledgement is not confirmed: they may be delivered again")


class HandledOutput:
    """What goes to stdout: what handlers print, each whole; or, where the form asks for it, a record each."""

    def __init__(self, run: Invocation) -> None:
        passes = run.form().name in ("raw", "human")
        self._render: Callable[[object], bytes] | None = None if passes else run.renderer(HandledMessage).one

    def of(self, message: Received, run: HandlerOutcome, outcome: str) -> bytes:
        """The bytes to print of `message`; with a record, the handler's own go to stderr at once."""
        if self._render is None:
            return run.stdout
        lines = StderrLines()
        lines.feed(run.stdout)
        lines.end()
        return self._render(HandledMessage(*message, outcome, run.exit_code))
