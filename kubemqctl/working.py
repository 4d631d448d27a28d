"""What `queue receive` with a handler does between its options and the worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from kubemqctl.intake import Source, Wish
from kubemqctl.messaging.handlers.options import Setup
from kubemqctl.messaging.handlers.pool import StopWithHandlers
from kubemqctl.model.errors import HandlerFailed, NothingArrived, ReaderGone
from kubemqctl.model.text import count_text
from kubemqctl.output.stdout import Sink
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Bell
from kubemqctl.settling import Decision
from kubemqctl.worker import Worker

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client

_WORDS = {"acked": "acknowledged", "rejected": "rejected", "resent": "resent", "returned": "given back"}


def handle_messages(run: Invocation, wish: Wish, setup: Setup, on_fail: Decision) -> int:
    """Give messages to a handler; returns the exit code. Raises HandlerFailed when one failed."""
    with closing(Sink()) as sink, run.client() as client, StopWithHandlers() as stop, closing(Bell()) as bell:
        sink.stop_fd = stop.fd
        if wish.follow:
            run.greet(f"waiting for messages of {wish.channel}: Ctrl-C ends it")
        source = source_of(client, wish.channel, bell.ring)
        worker = Worker(run, wish, setup, on_fail, source, sink, stop, bell)
        try:
            worker.run()
        except (HandlerFailed, ReaderGone):
            if not stop:
                raise
        finally:
            _summarize_handled(run, wish, worker)
        if stop:
            return stop.exit_code
    if not worker.taken and not wish.may_be_empty:
        raise NothingArrived(f"nothing arrived on {wish.channel}", hint="wait longer with --wait 30s")
    return 0


def source_of(client: Client, channel: str, ring: Callable[[], None]) -> Source:
    """Where messages come from; its streams ring when there is news."""
    from kubemqctl.client import connection, queues

    def reconnect() -> None:
        client.reconnect()
        connection.ping(client)

    return Source(lambda: queues.Downstream(client, ring), queues.Gauge(client, channel).read, reconnect)


def _summarize_handled(run: Invocation, wish: Wish, worker: Worker) -> None:
    if wish.most != 1 or worker.results.unconfirmed or worker.results.outcomes["returned"]:
        told = [f"{count_text(n)} {_WORDS[outcome]}" for outcome, n in worker.results.outcomes.items() if n]
        run.note(", ".join([f"{count_text(worker.handled, 'message')} handled", *told]))
    if worker.results.unconfirmed:
        what = count_text(worker.results.unconfirmed, "message")
        run.warn(f"{what} handled but not confirmed as acknowledged: may come again")
