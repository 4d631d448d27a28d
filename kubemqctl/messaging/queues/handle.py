"""`queue receive` with a handler, from its options to the exit code."""

from __future__ import annotations

from contextlib import closing

from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import StopWithHandlers
from kubemqctl.messaging.queues.failing import OnFail
from kubemqctl.messaging.queues.held_messages import worker_calls
from kubemqctl.messaging.queues.receive_options import ReceiveOptions, not_given
from kubemqctl.messaging.queues.worker import Worker
from kubemqctl.model.errors import PASSING, HandlerFailed, ReaderGone
from kubemqctl.model.text import count_text
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Wakeup

_WORDS = {"acked": "acknowledged", "returned": "given back"}


def handle_messages(
    run: Invocation, options: ReceiveOptions, handler: HandlerOptions, on_fail: OnFail
) -> int:
    """Give messages to a handler; returns the exit code. Raises HandlerFailed when one failed."""
    with (
        closing(Stdout()) as stdout,
        run.client() as client,
        StopWithHandlers() as stop,
        closing(Wakeup()) as wakeup,
    ):
        stdout.stop_fd = stop.fd
        client.stopping = stop.__bool__
        if options.follow:
            run.note_on_terminal(f"waiting for messages on {options.channel}; press Ctrl-C to stop")
        calls = worker_calls(client, options.channel, wakeup.notify)
        worker = Worker(run, options, handler, on_fail, calls, stdout, stop, wakeup)
        try:
            worker.run()
        except (HandlerFailed, ReaderGone, *PASSING):
            # Behind a stop the sums say what was not confirmed.
            if not stop:
                raise
        finally:
            _summarize(run, options, worker)
        if stop:
            return stop.exit_code
    if not worker.budget.taken and not options.may_be_empty:
        raise options.nothing()
    return 0


def _summarize(run: Invocation, options: ReceiveOptions, worker: Worker) -> None:
    """Say what became of the messages; of a single one only what is not as it should be."""
    outcomes, unconfirmed = worker.settlements.outcomes, worker.settlements.unconfirmed
    if options.most != 1 or unconfirmed or outcomes["returned"]:
        told = [f"{count_text(n)} {_WORDS.get(outcome, outcome)}" for outcome, n in outcomes.items() if n]
        run.note(", ".join([f"{count_text(worker.judge.handled, 'message')} handled", *told]))
    if unconfirmed:
        what = count_text(unconfirmed, "message")
        run.warn(f"{what} handled, but the acknowledgement is not confirmed: they may be delivered again")
    if worker.budget.uncounted:
        run.warn(not_given(worker.budget.uncounted))
