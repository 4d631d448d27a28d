"""Section 4: ReceiveQueueMessages, which takes for good."""

from __future__ import annotations

import time

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import SECOND, Elapsed, bodies, counts, sequences, sleep_past
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

together = Together()


def test_it_returns_at_once_when_full_even_with_a_wait(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    with Elapsed() as took:
        assert bodies(stub.receive(channel, 2, wait=5).Messages) == ["1", "2"]
    took.assert_at_once()


@together
def test_else_it_waits_the_whole_time_and_returns_what_it_has(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    with Elapsed() as took:
        answer = stub.receive(channel, 2, wait=2)
    took.assert_whole(2)
    assert bodies(answer.Messages) == ["1"]


@together
def test_what_comes_while_it_waits_is_in_the_answer_and_a_full_one_returns(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    waiting = stub.waiting("ReceiveQueueMessages", receive_request(stub, channel, 2, 6))
    until(lambda: stub.info(channel).Info.Delivered == 1, "the first message taken", timeout=4)
    with Elapsed() as took:
        stub.send(channel, "2")
        assert bodies(waiting.result().Messages) == ["1", "2"]
    took.assert_at_once()


@together
def test_a_wait_of_0_is_1_second_empty_or_not(stub: Stub, channel: str) -> None:
    for there in (0, 1):
        if there:
            stub.fill(channel, there)
        with Elapsed() as took:
            assert stub.receive(channel, 2, wait=0).MessagesReceived == there
        took.assert_whole(1)
        assert took.seconds < 6


@together
def test_an_empty_answer_is_no_error(stub: Stub, channel: str) -> None:
    answer = stub.receive(channel)
    assert (answer.IsError, answer.Error, answer.IsPeak) == (False, "", False)
    assert (len(answer.Messages), answer.MessagesReceived, answer.MessagesExpired) == (0, 0, 0)


@together
def test_an_unknown_queue_is_created_by_receiving(stub: Stub, channel: str) -> None:
    assert not stub.receive(channel).IsError
    assert [queue.Name for queue in stub.info(channel).Info.Queues] == [channel]


@together
def test_what_was_received_is_gone_without_an_acknowledgement(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    assert stub.receive(channel, 2).MessagesReceived == 2
    assert stub.ack_all(channel).AffectedMessages == 0


@pytest.mark.builtin
@together
def test_what_a_cancelled_receive_had_taken_so_far_is_given_back(stub: Stub, channel: str) -> None:
    """The real server acknowledges each message as it takes it, and loses them all with the call."""
    stub.fill(channel, 1)
    waiting = stub.waiting("ReceiveQueueMessages", receive_request(stub, channel, 2, 6))
    until(lambda: stub.info(channel).Info.Delivered == 1, "the first message taken", timeout=4)
    waiting.cancel()
    assert stub.receive(channel, 1, wait=1).MessagesReceived == 1


@together
def test_a_cancelled_receive_takes_nothing_more(stub: Stub, channel: str) -> None:
    waiting = stub.waiting("ReceiveQueueMessages", receive_request(stub, channel, 1, 10))
    until(lambda: stub.info(channel).Info.Queues, "the receive arrived")
    waiting.cancel()
    with Elapsed() as took:
        assert stub.receive(channel, wait=1).MessagesReceived == 0  # stands behind the cancelled one
    assert took.seconds < 6
    stub.send(channel, "still there")
    assert bodies(stub.receive(channel).Messages) == ["still there"]


@together
def test_an_answer_that_is_too_big_for_the_client_is_lost(stub: Stub, channel: str) -> None:
    """grpcio takes 4 MiB by default."""
    stub.send(channel, bytes(5 << 20))
    with grpc.insecure_channel(stub.address) as small:
        call = small.unary_unary(
            "/kubemq.kubemq/ReceiveQueueMessages",
            pb.ReceiveQueueMessagesRequest.SerializeToString,
            pb.ReceiveQueueMessagesResponse.FromString,
        )
        with pytest.raises(grpc.RpcError) as refused:
            call(receive_request(stub, channel, 1, 1), timeout=10)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.receive(channel).MessagesReceived == 0


@together
def test_receives_of_one_channel_take_their_turns(stub: Stub, channel: str) -> None:
    """Two that wait a second each are done after one second and after two."""
    stub.send(channel)
    stub.receive(channel)  # two that are the first of all may miss each other on server 2.4.0
    with Elapsed() as took:
        both = [stub.waiting("ReceiveQueueMessages", receive_request(stub, channel, 1, 1)) for _ in range(2)]
        for call in both:
            call.result()
    took.assert_whole(2)


@together
def test_a_peek_stands_behind_a_waiting_receive(stub: Stub, channel: str) -> None:
    waiting = stub.waiting("ReceiveQueueMessages", receive_request(stub, channel, 1, 2))
    until(lambda: stub.info(channel).Info.Queues, "the receive arrived")
    stub.peek(channel)
    assert waiting.done()


def test_the_attributes_that_a_receiver_sees(stub: Stub, channel: str) -> None:
    stub.client = "the-sender"
    sent = stub.send(channel, Policy=pb.QueueMessagePolicy(ExpirationSeconds=60))
    (message,) = stub.receive(channel, ClientID="the-receiver").Messages
    seen = message.Attributes
    assert message.ClientID == "the-sender"
    assert abs(seen.Timestamp - time.time_ns()) < 60 * SECOND
    assert abs(seen.ExpirationAt - sent.ExpirationAt) < SECOND
    assert (seen.Sequence, seen.ReceiveCount, seen.DelayedTo) == (1, 1, 0)
    assert (seen.ReRouted, seen.ReRoutedFromQueue) == (False, "")


def test_a_message_without_expiration_shows_0(stub: Stub, channel: str) -> None:
    stub.send(channel)
    assert stub.receive(channel).Messages[0].Attributes.ExpirationAt == 0


def test_the_greatest_number_comes_in_order_well_within_a_second(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1024)
    with Elapsed() as took:
        answer = stub.receive(channel, 1024, wait=10)
    took.assert_at_once()
    assert answer.MessagesReceived == 1024
    assert sequences(answer.Messages) == list(range(1, 1025))


@together
def test_a_peek_waits_to_fill_like_a_receive(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    with Elapsed() as took:
        answer = stub.peek(channel, 10, wait=2)
    took.assert_whole(2)
    assert answer.MessagesReceived == 3


def test_a_peek_starts_at_the_head_each_time_and_takes_nothing(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    assert bodies(stub.peek(channel, 2).Messages) == ["1", "2"]
    assert bodies(stub.peek(channel, 3).Messages) == ["1", "2", "3"]
    assert bodies(stub.receive(channel, 3).Messages) == ["1", "2", "3"]


def test_a_peek_shows_the_count_of_the_next_receive_and_does_not_raise_it(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    for _ in range(3):
        answer = stub.peek(channel)
        assert answer.IsPeak
        assert counts(answer.Messages) == [1]
    assert counts(stub.receive(channel).Messages) == [1]


def test_a_peek_does_not_count_toward_the_maximum(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=pb.QueueMessagePolicy(MaxReceiveCount=1, MaxReceiveQueue=f"{channel}-dead"))
    for _ in range(3):
        assert stub.peek(channel).MessagesReceived == 1


@together
def test_a_peek_drops_expired_messages_for_good_and_counts_them_once(stub: Stub, channel: str) -> None:
    sent = stub.send(channel, "gone", Policy=pb.QueueMessagePolicy(ExpirationSeconds=1))
    stub.send(channel, "stays")
    sleep_past(sent.ExpirationAt)
    first, second = stub.peek(channel), stub.peek(channel)
    assert bodies(first.Messages) == bodies(second.Messages) == ["stays"]
    assert (first.MessagesExpired, second.MessagesExpired) == (1, 0)


@together
def test_a_peek_does_not_see_what_others_hold_nor_what_is_delayed(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    stub.send(channel, "later", Policy=pb.QueueMessagePolicy(DelaySeconds=30))
    assert bodies(stub.downstream().get(channel, 1).Messages) == ["1"]
    assert bodies(stub.peek(channel, 3).Messages) == ["2"]


def receive_request(stub: Stub, channel: str, count: int, wait: int) -> pb.ReceiveQueueMessagesRequest:
    return pb.ReceiveQueueMessagesRequest(
        ClientID=stub.client, Channel=channel, MaxNumberOfMessages=count, WaitTimeSeconds=wait
    )
