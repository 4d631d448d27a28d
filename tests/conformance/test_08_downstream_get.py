"""Section 8: Get over QueuesDownstream, and what becomes of the messages it holds."""

from __future__ import annotations

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import Elapsed, bodies, counts, sequences, stored
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

together = Together()


@together
def test_every_answer_has_a_new_transaction_id_also_empty_ones_and_errors(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stream = stub.downstream()
    answers = [stream.get(channel), stream.get(channel), stream.get("a b")]
    assert [len(answer.Messages) for answer in answers] == [1, 0, 0]
    assert len({answer.TransactionId for answer in answers} - {""}) == 3


def test_get_returns_at_once_when_full(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    with Elapsed() as took:
        answer = stub.downstream().get(channel, 2, wait=6000)
    took.assert_at_once()
    assert (answer.RequestTypeData, answer.IsError) == (pb.Get, False)
    assert bodies(answer.Messages) == ["1", "2"]


@together
def test_else_it_waits_the_whole_time_in_milliseconds(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    with Elapsed() as took:
        answer = stub.downstream().get(channel, 2, wait=1700)
    took.assert_whole(1.7)
    assert took.seconds < 7
    assert bodies(answer.Messages) == ["1"]


@together
def test_a_wait_below_a_second_is_a_second_also_0(stub: Stub, channel: str) -> None:
    with Elapsed() as took:
        stub.downstream().get(channel, wait=0)
    took.assert_whole(1)
    assert took.seconds < 6


@together
def test_a_wait_below_a_second_is_a_second_also_a_negative_one(stub: Stub, channel: str) -> None:
    with Elapsed() as took:
        stub.downstream().get(channel, wait=-5)
    took.assert_whole(1)


def test_a_wait_has_no_upper_limit(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stream = stub.downstream()
    stream.ask_for(channel, 1, wait=2**31 - 1)
    assert bodies(stream.next().Messages) == ["1"]


@together
def test_a_number_of_0_is_all_that_come_within_the_wait(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3000)
    with Elapsed() as took:
        assert len(stub.downstream().get(channel, 0, wait=2000).Messages) == 3000
    took.assert_whole(2)


@together
def test_a_negative_number_is_all_that_come_within_the_wait(stub: Stub, channel: str) -> None:
    stub.fill(channel, 5)
    assert len(stub.downstream().get(channel, -1).Messages) == 5


def test_a_number_has_no_upper_limit(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    assert len(stub.downstream().get(channel, 2**31 - 1).Messages) == 2


@together
def test_an_empty_answer_is_no_error_and_its_transaction_is_closed(stub: Stub, channel: str) -> None:
    stream = stub.downstream()
    answer = stream.get(channel)
    assert (answer.IsError, answer.Error, len(answer.Messages)) == (False, "", 0)
    assert stream.active(answer.TransactionId).IsError


@together
def test_auto_ack_acknowledges_before_the_answer(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    stream = stub.downstream()
    assert len(stream.get(channel, 2, AutoAck=True).Messages) == 2
    stream.cancel()
    assert stub.receive(channel).MessagesReceived == 0


def test_held_messages_come_back_in_order_uncounted_when_closed_by_the_client(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 3)
    stream = stub.downstream()
    answer = stream.get(channel, 3)
    stub.send(channel, "newer")
    stream.settle(pb.CloseByClient, answer.TransactionId)
    stream.active(answer.TransactionId)
    again = stored(stub.receive(channel, 4, wait=5).Messages)
    assert bodies(again) == ["1", "2", "3", "newer"]
    assert (sequences(again), counts(again)) == ([1, 2, 3, 4], [1, 1, 1, 1])


def test_held_messages_come_back_in_order_uncounted_when_the_stream_is_cancelled(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 3)
    stream = stub.downstream()
    stream.get(channel, 3)
    stub.send(channel, "newer")
    stream.cancel()
    until(lambda: bodies(stub.peek(channel).Messages) == ["1"], "the first message back at the head")
    again = stored(stub.receive(channel, 4, wait=5).Messages)
    assert bodies(again) == ["1", "2", "3", "newer"]
    assert (sequences(again), counts(again)) == ([1, 2, 3, 4], [1, 1, 1, 1])


def test_held_messages_come_back_when_the_connection_is_lost(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    with Stub(stub.address, "other") as other:
        other.downstream().get(channel, 2)
    assert bodies(stored(stub.receive(channel, 2, wait=5).Messages)) == ["1", "2"]


def test_a_consumer_that_waits_already_gets_them_within_half_a_second(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    holding, waiting = stub.downstream(), stub.downstream()
    answer = holding.get(channel)
    waiting.ask_for(channel, 1, wait=10_000)
    assert waiting.silent(0.2)
    with Elapsed() as took:
        holding.settle(pb.CloseByClient, answer.TransactionId)
        assert bodies(waiting.next().Messages) == ["1"]
    took.assert_at_once()


@together
def test_what_was_acknowledged_of_a_transaction_stays_so_when_the_rest_is_closed(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 3)
    stream = stub.downstream()
    answer = stream.get(channel, 3)
    stream.settle(pb.AckRange, answer.TransactionId, 2)
    stream.settle(pb.CloseByClient, answer.TransactionId)
    assert bodies(stub.receive(channel, 3).Messages) == ["1", "3"]


@together
def test_after_a_half_close_everything_stays_held(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stream = stub.downstream()
    stream.get(channel)
    stream.half_close()
    assert stub.receive(channel).MessagesReceived == 0
    assert stream.open


@together
def test_an_open_transaction_that_is_partly_filled_swallows_newer_messages(stub: Stub, channel: str) -> None:
    """A Get of 5 that returned 1 goes on taking: of 6 new messages another consumer gets 2."""
    stub.fill(channel, 1)
    stream = stub.downstream()
    answer = stream.get(channel, 5)
    assert len(answer.Messages) == 1
    for n in range(6):
        stub.send(channel, f"new {n}")
    seen = stub.receive(channel, 6)
    assert seen.MessagesReceived == 2
    stream.settle(pb.CloseByClient, answer.TransactionId)
    rest = stub.receive(channel, 5, wait=5)
    assert {*bodies(seen.Messages), *bodies(rest.Messages)} == {"1", *(f"new {n}" for n in range(6))}


def test_a_filled_one_does_not(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    stream = stub.downstream()
    assert len(stream.get(channel, 2).Messages) == 2
    stub.send(channel, "new")
    assert bodies(stub.receive(channel, wait=5).Messages) == ["new"]


def test_transactions_of_one_stream_settle_independently(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stream = stub.downstream()
    first, second = stream.get(channel, 1), stream.get(channel, 2)
    stream.settle(pb.AckAll, first.TransactionId)
    assert sorted(stream.active(second.TransactionId).ActiveOffsets) == [2, 3]
    stream.settle(pb.CloseByClient, second.TransactionId)
    assert bodies(stored(stub.receive(channel, 2, wait=5).Messages)) == ["2", "3"]


@together
def test_a_waiting_get_holds_up_every_later_request_of_its_stream(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stream = stub.downstream()
    held = stream.get(channel)
    with Elapsed() as took:
        stream.ask_for(channel, 1, wait=2000)
        stream.settle(pb.ActiveOffsets, held.TransactionId)
        assert stream.next().RequestTypeData == pb.Get
        assert stream.next().ActiveOffsets == [1]
    took.assert_whole(2)


@together
@pytest.mark.builtin
def test_a_waiting_get_ends_with_its_stream_and_gives_back_what_it_took(stub: Stub, channel: str) -> None:
    """On purpose: on the real server it goes on eating until its time-out."""
    stub.fill(channel, 1)
    stream = stub.downstream()
    stream.ask_for(channel, 2, wait=60_000)
    assert stream.silent(0.3)
    stream.cancel()
    stub.send(channel, "2")
    assert bodies(stored(stub.receive(channel, 2, wait=5).Messages)) == ["1", "2"]


@together
@pytest.mark.builtin
def test_a_waiting_get_with_auto_ack_that_ends_with_its_stream_loses_nothing_to_come(
    stub: Stub, channel: str
) -> None:
    """On purpose: on the real server the message that it takes after the cancel is lost."""
    stream = stub.downstream()
    stream.ask_for(channel, 1, wait=60_000, AutoAck=True)
    assert stream.silent(0.3)
    stream.cancel()
    stub.send(channel, "1")
    assert bodies(stub.receive(channel, wait=5).Messages) == ["1"]
