"""The mover against a server that does what a real one does rarely: answers too large, messages refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kubemqctl.client.queues import Depth, HeldBatch
from kubemqctl.messaging.queues import move
from kubemqctl.messaging.queues.fetch import MoveCalls
from kubemqctl.messaging.queues.move import MoveOptions, Mover, Wanted
from kubemqctl.model.errors import Partial, TooLarge
from kubemqctl.model.limits import SECOND
from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Message, Policy, Received, SendResult
from kubemqctl.runtime.waiting import StopSignal


def received(n: int) -> Received:
    return Received("source", f"m{n}", "c", "", b"%d" % n, NO_TAGS, 1, n, 1, "", 0, 0, NO_POLICY)


class Source:
    """A queue of messages; no answer holds more than `room` of them, as if they were large."""

    def __init__(self, count: int, room: int) -> None:
        self.ready = [received(n) for n in range(1, count + 1)]
        self.held: dict[str, list[Received]] = {}
        self.room = room
        self.refused: list[int] = []
        self.expired: list[int] = []
        self.mends: list[int] = []  # messages whose text is no UTF-8
        self.mended = 0
        self.names = 0
        self.now = time.time_ns()  # by the clock of the server
        self.sent: list[Message] = []

    def open(self) -> Any:
        return Stream(self)

    def depth(self) -> Depth:
        return Depth(len(self.ready), 1, 100, 1000, True)

    def give_back(self, messages: Sequence[Received]) -> None:
        self.ready = sorted([*self.ready, *messages], key=lambda m: m.sequence)

    def send(self, messages: Sequence[Message]) -> list[SendResult]:
        self.sent += messages
        return [
            SendResult(m.id, m.channel, error="no" if int(m.body) in self.refused else "") for m in messages
        ]


class Stream:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.mine: dict[str, list[Received]] = {}

    def get(self, channel: str, count: int, wait: float) -> HeldBatch:
        if min(count, len(self.source.ready)) > self.source.room:
            self.close_stream()
            raise TooLarge("larger than max")
        taken, self.source.ready = self.source.ready[:count], self.source.ready[count:]
        taken = [m for m in taken if m.sequence not in self.source.expired]
        self.source.mended += any(m.sequence in self.source.mends for m in taken)
        name = f"t{self.source.names}"
        self.source.names += 1
        self.mine[name] = taken
        return HeldBatch(name, channel, list(taken))

    def ack(self, held: HeldBatch, numbers: Sequence[int]) -> None:
        self.mine[held.id] = [m for m in self.mine[held.id] if m.sequence not in numbers]

    def close(self, held: HeldBatch) -> None:
        self.source.give_back(self.mine.pop(held.id))

    def barrier(self, held: HeldBatch) -> set[int]:
        return {m.sequence for m in self.mine.get(held.id, [])}

    def close_stream(self) -> None:
        for messages in self.mine.values():
            self.source.give_back(messages)
        self.mine.clear()


def mover(source: Source, said: list[str], wanted: Wanted | None = None, dry: bool = False) -> Mover:
    options = MoveOptions("source", "target", None, wanted, Policy(), None, dry)
    return Mover(
        options,
        MoveCalls(source.open, source.depth, source.send, lambda: source.now, lambda: source.mended),
        StopSignal(),
        said.append,
    )


@pytest.mark.parametrize("dry", [False, True])
def test_an_answer_that_is_too_large_is_asked_for_in_halves_and_nothing_is_counted_twice(dry: bool) -> None:
    source = Source(20, room=3)
    moving = mover(source, [], lambda m: m.sequence % 2 == 1, dry)
    moving.run()
    assert moving.moved == 10
    left = [m.sequence for m in source.ready]
    assert left == (list(range(1, 21)) if dry else list(range(2, 21, 2)))


@pytest.mark.parametrize("room", [3, 100])
def test_what_would_not_arrive_as_it_is_stays_and_is_named(room: int) -> None:
    source = Source(20, room)
    source.mends = [1, 7, 8, 20]
    said: list[str] = []
    moving = mover(source, said)
    with pytest.raises(Partial, match="4 messages could not be sent"):
        moving.run()
    assert moving.moved == 16
    assert [m.sequence for m in source.ready] == source.mends
    assert [line.partition(":")[0] for line in said] == [
        "message m1",
        "message m7",
        "message m8",
        "message m20",
    ]
    assert "not UTF-8" in said[0]


def test_one_that_is_too_large_by_itself_is_an_error() -> None:
    source = Source(2, room=0)
    with pytest.raises(TooLarge):
        mover(source, []).run()
    assert len(source.ready) == 2


def test_what_the_target_refuses_stays_in_the_source_and_is_named() -> None:
    source = Source(5, room=10)
    source.refused = [2, 4]
    said: list[str] = []
    moving = mover(source, said)
    with pytest.raises(Partial):
        moving.run()
    assert (moving.moved, [m.sequence for m in source.ready]) == (3, [2, 4])
    assert said == ["message m2: no", "message m4: no"]


def test_a_message_that_expires_during_a_slow_move_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(move, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(move, "MOST_AT_ONCE", 1)
    source = Source(4, room=10)
    source.expired = [3]
    slow = source.send

    def send(messages: Sequence[Message]) -> list[SendResult]:
        clock[0] += 60
        return slow(messages)

    monkeypatch.setattr(source, "send", send)
    run = mover(source, [])
    run.run()
    assert (run.moved, source.ready) == (3, [])


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
def test_what_is_left_of_a_messages_time_is_told_by_the_clock_of_its_server(ahead: int) -> None:
    source = Source(3, room=10)
    source.now += ahead * SECOND
    left = (1800, 43_200, -5)
    source.ready = [
        m._replace(expires_at=source.now + seconds * SECOND)
        for m, seconds in zip(source.ready, left, strict=True)
    ]
    mover(source, []).run()
    assert [m.policy.expiration for m in source.sent] == [1800, 43_200, 1]
