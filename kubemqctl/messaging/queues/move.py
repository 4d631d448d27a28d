"""`queue move`: messages from one queue to another, in batches, so that none is lost on the way.

A batch is held under a transaction, sent, and acknowledged when the target has it: whatever breaks in
between leaves it in the source, and at worst in the target as well. What is not wanted stays held until
the end and is then closed back: to its place, uncounted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.queues.fetch import Expiring, MoveCalls, move_calls
from kubemqctl.model.errors import ConnectionLost, KubemqctlError, Partial, TimedOut, TooLarge
from kubemqctl.model.limits import MAX_QUEUE_SECONDS, SECOND
from kubemqctl.model.messages import Affected, Message, Policy, Received
from kubemqctl.model.text import count_text
from kubemqctl.output.stderr import FirstFew
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.queues import Depth, HeldBatch


Wanted = Callable[[Received], bool]


MOST_AT_ONCE = 500
BYTES_AT_ONCE = 8 << 20
# A Get waits at least so long when what is there has expired, or others hold it: seconds.
SHORTEST_ROUND = 0.9


class MoveOptions(NamedTuple):
    """What to move: `most` None for all that waits, `wanted` None for every message.

    `policy` has what is asked for; `rate` is messages a second.
    """

    source: str
    target: str
    most: int | None
    wanted: Wanted | None
    policy: Policy
    rate: float | None
    dry: bool


class Mover:
    """One run. `moved` and `refused` count what became of the messages, whatever ended it."""

    def __init__(
        self, options: MoveOptions, calls: MoveCalls, stop: StopSignal, warn: Callable[[str], None]
    ) -> None:
        self.moved = 0
        self.refused = 0
        self._options = options
        self._calls = calls
        self._stop = stop
        self._warn = warn
        self._name_refused = FirstFew(warn)
        self._kept: list[HeldBatch] = []
        self._seen: set[int] = set()  # the sequences of what is kept
        self._next_at = time.monotonic()
        self._expiring = Expiring()
        self._most = MOST_AT_ONCE
        self._left = math.inf
        self._last = math.inf
        self._size = 0
        self._down = calls.open()

    def run(self) -> None:
        """Move until all is moved, or a signal came. Raises what ended it."""
        try:
            self._bound(self._calls.depth())
            while self._left > 0 and self._remaining > 0 and not self._stop:
                held = self._get(self._fitting())
                if held is None:
                    break
                self._move(held)
            self._give_back()
        finally:
            self._down.close_stream()
        if self.refused:
            raise Partial(f"{count_text(self.refused, 'message')} could not be sent: still in the source")

    def _bound(self, depth: Depth | None) -> None:
        """What waits now is all that can be wanted."""
        if depth is None:
            return
        self._size = depth.size
        if depth.is_sure:
            self._left, self._last = depth.waiting, depth.last_sequence

    @property
    def _remaining(self) -> float:
        most = self._options.most
        return math.inf if most is None else most - self.moved

    # --- taking ---

    def _fitting(self) -> int:
        """How many messages to hold at once."""
        options = self._options
        count = min(self._left, self._most, BYTES_AT_ONCE // max(1, self._size))
        if options.wanted is None:
            count = min(count, self._remaining, max(1.0, options.rate or math.inf))
        return max(1, int(count))

    def _get(self, count: int) -> HeldBatch | None:
        """Up to `count` messages; None when nothing came for the whole wait."""
        began, mended = time.monotonic(), self._calls.mended()
        try:
            held = self._down.get(self._options.source, count, 1.0)
        except TooLarge:
            if count == 1:
                raise
            self._start_over(count // 2)
            return self._get(count // 2)
        if self._calls.mended() > mended:
            return self._apart(held, count)
        if held.messages:
            self._expiring.ended()
        elif (now := time.monotonic()) - began > SHORTEST_ROUND or self._expiring.is_too_long(now):
            return None
        return held

    def _apart(self, held: HeldBatch, count: int) -> HeldBatch | None:
        """Text in `held` is no UTF-8, and would be sent on as something else: find the message, leave it."""
        if count > 1:
            self._down.close(held)
            self._down.barrier(held)
            return self._get(count // 2)
        for message in held.messages:
            if message.sequence not in self._seen:
                self._seen.add(message.sequence)
                self._refuse(message, "its text is not UTF-8 and would not arrive as it is")
        return held

    def _start_over(self, most: int) -> None:
        """The stream is over, and what it held went back: it will be seen once more."""
        self._down = self._calls.open()
        self._most = most
        self._left += len(self._seen)
        self._kept.clear()

    def _give_back(self) -> None:
        for held in self._kept:
            self._down.close(held)
        if self._kept:
            self._down.barrier(self._kept[-1])

    # --- moving ---

    def _move(self, held: HeldBatch) -> None:
        """Send what is wanted of `held`, acknowledge what arrived, keep the rest for the end."""
        self._left -= max(1, len(held.messages))
        wanted = [m for m in held.messages if self._is_wanted(m)]
        wanted = wanted[: int(min(self._remaining, len(wanted)))]
        arrived = 0
        if self._options.dry:
            self.moved += len(wanted)
        else:
            for portion in self._portions(wanted):
                arrived += self._move_portion(held, portion)
        if any(m.sequence > self._last for m in held.messages):
            self._left = 0
        if arrived < len(held.messages):
            self._seen.update(m.sequence for m in held.messages)
            self._kept.append(held._replace(messages=[]))

    def _is_wanted(self, message: Received) -> bool:
        if message.sequence > self._last or message.sequence in self._seen:
            return False
        return self._options.wanted is None or self._options.wanted(message)

    def _portions(self, messages: Sequence[Received]) -> Iterator[Sequence[Received]]:
        """`messages` in portions that the rate allows, each at its time."""
        rate = self._options.rate
        size = len(messages) if rate is None else max(1, int(rate / 10))
        for at in range(0, len(messages), size or 1):
            portion = messages[at : at + size]
            if rate is not None:
                self._stop.wait(self._next_at - time.monotonic())
                self._next_at = max(self._next_at, time.monotonic()) + len(portion) / rate
            if self._stop:
                return
            yield portion

    def _move_portion(self, held: HeldBatch, portion: Sequence[Received]) -> int:
        arrived = self._send(portion)
        if arrived:
            self._down.ack(held, [m.sequence for m in arrived])
            self._confirm(held, arrived)
        self.moved += len(arrived)
        return len(arrived)

    def _confirm(self, held: HeldBatch, arrived: Sequence[Received]) -> None:
        try:
            unsettled = self._down.barrier(held).intersection(m.sequence for m in arrived)
        except KubemqctlError:
            self._doubt(len(arrived), "in the target, and may be in the source as well")
            raise
        if unsettled:
            self._doubt(len(unsettled), "in the target, and in the source as well")
            raise Partial("the server did not accept an acknowledgement", code="not-settled")

    def _send(self, wanted: Sequence[Received]) -> list[Received]:
        """Send; returns what arrived. What was refused is named."""
        # Ours may be an hour ahead: what has half of one left would be gone, or live longer than it may.
        now = self._calls.now() if any(m.expires_at for m in wanted) else 0
        try:
            results = self._calls.send([self._message(m, now) for m in wanted])
        except (ConnectionLost, TimedOut):
            self._doubt(len(wanted), "in the source, and may be in the target as well")
            raise
        arrived = []
        for message, result in zip(wanted, results, strict=True):
            if result.error:
                self._refuse(message, result.error)
            else:
                arrived.append(message)
        return arrived

    def _refuse(self, message: Received, error: str) -> None:
        self.refused += 1
        self._name_refused(f"message {message.id}: {error}")

    def _doubt(self, count: int, where: str) -> None:
        self._warn(f"{count_text(count, 'message')} of the batch in flight: {where}")

    def _message(self, m: Received, now: int) -> Message:
        """`m` for the target: as it is, with the policy that is asked for and what is left of its time."""
        asked = self._options.policy
        policy = Policy(
            _time_left(m.expires_at, now),
            0,
            asked.max_receives or m.policy.max_receives,
            asked.dead_letter or m.policy.dead_letter,
        )
        return Message(m.body, self._options.target, m.id, m.metadata, m.tags, policy)


def _time_left(expires_at: int, now: int) -> int:
    """Seconds from `now` until `expires_at`, as a policy may have them; 0 for never. Unix nanoseconds."""
    if not expires_at:
        return 0
    return min(max(1, -((now - expires_at) // SECOND)), MAX_QUEUE_SECONDS)


def move_messages(run: Invocation, options: MoveOptions) -> int:
    """Move, and print how many that were; returns the exit code."""
    render = run.renderer(Affected)
    with run.client() as client, StopSignal() as stop:
        mover = Mover(options, move_calls(client, options.source), stop, run.warn)
        try:
            mover.run()
        finally:
            if options.dry or run.form().name != "human":
                run.note(_summary(options, mover))
            # Also of a run that broke off: so many are in the target for sure.
            run.write(render.one(Affected(options.source, mover.moved, options.target)))
        return stop.exit_code


def _summary(options: MoveOptions, mover: Mover) -> str:
    verb = "would be moved" if options.dry else "moved"
    return f"{count_text(mover.moved, 'message')} {verb} from {options.source} to {options.target}"
