"""Section 3: SendQueueMessage and SendQueueMessagesBatch."""

from __future__ import annotations

import time

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import SECOND, bodies, sequences
from tests.conformance.together import Together
from tests.support.raw_grpc import MAX_MESSAGE, Stub

together = Together()


def test_the_time_sent_is_unix_nanoseconds_and_the_others_are_0_when_not_asked_for(
    stub: Stub, channel: str
) -> None:
    result = stub.send(channel)
    assert abs(result.SentAt - time.time_ns()) < 60 * SECOND
    assert (result.ExpirationAt, result.DelayedTo) == (0, 0)


def test_expiration_counts_from_the_end_of_the_delay(stub: Stub, channel: str) -> None:
    result = stub.send(channel, Policy=pb.QueueMessagePolicy(DelaySeconds=20, ExpirationSeconds=30))
    assert abs(result.DelayedTo - result.SentAt - 20 * SECOND) < SECOND
    assert abs(result.ExpirationAt - result.SentAt - 50 * SECOND) < SECOND


def test_a_refused_message_has_its_id_and_no_times(stub: Stub) -> None:
    made = stub.send("a b")
    assert made.IsError
    assert made.MessageID
    assert (made.SentAt, made.ExpirationAt, made.DelayedTo) == (0, 0, 0)
    assert stub.send("a b", MessageID="mine").MessageID == "mine"


def test_an_own_id_is_kept_and_nothing_is_de_duplicated(stub: Stub, channel: str) -> None:
    assert stub.send(channel, "1", MessageID="mine").MessageID == "mine"
    assert stub.send(channel, "2", MessageID="mine").MessageID == "mine"
    messages = stub.receive(channel, 2).Messages
    assert [message.MessageID for message in messages] == ["mine", "mine"]
    assert bodies(messages) == ["1", "2"]


def test_the_id_that_the_server_made_is_the_one_that_the_receiver_sees(stub: Stub, channel: str) -> None:
    result = stub.send(channel)
    assert stub.receive(channel).Messages[0].MessageID == result.MessageID


def test_metadata_tags_and_any_bytes_arrive_as_they_were_sent(stub: Stub, channel: str) -> None:
    body = bytes(range(256))
    stub.send(channel, body, Metadata="schlüssel", Tags={"a": "1", "": "2", "ü": ""})
    (message,) = stub.receive(channel).Messages
    assert message.Body == body
    assert message.Metadata == "schlüssel"
    assert dict(message.Tags) == {"a": "1", "": "2", "ü": ""}


def test_attributes_that_a_client_sends_are_discarded(stub: Stub, channel: str) -> None:
    claimed = pb.QueueMessageAttributes(Sequence=99, ReceiveCount=7, ReRouted=True, ReRoutedFromQueue="q")
    stub.send(channel, Attributes=claimed)
    seen = stub.receive(channel).Messages[0].Attributes
    assert (seen.Sequence, seen.ReceiveCount, seen.ReRouted, seen.ReRoutedFromQueue) == (1, 1, False, "")


def test_a_receiver_sees_1024_where_no_max_receive_count_was_given(stub: Stub, channel: str) -> None:
    stub.send(channel, Policy=pb.QueueMessagePolicy(ExpirationSeconds=60))
    stub.send(channel, Policy=pb.QueueMessagePolicy(MaxReceiveCount=3))
    first, second = stub.receive(channel, 2).Messages
    assert (first.Policy.MaxReceiveCount, first.Policy.ExpirationSeconds) == (1024, 60)
    assert second.Policy.MaxReceiveCount == 3


def test_a_message_without_a_policy_shows_1024_too(stub: Stub, channel: str) -> None:
    stub.send(channel)
    assert stub.receive(channel).Messages[0].Policy.MaxReceiveCount == 1024


def test_the_limits_themselves_are_allowed(stub: Stub, channel: str) -> None:
    policy = pb.QueueMessagePolicy(ExpirationSeconds=43200, MaxReceiveCount=1024)
    assert not stub.send(channel, Policy=policy).IsError


def test_a_body_of_16_mib_goes_through(stub: Stub, channel: str) -> None:
    body = bytes(range(256)) * (16 * 4096)
    assert not stub.send(channel, body).IsError
    assert stub.receive(channel).Messages[0].Body == body


def test_a_request_over_100_mib_is_resource_exhausted_and_says_both_sizes(stub: Stub, channel: str) -> None:
    message = stub.message(channel, bytes(MAX_MESSAGE))
    with pytest.raises(grpc.RpcError) as refused:
        stub.call("SendQueueMessage", message, timeout=30)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    expected = f"received message larger than max ({message.ByteSize()} vs. {MAX_MESSAGE})"
    assert expected in str(refused.value.details()).lower()


@pytest.mark.parametrize("name", ["{}\\x", "{};x", "{}-ü-名", "{}.x.y", "{}:x"])
def test_backslash_colon_semicolon_and_unicode_are_fine_for_sending(
    name: str, stub: Stub, channel: str
) -> None:
    assert not stub.send(name.format(channel)).IsError


@pytest.mark.parametrize("name", ["{}\\x", "{};x", "{}-ü-名", "{}.x.y"])
def test_and_all_but_the_colon_can_be_received_from(name: str, stub: Stub, channel: str) -> None:
    stub.send(name.format(channel), "there")
    assert bodies(stub.receive(name.format(channel)).Messages) == ["there"]


def test_names_are_case_sensitive(stub: Stub, channel: str) -> None:
    stub.send(channel, "lower")
    stub.send(channel.upper(), "upper")
    assert bodies(stub.receive(channel.upper()).Messages) == ["upper"]


@pytest.mark.parametrize("client", ["a b", "ü", "a/b:c", "*"])
def test_a_client_id_is_any_string_that_is_not_empty(client: str, stub: Stub, channel: str) -> None:
    assert not stub.send(channel, ClientID=client).IsError
    assert stub.receive(channel, ClientID=client).Messages[0].ClientID == client


def test_results_of_a_batch_are_in_request_order_and_valid_messages_are_stored(
    stub: Stub, channel: str
) -> None:
    messages = [
        stub.message(channel, "1", MessageID="a"),
        stub.message("a b", "2", MessageID="b"),
        stub.message(channel, "", MessageID="c"),
        stub.message(channel, "4", MessageID="d"),
    ]
    answer = stub.batch(messages, batch_id="the batch")
    assert answer.BatchID == "the batch"
    assert [result.MessageID for result in answer.Results] == ["a", "b", "c", "d"]
    assert [result.IsError for result in answer.Results] == [False, True, True, False]
    assert bodies(stub.receive(channel, 2).Messages) == ["1", "4"]


def test_have_errors_is_false_when_there_are_none(stub: Stub, channel: str) -> None:
    assert not stub.batch([stub.message(channel)]).HaveErrors


def test_have_errors_is_true_for_what_the_broker_behind_refuses(stub: Stub, channel: str) -> None:
    assert stub.batch([stub.message(channel), stub.message("a/b")]).HaveErrors


@pytest.mark.builtin
def test_have_errors_tells_the_truth_of_validation_too(stub: Stub, channel: str) -> None:
    """On purpose: the real server leaves it false when a message fails validation."""
    assert stub.batch([stub.message(channel), stub.message("a b")]).HaveErrors


def test_messages_of_a_batch_may_name_different_channels(stub: Stub, channel: str) -> None:
    other = f"{channel}-other"
    stub.batch([stub.message(channel, "1"), stub.message(other, "2"), stub.message(channel, "3")])
    assert bodies(stub.receive(channel, 2).Messages) == ["1", "3"]
    assert bodies(stub.receive(other).Messages) == ["2"]


def test_two_thousand_messages_fit_in_a_batch_and_keep_its_order(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2000)
    messages = [*stub.receive(channel, 1024).Messages, *stub.receive(channel, 976).Messages]
    assert bodies(messages) == [str(n) for n in range(1, 2001)]
    assert sequences(messages) == list(range(1, 2001))


def test_refused_messages_leave_no_hole_in_the_sequences(stub: Stub, channel: str) -> None:
    stub.send(channel)
    stub.send(channel, "")
    stub.batch([stub.message(channel, ""), stub.message(channel)])
    assert sequences(stub.receive(channel, 2).Messages) == [1, 2]


@together
def test_a_delayed_message_gets_its_sequence_when_it_is_released(stub: Stub, channel: str) -> None:
    stub.send(channel, "delayed", Policy=pb.QueueMessagePolicy(DelaySeconds=1))
    stub.send(channel, "at once")
    messages = stub.receive(channel, 2, wait=5).Messages
    assert bodies(messages) == ["at once", "delayed"]
    assert sequences(messages) == [1, 2]
