"""Watches a queue for `expect`: it is looked at again and again, and nothing is taken.

What another consumer holds is counted and does not show. What is concluded from silence is concluded only
when all that is counted was seen.
"""

from __future__ import annotations

import select
import time
from contextlib import closing
from typing import TYPE_CHECKING

from kubemqctl.messaging.expect.command import StopWithCommand
from kubemqctl.messaging.expect.watch import ExpectOptions, Watch, run_watch
from kubemqctl.messaging.queues.receive_options import (
    BYTES_AT_ONCE,
    MOST_AT_ONCE,
    ROUND,
    SHORTEST_PEEK,
    missing,
    not_given,
)
from kubemqctl.model.errors import Partial, TooLarge
from kubemqctl.model.limits import MAX_PEEK
from kubemqctl.model.messages import Received
from kubemqctl.model.text import count_text
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Wakeup, milliseconds

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.queues import Depth

# How soon it is looked at again: seconds.
LOOK_AGAIN = 0.1


def expect_queue(run: Invocation, options: ExpectOptions, take: bool) -> int:
    """Hold the messages of a queue against `options`; returns 0, or a signal's exit code.

    With `take`, those that matched are acknowledged when all holds. Raises ExpectationFailed, HandlerFailed
    when the command failed, and Partial when not all that the queue holds could be looked at.
    """
    wakeup = Wakeup()
    watch: Watch[Received] = Watch(run, options, Received, wakeup.notify)

    def follow(client: Client, stop: StopWithCommand, stdout: Stdout) -> None:
        looker = QueueLook(client, options.channel)
        # What waited before the command's start is not its doing.
        if watch.command:
            looker.look_before()
        watch.begin()
        matched: list[int] = []
        was_over = False
        while not stop:
            wakeup.clear()
            deadline = watch.deadline
            is_last = deadline is not None and time.monotonic() >= deadline
            matched += [m.sequence for m in looker.look() if watch.expectation.see(m)]
            is_over = is_last or watch.is_decided
            # What is on its way to or from another consumer is counted and does not show.
            if is_over and (was_over or not (looker.hidden and watch.expectation.rests_on_silence)):
                break
            was_over = is_over
            left = LOOK_AGAIN if deadline is None else min(LOOK_AGAIN, deadline - time.monotonic())
            _wait(stop.fd, wakeup.fd, max(0.0, left))
        if stop:
            return
        is_unsure = looker.hidden > 0 and watch.expectation.rests_on_silence
        if is_unsure:
            run.warn(not_given(looker.hidden))
        watch.judge()
        if is_unsure:
            raise Partial(
                f"not all of {options.channel} could be looked at: what is expected may not be so",
                hint="expect is for queues that nobody else drains",
                code="not-all-seen",
            )
        if take and matched:
            # Acknowledged is only what is out.
            stdout.finish()
            _take(client, options.channel, set(matched))
        watch.note_success()

    with closing(wakeup):
        return run_watch(run, watch, follow)


def _wait(stop_fd: int, wake_fd: int, seconds: float) -> None:
    poll = select.poll()
    poll.register(stop_fd, select.POLLIN)
    poll.register(wake_fd, select.POLLIN)
    poll.poll(milliseconds(seconds))


class QueueLook:
    """Looks at all that waits in a queue, and gives what was not seen before. Sequences tell them apart.

    `hidden` is how many messages the server counts beyond those that the last look has shown.
    """

    def __init__(self, client: Client, channel: str) -> None:
        from kubemqctl.client import queues

        self._client = client
        self._channel = channel
        self._gauge = queues.Gauge(client, channel)
        self._seen: set[int] = set()
        self._old = self._hidden_before = 0
        self.hidden = 0

    def look_before(self) -> None:
        """What is in the queue now is not looked for; nor is what others hold of it, and may give back."""
        depth = self._gauge.read()
        self._old = depth.last_sequence if depth and depth.is_sure else 0
        self.look()
        self._hidden_before = self.hidden

    def look(self) -> list[Received]:
        """The new ones, in order. Raises Partial when there are more than one peek can show."""
        from kubemqctl.client import queues

        depth = self._gauge.read()
        if depth is not None and depth.waiting > MAX_PEEK:
            raise self._too_many(f"{depth.waiting:,} messages wait in {self._channel}")
        count = MAX_PEEK if depth is None or not depth.is_sure else depth.waiting
        self.hidden = 0
        if not count:
            return []
        try:
            found = queues.peek(self._client, self._channel, count, SHORTEST_PEEK)
        except TooLarge as e:
            raise self._too_many(f"the messages of {self._channel} are too large for one answer") from e
        self.hidden = self._hidden(depth, len(found))
        new = [m for m in found if m.sequence > self._old and m.sequence not in self._seen]
        self._seen.update(m.sequence for m in new)
        return new

    def _hidden(self, before: Depth | None, shown: int) -> int:
        """How many messages were counted `before` and are now, beyond those that were `shown`."""
        hidden = missing(before, shown)
        if hidden > 0:
            hidden = min(hidden, missing(self._gauge.read(), shown))
        return max(0, hidden - self._hidden_before)

    @staticmethod
    def _too_many(what: str) -> Partial:
        return Partial(
            f"{what}, and {MAX_PEEK:,} at most can be looked at",
            hint="expect is for queues that are nearly empty",
            code="not-all-seen",
        )


def _take(client: Client, channel: str, wanted: set[int]) -> None:
    """Acknowledge the messages with these sequences; all else that has to be taken for it goes back.

    Raises Partial when some of them are there no more.
    """
    from kubemqctl.client import queues

    depth = queues.Gauge(client, channel).read()
    size = depth.size if depth else 0
    portion = max(1, min(MOST_AT_ONCE, BYTES_AT_ONCE // max(1, size)))
    left, held = set(wanted), []
    with queues.Downstream(client) as down:
        while left and (got := down.get(channel, portion, ROUND)).messages:
            held.append(got._replace(messages=[]))
            if found := [m.sequence for m in got.messages if m.sequence in left]:
                down.ack(got, found)
                left -= set(found)
        for transaction in held:
            down.close(transaction)
        if held:
            down.barrier(held[-1])
    if left:
        raise Partial(
            f"{count_text(len(left), 'message')} of {len(wanted):,} that matched could not be taken: others "
            f"have taken them from {channel} meanwhile",
            code="not-taken",
        )
