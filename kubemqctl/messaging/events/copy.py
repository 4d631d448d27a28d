"""`store copy`: stored events to another store, perhaps on another server, in their order.

Events are read as `store sub` reads them and published in batches. The position of a checkpoint moves only
past what the target has confirmed: whatever breaks in between, none is missing in the target, and at worst
the batch in flight is there twice. Where the answer to a batch was lost, the newest event of the target
tells how much of it arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.config import files
from kubemqctl.messaging.events.checkpoint import checkpoint_at
from kubemqctl.messaging.events.delivery import Arrival, Keep
from kubemqctl.messaging.events.subscribe import StoreOptions, SubscribeOptions, Subscriber, store_plan
from kubemqctl.messaging.portions import Portions
from kubemqctl.messaging.recovery import Recovery, Say, in_flight
from kubemqctl.model.errors import (
    PASSING,
    ConnectionLost,
    KubemqctlError,
    Partial,
    TimedOut,
    TooLarge,
    UsageError,
)
from kubemqctl.model.messages import Affected, Event, Message, SendResult
from kubemqctl.model.text import count_text
from kubemqctl.model.values import Start
from kubemqctl.output.progress import Progress
from kubemqctl.output.stderr import FirstFew, is_terminal
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.events import Upload


MOST_AT_ONCE = 500
BYTES_AT_ONCE = 4 << 20
NEWEST = Start("last")


class CopyOptions(NamedTuple):
    """Where events go: `channel` on the server of `profile`, or on their own; `rate` is events a second.

    With `follow` the run goes on with what is published, and waits for a lost target until a signal.
    """

    target: str
    profile: str | None
    rate: float | None
    follow: bool


class TargetCalls(NamedTuple):
    """Calls of the target's client: `send` makes an upload, `newest` raises as `reconnect` does."""

    send: Callable[[Sequence[Message]], Upload]
    newest: Callable[[], Event | None]
    reconnect: Callable[[], None]


class ToStore:
    """Publishes events to the target; see Delivery. `advance` gets what has arrived there."""

    has_enough = unsettled = waits_for_reader = False
    due = None

    def __init__(
        self,
        options: CopyOptions,
        calls: TargetCalls,
        keep: Keep | None,
        say: Say,
        stop: StopSignal,
        advance: Callable[[Sequence[Event]], None],
    ) -> None:
        self.copied = 0
        self.refused = 0
        self._options = options
        self._calls = calls
        self._keep = keep
        self._stop = stop
        self._advance = advance
        self._recovery = Recovery(stop, say, "event", for_ever=options.follow)
        self._warn = say.warn
        self._name_refused = FirstFew(say.warn)
        self._portions = Portions[Arrival](
            MOST_AT_ONCE, BYTES_AT_ONCE, options.rate, stop, lambda arrival: arrival.shown
        )

    def take(self, arrivals: Sequence[Arrival]) -> bool:
        return all(self._pass_on(portion) for portion in self._portions(arrivals)) and not self._stop

    def look(self) -> bool:
        return True

    def end(self, go_on: bool) -> None:
        self._name_refused.rest(self._warn)

    def summary(self, arrived: int) -> list[str]:
        parts = [f"{count_text(self.copied, 'event')} copied to {self._options.target}"]
        if self._options.profile:
            parts[0] += f" of {self._options.profile}"
        return [*parts, f"{self.refused:,} refused"] if self.refused else parts

    def failure(self) -> Partial | None:
        if not self.refused:
            return None
        return Partial(f"the target refused {count_text(self.refused, 'event')}")

    def _pass_on(self, portion: Sequence[Arrival]) -> bool:
        """Copy what is wanted of a portion; False where a position cannot be moved past an event."""
        arrived = self._send([event for event, shown in portion if shown is not None])
        self.copied += len(arrived)
        self._advance(arrived)
        if arrived:
            self._recovery.went_well()
        there = set(map(id, arrived))
        missing = (at for at, (event, shown) in enumerate(portion) if shown and id(event) not in there)
        done = next(missing, len(portion))
        if self._keep and done:
            self._keep(portion[done - 1].event)
        return done == len(portion) or self._keep is None

    def _send(self, events: Sequence[Event]) -> list[Event]:
        """Publish; what arrived. What was refused is named; a target that was lost is waited for."""
        arrived: list[Event] = []
        rest = events
        while rest and not self._stop:
            upload = self._calls.send([self._message(event) for event in rest])
            try:
                return arrived + self._accepted(rest, upload.begin().results())
            except (TooLarge, *PASSING) as e:
                known = upload.known()
                arrived += self._accepted(rest[: len(known)], known)
                rest = rest[len(known) :]
                if not isinstance(e, TooLarge):
                    there = self._regain(rest, e)
                elif len(rest) == 1:
                    self._refuse(rest[0], e.message)
                    return arrived
                else:
                    # The stream ended at one of them: those before it may be there, the others go alone.
                    there = _reached(rest, self._calls.newest())
                    arrived += rest[:there]
                    return arrived + [a for event in rest[there:] for a in self._send([event])]
                arrived += rest[:there]
                rest = rest[there:]
        return arrived

    def _regain(self, rest: Sequence[Event], error: KubemqctlError) -> int:
        """Wait for the target; how many of `rest`, whose answers were lost, are there already."""
        there = 0
        in_doubt = bool(rest) and isinstance(error, ConnectionLost | TimedOut)
        self._recovery.doubt = f"{in_flight(len(rest), 'event')} may be in the target" if in_doubt else ""

        def reconnect() -> None:
            nonlocal there
            self._calls.reconnect()
            if in_doubt:
                there = _reached(rest, self._calls.newest())
                # What the server had taken when the connection broke may still be on its way.
                self._recovery.sends_again = len(rest) - there

        self._recovery.regain(error, reconnect)
        return there

    def _accepted(self, events: Sequence[Event], results: Sequence[SendResult]) -> list[Event]:
        for event, result in zip(events, results, strict=True):
            if result.error:
                self._refuse(event, result.error)
        return [event for event, result in zip(events, results, strict=True) if not result.error]

    def _refuse(self, event: Event, error: str) -> None:
        self.refused += 1
        self._name_refused(f"event {event.sequence}: {error}")

    def _message(self, event: Event) -> Message:
        return Message(event.body, self._options.target, event.id, event.metadata, event.tags)


def _reached(events: Sequence[Event], newest: Event | None) -> int:
    """How many of `events` are in a store whose newest event is `newest`; where two fit, the fewer."""
    if newest is None:
        return 0
    what = (newest.id, newest.body, newest.metadata, newest.tags)
    return next((at for at, e in enumerate(events, start=1) if (e.id, e.body, e.metadata, e.tags) == what), 0)


def copy_events(
    run: Invocation, options: SubscribeOptions, store_options: StoreOptions, copy: CopyOptions
) -> int:
    """Copy what the options say, and print how many events that were; returns the exit code."""
    render = run.renderer(Affected)
    if options.ready_file is not None:
        files.clear_ready_file(options.ready_file)
    with (
        checkpoint_at(store_options.checkpoint, options.channel) as checkpoint,
        run.client() as client,
        StopSignal() as stop,
        Progress(2 if run.is_watched else None, is_terminal(1)) as progress,
        ExitStack() as stack,
    ):
        other = stack.enter_context(run.client_of(copy.profile))
        if other and options.channel == copy.target:
            _check_two_stores(client, other, copy.target)
        # A connection of its own also where it is one server: each is lost, and regained, by itself.
        target = other or stack.enter_context(run.client())
        say = Say(progress.apart(run.warn), progress.apart(run.note))
        plan = store_plan(say.warn, client, stop, options, store_options, checkpoint)
        calls = _target_calls(target, copy.target, stop)
        store = ToStore(copy, calls, plan.keep, say, stop, progress.around(lambda events: None))
        subscriber = Subscriber(run, options, plan, client, stop, lambda live: store, None, note=say.note)
        try:
            subscriber.run()
        finally:
            progress.clear()
            # Also of a run that broke off: so many are in the target for sure.
            run.write(render.one(Affected(options.channel, store.copied, copy.target)))
        if stop:
            return stop.exit_code
    if failure := subscriber.failure():
        raise failure
    return 0


def _target_calls(client: Client, channel: str, stop: StopSignal) -> TargetCalls:
    from kubemqctl.client.events import StoredChannel, Upload

    return TargetCalls(
        lambda messages: Upload(client, messages, store=True),
        lambda: StoredChannel(client, channel, look=stop.check).first(NEWEST),
        client.reconnect,
    )


def _check_two_stores(source: Client, target: Client, channel: str) -> None:
    """Refuse a target of the same name on the same server, whatever address that was reached by.

    What Ping tells of a server is its host and the second of its start. Two that have both in common are
    told apart by their newest events. Raises UsageError.
    """
    from kubemqctl.client import connection
    from kubemqctl.client.events import StoredChannel

    here, there = connection.ping(source), connection.ping(target)
    if (here.host, here.started_at) != (there.host, there.started_at):
        return
    if StoredChannel(source, channel).first(NEWEST) != StoredChannel(target, channel).first(NEWEST):
        return
    raise UsageError(
        f"source and target are the same channel: {channel}, on one server",
        hint="give the target another name, or a profile of another server",
    )
