"""Watches a channel for `expect`: what the watch of a queue and of events share, and the latter.

What is concluded from silence, that nothing more came, is concluded only when the server has answered after
the time was up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from kubemqctl.config import files
from kubemqctl.messaging.conditions import Condition
from kubemqctl.messaging.events.sequence_tracker import SequenceTracker
from kubemqctl.messaging.events.store_reader import StoreReader
from kubemqctl.messaging.expect.command import StopWithCommand, WatchedCommand
from kubemqctl.messaging.expect.expectation import Expectation, Wanted
from kubemqctl.messaging.handlers.message_input import Executable
from kubemqctl.messaging.heartbeat import subscription_calls
from kubemqctl.messaging.message_view import MessageView
from kubemqctl.messaging.subscription import LiveSubscription
from kubemqctl.model.errors import ExpectationFailed, Partial, TimedOut, Unreachable
from kubemqctl.model.messages import Event
from kubemqctl.model.text import count_text, escaped
from kubemqctl.model.values import Start
from kubemqctl.output.stderr import say
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.streams import Pending

N = TypeVar("N")

# How long the server may take to say that it is there, at the end: seconds.
LAST_PING = 5.0
# Its answer may overtake events that the server gave before. So there is another one when events came
# meanwhile, for so many seconds: a busy channel is never quiet.
LAST_EVENTS = 0.5


class ExpectOptions(NamedTuple):
    """What to expect of a channel. `within` in seconds, from the command's end, or from the beginning.

    Without a `delimiter` a pipe gets the exact bytes of the first message that matches. `ready_file` is
    written when the channel is watched.
    """

    channel: str
    wanted: Wanted
    view: MessageView[Any]
    never: list[Condition]
    within: float
    command: Executable | None = None
    delimiter: bytes | None = b"\n"
    ready_file: str | None = None


class Watch(Generic[N]):
    """What watching a queue and watching events have in common: the command, the time, the verdict."""

    def __init__(self, run: Invocation, options: ExpectOptions, noun_type: type[N], wake: Callable[[], None]):
        self.options = options
        self.render = run.renderer(noun_type, options.delimiter)
        self.expectation: Expectation[N] = Expectation(
            options.wanted, options.view, options.never, self._print
        )
        self.printed: Callable[[bytes], object] = lambda data: None
        self.command = (
            WatchedCommand(options.command, _environment(run), wake) if options.command is not None else None
        )
        self._run = run
        self._is_raw = run.form().name == "raw"
        self._began: float | None = None

    def _print(self, noun: N) -> None:
        # The exact bytes of one message have no end that one could see: a second one is not printed.
        if self.options.delimiter is None and self._is_raw and self.expectation.matched > 1:
            return
        self.printed(self.render.one(noun))

    def begin(self) -> None:
        """The watch is live: say so in the ready file, and start the command, if there is one."""
        self._began = time.monotonic()
        if self.options.ready_file is not None:
            files.write_ready_file(self.options.ready_file)
        if self.command:
            self.command.start()

    @property
    def counts(self) -> bool:
        """Whether what comes now may be the command's doing."""
        return self.command is None or self.command.is_started

    @property
    def deadline(self) -> float | None:
        """When the time is up, in monotonic seconds; None while the command runs."""
        begins = self.command.ended_at if self.command else self._began
        return None if begins is None else begins + self.options.within

    @property
    def is_decided(self) -> bool:
        """Whether nothing can change any more: the command has failed, or has ended and what came decides."""
        if self.deadline is None:
            return False
        has_failed = self.command is not None and self.command.code != 0
        return has_failed or self.expectation.is_decided

    def judge(self) -> None:
        """Raise what is not as it should be: the command's failure first, then the expectation's."""
        if self.command and (failure := self.command.failure()):
            raise failure
        if reason := self.expectation.failure(self.options.channel):
            self._show()
            raise ExpectationFailed(reason)

    def _show(self) -> None:
        if self._run.common.output == "json":
            for line in self.expectation.seen_records():
                say(line)
        else:
            for line in self.expectation.seen():
                say(escaped(line))

    def note_success(self) -> None:
        """Say for people what came."""
        others = self.expectation.came - self.expectation.matched
        more = f", {count_text(others, 'other')}" if others else ""
        matched = "nothing that must not" if self.options.wanted.is_free else f"{self.expectation.matched:,}"
        self._run.note(f"as expected: {matched} came{more}")


def _environment(run: Invocation) -> dict[str, str]:
    """Ours, with the address in force: a program under test finds the server that is watched."""
    return {**run.environ, "KUBEMQ_ADDRESS": ",".join(run.settings().addresses)}


def run_watch(
    run: Invocation, watch: Watch[N], follow: Callable[[Client, StopWithCommand, Stdout], None]
) -> int:
    """Follow the channel to the end; returns the exit code, and leaves no command behind."""
    if watch.options.ready_file is not None:
        files.clear_ready_file(watch.options.ready_file)
    stop = StopWithCommand()
    stop.command = watch.command
    with stop:
        stdout = Stdout(1, stop.fd)
        watch.printed = stdout.write
        try:
            with run.client() as client:
                follow(client, stop, stdout)
        finally:
            if watch.command:
                watch.command.end()
            stdout.close()
        if stop:
            return stop.exit_code
    return 0


# --- events ---


def expect_events(run: Invocation, options: ExpectOptions, start: Start | None) -> int:
    """Hold events against `options`, stored ones from `start`; as `expect_queue`.

    Raises Unreachable when a connection was lost under plain events, or is not regained under stored ones.
    """
    return EventWatch(run, options, start).run()


class EventWatch:
    """A subscription, and the loop that holds what it brings against the expectation."""

    def __init__(self, run: Invocation, options: ExpectOptions, start: Start | None) -> None:
        self._run = run
        self._options = options
        self._start = start
        self._live: LiveSubscription[Event] | None = None
        self._watch: Watch[Event] = Watch(run, options, Event, self._wake)
        self._tracker: SequenceTracker | None = None
        self._reader: StoreReader | None = None
        self._ping: Pending | None = None
        self._came = 0  # how many events, when that ping began
        self._answered: float | None = None  # when the first one was; monotonic seconds

    def run(self) -> int:
        """Watch; returns the exit code."""
        try:
            return run_watch(self._run, self._watch, self._follow)
        except TimedOut as e:
            # A server that is silent is one that was not looked at.
            raise Unreachable(e.message, hint=e.hint, code="connection-lost") from e

    def _wake(self) -> None:
        if self._live:
            self._live.wake()

    def _follow(self, client: Client, stop: StopWithCommand, stdout: Stdout) -> None:
        calls = subscription_calls(client, self._opener(client, stop))
        live: LiveSubscription[Event] = LiveSubscription(
            calls,
            stop,
            self._run.note,
            # Events that were published while a connection was lost are lost: then nothing is known.
            reconnect=self._tracker is not None,
            on_live=self._watch.begin,
            out=stdout,
        )
        self._live = live
        with live:
            for events in live:
                self._take(events)
                if self._is_over(client):
                    break
                live.due = None if self._ping else self._watch.deadline
        if stop:
            return
        self._watch.judge()
        if self._tracker and self._tracker.missing:
            raise Partial(f"{count_text(self._tracker.missing, 'event')} were gone before they could be read")
        self._watch.note_success()

    def _opener(self, client: Client, stop: StopWithCommand) -> Callable[[Callable[[], None]], Any]:
        channel = self._options.channel
        if self._start is None:
            from kubemqctl.client import events

            return lambda notify: events.subscribe_events(client, channel, "", notify)
        from kubemqctl.messaging.events.subscribe import StoreOptions, SubscribeOptions, store_plan

        options, store_options = SubscribeOptions(channel), StoreOptions(self._start)
        plan = store_plan(self._run.warn, client, stop, options, store_options, None)
        self._tracker, self._reader = plan.tracker, plan.reader
        return plan.open

    def _take(self, events: Sequence[Event]) -> None:
        assert self._live
        if self._tracker and self._reader:
            passed = self._tracker.follow(events)
            events = passed.events
            if passed.reopen:
                self._reader.gap = True
                self._live.reopen()
        elif not self._watch.counts:
            return
        for event in events:
            self._watch.expectation.see(event)

    def _is_over(self, client: Client) -> bool:
        """Whether all is known: what came decides, or the time is up and the server has answered since."""
        assert self._live
        if self._watch.is_decided:
            return True
        deadline = self._watch.deadline
        if deadline is None or time.monotonic() < deadline:
            return False
        if self._live.live_since is None:
            raise Unreachable(f"the connection to {client.address} was lost, and is not regained")
        if self._ping is None:
            from kubemqctl.client.connection import begin_ping

            self._came = self._watch.expectation.came
            self._ping = begin_ping(client, LAST_PING, self._wake)
            return False
        if not self._ping.done():
            return False
        self._ping.result()
        self._ping = None
        self._answered = self._answered or time.monotonic()
        is_quiet = self._watch.expectation.came == self._came
        return is_quiet or time.monotonic() >= self._answered + LAST_EVENTS
