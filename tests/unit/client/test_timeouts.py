"""How long an answer is waited for: while bytes move, and not much longer."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from kubemqctl.client import connection, events, queues, timeouts
from kubemqctl.client.link_progress import bytes_moved, bytes_received
from kubemqctl.client.timeouts import AnswerTimer
from kubemqctl.model.errors import ConnectionLost, KubemqctlError, Partial, TimedOut
from kubemqctl.model.messages import Message
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.clients import opened
from tests.support.fake_server import fake_server
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.waiting import until

# --- what moves ---


def test_the_bytes_of_connections_to_a_port_are_counted_both_ways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as other:
        port = listener.getsockname()[1]
        address = f"localhost:{port}"
        assert (bytes_moved(address), bytes_received(address)) == (0, 0)
        with (
            socket.create_connection(listener.getsockname()) as here,
            socket.create_connection(other.getsockname()) as elsewhere,
            listener.accept()[0] as there,
        ):
            elsewhere.sendall(b"x" * 1000)
            there.sendall(b"x" * 4321)
            here.recv(4321, socket.MSG_WAITALL)
            until(lambda: bytes_received(address) == 4321, "what came is counted")
            before = bytes_moved(address)
            here.sendall(b"x" * 54321)
            there.recv(54321, socket.MSG_WAITALL)
            until(lambda: bytes_moved(address) == before + 54321, "what went is counted")
            assert bytes_received(address) == 4321


class Clock:
    """Monotonic seconds, and bytes that have moved, as a test sets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.moved = 0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def ends_after(self, timer: AnswerTimer, each_step: Callable[[], None] = lambda: None) -> float:
        began = self.now
        while not timer.is_over:
            self.now += max(timer.step(), 0.001)
            each_step()
        return round(self.now - began, 1)


def test_an_answer_of_which_nothing_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert clock.ends_after(AnswerTimer(30, lambda: 7)) == 30


def test_the_time_counts_from_the_last_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def trickle() -> None:
        if clock.now < 400:
            clock.moved += 1

    timer = AnswerTimer(30, lambda: clock.moved)
    assert clock.ends_after(timer, trickle) == pytest.approx(300 + 30, abs=1)


@pytest.mark.parametrize(
    ("insists", "moves", "seconds"), [(False, False, 3), (False, True, 3), (True, False, 3)]
)
def test_once_a_stop_came_little_time_is_left(
    monkeypatch: pytest.MonkeyPatch, insists: bool, moves: bool, seconds: float
) -> None:
    clock = Clock(monkeypatch)

    def step() -> None:
        clock.moved += moves

    timer = AnswerTimer(30, lambda: clock.moved, lambda: True, insists)
    assert clock.ends_after(timer, step) == pytest.approx(seconds, abs=0.3)
    assert str(timer.error("host:1")) == "host:1 did not answer within 3 s"


def test_what_would_be_lost_is_waited_for_in_spite_of_a_stop_as_long_as_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)

    def step() -> None:
        clock.moved += clock.now < 160

    timer = AnswerTimer(30, lambda: clock.moved, lambda: True, True)
    assert clock.ends_after(timer, step) == pytest.approx(60 + 3, abs=0.5)


# --- a slow link ---

GREAT = os.urandom(300_000)


@pytest.fixture
def slow(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """A link on which the message takes two seconds, where no answer is waited for longer than 0.4."""
    for module in (queues, connection):
        monkeypatch.setattr(module, "CALL_TIMEOUT", 0.4)
    monkeypatch.setattr(connection, "SLOWEST_LINK", 1e9)
    return Proxy(broker.address, rate=150_000)


def test_a_message_that_takes_longer_than_an_answer_may_is_taken_and_looked_at(
    slow: Proxy, stub: Stub, channel: str
) -> None:
    stub.send(channel, GREAT)
    with slow, opened(slow.address) as client:
        [seen] = queues.peek(client, channel, 1, 1.0, timeout=0.4)
        with queues.Downstream(client) as down:
            [taken] = down.get(channel, 1, 1.0).messages
    assert (seen.body, taken.body) == (GREAT, GREAT)


def test_a_message_that_takes_longer_than_an_answer_may_is_sent(
    slow: Proxy, stub: Stub, channel: str
) -> None:
    with slow, opened(slow.address) as client:
        [result] = queues.batch(client, [Message(GREAT, channel)])().results()
    assert not result.error
    assert [m.Body for m in stub.receive(channel).Messages] == [GREAT]


@pytest.mark.parametrize("store", [True, False])
def test_an_event_that_takes_longer_than_an_answer_may_is_published(
    slow: Proxy, channel: str, store: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "CALL_TIMEOUT", 0.4)
    event = Message(GREAT, channel, "the id")
    with slow, opened(slow.address) as client:
        [result] = events.Upload(client, [event], store).begin().results()
        assert not result.error
        slow.freeze()
        with pytest.raises(ConnectionLost):
            events.Upload(client, [event], store).begin().results()


def test_a_link_that_is_dead_is_given_up(
    slow: Proxy, stub: Stub, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "LAST_ANSWER", 0.2)
    with slow, opened(slow.address) as client, queues.Downstream(client) as down:
        connection.ping(client)
        slow.freeze()
        with pytest.raises(TimedOut, match="did not answer within"):
            down.get(channel, 1, 1.0)
        client.stopping = lambda: True
        with pytest.raises(TimedOut):
            queues.infos(client)


# --- what was not asked for ---


Requests = Iterator[pb.QueuesDownstreamRequest]
Answers = Iterator[pb.QueuesDownstreamResponse]


def answers(*made: pb.QueuesDownstreamResponse) -> Callable[[Requests], Answers]:
    def answer(requests: Requests) -> Answers:
        next(requests)
        yield from made

    return answer


def get_answer(**fields: object) -> pb.QueuesDownstreamResponse:
    return pb.QueuesDownstreamResponse(RequestTypeData=pb.Get, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "made",
    [
        [get_answer(RefRequestId="7")],
        [get_answer(RefRequestId="x")],
        [get_answer(RefRequestId="1", Messages=[pb.QueueMessage()] * 3)],
        [get_answer(Messages=[pb.QueueMessage()] * 3)],
    ],
)
def test_an_answer_to_nothing_or_with_far_more_than_was_asked_for_is_refused(
    made: list[pb.QueuesDownstreamResponse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MOST_LEFT", 0)
    with (
        fake_server(QueuesDownstream=answers(*made)) as address,
        opened(address) as client,
        queues.Downstream(client) as down,
        pytest.raises(KubemqctlError, match="not asked for"),
    ):
        down.get("q", 2, 1.0)


def test_answers_that_nobody_takes_stay_with_the_server(channel: str) -> None:
    made = 0

    def flood(requests: Requests) -> Answers:
        nonlocal made
        for _ in range(2000):
            made += 1
            yield get_answer(TransactionId="x" * 100_000)

    with fake_server(QueuesDownstream=flood) as address, opened(address) as client:
        with queues.Downstream(client) as down:
            until(lambda: down._stream.has_news, "it floods")
            with pytest.raises(KubemqctlError, match="not asked for"):
                down.look()
            before = made
            time.sleep(0.1)  # time enough for thousands
        assert made < 500, before


def test_a_peek_that_brings_more_than_was_asked_for_is_refused() -> None:
    many = pb.ReceiveQueueMessagesResponse(Messages=[pb.QueueMessage()] * 3)
    with (
        fake_server(ReceiveQueueMessages=lambda _: many) as address,
        opened(address) as client,
        pytest.raises(KubemqctlError, match="not asked for"),
    ):
        queues.peek(client, "q", 2, 1.0)


def test_an_answer_that_comes_too_late_is_not_taken_for_that_to_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_up = threading.Event()

    def late(requests: Requests) -> Answers:
        for n, request in enumerate(requests):
            if n == 1:
                given_up.wait(20)
            unsettled = [5] if n == 2 else []
            yield pb.QueuesDownstreamResponse(
                RefRequestId=request.RequestID,
                RequestTypeData=request.RequestTypeData,
                ActiveOffsets=unsettled,
            )

    monkeypatch.setattr(queues, "CALL_TIMEOUT", 0.3)
    with (
        fake_server(QueuesDownstream=late) as address,
        opened(address) as client,
        queues.Downstream(client) as down,
    ):
        held = down.get("q", 1, 1.0)
        with pytest.raises(TimedOut):
            down.barrier(held)
        given_up.set()
        assert down.barrier(held) == {5}


def test_an_error_in_place_of_the_barriers_answer_is_no_settlement_whichever_way_it_is_waited_for() -> None:
    def broken(requests: Requests) -> Answers:
        for request in requests:
            is_get = request.RequestTypeData == pb.Get
            yield pb.QueuesDownstreamResponse(
                RefRequestId=request.RequestID,
                RequestTypeData=pb.Get if is_get else pb.PollRequestTypeUnknown,
                IsError=not is_get,
                Error="" if is_get else "Error 500: nothing was done",
            )

    with (
        fake_server(QueuesDownstream=broken) as address,
        opened(address) as client,
        queues.Downstream(client) as down,
    ):
        held = down.get("q", 1, 1.0)
        with pytest.raises(Partial, match="Error 500: nothing was done"):
            down.barrier(held)
        down.begin_barrier(held)
        told = until(down.barrier_answer, "the answer")
        assert told == queues.Settled(set(), "Error 500: nothing was done")
