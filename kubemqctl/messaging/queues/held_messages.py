"""Messages that are held while handlers work on them: taken many at a time, settled each by itself.

QueuesDownstream holds messages without a visibility timer and gives them back uncounted and in their place
when this end goes away, so a slow handler needs nothing from us. A waiting Get keeps back every other
request of its stream: it has one for itself, and what it brings stays there until all of it is settled.
Single messages cannot be given back: what is not wanted of a Get is held until the rest of it is settled.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.messaging.queues.decisions import Settlement
from kubemqctl.messaging.queues.receive_options import ROUND
from kubemqctl.model.errors import KubemqctlError, Partial, TooLarge
from kubemqctl.model.messages import Message, Received

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.queues import Depth, Downstream, HeldBatch, PendingBatch

# After a stop, what a Get may take beyond its wait until its stream is ended nevertheless: seconds.
LAST_PATIENCE = 1.0


class HeldMessage:
    """A message with the Get that holds it, and what is to become of it once that is decided.

    It may be settled when the output is out up to `end`; `failure` says what its handler did wrong, and
    `copy` is what is to be sent before, where the decision asks for that. One that `is_again` has failed
    before.
    """

    __slots__ = ("batch", "copy", "decision", "end", "failure", "is_again", "message")

    def __init__(self, message: Received, batch: OpenBatch) -> None:
        self.message = message
        self.batch = batch
        self.decision = RETURN
        self.failure = ""
        self.is_again = False
        self.copy = Message()
        self.end = 0


RETURN = Settlement("return")
TO_OTHERS = Settlement("return", "to others")
"""The run goes on, and may take it again."""


class EmptyGet(NamedTuple):
    """A Get that brought nothing that is wanted, after `waited` seconds, but so many `newer` messages."""

    waited: float
    newer: int


class Concluded(NamedTuple):
    """What the server has said to a settlement; `error` when it refused: the message is still held."""

    work: HeldMessage
    error: KubemqctlError | None


class OpenBatch:
    """A stream, and what its last Get brought until all of that is settled.

    One group of settlements is under way at a time; what is decided meanwhile makes the next one.
    """

    def __init__(self, down: Downstream) -> None:
        self.down = down
        self.undecided = 0
        self.unwanted = 0
        self._held: HeldBatch
        self._queued: list[HeldMessage] = []
        self._returning: list[HeldMessage] = []
        self._must_close = False
        self._sent: list[HeldMessage] | None = None

    def fill(self, held: HeldBatch, wanted: Sequence[Received]) -> list[HeldMessage]:
        """Hold what a Get has brought; what is not `wanted` goes back when the rest is settled."""
        self._held = held
        self.undecided = len(wanted)
        self.unwanted = len(held.messages) - len(wanted)
        self._must_close = self.unwanted > 0
        return [HeldMessage(message, self) for message in wanted]

    def settle(self, work: HeldMessage) -> None:
        """Have the decision about `work` carried out with the next group."""
        self.undecided -= 1
        (self._returning if work.decision.kind == "return" else self._queued).append(work)

    @property
    def unsettled(self) -> list[HeldMessage]:
        """What was decided and is not concluded."""
        return [*(self._sent or ()), *self._queued, *self._returning]

    @property
    def is_done(self) -> bool:
        """Whether the stream holds nothing any more."""
        return not (self.undecided or self._queued or self._returning or self._must_close) and (
            self._sent is None
        )

    def send(self) -> None:
        """Send the next group, unless one is under way."""
        if self._sent is not None:
            return
        if self._queued:
            for decision, works in itertools.groupby(self._queued, lambda work: work.decision):
                self._carry_out(decision, [work.message.sequence for work in works])
            self._sent, self._queued = self._queued, []
        elif not self.undecided and (self._returning or self._must_close):
            self.down.close(self._held)
            self._sent, self._returning, self._must_close = self._returning, [], False
            self.unwanted = 0
        else:
            return
        self.down.begin_barrier(self._held)

    def _carry_out(self, decision: Settlement, sequences: Sequence[int]) -> None:
        if decision.kind == "reject":
            self.down.reject(self._held, sequences)
        else:
            # What is sent on has been sent.
            self.down.ack(self._held, sequences)

    def look(self) -> list[Concluded]:
        """What has been concluded. Raises what ended the stream."""
        if self._sent is None:
            self.down.look()
            return []
        answer = self.down.barrier_answer()
        if answer is None:
            return []
        sent, self._sent = self._sent, None
        return [self._concluded(work, answer.unsettled, answer.refused) for work in sent]

    def _concluded(self, work: HeldMessage, unsettled: set[int], refused: str) -> Concluded:
        # Where nothing of the transaction is left, a refusal may have been about any of them.
        if work.message.sequence not in unsettled and not (refused and not unsettled):
            return Concluded(work, None)
        self._must_close = True
        said = f"the server refused to settle messages: {refused.strip()}" if refused else ""
        text = said or "the server did not settle a message"
        return Concluded(work, Partial(text, code="not-settled", server_message=refused))


class HeldMessages:
    """Takes and settles. Whatever it raises, `drop` is the way on: the server gives back what was held."""

    def __init__(self, open_: Callable[[], Downstream], channel: str) -> None:
        self._open = open_
        self._channel = channel
        self._free: list[OpenBatch] = []
        self._holding: list[OpenBatch] = []
        self._asking: OpenBatch | None = None
        self._asked_at = 0.0
        self._count = self._most = 1 << 30
        self._want = 1
        self._wait = 0.0
        self._upto: int | None = None
        self._again = False

    @property
    def asking(self) -> bool:
        """Whether a Get is under way."""
        return self._asking is not None

    @property
    def settling(self) -> bool:
        """Whether anything that was decided is not concluded yet."""
        return any(batch.undecided == 0 or batch.unsettled for batch in self._holding)

    @property
    def count(self) -> int:
        """How many messages are held, for the server's count of what waits."""
        return sum(batch.undecided + len(batch.unsettled) + batch.unwanted for batch in self._holding)

    # --- taking ---

    def ask(self, count: int, want: int, wait: float, upto: int | None) -> None:
        """Begin to wait for `count` messages, for a round at most (seconds).

        What has a sequence over `upto` is given back at once, and then what is more than `want`.
        """
        self._asking = self._free.pop() if self._free else OpenBatch(self._open())
        self._want, self._upto, self._again, self._wait = want, upto, False, min(wait, ROUND)
        self._begin_get(min(count, self._most))

    def _begin_get(self, count: int) -> None:
        assert self._asking
        self._count, self._asked_at = count, time.monotonic()
        self._asking.down.begin_get(self._channel, count, self._wait)

    def got(self) -> list[HeldMessage] | EmptyGet | None:
        """What the Get has brought; None when it has not come back, or has to be made anew."""
        if self._asking is None:
            return None
        waited = time.monotonic() - self._asked_at
        try:
            held = self._asking.down.got(self._channel)
        except TooLarge:
            self._ask_for_fewer()
            return None
        if held is None:
            return None
        wanted = [m for m in held.messages if self._upto is None or m.sequence <= self._upto]
        came = len(held.messages)
        # One that was not filled goes on taking what comes, for nobody: ask for just what there is. If newer
        # messages come again, they are held with the others: 2.4.0 may go on giving them first.
        if not wanted or (not self._again and (len(wanted) < came or came < self._count)):
            self._give_back(held)
            if wanted:
                self._again = True
                self._begin_get(min(len(wanted), self._want))
                return None
        batch, self._asking = self._asking, None
        if not wanted:
            self._free.append(batch)
            return EmptyGet(waited, newer=came)
        self._holding.append(batch)
        return batch.fill(held, wanted)

    def _give_back(self, held: HeldBatch) -> None:
        assert self._asking
        if held.messages:
            self._asking.down.close(held)
            self._asking.down.barrier(held)

    def _ask_for_fewer(self) -> None:
        """The answer would not have fitted; nothing is lost by that, but the stream is over."""
        assert self._asking
        if self._count == 1:
            raise TooLarge("a message is larger than an answer may be")
        self._asking.down.close_stream()
        self._asking = OpenBatch(self._open())
        self._most = self._count // 2
        self._begin_get(self._most)

    def stop_asking(self) -> None:
        """End a Get that has had its time: the server does not answer."""
        if self._asking and time.monotonic() > self._asked_at + max(1.0, self._wait) + LAST_PATIENCE:
            self._asking.down.close_stream()
            self._asking = None

    # --- settling ---

    def settle(self, work: HeldMessage) -> None:
        """Have the decision about `work` carried out, with the next `look`."""
        work.batch.settle(work)

    def look(self) -> list[Concluded]:
        """Send what is decided; returns what is concluded. Raises what ended a stream."""
        concluded: list[Concluded] = []
        for batch in self._holding:
            concluded += batch.look()
            batch.send()
        for batch in self._free:
            batch.down.look()
        if done := [batch for batch in self._holding if batch.is_done]:
            self._holding = [batch for batch in self._holding if not batch.is_done]
            self._free += done
        return concluded

    def drop(self) -> list[HeldMessage]:
        """End all streams: what they hold goes back. Returns what was decided and not concluded."""
        unsettled = [work for batch in self._holding for work in batch.unsettled]
        for batch in (*self._holding, *self._free, *([self._asking] if self._asking else [])):
            batch.down.close_stream()
        self._holding, self._free, self._asking = [], [], None
        return unsettled


class WorkerCalls(NamedTuple):
    """The calls of the client that a worker needs.

    `depth` gives None when there is no telling; `now` the server's time in Unix nanoseconds.
    """

    open: Callable[[], Downstream]
    depth: Callable[[], Depth | None]
    reconnect: Callable[[], None]
    send: Callable[[Sequence[Message]], PendingBatch]
    now: Callable[[], int]


def worker_calls(client: Client, channel: str, notify: Callable[[], None]) -> WorkerCalls:
    """Those of `client`; its streams notify when there is news."""
    from kubemqctl.client import connection, queues

    return WorkerCalls(
        lambda: queues.Downstream(client, notify),
        queues.Gauge(client, channel).read,
        partial(connection.reconnect, client),
        lambda messages: queues.batch(client, messages)(),
        lambda: connection.server_time(client),
    )
