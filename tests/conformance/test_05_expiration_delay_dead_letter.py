"""Section 5: what a policy does to a message."""

from __future__ import annotations

import time

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import SECOND, Elapsed, bodies, counts, sequences, sleep_past
from tests.conformance.together import Together
from tests.support.raw_grpc import Downstream, Stub

together = Together()
Policy = pb.QueueMessagePolicy


def expired(stub: Stub, channel: str, count: int) -> None:
    """Send messages that live one second, and come back when they do not."""
    results = [stub.send(channel, f"expired {n}", Policy=Policy(ExpirationSeconds=1)) for n in range(count)]
    sleep_past(results[-1].ExpirationAt)


def reject(stream: Downstream, channel: str) -> pb.QueueMessage:
    """Take one message in a transaction, and send it back."""
    answer = stream.get(channel, wait=5000)
    (message,) = answer.Messages
    stream.settle(pb.NAckAll, answer.TransactionId)
    assert stream.active(answer.TransactionId).IsError
    return message


# ---- expiration ----


@together
def test_expired_messages_are_dropped_on_delivery_and_counted_beside_the_number_asked_for(
    stub: Stub, channel: str
) -> None:
    expired(stub, channel, 2)
    stub.send(channel, "alive")
    answer = stub.receive(channel, 1, wait=5)
    assert bodies(answer.Messages) == ["alive"]
    assert (answer.MessagesReceived, answer.MessagesExpired) == (1, 2)


@together
def test_an_expired_message_never_goes_to_the_dead_letter_queue(stub: Stub, channel: str) -> None:
    dead = f"{channel}-dead"
    policy = Policy(ExpirationSeconds=1, MaxReceiveCount=1, MaxReceiveQueue=dead)
    sleep_past(stub.send(channel, Policy=policy).ExpirationAt)
    assert stub.receive(channel).MessagesExpired == 1
    assert stub.receive(dead).MessagesReceived == 0


@together
def test_over_get_expired_messages_use_up_the_number_asked_for(stub: Stub, channel: str) -> None:
    expired(stub, channel, 2)
    stub.send(channel, "alive")
    with Elapsed() as took:
        answer = stub.downstream().get(channel, 3, wait=6000)
    took.assert_at_once()
    assert bodies(answer.Messages) == ["alive"]


@together
def test_a_get_of_nothing_but_expired_messages_is_empty_at_once(stub: Stub, channel: str) -> None:
    expired(stub, channel, 2)
    with Elapsed() as took:
        answer = stub.downstream().get(channel, 2, wait=6000)
    took.assert_at_once()
    assert (answer.IsError, len(answer.Messages)) == (False, 0)


@together
def test_ack_all_counts_expired_messages(stub: Stub, channel: str) -> None:
    expired(stub, channel, 3)
    assert stub.ack_all(channel).AffectedMessages == 3


# ---- delay ----


@together
def test_a_delayed_message_comes_on_time_or_half_a_second_later(stub: Stub, channel: str) -> None:
    sent = stub.send(channel, Policy=Policy(DelaySeconds=1))
    (message,) = stub.receive(channel, 1, wait=10).Messages
    late = message.Attributes.Timestamp - sent.DelayedTo
    assert -SECOND // 20 <= late < 2 * SECOND


@together
def test_a_delayed_message_is_a_new_one_when_it_is_released(stub: Stub, channel: str) -> None:
    sent = stub.send(channel, Policy=Policy(DelaySeconds=1, ExpirationSeconds=30))
    stub.fill(channel, 2)
    (message,) = stub.receive(channel, 3, wait=10).Messages[2:]
    assert message.MessageID == sent.MessageID
    assert message.Attributes.Sequence == 3
    assert message.Attributes.Timestamp >= sent.SentAt + SECOND * 95 // 100
    assert (message.Attributes.DelayedTo, message.Policy.DelaySeconds) == (0, 0)
    assert abs(message.Attributes.ExpirationAt - sent.ExpirationAt) < 2 * SECOND


@together
def test_a_pending_delayed_message_is_seen_by_nobody(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stub.send(channel, "later", Policy=Policy(DelaySeconds=30))
    assert bodies(stub.peek(channel, 2).Messages) == ["1"]
    (queue,) = stub.info(channel).Info.Queues
    assert (queue.Messages, queue.Waiting, queue.LastSequence) == (1, 1, 1)
    assert stub.ack_all(channel).AffectedMessages == 1
    assert stub.receive(channel).MessagesReceived == 0


@together
def test_delayed_messages_are_released_in_order_of_due_time(stub: Stub, channel: str) -> None:
    stub.send(channel, "second", Policy=Policy(DelaySeconds=2))
    stub.send(channel, "first", Policy=Policy(DelaySeconds=1))
    assert bodies(stub.receive(channel, 2, wait=10).Messages) == ["first", "second"]


@together
@pytest.mark.builtin
def test_two_pending_delayed_messages_with_one_id_both_arrive(stub: Stub, channel: str) -> None:
    """On purpose: on the real server the last one sent overwrites the others."""
    for body in ("first", "last"):
        stub.send(channel, body, MessageID=channel, Policy=Policy(DelaySeconds=1))
    assert bodies(stub.receive(channel, 2, wait=5).Messages) == ["first", "last"]


@together
def test_nacking_a_message_that_was_delayed_does_not_delay_it_again(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=Policy(DelaySeconds=4))
    stream = stub.downstream()
    reject(stream, channel)
    begun = time.monotonic()
    reject(stream, channel)
    assert time.monotonic() - begun < 3.9


# ---- dead letter ----


def test_the_nth_rejection_moves_a_message_and_not_the_receive_after_it(stub: Stub, channel: str) -> None:
    dead = f"{channel}-dead"
    stub.send(channel, Policy=Policy(MaxReceiveCount=2, MaxReceiveQueue=dead))
    stream = stub.downstream()
    assert counts([reject(stream, channel), reject(stream, channel)]) == [1, 2]
    assert stub.receive(dead, wait=5).MessagesReceived == 1


def test_what_a_dead_lettered_message_keeps_and_what_it_loses(stub: Stub, channel: str) -> None:
    dead = f"{channel}-dead"
    policy = Policy(MaxReceiveCount=1, MaxReceiveQueue=dead, ExpirationSeconds=60)
    sent = stub.send(channel, "body", MessageID="mine", Metadata="m", Tags={"a": "b"}, Policy=policy)
    reject(stub.downstream(), channel)
    (message,) = stub.receive(dead, wait=5, ClientID="the-receiver").Messages
    assert (message.MessageID, message.ClientID, message.Metadata) == ("mine", stub.client, "m")
    assert (message.Channel, message.Body, dict(message.Tags)) == (dead, b"body", {"a": "b"})
    seen = message.Attributes
    assert (seen.ReceiveCount, seen.ReRouted, seen.ReRoutedFromQueue) == (1, True, channel)
    assert abs(seen.ExpirationAt - sent.ExpirationAt) < SECOND
    assert (message.Policy.MaxReceiveCount, message.Policy.MaxReceiveQueue) == (0, "")
    assert (message.Policy.ExpirationSeconds, message.Policy.DelaySeconds) == (0, 0)


@together
def test_a_plain_receive_never_dead_letters(stub: Stub, channel: str) -> None:
    dead = f"{channel}-dead"
    stub.send(channel, Policy=Policy(MaxReceiveCount=1, MaxReceiveQueue=dead))
    assert stub.receive(channel).MessagesReceived == 1
    assert stub.receive(dead).MessagesReceived == 0


@together
def test_a_maximum_without_a_queue_drops_the_message(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=Policy(MaxReceiveCount=2))
    stream = stub.downstream()
    assert counts([reject(stream, channel), reject(stream, channel)]) == [1, 2]
    assert stub.receive(channel).MessagesReceived == 0


def test_a_dead_letter_queue_without_a_maximum_means_1024(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=Policy(MaxReceiveQueue=f"{channel}-dead"))
    policy = stub.receive(channel).Messages[0].Policy
    assert (policy.MaxReceiveCount, policy.MaxReceiveQueue) == (1024, f"{channel}-dead")


def test_a_queue_that_is_its_own_dead_letter_queue_works_once(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=Policy(MaxReceiveCount=1, MaxReceiveQueue=channel))
    stream = stub.downstream()
    reject(stream, channel)
    seen = [reject(stream, channel) for _ in range(3)]
    assert counts(seen) == [1, 2, 3]
    assert [message.Policy.MaxReceiveQueue for message in seen] == ["", "", ""]


@together
def test_closing_or_cancelling_a_transaction_never_dead_letters(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=Policy(MaxReceiveCount=1, MaxReceiveQueue=f"{channel}-dead"))
    for _ in range(2):
        stream = stub.downstream()
        answer = stream.get(channel, wait=5000)
        assert (counts(answer.Messages), sequences(answer.Messages)) == ([1], [1])
        stream.settle(pb.CloseByClient, answer.TransactionId)
        answer = stream.get(channel, wait=5000)
        assert (counts(answer.Messages), sequences(answer.Messages)) == ([1], [1])
        stream.cancel()
    assert counts(stub.receive(channel, wait=5).Messages) == [1]
