"""What `events sub` and `store sub` do between their options and the rooms that do the work.

A `Live` subscription brings events, a `Course` sees to it that none of a store is missing or comes twice, a
`Delivery` prints them or runs a handler for each, and a `Horizon` says when that was the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.config import files
from kubemqctl.messaging.events.checkpoint import Checkpoint
from kubemqctl.messaging.events.delivery import Delivery, Keep, Render, ToHandler, ToOutput
from kubemqctl.messaging.events.sequence_tracker import Course
from kubemqctl.messaging.events.store_reader import Horizon, Reader, where_to_begin
from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.pool import StopWithHandlers
from kubemqctl.messaging.subscription import NO_LIMITS, RHYTHM, Limits, Live, Rhythm, line
from kubemqctl.model.errors import KubemqctlError, NothingArrived, Partial, TimedOut, Unreachable
from kubemqctl.model.messages import Event, HandledEvent
from kubemqctl.model.values import End, Start
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.feed import Feed

    Open = Callable[[Callable[[], None]], Feed[Event]]


# Plain events that wait for a handler.
MOST_WAITING = 10_000
# How often bytes that the reader of a pipe has not taken yet are looked after: seconds.
LOOK = 0.1
# How long a server that dropped something for a slow reader may be silent until it is asked: seconds.
QUIET = 0.3
# How long stored events may take that are known to be there: seconds.
OVERDUE = 5.0


class Wish(NamedTuple):
    """What to subscribe to, and until when. `most` 0 is no limit."""

    channel: str
    group: str = ""
    most: int = 0
    limits: Limits = NO_LIMITS
    reconnect: bool = True
    ready_file: str | None = None
    delimiter: bytes | None = b"\n"
    handler: HandlerOptions | None = None


class StoreWish(NamedTuple):
    """What a store is asked for beyond that."""

    start: Start
    end: End | None = None
    durable: str = ""
    checkpoint: str | None = None


def subscribe_events(run: Invocation, wish: Wish, rhythm: Rhythm = RHYTHM) -> int:
    """Plain events; returns the exit code. Raises NothingArrived, HandlerFailed, or why it broke off."""

    def plan(client: Client) -> Plan:
        from kubemqctl.client import events

        again = "connected again; what was published meanwhile did not come"
        return Plan(lambda notify: events.subscribe_events(client, wish.channel, wish.group, notify), again)

    return _run(run, wish, plan, rhythm)


def subscribe_store(run: Invocation, wish: Wish, store_wish: StoreWish, rhythm: Rhythm = RHYTHM) -> int:
    """Stored events; as above, and raises Partial when some were gone."""
    path = store_wish.checkpoint
    checkpoint = Checkpoint(path, wish.channel) if path is not None else None

    def plan(client: Client) -> Plan:
        from kubemqctl.client.events import Store

        store = Store(client, wish.channel, wish.group)
        start = where_to_begin(store, store_wish.start, checkpoint)
        horizon = Horizon(store_wish.end, store, start) if store_wish.end else None
        keep = checkpoint.save if checkpoint else None
        if wish.group or store_wish.durable:
            reader = Reader(store, None, start, store_wish.durable)
            again = "connected again; what was on its way may be lost"
            return Plan(reader.open, again, None, reader, horizon, keep, True)
        course = Course(start, run.warn)
        reader = Reader(store, course, start, "")
        hint = "events from before this run need --from first" if start.kind == "new" else ""
        return Plan(reader.open, "connected again", course, reader, horizon, keep, True, hint)

    return _run(run, wish, plan, rhythm)


class Plan(NamedTuple):
    """How to subscribe, and what to do about it."""

    open: Open
    again: str
    course: Course | None = None
    reader: Reader | None = None
    horizon: Horizon | None = None
    keep: Keep | None = None
    is_stored: bool = False
    hint: str = ""


def _run(run: Invocation, wish: Wish, plan: Callable[[Client], Plan], rhythm: Rhythm) -> int:
    render = _render(run, wish)
    if wish.ready_file is not None:
        files.clear_ready_file(wish.ready_file)
    with StopWithHandlers() if wish.handler else StopSignal() as stop:
        stdout = Stdout(1, stop.fd)
        try:
            with run.client() as client:
                subscriber = Subscriber(run, wish, plan(client), client, Exit(stop, stdout, render), rhythm)
                subscriber.run()
        finally:
            stdout.close()
        if stop:
            return stop.exit_code
    if failure := subscriber.failure():
        raise failure
    return 0


def _render(run: Invocation, wish: Wish) -> Render | None:
    """How an event is printed; None where a handler's own output is."""
    if wish.handler is None:
        return run.renderer(Event, wish.delimiter).one
    return None if run.form().name in ("raw", "human") else run.renderer(HandledEvent).one


class Exit(NamedTuple):
    """Where everything leaves: the output, and the signals that end the run."""

    stop: StopSignal
    stdout: Stdout
    render: Render | None


class Subscriber:
    """Joins the rooms, for one run."""

    def __init__(
        self, run: Invocation, wish: Wish, plan: Plan, client: Client, out: Exit, rhythm: Rhythm
    ) -> None:
        self.arrived = 0
        self._run = run
        self._wish = wish
        self._plan = plan
        self._live: Live[Event] = Live(
            line(client, plan.open),
            out.stop,
            run.note,
            limits=wish.limits,
            reconnect=wish.reconnect,
            ready_file=wish.ready_file,
            again=plan.again,
            on_live=lambda: run.greet(f"listening on {wish.channel}: Ctrl-C ends it"),
            out=out.stdout,
            rhythm=rhythm,
        )
        self._delivery = self._deliver_to(out)
        self._is_full = False

    def _deliver_to(self, out: Exit) -> Delivery:
        handler, keep = self._wish.handler, self._plan.keep
        if handler is None:
            assert out.render
            return ToOutput(out.stdout, out.render, keep)
        # What a store holds can wait there; a plain event that is not taken is lost.
        most = 1 if self._plan.is_stored else MOST_WAITING
        run = self._run
        return ToHandler(
            handler,
            run.environ,
            out.stdout,
            out.render,
            keep,
            self._live.wake,
            run.warn,
            out.stop,
            most_waiting=most,
        )

    def run(self) -> None:
        """Deliver until the end; then settle."""
        with self._live as live:
            lost = False
            try:
                for events in live:
                    if not self._turn(events):
                        break
            except (Unreachable, TimedOut):
                lost = True
                raise
            finally:
                self._end(go_on=lost)

    def _turn(self, events: list[Event]) -> bool:
        """Deliver what came and see to the rest; False when that was all."""
        if events and self._plan.course:
            passed = self._plan.course.follow(events)
            events = passed.events
            if passed.reopen:
                self._ask_again()
        events = self._cut(events)
        self.arrived += len(events)
        goes_on = self._delivery.take(events) if events else self._delivery.look()
        if not goes_on:
            return False
        if self._is_full:
            self._live.drain()
            return self._wish.handler is not None and self._delivery.unsettled
        self._live.hold = self._delivery.has_enough
        self._live.busy = self._wish.handler is not None and self._delivery.unsettled
        self._live.due = self._next_look()
        return True

    def _cut(self, events: list[Event]) -> list[Event]:
        """The events that still belong to the run; with the last of them it is full."""
        course, horizon = self._plan.course, self._plan.horizon
        if horizon:
            events, self._is_full = horizon.cut(events)
            if not self._is_full and self._live.live_since is not None:
                self._is_full = horizon.is_reached(course.wanted if course else None)
        if self._wish.most and self.arrived + len(events) >= self._wish.most:
            events = events[: self._wish.most - self.arrived]
            self._is_full = True
        return events

    def _ask_again(self) -> None:
        assert self._plan.reader
        self._plan.reader.gap = True
        self._live.reopen()

    def _next_look(self) -> float | None:
        """When to look again without any news; asks the server for what it may have dropped."""
        now = time.monotonic()
        dues = [now + LOOK] if self._delivery.unsettled and not self._wish.handler else []
        course, horizon, quiet = self._plan.course, self._plan.horizon, self._live.quiet_since
        if horizon and horizon.due is not None:
            dues.append(horizon.due)
        if course and quiet is not None and not self._live.hold:
            if self._live.was_stalled:
                if now < quiet + QUIET:
                    dues.append(quiet + QUIET)
                elif course.wanted is not None:
                    self._ask_again()
            elif horizon and horizon.is_stored and horizon.sequence:
                dues.append(quiet + OVERDUE if now < quiet + OVERDUE else self._overdue(horizon.sequence))
        return min(dues, default=None)

    def _overdue(self, upto: int) -> float:
        assert self._plan.course
        if self._plan.course.silent(upto):
            self._ask_again()
            return time.monotonic() + OVERDUE
        return time.monotonic()

    def _end(self, go_on: bool) -> None:
        try:
            self._delivery.end(go_on)
        finally:
            if self._live.was_live:
                self._run.note(self._summary())

    def _summary(self) -> str:
        parts = [f"{self.arrived:,} received"]
        if isinstance(self._delivery, ToHandler):
            parts = [f"{self._delivery.handled:,} handled"]
            if self._delivery.failed:
                parts.append(f"{self._delivery.failed:,} failed")
            if self._delivery.dropped and not self._plan.is_stored:
                parts.append(f"{self._delivery.dropped:,} received but not handled")
        if self._plan.course and self._plan.course.missing:
            parts.append(f"{self._plan.course.missing:,} missing")
        if self._live.outages:
            times = "once" if self._live.outages == 1 else f"{self._live.outages} times"
            parts.append(f"connection lost {times}")
        return ", ".join(parts)

    def failure(self) -> KubemqctlError | None:
        """What to end with; None when all is well."""
        channel, course = self._wish.channel, self._plan.course
        if isinstance(self._delivery, ToHandler) and self._delivery.failed:
            return self._delivery.failure()
        if course and course.missing:
            were = "event was" if course.missing == 1 else "events were"
            return Partial(f"{course.missing} {were} gone from {channel} before they could be read")
        if not self.arrived and self._wish.limits.lasting is None:
            return NothingArrived(f"nothing arrived on {channel}", hint=self._plan.hint)
        return None
