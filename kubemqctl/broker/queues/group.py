"""The consumers of one queue as the community server has them, for `--like community-2.4`.

There a consumer is sent as many messages as it asks for, and one more for each that it settles. What it has
when it leaves is divided among those that are there, whether they want it or not. 0.1 s later that is dealt
out once more: to who is not full, else to anybody, who has it until he leaves himself. When nobody is there
it goes to whoever comes first, be it more than he asks for. So a consumer beside another that holds messages
gets newer ones first, and some of the others late or not at all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from kubemqctl.broker.queues.queue import Queue, Taker
from kubemqctl.broker.storage.schema import Entry

_UNTIL_DEALT = 0.1  # seconds


class Group:
    """Those who are there, and what others have left with them."""

    def __init__(self, queue: Queue, clock: Callable[[], int]) -> None:
        self._queue = queue
        self._clock = clock
        self._members: list[Taker] = []
        self._left: defaultdict[Taker, list[Entry]] = defaultdict(list)  # to be dealt out
        self._kept: defaultdict[Taker, list[Entry]] = defaultdict(list)
        self._timers: dict[Taker, asyncio.TimerHandle] = {}
        # The sequences of what came back while nobody was there.
        self._abandoned: set[int] = set()
        # Who was filled with what others had left: the server goes on giving them of that.
        self._overfilled: set[Taker] = set()

    def join(self, taker: Taker) -> None:
        """Add `taker`; the first has all that came back while nobody was there."""
        self._members.append(taker)
        if len(self._members) > 1 or not self._abandoned:
            return
        for entry in self._queue.take_out(self._abandoned):
            self._give(taker, entry)
        self._abandoned.clear()

    def leave(self, taker: Taker) -> None:
        """What is with `taker` of others goes to those who stay."""
        self._members.remove(taker)
        self._overfilled.discard(taker)
        if timer := self._timers.pop(taker, None):
            timer.cancel()
        entries = [*self._left.pop(taker, ()), *self._kept.pop(taker, ())]
        self._queue.give_back(entries, self._clock())

    def burden(self, taker: Taker) -> int:
        """How many messages of others are with `taker`: so many fewer it is sent of its own."""
        return len(self._left.get(taker, ())) + len(self._kept.get(taker, ()))

    def divide(self, entries: Sequence[Entry]) -> bool:
        """Leave `entries` with those who are there, in turn; False when nobody is."""
        if not self._members:
            self._abandoned.update(entry.sequence for entry in entries)
            return False
        heirs = self._members[: len(entries)]
        for n, entry in enumerate(entries):
            self._left[heirs[n % len(heirs)]].append(entry)
        for heir in heirs:
            if timer := self._timers.get(heir):
                timer.cancel()
            loop = asyncio.get_running_loop()
            self._timers[heir] = loop.call_later(_UNTIL_DEALT, self._deal, heir)
        return True

    def _deal(self, heir: Taker) -> None:
        del self._timers[heir]
        left = self._left[heir]
        left.sort(key=lambda entry: entry.sequence, reverse=True)
        while left:
            taker = self._next()
            self._give(taker, left.pop())
            if not taker.wants:
                self._overfilled.add(taker)
        del self._left[heir]

    def _give(self, taker: Taker, entry: Entry) -> None:
        if taker.wants > 0:
            self._queue.hand(taker, entry, self._clock())
        else:
            self._kept[taker].append(entry)

    def _next(self) -> Taker:
        """The one with the least of those who are not full, else the first; the first is the last then."""
        members = self._members
        free = [taker for taker in members if taker.wants > 0 or taker in self._overfilled]
        pick = min(free, key=lambda t: t.held + len(t.taken) + self.burden(t), default=members[0])
        if pick is members[0]:
            members.append(members.pop(0))
        return pick
