"""`queue receive` with a handler: take, run, settle, many at a time.

One thread decides. It is woken when messages arrive, when handlers end and by signals. A message is settled
when its handler has ended and what is printed of it is out, so that whatever breaks leaves it in its queue.
"""

from __future__ import annotations

import math
import select
import time
from collections import deque

from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import FailureDelay, HandlerOutcome
from kubemqctl.messaging.handlers.persistent import pool_of
from kubemqctl.messaging.handlers.pool import task
from kubemqctl.messaging.queues.budget import MOST_IN_HAND, ReceiveBudget
from kubemqctl.messaging.queues.decisions import OUTCOMES, Settlement
from kubemqctl.messaging.queues.failing import SENT_ON, OnFail, first_id, sent_on
from kubemqctl.messaging.queues.forwarding import Forwarder
from kubemqctl.messaging.queues.handled_output import HandledOutput
from kubemqctl.messaging.queues.held_messages import (
    RETURN,
    TO_OTHERS,
    Concluded,
    EmptyGet,
    HeldMessage,
    HeldMessages,
    WorkerCalls,
)
from kubemqctl.messaging.queues.judge import Judge
from kubemqctl.messaging.queues.receive_options import (
    BYTES_AT_ONCE,
    LONGEST_PAUSE,
    ROUND,
    SHORTEST_PAUSE,
    ReceiveOptions,
    missing,
)
from kubemqctl.messaging.queues.settlements import SettlementQueue
from kubemqctl.model.errors import PASSING, HandlerFailed, KubemqctlError, ReaderGone
from kubemqctl.model.messages import Received
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Backoff, StopSignal, Wakeup, milliseconds

# How often a pipe is asked whether its reader has taken what is in it: seconds.
TICK = 0.02
# How long the last settlements may take, once a stop was asked for and without: seconds.
LAST_SETTLEMENTS, SETTLEMENTS = 5.0, 30.0


class Worker:
    """One run. `run` returns when all is settled, or raises why it had to end."""

    def __init__(
        self,
        run: Invocation,
        options: ReceiveOptions,
        handler: HandlerOptions,
        on_fail: OnFail,
        calls: WorkerCalls,
        stdout: Stdout,
        stop: StopSignal,
        wakeup: Wakeup,
    ) -> None:
        self._run = run
        self._options = options
        self._handler = handler
        self._on_fail = on_fail
        self._calls = calls
        self._stdout = stdout
        self._stop = stop
        self._wakeup = wakeup
        self._report = HandledOutput(run)
        self.budget = ReceiveBudget(options)
        self._held_messages = HeldMessages(calls.open, options.channel)
        self._forwarder = Forwarder(calls.send)
        self.settlements = SettlementQueue(self._held_messages, self._forwarder, self._concluded)
        # Of several, what went well is not kept back by a failure, for a crash to double it.
        self._delay = FailureDelay(stop, in_order=handler.concurrency == 1)
        self._waiting: deque[HeldMessage] = deque()
        self._running = 0
        self._works: dict[int, HeldMessage] = {}
        self._lost_works: dict[int, Received] = {}
        self._error: KubemqctlError | None = None
        self._output_failed = False
        self._ending = False
        self._lost: KubemqctlError | None = None
        self._in_trouble = False
        self._backoff = Backoff(SHORTEST_PAUSE, LONGEST_PAUSE)
        self._grace_until = math.inf
        self._numbers = 0
        self.judge = Judge(run, handler.concurrency, on_fail, self.budget, calls.now)

    def run(self) -> None:
        """See the class."""
        self._pool = pool_of(self._handler, self._wakeup.notify, self._run.environ)
        with self._pool:
            try:
                if self._options.everything and (depth := self._calls.depth()) and depth.is_sure:
                    self.budget.bound(depth.waiting, depth.last_sequence)
                while self._go_on():
                    self._wait()
                self._finish()
            finally:
                self._held_messages.drop()
        self.judge.name_rest()
        if self._error:
            raise self._error
        if self.judge.failed:
            raise HandlerFailed(f"the handler failed for {self.judge.failed} of {self.judge.handled}")

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
            self._output_failed = True
            self._end_with(ReaderGone())
        self._watch_the_clock()
        if self._lost and not self._works and not self._lost_works:
            self._regain(self._lost)
        if self.budget.over and not self._running:
            self._held_messages.stop_asking()
        busy = self._works or self._lost_works or self._waiting or self._held_messages.asking
        return bool(busy) or not self.budget.over

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup.fd, select.POLLIN)
        # Once the grace runs the stop is known: its descriptor stays readable, and would wake us at once.
        if self._grace_until == math.inf:
            poll.register(self._stop.fd, select.POLLIN)
        if self._stdout.watch_fd is not None and not self._error:
            # Asked for no events, poll(2) still tells that the reader has hung up.
            poll.register(self._stdout.watch_fd, 0)
        due = [self.budget.pause or ROUND, self._delay.left]
        if self._running:
            due.append(self._grace_until - time.monotonic())
        if self.settlements:
            due.append(TICK)
        poll.poll(milliseconds(min(due)))

    def _watch_the_clock(self) -> None:
        """Begin the end when it is time, and make an end when the grace is over."""
        if not self._running:
            self.budget.look()
        if self.budget.time_is_up:
            self._begin_no_more()
        if self._stop:
            self._hurry()
        if time.monotonic() >= self._grace_until and self._running:
            self._pool.finish(0)
            self._collect()

    def _begin_no_more(self) -> None:
        """Take no more, and give back what is in hand and not begun."""
        self.budget.over = self._ending = True
        self._leave_waiting(RETURN)

    def _leave_waiting(self, decision: Settlement) -> None:
        while self._waiting:
            work = self._waiting.popleft()
            work.decision = decision
            self.settlements.add(work)

    def _hurry(self) -> None:
        """As above; what runs has the grace, and what waits for a handler that is not ready goes back."""
        self._begin_no_more()
        self._pool.begin_no_more()
        self._grace_until = min(self._grace_until, time.monotonic() + self._handler.grace)

    def _end_with(self, error: KubemqctlError) -> None:
        self._error = self._error or error
        self._hurry()

    # --- taking ---

    def _take(self) -> None:
        got = self._held_messages.got()
        if got is not None:
            self._there_again()
        if isinstance(got, EmptyGet):
            self._came_empty(got)
        elif got:
            self._arrived(got)
        self._begin_waiting()
        if self._lost or self._held_messages.asking or self._waiting:
            return
        budget, handler = self.budget, self._handler
        in_hand = self._running + len(self.settlements) + len(self._delay)
        if self._running >= handler.concurrency or in_hand >= MOST_IN_HAND:
            return
        # Server 2.4.0 gives messages out of order while one of another Get is held.
        is_settling = not self._running and self._held_messages.settling
        budget.look()
        if is_settling or budget.over or budget.pause or self._forwarder.is_full:
            return
        want = budget.want(handler.concurrency, self._running)
        # Behind newer messages there may be older ones: all that waits tells.
        count = self._how_many(MOST_IN_HAND if budget.newer else want)
        self._held_messages.ask(count, want, max(0.0, budget.time_left()), budget.last_sequence)

    def _how_many(self, want: int) -> int:
        """As many as are there, so that the answer comes at once; one where none is known to be."""
        if want == 1:
            return 1
        began = time.monotonic()
        depth = self._calls.depth()
        self.budget.counted(time.monotonic() - began)
        if depth is None or not depth.is_sure:
            return 1
        there = depth.waiting - self._held_messages.count
        return max(1, min(want, there, BYTES_AT_ONCE // max(1, depth.size)))

    def _came_empty(self, empty: EmptyGet) -> None:
        """Nothing came; where that would be the end, the server is asked whether it is."""
        budget = self.budget
        if budget.over or not budget.is_last_question:
            budget.came_empty(empty, None)
        elif self._held_messages.settling:
            # What the server counts changes under our hands.
            budget.resumed(SHORTEST_PAUSE)
        elif empty.newer:
            left = self._missing(empty.newer)
            if self._running and left > 0:
                budget.resumed(ROUND)
            else:
                budget.came_empty(empty, left)
        elif self._running:
            # What is counted may be kept back by the server with what our handlers have.
            if self._options.everything:
                budget.resumed()
            else:
                budget.came_empty(empty, None)
        else:
            budget.came_empty(empty, self._missing())

    def _missing(self, newer: int = 0) -> int:
        """How many messages the server counts beyond those that we hold, and so many `newer` ones."""
        return missing(self._calls.depth(), self._held_messages.count + newer)

    def _arrived(self, works: list[HeldMessage]) -> None:
        for work in works:
            if self.settlements.is_done(work.message):
                work.decision = Settlement("ack")
                self.settlements.add(work)
            elif self.budget.came() and not self._ending:
                self._waiting.append(work)
            else:
                self.settlements.add(work)
        self.settlements.settle(self._stdout.bytes_taken)

    def _begin_waiting(self) -> None:
        while self._waiting and self._running < self._handler.concurrency and not self._delay.may_be_stop:
            work = self._waiting.popleft()
            self._numbers += 1
            self._running += 1
            self._works[self._numbers] = work
            h = self._handler
            run = task(
                self._numbers, work.message, h.input, h.timeout, prefix=h.prefix, persistent=h.persistent
            )
            if (id := first_id(work.message)) != work.message.id:
                run = run._replace(variables={**run.variables, "KUBEMQ_ID": id})
            self._pool.start(run)

    # --- handlers that ended ---

    def _collect(self) -> None:
        for outcome in self._pool.ended():
            self._running -= 1
            self.budget.finished()
            if self.budget.hoards(len(self._waiting), outcome.seconds, self._handler.concurrency):
                self.budget.gave_back(len(self._waiting))
                self._leave_waiting(TO_OTHERS)
            if self._on_fail.settlement.kind == "return" and not outcome.ok and outcome.retry is None:
                self._begin_no_more()
            self._delay.put(outcome)
        for outcome in self._delay.ready():
            self._ended(outcome)

    def _ended(self, outcome: HandlerOutcome) -> None:
        work = self._works.pop(outcome.key, None)
        message = work.message if work else self._lost_works.pop(outcome.key)
        if outcome.error:
            self._end_with(outcome.error)
        decision = self.judge.decide(message, outcome)
        failure = self.judge.failure(outcome, decision)
        if decision.kind == "return" and not failure:
            data = b""
        else:
            data = self._report.of(message, outcome, OUTCOMES[decision.kind])
        if not self._out(data):
            decision = RETURN
        if work:
            work.decision, work.failure = decision, failure
            work.is_again = self.judge.remember(message, decision)
            if decision.kind in SENT_ON:
                work.copy = sent_on(message, decision, outcome, self.judge.now())
            work.end = self._stdout.offset if data else 0
            self.settlements.add(work)
        elif decision.kind == "ack":
            # What held it is gone, and it comes again.
            self.settlements.remember(message)
        elif failure:
            self.judge.name(message, failure, None)

    def _concluded(self, concluded: Concluded) -> None:
        work, error = concluded
        if work.failure:
            self.judge.name(work.message, work.failure, None if error else work.decision)
        if error:
            self._end_with(error)

    def _out(self, data: bytes) -> bool:
        """Write `data`; False when it did not go out, so that its message must not be settled."""
        if self._output_failed:
            return not data
        try:
            self._output_failed = not self._stdout.write(data)
        except KubemqctlError as e:
            self._output_failed = True
            self._end_with(e)
        return not self._output_failed

    def _finish(self) -> None:
        """Everything has ended: settle what can be."""
        self.settlements.settle_rest(self._stdout.finish())
        until = time.monotonic() + (LAST_SETTLEMENTS if self._stop else SETTLEMENTS)
        try:
            self.settlements.look()
            while self.settlements.is_busy and time.monotonic() < until:
                patience = TICK if self._forwarder else ROUND
                select.select([self._wakeup.fd], [], [], min(patience, max(0.0, until - time.monotonic())))
                self._wakeup.clear()
                self.settlements.look()
        except PASSING as e:
            self._error = self._error or e
        self._name_unsettled()
        if self.settlements.outcomes["returned"] and self._stdout.reader_gone():
            self._error = self._error or ReaderGone()

    def _name_unsettled(self) -> None:
        for work in self.settlements.drop():
            if work.failure:
                self.judge.name(work.message, work.failure, None)

    # --- a lost connection ---

    def _lose(self, error: KubemqctlError) -> None:
        """All that is held goes back by itself; what ran well is known when it comes again."""
        self._name_unsettled()
        self._waiting.clear()
        self._lost_works |= {key: work.message for key, work in self._works.items()}
        self._works.clear()
        if not self._options.follow or self._error:
            self._end_with(error)
            return
        if not self._in_trouble:
            self._run.note(f"{error.message}; trying again")
        self._lost, self._in_trouble = error, True
        self.budget.has_asked = True
        self.budget.resumed()

    def _there_again(self) -> None:
        """A Get was answered."""
        if self._in_trouble:
            self._in_trouble = False
            self._backoff.reset()
            self._run.note("connected again")

    def _regain(self, error: KubemqctlError) -> None:
        """Connect again; only once no handler runs, so that no message is handled twice at a time.

        The pauses grow until a Get is answered: a server that answers pings alone is not there.
        """
        self._lost = None
        while not self._stop:
            self.budget.look()
            if self.budget.over:
                self._end_with(error)
                return
            self._stop.wait(min(self._backoff.pause(), max(0.0, self.budget.time_left())))
            try:
                self._calls.reconnect()
            except PASSING:
                continue
            self.budget.resumed()
            self._wakeup.notify()
            return
