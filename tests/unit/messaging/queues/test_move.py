"""The mover against a server that does what a real one does rarely: answers too large, messages refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.client.queues import Depth, HeldBatch
from kubemqctl.messaging import recovery
from kubemqctl.messaging.queues import move
from kubemqctl.messaging.queues.move import Mover
from kubemqctl.messaging.queues.move_calls import MoveCalls, Sequences, may_be_one
from kubemqctl.messaging.queues.move_target import MoveOptions, Wanted
from kubemqctl.messaging.recovery import Say
from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import ConnectionLost, KubemqctlError, NotReady, Partial, TooLarge, Unreachable
from kubemqctl.model.limits import SECOND
from kubemqctl.model.messages import FAILURE_TAGS, NO_POLICY, NO_TAGS, Message, Policy, Received, SendResult
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

    def calls(self, reconnect_target: Callable[[], None] | None = None) -> MoveCalls:
        return MoveCalls(
            self.open,
            self.depth,
            self.peek,
            self.send,
            lambda: self.now,
            self.reconnect,
            reconnect_target,
            lambda: self.mended,
        )

    def open(self) -> Any:
        return Stream(self)

    def peek(self, count: int) -> list[Received]:
        return self.ready[:count]

    def reconnect(self) -> None:
        pass

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
        self.acked: list[Received] = []

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
        self.acked = [m for m in self.mine[held.id] if m.sequence in numbers]
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
        source.calls(),
        StopSignal(),
        Say(said.append),
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


def test_of_many_refusals_the_first_twenty_are_named_and_the_rest_are_counted() -> None:
    source = Source(25, room=30)
    source.refused = list(range(1, 26))
    said: list[str] = []
    with pytest.raises(Partial):
        mover(source, said).run()
    assert said == [*(f"message m{n}: no" for n in range(1, 21)), "5 more"]


def test_a_refusal_that_leaves_it_open_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(2, room=10)
    source.refused = [2]
    said: list[str] = []
    calls = source.calls()._replace(leaves_open=lambda text: text == "no")
    options = MoveOptions("source", "target", None, None, Policy(), None, dry=False)
    with pytest.raises(Partial):
        Mover(options, calls, StopSignal(), Say(said.append)).run()
    assert said == ["message m2: no; it may be in the target all the same"]


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


# ---- servers that are lost ----


def copier(source: Source, said: list[str], reconnect_target: Callable[[], None] | None = None) -> Mover:
    options = MoveOptions("source", "target", None, None, Policy(), None, dry=False, copies=True)
    return Mover(options, source.calls(reconnect_target), StopSignal(), Say(said.append))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "FIRST_PAUSE", 0.001)


def bodies(source: Source) -> list[int]:
    return [int(m.body) for m in source.sent]


class Losing:
    """Sends through a source, and loses the answers to the requests of these numbers, from 1."""

    def __init__(self, source: Source, *lost: int, error: KubemqctlError | None = None) -> None:
        self.requests = 0
        self._send = source.send
        self._lost = lost
        self._error = error or ConnectionLost("the connection was lost")

    def __call__(self, messages: Sequence[Message]) -> list[SendResult]:
        self.requests += 1
        results = self._send(messages)
        if self.requests in self._lost:
            raise self._error
        return results


@pytest.mark.parametrize("copies", [False, True])
def test_a_target_that_is_lost_is_waited_for_and_only_the_batch_in_flight_is_sent_twice(
    copies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(move, "MAX_PEEK", 3)
    source = Source(20, room=100)
    monkeypatch.setattr(source, "send", Losing(source, 2))
    tries: list[int] = []

    def reconnect_target() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise Unreachable("not yet")

    said: list[str] = []
    moving = Mover(
        MoveOptions("source", "target", None, None, Policy(), None, dry=False, copies=copies),
        source.calls(reconnect_target),
        StopSignal(),
        Say(said.append),
    )
    moving.run()
    assert bodies(source) == [*range(1, 11), *range(6, 21)]
    assert (moving.moved, len(tries), len(source.ready)) == (20, 3, 20 if copies else 0)
    assert said == ["5 messages of the batch in flight: sent again, and may be in the target twice"]


def test_one_server_that_comes_back_is_not_sent_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(move, "MAX_PEEK", 3)
    source = Source(20, room=100)
    monkeypatch.setattr(source, "send", Losing(source, 3))
    said: list[str] = []
    moving = copier(source, said)
    moving.run()
    assert bodies(source) == [*range(1, 16), *range(11, 21)]
    assert (moving.moved, [m.sequence for m in source.ready]) == (20, list(range(1, 21)))
    assert len(said) == 1


def test_what_was_confirmed_before_its_acknowledgement_was_lost_is_only_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source(4, room=100)
    barrier, lost = Stream.barrier, [1]

    def broken(stream: Stream, held: HeldBatch) -> set[int]:
        if lost:
            lost.clear()
            stream.mine[held.id] = stream.acked
            stream.close_stream()
            raise ConnectionLost("the connection was lost")
        return barrier(stream, held)

    monkeypatch.setattr(Stream, "barrier", broken)
    said: list[str] = []
    moving = mover(source, said)
    moving.run()
    assert (bodies(source), moving.moved, source.ready, said) == ([1, 2, 3, 4], 4, [], [])


def test_a_server_that_stays_away_ends_it_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "REGAIN", 0.01)
    source = Source(4, room=100)
    monkeypatch.setattr(source, "send", Losing(source, 1))

    def away() -> None:
        raise Unreachable("nobody there")

    monkeypatch.setattr(source, "reconnect", away)
    said: list[str] = []
    moving = mover(source, said)
    with pytest.raises(ConnectionLost):
        moving.run()
    assert (moving.moved, len(source.ready)) == (0, 4)
    assert said == ["4 messages of the batch in flight: in the source, and may be in the target as well"]


def test_a_request_that_never_went_out_doubles_nothing_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source(4, room=100)
    monkeypatch.setattr(source, "send", Losing(source, 1, error=NotReady("starting")))
    said: list[str] = []
    mover(source, said).run()
    assert said == []


def test_a_message_that_the_target_has_no_room_for_stays_and_the_others_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source(5, room=100)
    real = source.send

    def send(messages: Sequence[Message]) -> list[SendResult]:
        if any(m.body == b"3" for m in messages):
            raise TooLarge("larger than max")
        return real(messages)

    monkeypatch.setattr(source, "send", send)
    said: list[str] = []
    moving = mover(source, said)
    with pytest.raises(Partial):
        moving.run()
    assert (moving.moved, [m.sequence for m in source.ready]) == (4, [3])
    assert said == ["message m3: larger than max"]


def test_an_empty_answer_is_not_believed_while_the_server_counts_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(move, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    source = Source(4, room=100)
    real, empty = Stream.get, [1]

    def get(stream: Stream, channel: str, count: int, wait: float) -> HeldBatch:
        if empty and len(source.ready) < 4:
            empty.clear()
            clock[0] += 1.0
            return HeldBatch("none", channel, [])
        return real(stream, channel, min(count, 2), wait)

    monkeypatch.setattr(Stream, "get", get)
    moving = mover(source, [])
    moving.run()
    assert (moving.moved, source.ready) == (4, [])


def test_what_tells_of_a_failure_is_taken_off_by_a_move_and_kept_by_a_copy() -> None:
    tags = dict.fromkeys(FAILURE_TAGS, "x") | {"kubemqctl-id": "first", "kind": "new"}
    for make, kept in ((mover, {"kubemqctl-id": "first", "kind": "new"}), (copier, tags)):
        source = Source(1, room=10)
        source.ready = [source.ready[0]._replace(tags=tags)]
        make(source, []).run()
        assert [dict(m.tags) for m in source.sent] == [kept]


def test_a_peek_that_does_not_show_all_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(5, room=10)
    monkeypatch.setattr(source, "peek", lambda count: source.ready[1:])
    copying = copier(source, [])
    copying.run()
    assert (bodies(source), len(source.ready)) == ([1, 2, 3, 4, 5], 5)


@given(st.lists(st.integers(1, 40)))
def test_sequences_are_a_set(numbers: list[int]) -> None:
    found = Sequences()
    found.update(numbers)
    assert len(found) == len(set(numbers))
    assert [n for n in range(42) if n in found] == sorted(set(numbers))


def test_sequences_that_follow_one_another_take_no_room() -> None:
    found = Sequences()
    found.update(range(1, 100_001))
    assert (len(found), len(found._firsts)) == (100_000, 1)


Look = dict[str, int]


@pytest.mark.parametrize(
    ("looks", "one"),
    [
        (({"a": 5}, {"a": 5}, {"a": 5}), True),
        (({}, {}, {}), True),
        (({"a": 5}, {"a": 6}, {"a": 6}), True),
        (({"a": 5}, {"a": 5, "b": 1}, {"a": 7, "b": 1}), True),
        (({"a": 5}, {}, {"a": 5}), False),
        (({"a": 5}, {"a": 4}, {"a": 5}), False),
        (({"a": 5}, {"a": 6}, {"a": 5}), False),
        (({"a": 5}, {"a": 5, "b": 1}, {"a": 5}), False),
    ],
)
def test_servers_are_told_apart_by_sequences_that_only_grow(
    looks: tuple[Look, Look, Look], one: bool
) -> None:
    """Also where somebody sends to, takes from and looks at one of them meanwhile."""
    infos = [
        [ChannelInfo(name, "queue", subscribers=n, last_sequence=last) for name, last in look.items()]
        for n, look in enumerate(looks)
    ]
    assert may_be_one(*infos) == one
