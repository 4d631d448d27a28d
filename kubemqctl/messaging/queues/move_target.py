"""The sending half of `queue move` and `queue copy`: what is sent to the target, and what became of it.

A server that is lost is waited for. Where the answer to a request was lost with it, the target may have the
messages: they are sent again, and it is said that they may be there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubemqctl.messaging.portions import Portions
from kubemqctl.messaging.queues.decisions import name
from kubemqctl.messaging.queues.move_calls import MoveCalls
from kubemqctl.messaging.recovery import Recovery, in_flight
from kubemqctl.model.errors import PASSING, ConnectionLost, KubemqctlError, TimedOut, TooLarge
from kubemqctl.model.messages import FAILURE_TAGS, Message, Policy, Received, SendResult, time_left
from kubemqctl.output.stderr import FirstFew
from kubemqctl.runtime.waiting import StopSignal

Wanted = Callable[[Received], bool]
MOST_AT_ONCE = 500
BYTES_AT_ONCE = 8 << 20


class MoveOptions(NamedTuple):
    """What to move: `most` None for all that waits, `wanted` None for every message.

    `policy` has what is asked for; `rate` is messages a second. With `copies` the source keeps its messages.
    """

    source: str
    target: str
    most: int | None
    wanted: Wanted | None
    policy: Policy
    rate: float | None
    dry: bool
    copies: bool = False


class Target:
    """Where the messages go, in `portions`.

    `refused` counts those that it did not take; `stays` gets each of them.
    """

    def __init__(
        self,
        options: MoveOptions,
        calls: MoveCalls,
        stop: StopSignal,
        recovery: Recovery,
        warn: Callable[[str], None],
        stays: Callable[[Received], None],
    ) -> None:
        self.refused = 0
        self._options = options
        self._calls = calls
        self._stop = stop
        self._recovery = recovery
        self._stays = stays
        self.portions = Portions[Received](
            MOST_AT_ONCE, BYTES_AT_ONCE, options.rate, stop, lambda message: message
        )
        self._warn = warn
        self._name_refused = FirstFew(warn)

    def send(self, portion: Sequence[Received]) -> list[Received]:
        """Send; returns what arrived. What was refused is named; a target of its own is waited for."""
        # Ours may be an hour ahead: what has half of one left would be gone, or live longer than it may.
        now = self._calls.now() if any(m.expires_at for m in portion) else 0
        messages = [self._message(m, now) for m in portion]
        while True:
            try:
                return self._arrived(portion, self._calls.send(messages))
            except TooLarge as e:
                if len(portion) > 1:
                    middle = len(portion) // 2
                    return [*self.send(portion[:middle]), *self.send(portion[middle:])]
                self.refuse(portion[0], e.message)
                return []
            except PASSING as e:
                self._note_doubt(e, len(portion))
                if self._calls.reconnect_target is None:
                    raise
                self._recovery.regain(e, self._calls.reconnect_target)
                if self._stop:
                    return []

    def _note_doubt(self, error: KubemqctlError, count: int) -> None:
        if not isinstance(error, ConnectionLost | TimedOut):
            return
        copies = self._options.copies
        where = "may be in the target" if copies else "in the source, and may be in the target as well"
        self._recovery.doubt, self._recovery.sends_again = f"{in_flight(count)} {where}", count

    def _arrived(self, portion: Sequence[Received], results: Sequence[SendResult]) -> list[Received]:
        arrived = []
        for message, result in zip(portion, results, strict=True):
            if result.error:
                also = (
                    "; it may be in the target all the same" if self._calls.leaves_open(result.error) else ""
                )
                self.refuse(message, f"{result.error}{also}")
            else:
                arrived.append(message)
        return arrived

    def refuse(self, message: Received, error: str) -> None:
        """Name a message that stays in the source for what `error` says."""
        self.refused += 1
        self._stays(message)
        self._name_refused(f"{name(message)}: {error}")

    def name_rest(self) -> None:
        """Say how many were refused and not named."""
        self._name_refused.rest(self._warn)

    def _message(self, m: Received, now: int) -> Message:
        """`m` for the target: as it is, with the policy that is asked for and what is left of its time."""
        asked = self._options.policy
        policy = Policy(
            time_left(m.expires_at, now),
            0,
            asked.max_receives or m.policy.max_receives,
            asked.dead_letter or m.policy.dead_letter,
        )
        tags = m.tags
        if not self._options.copies and any(tag in tags for tag in FAILURE_TAGS):
            tags = {key: value for key, value in tags.items() if key not in FAILURE_TAGS}
        return Message(m.body, self._options.target, m.id, m.metadata, tags, policy)
