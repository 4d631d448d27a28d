"""`events sub` and `store sub`, from the options to the exit code.

A LiveSubscription brings events, a SequenceTracker sees to it that none of a store is missing or comes
twice, a Delivery prints them or runs a handler for each, and an EndCondition says when the last one has
come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.config import files
from kubemqctl.messaging.events.checkpoint import Checkpoint, checkpoint_at
from kubemqctl.messaging.events.delivery import Arrival, Delivery, Keep, Render, ToHandler, ToOutput
from kubemqctl.messaging.events.sequence_tracker import SequenceTracker
from kubemqctl.messaging.events.store_reader import EndCondition, StoreReader, first_position
from kubemqctl.messaging.handlers.options import HandlerOptions
from kubemqctl.messaging.handlers.outcomes import StopWithHandlers
from kubemqctl.messaging.heartbeat import TIMING, Timing, subscription_calls
from kubemqctl.messaging.message_view import MessageView
from kubemqctl.messaging.subscription import NO_LIMITS, LiveSubscription, TimeLimits
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
# What is printed may wait so long for more that comes at the same time: seconds.
GATHER = 0.002
# How often bytes that the reader of a pipe has not taken yet are looked after: seconds.
LOOK = 0.1
# How long a server that dropped something for a slow reader may be silent until it is asked: seconds.
QUIET = 0.3
# How long stored events may take that are known to be there: seconds.
OVERDUE = 5.0


class SubscribeOptions(NamedTuple):
    """What to subscribe to, and until when. `most` 0 is no limit."""

    channel: str
    group: str = ""
    most: int = 0
    limits: TimeLimits = NO_LIMITS
    reconnect: bool = True
    ready_file: str | None = None
    delimiter: bytes | None = b"\n"
    handler: HandlerOptions | None = None
    view: MessageView[Event] | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether only some of the events are wanted."""
        return self.view is not None and bool(self.view.conditions)


class StoreOptions(NamedTuple):
    """What a store is asked for beyond that."""

    start: Start
    end: End | None = None
    durable: str = ""
    checkpoint: str | None = None


def subscribe_events(run: Invocation, options: SubscribeOptions, timing: Timing = TIMING) -> int:
    """Plain events; returns the exit code. Raises NothingArrived, HandlerFailed, or why it broke off."""

    def plan(client: Client, stop: StopSignal) -> Plan:
        from kubemqctl.client import events

        again = "reconnected; events published in the meantime were not received"
        return Plan(
            lambda notify: events.subscribe_events(client, options.channel, options.group, notify), again
        )

    return _run(run, options, plan, timing)


def subscribe_store(
    run: Invocation, options: SubscribeOptions, store_options: StoreOptions, timing: Timing = TIMING
) -> int:
    """Stored events; as above, and raises Partial when some were gone."""
    with checkpoint_at(store_options.checkpoint, options.channel) as checkpoint:

        def plan(client: Client, stop: StopSignal) -> Plan:
            return store_plan(run.warn, client, stop, options, store_options, checkpoint)

        return _run(run, options, plan, timing)


def store_plan(
    warn: Callable[[str], None],
    client: Client,
    stop: StopSignal,
    options: SubscribeOptions,
    store_options: StoreOptions,
    checkpoint: Checkpoint | None,
) -> Plan:
    """How to read a store. Raises ConfigError for a checkpoint that the server does not have."""
    from kubemqctl.client.events import StoredChannel

    store = StoredChannel(client, options.channel, options.group, stop.check)
    start = first_position(store, store_options.start, checkpoint)
    end_condition = EndCondition(store_options.end, store, start) if store_options.end else None
    keep = checkpoint.save if checkpoint else None
    if options.group or store_options.durable:
        reader = StoreReader(store, None, start, store_options.durable)
        again = "reconnected; events in transit may be lost"
        return Plan(reader.open, again, None, reader, end_condition, keep, True)
    tracker = SequenceTracker(start, warn)
    reader = StoreReader(store, tracker, start, "")
    hint = "to read events stored before this run: --from first" if start.kind == "new" else ""
    return Plan(reader.open, "connected again", tracker, reader, end_condition, keep, True, hint)


class Plan(NamedTuple):
    """How to subscribe, and what to do about it."""

    open: Open
    again: str
    tracker: SequenceTracker | None = None
    reader: StoreReader | None = None
    end_condition: EndCondition | None = None
    keep: Keep | None = None
    is_stored: bool = False
    hint: str = ""


def _run(
    run: Invocation, options: SubscribeOptions, plan: Callable[[Client, StopSignal], Plan], timing: Timing
) -> int:
    render = _render(run, options)
    if options.ready_file is not None:
        files.clear_ready_file(options.ready_file)
    with StopWithHandlers() if options.handler else StopSignal() as stop:
        stdout = Stdout(1, stop.fd)
        try:
            with run.client() as client:
                planned = plan(client, stop)

                def deliver(live: LiveSubscription[Event]) -> Delivery:
                    return _delivery(run, options, planned, live, Exit(stop, stdout, render))

                subscriber = Subscriber(run, options, planned, client, stop, deliver, stdout, timing)
                subscriber.run()
        finally:
            stdout.close()
        if stop:
            return stop.exit_code
    if failure := subscriber.failure():
        raise failure
    return 0


def _render(run: Invocation, options: SubscribeOptions) -> Render | None:
    """How an event is printed; None where a handler's own output is."""
    if options.handler is None:
        return run.renderer(Event, options.delimiter).one
    return None if run.form().name in ("raw", "human") else run.renderer(HandledEvent).one


class Exit(NamedTuple):
    """Where everything leaves: the output, and the signals that end the run."""

    stop: StopSignal
    stdout: Stdout
    render: Render | None


def _delivery(
    run: Invocation, options: SubscribeOptions, plan: Plan, live: LiveSubscription[Event], out: Exit
) -> Delivery:
    if options.handler is None:
        assert out.render
        return ToOutput(out.stdout, out.render, plan.keep)
    return ToHandler(
        options.handler,
        run.environ,
        out.stdout,
        out.render,
        plan.keep,
        live.wake,
        run.warn,
        out.stop,
        # What a store holds can wait there; a plain event that is not taken is lost.
        most_waiting=1 if plan.is_stored else MOST_WAITING,
    )


class Subscriber:
    """One run: connects the subscription, the tracking of sequences and the delivery.

    The run ends with SIGPIPE when the reader of `out` leaves, if there is one. `note` gets what people
    should know.
    """

    def __init__(
        self,
        run: Invocation,
        options: SubscribeOptions,
        plan: Plan,
        client: Client,
        stop: StopSignal,
        deliver: Callable[[LiveSubscription[Event]], Delivery],
        out: Stdout | None,
        timing: Timing = TIMING,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.arrived = 0
        self._note = note or run.note
        self._options = options
        self._plan = plan
        self._live: LiveSubscription[Event] = LiveSubscription(
            subscription_calls(client, plan.open),
            stop,
            self._note,
            limits=options.limits,
            reconnect=options.reconnect,
            ready_file=options.ready_file,
            again=plan.again,
            on_live=lambda: run.note_on_terminal(f"subscribed to {options.channel}; press Ctrl-C to stop"),
            out=out,
            timing=timing,
            is_filtered=options.is_filtered,
            connect_wait=run.settings().connect_wait,
            gather=0.0 if options.handler else GATHER,
            is_tracked=plan.tracker is not None,
        )
        self._passed_over = 0
        self._delivery = deliver(self._live)
        self._is_full = False
        self._has_reached_end = False

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
        if events and self._plan.tracker:
            passed = self._plan.tracker.follow(events)
            events = passed.events
            if passed.reopen:
                self._ask_again()
        arrivals = self._viewed(self._cut(events))
        goes_on = self._delivery.take(arrivals) if arrivals else self._delivery.look()
        if not goes_on:
            return False
        if self._is_full:
            self._live.drain()
            self._live.due = self._delivery.due
            return self._options.handler is not None and self._delivery.unsettled
        self._live.hold = self._delivery.has_enough
        self._live.busy = self._options.handler is not None and self._delivery.unsettled
        self._live.due = self._next_look()
        return True

    def _cut(self, events: list[Event]) -> list[Event]:
        """The events up to the end of the run; with the last of them it is full."""
        tracker, end_condition = self._plan.tracker, self._plan.end_condition
        if end_condition:
            events, self._is_full = end_condition.cut(events)
            if not self._is_full and self._live.live_since is not None:
                self._is_full = end_condition.is_reached(tracker.wanted if tracker else None)
            self._has_reached_end = self._is_full
        return events

    def _viewed(self, events: list[Event]) -> list[Arrival]:
        """The events as they are shown, up to the last one that is wanted; with that the run is full."""
        view, most, before = self._options.view, self._options.most, self.arrived
        arrivals: list[Arrival] = []
        for event in events:
            if most and self.arrived >= most:
                break
            shown = view(event) if view else event
            arrivals.append(Arrival(event, shown))
            self.arrived += shown is not None
        self._is_full = self._is_full or (most > 0 and self.arrived >= most)
        self._passed_over += len(arrivals) - (self.arrived - before)
        if self.arrived > before:
            self._live.matched()
        return arrivals

    def _ask_again(self) -> None:
        assert self._plan.reader
        self._plan.reader.gap = True
        self._live.reopen()

    def _next_look(self) -> float | None:
        """When to look again without any news; asks the server for what it may have dropped."""
        now = time.monotonic()
        dues = [now + LOOK] if self._delivery.waits_for_reader else []
        if self._delivery.due is not None:
            dues.append(self._delivery.due)
        tracker, end_condition, quiet = self._plan.tracker, self._plan.end_condition, self._live.quiet_since
        if end_condition and end_condition.due is not None:
            dues.append(end_condition.due)
        if tracker and quiet is not None and not self._live.hold:
            if self._live.was_stalled:
                if now < quiet + QUIET:
                    dues.append(quiet + QUIET)
                elif tracker.wanted is not None:
                    self._ask_again()
            elif self._live.is_announced:
                pass
            elif end_condition and end_condition.is_stored and end_condition.sequence:
                dues.append(
                    quiet + OVERDUE if now < quiet + OVERDUE else self._overdue(end_condition.sequence)
                )
        return min(dues, default=None)

    def _overdue(self, upto: int) -> float:
        assert self._plan.tracker
        if self._plan.tracker.silent(upto):
            self._ask_again()
            return time.monotonic() + OVERDUE
        return time.monotonic()

    def _end(self, go_on: bool) -> None:
        try:
            self._delivery.end(go_on)
        finally:
            if self._live.was_live:
                self._note(self._summary())

    def _summary(self) -> str:
        parts = self._delivery.summary(self.arrived)
        if self._passed_over:
            parts.append(f"{self._passed_over:,} did not match")
        if self._plan.tracker and self._plan.tracker.missing:
            parts.append(f"{self._plan.tracker.missing:,} missing")
        if self._live.outages:
            times = "once" if self._live.outages == 1 else f"{self._live.outages} times"
            parts.append(f"connection lost {times}")
        return ", ".join(parts)

    def failure(self) -> KubemqctlError | None:
        """What to end with; None when all is well."""
        channel, tracker = self._options.channel, self._plan.tracker
        if failure := self._delivery.failure():
            return failure
        if tracker and tracker.missing:
            were = "event was" if tracker.missing == 1 else "events were"
            return Partial(f"{tracker.missing} {were} removed from {channel} before they could be read")
        # Where all there was has been looked at, or time alone ended the run, nothing is an answer too.
        is_timed = self._live.time_is_over and not self._options.most
        if not self.arrived and not is_timed and not self._has_reached_end:
            what = "nothing that matches" if self._options.is_filtered else "nothing"
            return NothingArrived(f"{what} arrived on {channel}", hint=self._plan.hint)
        return None
