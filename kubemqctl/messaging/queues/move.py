"""`queue move` and `queue copy`: messages from one queue to another, in batches, so that none is lost.

A batch is held under a transaction, sent, and acknowledged when the target has it: whatever breaks in
between leaves it in the source, and at worst in the target as well. What is not wanted stays held until
the end and is then closed back: to its place, uncounted. So does all that is copied, where one peek cannot
show it. Where some may stay, all that waits is held at once, as one transaction hides messages from the next.

A server that is lost is waited for. What the target has confirmed is not sent again then: messages come
back with the sequences that they had.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kubemqctl.messaging.queues.move_calls import MoveCalls, Sequences, check_two_queues, move_calls
from kubemqctl.messaging.queues.move_target import BYTES_AT_ONCE, MOST_AT_ONCE, MoveOptions, Target
from kubemqctl.messaging.queues.receive_options import (
    BYTES_TO_HOLD,
    MOST_TO_HOLD,
    Doubt,
    Expiring,
    missing,
)
from kubemqctl.messaging.recovery import Recovery, Say, in_flight
from kubemqctl.model.errors import PASSING, Partial, TooLarge
from kubemqctl.model.limits import MAX_PEEK
from kubemqctl.model.messages import Affected, Received
from kubemqctl.model.text import count_text
from kubemqctl.output.progress import Progress
from kubemqctl.output.stderr import is_terminal
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.queues import Downstream, HeldBatch


# A Get waits at least so long when what is there has expired, or others hold it: seconds.
SHORTEST_ROUND = 0.9
# Messages that came after the run began are held at most: a busy sender must not keep us for ever.
MOST_NEWER = 2_000


class Mover:
    """One run. `moved` counts the messages that are in the target for sure, whatever ended it."""

    def __init__(
        self,
        options: MoveOptions,
        calls: MoveCalls,
        stop: StopSignal,
        say: Say,
        advance: Callable[[Sequence[Received]], None] = lambda messages: None,
    ) -> None:
        self.moved = 0
        self._options = options
        self._calls = calls
        self._stop = stop
        self._say = say
        self._advance = advance
        self._recovery = Recovery(stop, say)
        self._target = Target(options, calls, stop, self._recovery, say.warn, self._stays)
        self._kept: list[HeldBatch] = []
        self._holding = 0  # messages in them
        self._newer = 0  # of these, messages that came after the run began
        self._seen = Sequences()  # what stays in the source, and is done with
        self._arrived = Sequences()  # what the target has, and the source may not know of
        self._expiring = Expiring()
        self._most = MOST_AT_ONCE if options.wanted is None else MOST_TO_HOLD
        self._retaken = 0  # messages moved and held when it was last all taken anew
        self._left = math.inf
        self._last = math.inf
        self._size = 0
        self._begun = False
        self._down: Downstream | None = None

    def run(self) -> None:
        """Move until all is moved, or a signal came. Raises what ended it."""
        try:
            while self._left > 0 and self._remaining > 0 and not self._stop:
                try:
                    if not self._round():
                        break
                except PASSING as e:
                    self._recovery.regain(e, self._calls.reconnect)
                    self._start_over()
            self._give_back()
        finally:
            self._close_stream()
            self._target.name_rest()
        if refused := self._target.refused:
            raise Partial(f"{count_text(refused, 'message')} could not be sent: still in the source")

    def _stays(self, message: Received) -> None:
        self._seen.update([message.sequence])

    def _round(self) -> bool:
        """Take some messages and see to them; False when there are no more."""
        if not self._begun:
            self._bound()
            if self._left <= 0:
                return False
            if self._options.copies and self._left <= MAX_PEEK and self._copy_in_view():
                return False
        held = self._get(self._fitting())
        if held is not None:
            self._move(held)
        return held is not None

    def _bound(self) -> None:
        """What waits when the run begins is all that can be wanted."""
        if depth := self._calls.depth():
            self._size = depth.size
            if depth.is_sure:
                self._left = depth.waiting
                self._last = min(self._last, depth.last_sequence)
        self._begun = True

    @property
    def _remaining(self) -> float:
        most = self._options.most
        return math.inf if most is None else most - self.moved

    def _copy_in_view(self) -> bool:
        """Copy what one peek shows, without holding it, if that is all that there is; whether it was.

        Server 2.4.0 passes over messages that it has prefetched for a consumer who is about to leave.
        """
        try:
            messages = self._calls.peek(max(1, int(self._left)))
        except TooLarge:
            return False
        if len(messages) < self._left:
            return False
        self._pass_on(None, self._wanted(messages))
        return True

    # --- taking ---

    @property
    def _stream(self) -> Downstream:
        self._down = self._down or self._calls.open()
        return self._down

    def _close_stream(self) -> None:
        if self._down:
            self._down.close_stream()
        self._down = None

    def _fitting(self) -> int:
        """How many messages to hold at once."""
        options = self._options
        at_once = options.wanted is None and self._most <= MOST_AT_ONCE
        size = (BYTES_AT_ONCE if at_once else BYTES_TO_HOLD) // max(1, self._size)
        # Behind newer messages there may be older ones: as many as can be tell.
        count = min(math.inf if self._newer else self._left, self._most, size)
        if at_once:
            count = min(count, self._remaining, max(1.0, options.rate or math.inf))
        return max(1, int(count))

    def _get(self, count: int) -> HeldBatch | None:
        """Up to `count` messages; None when there are none, as far as the server counts."""
        doubt = Doubt(self._calls.depth, self._say.warn)
        while not self._stop:
            began, mended = time.monotonic(), self._calls.mended()
            try:
                held = self._stream.get(self._options.source, count, 1.0)
            except TooLarge:
                if count == 1:
                    raise
                self._most = count = count // 2
                self._start_over()
                self._bound()
                continue
            if self._calls.mended() > mended:
                if count == 1:
                    self._leave(held)
                    return held
                # Text in one of them is no UTF-8, and would be sent on as something else: look for it.
                self._stream.close(held)
                self._stream.barrier(held)
                count //= 2
            elif held.messages:
                self._expiring.ended()
                return held
            elif (now := time.monotonic()) - began < SHORTEST_ROUND:
                # Expired messages fill a Get, which is answered at once then.
                return None if self._expiring.is_too_long(now) else held
            elif self._hides_some():
                self._retake()
                count = self._fitting()
            elif doubt.is_end(self._holding):
                return None
        return None

    def _hides_some(self) -> bool:
        """Whether what we hold may keep others from us, and taking all anew was not in vain before."""
        is_further = self.moved + self._holding > self._retaken
        return bool(self._kept) and is_further and missing(self._calls.depth(), self._holding) > 0

    def _retake(self) -> None:
        """Let go of what is held, for one Get that takes it again with all that is behind it.

        Server 2.4.0 gives a transaction that is held, and has had its answer, as many messages more as were
        acknowledged in it, and those that a leaving consumer had: nobody sees them before it is closed.
        """
        self._retaken = self.moved + self._holding
        self._most = self._holding + MOST_TO_HOLD
        self._give_back()
        self._start_over()
        self._bound()

    def _leave(self, held: HeldBatch) -> None:
        for message in held.messages:
            if message.sequence not in self._seen:
                self._target.refuse(message, "its text is not UTF-8 and would not arrive as it is")

    def _start_over(self) -> None:
        """The stream is over, and what it held goes back: it will be seen once more."""
        self._close_stream()
        self._begun = False
        self._kept.clear()
        self._holding = self._newer = 0
        self._left = math.inf

    def _give_back(self) -> None:
        if not self._kept or self._down is None:
            return
        for held in self._kept:
            self._down.close(held)
        try:
            self._down.barrier(self._kept[-1])
        except PASSING:
            # A stream that ends gives back what it held.
            self._say.note(
                f"what was taken from {self._options.source} returns to it when the server notices the loss"
            )

    # --- moving ---

    def _move(self, held: HeldBatch) -> None:
        """Pass on what is wanted of `held`; keep the rest for the end."""
        newer = sum(m.sequence > self._last for m in held.messages)
        self._left -= len(held.messages) - newer if newer else max(1, len(held.messages))
        settled = self._settle_arrived(held)
        settled += self._pass_on(held, self._wanted(held.messages))
        if settled < len(held.messages):
            self._seen.update(m.sequence for m in held.messages if m.sequence not in self._arrived)
            self._kept.append(held._replace(messages=[]))
            self._holding += len(held.messages) - settled
        if newer:
            self._came_newer(newer)

    def _came_newer(self, count: int) -> None:
        """The end, unless the server counts more than we hold: it may give newer messages first."""
        self._newer += count
        if self._newer > MOST_NEWER or missing(self._calls.depth(), self._holding) <= 0:
            self._left = 0

    def _settle_arrived(self, held: HeldBatch) -> int:
        """Acknowledge what the target had confirmed when the connection broke."""
        arrived = [m for m in held.messages if m.sequence in self._arrived]
        if arrived:
            self._acknowledge(held, arrived)
        return len(arrived)

    def _wanted(self, messages: Sequence[Received]) -> list[Received]:
        found = [m for m in messages if self._is_wanted(m)]
        return found[: int(min(self._remaining, len(found)))]

    def _is_wanted(self, message: Received) -> bool:
        if message.sequence > self._last or message.sequence in self._seen:
            return False
        if message.sequence in self._arrived:
            return False
        return self._options.wanted is None or self._options.wanted(message)

    def _pass_on(self, held: HeldBatch | None, messages: Sequence[Received]) -> int:
        """Send `messages`, and acknowledge in `held` what arrived; how many are settled there."""
        if self._options.dry:
            self.moved += len(messages)
            return 0
        settled = 0
        for portion in self._target.portions(messages):
            arrived = self._target.send(portion)
            self.moved += len(arrived)
            self._advance(arrived)
            if arrived:
                self._recovery.went_well()
            if self._options.copies:
                self._seen.update(m.sequence for m in arrived)
            elif held and arrived:
                self._arrived.update(m.sequence for m in arrived)
                self._acknowledge(held, arrived)
                settled += len(arrived)
        return settled

    def _acknowledge(self, held: HeldBatch, arrived: Sequence[Received]) -> None:
        sequences = [m.sequence for m in arrived]
        doubt = f"{in_flight(len(arrived))} in the target, and may be in the source as well"
        self._recovery.doubt = doubt
        self._stream.ack(held, sequences)
        try:
            unsettled = self._stream.barrier(held).intersection(sequences)
        except Partial:
            self._say.warn(doubt)
            raise
        if unsettled:
            self._say.warn(f"{in_flight(len(unsettled))} in the target, and in the source as well")
            raise Partial("the server did not accept an acknowledgement", code="not-settled")
        self._recovery.doubt = ""


def move_messages(run: Invocation, options: MoveOptions, profile: str | None = None) -> int:
    """Move or copy, to the server of `profile` if there is one, and print how many messages that were.

    Returns the exit code.
    """
    render = run.renderer(Affected)
    with (
        run.client() as client,
        run.client_of(profile) as target,
        StopSignal() as stop,
        Progress(2 if run.is_watched else None, is_terminal(1)) as progress,
    ):
        if target and options.source == options.target:
            check_two_queues(client, target, options.source)
        mover = Mover(
            options,
            move_calls(client, options.source, target),
            stop,
            Say(progress.apart(run.warn), progress.apart(run.note)),
            progress.around(lambda messages: None),
        )
        try:
            mover.run()
        finally:
            progress.clear()
            if options.dry or run.form().name != "human":
                run.note(_summary(options, mover, profile))
            # Also of a run that broke off: so many are in the target for sure.
            run.write(render.one(Affected(options.source, mover.moved, options.target)))
        return stop.exit_code


def _summary(options: MoveOptions, mover: Mover, profile: str | None) -> str:
    done = "copied" if options.copies else "moved"
    verb = f"would be {done}" if options.dry else done
    where = f" of {profile}" if profile else ""
    return f"{count_text(mover.moved, 'message')} {verb} from {options.source} to {options.target}{where}"
