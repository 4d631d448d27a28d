"""Section 0: what a server says to a queue request that it refuses; in-band, so the call itself is OK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Stub

E101 = "Error 101: invalid clientID value, cannot be empty"
E110 = "Error 110: invalid message, cannot be empty"
E120 = (
    "Error 120: invalid queue name value, cannot be empty, contains wildcards ,white spaces and end with dot"
)
E121 = "Error 121: cannot subscribe to a queue"
E122 = "Error 122: max messages should be between 1 and max message setting in kubemq config  "
E133 = "Error 133: invalid expiration seconds, exceed max expiration seconds setting in kubemq config"
E134 = (
    "Error 134: invalid max received count, cannot be negative or exceed max receive count setting "
    "in kubemq config"
)
E135 = "Error 135: invalid delay seconds, exceed max delay seconds setting in kubemq config"
E136 = (
    "Error 136: invalid wait timeout, value cannot be negative or exceed max wait timeout seconds setting "
    "in kubemq config"
)
PUBLISH = "stan: invalid publish request"

# A request on a channel, and the error text of its answer.
Ask = Callable[[Stub, str], str]


def send(stub: Stub, channel: str) -> str:
    answer = stub.send(channel)
    assert answer.IsError == bool(answer.Error)
    return answer.Error


def batch(stub: Stub, channel: str) -> str:
    (result,) = stub.batch([stub.message(channel)]).Results
    assert result.IsError == bool(result.Error)
    return result.Error


def upstream(stub: Stub, channel: str) -> str:
    stream = stub.upstream()
    answer = stream.ask(pb.QueuesUpstreamRequest(RequestID="r", Messages=[stub.message(channel)]))
    stream.half_close()
    assert not answer.IsError
    (result,) = answer.Results
    assert result.IsError == bool(result.Error)
    return str(result.Error)


def receive(stub: Stub, channel: str) -> str:
    answer = stub.receive(channel)
    assert answer.IsError == bool(answer.Error)
    return answer.Error


def peek(stub: Stub, channel: str) -> str:
    answer = stub.peek(channel)
    assert answer.IsError == bool(answer.Error)
    return answer.Error


def ack_all(stub: Stub, channel: str) -> str:
    answer = stub.ack_all(channel)
    assert answer.IsError == bool(answer.Error)
    return answer.Error


def get(stub: Stub, channel: str) -> str:
    answer = stub.downstream().get(channel)
    assert answer.RequestTypeData == pb.Get
    assert answer.TransactionId
    assert answer.IsError == bool(answer.Error)
    return answer.Error


SENDING: list[Ask] = [send, batch, upstream]
TAKING: list[Ask] = [receive, peek, ack_all, get]

asked = pytest.mark.parametrize("ask", [*SENDING, *TAKING])
sent = pytest.mark.parametrize("ask", SENDING)
taken = pytest.mark.parametrize("ask", TAKING)


@asked
def test_every_request_with_an_empty_client_id_is_error_101(ask: Ask, stub: Stub, channel: str) -> None:
    stub.client = ""
    assert ask(stub, channel) == E101


@asked
@pytest.mark.parametrize("name", ["", "a*", "*", ">", "a.>", "a b", "a.", " "])
def test_one_text_for_an_empty_name_a_wildcard_a_space_and_a_trailing_dot(
    ask: Ask, name: str, stub: Stub
) -> None:
    assert ask(stub, name) == E120


@asked
def test_the_client_id_is_checked_before_the_channel(ask: Ask, stub: Stub) -> None:
    stub.client = ""
    assert ask(stub, "a b") == E101


@sent
@pytest.mark.parametrize("name", ["{}/x", ".{}", "{}..x"])
def test_a_name_that_the_broker_behind_refuses_is_an_invalid_publish_request(
    ask: Ask, name: str, stub: Stub, channel: str
) -> None:
    assert ask(stub, name.format(channel)) == PUBLISH


@taken
@pytest.mark.parametrize("name", ["{}/x", ".{}", "{}..x", "{}:x"])
def test_nothing_can_be_taken_from_a_name_that_the_broker_behind_refuses(
    ask: Ask, name: str, stub: Stub, channel: str
) -> None:
    assert ask(stub, name.format(channel)) == E121


@sent
def test_a_queue_name_over_246_bytes_is_too_long_for_a_file(ask: Ask, stub: Stub, channel: str) -> None:
    name = channel.ljust(247, "n")
    error = ask(stub, name)
    assert error.startswith("mkdir store/")
    assert error.endswith(f"/_QUEUES_.{name}: file name too long")


@sent
def test_a_queue_name_of_246_bytes_is_fine(ask: Ask, stub: Stub, channel: str) -> None:
    assert ask(stub, channel.ljust(246, "n")) == ""


@pytest.mark.builtin
@asked
@pytest.mark.parametrize("character", ["\t", "\n", "\r\n", "\x00", "\x7f"])
def test_a_control_character_in_a_name_is_refused_and_the_server_goes_on(
    ask: Ask, character: str, stub: Stub, channel: str
) -> None:
    """On purpose: with TAB or LF the real server's sender hangs for ever (section 17)."""
    assert ask(stub, f"{channel}{character}x")
    assert send(stub, channel) == ""


def test_a_message_with_neither_body_nor_metadata_is_error_110_and_tags_do_not_count(
    stub: Stub, channel: str
) -> None:
    assert stub.send(channel, "", Tags={"a": "b"}).Error == E110
    assert stub.send(channel, "", Metadata="m").Error == ""


def test_the_channel_is_checked_before_the_body(stub: Stub) -> None:
    assert stub.send("a b", "").Error == E120


def test_the_body_is_checked_before_the_policy(stub: Stub, channel: str) -> None:
    assert stub.send(channel, "", Policy=pb.QueueMessagePolicy(ExpirationSeconds=-1)).Error == E110


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_the_number_of_messages_is_between_1_and_1024(count: int, stub: Stub, channel: str) -> None:
    assert stub.receive(channel, count).Error == E122
    assert stub.peek(channel, count).Error == E122


@pytest.mark.parametrize("seconds", [-1, 3601])
def test_a_wait_is_between_0_and_3600_seconds(seconds: int, stub: Stub, channel: str) -> None:
    assert stub.receive(channel, 1, seconds).Error == E136
    assert stub.peek(channel, 1, seconds).Error == E136
    assert stub.ack_all(channel, seconds).Error == E136


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        ({"ExpirationSeconds": -1}, E133),
        ({"ExpirationSeconds": 43201}, E133),
        ({"DelaySeconds": -1}, E135),
        ({"DelaySeconds": 43201}, E135),
        ({"MaxReceiveCount": -1}, E134),
        ({"MaxReceiveCount": 1025}, E134),
    ],
)
def test_a_policy_beyond_the_settings_is_refused(
    policy: dict[str, Any], error: str, stub: Stub, channel: str
) -> None:
    assert stub.send(channel, Policy=pb.QueueMessagePolicy(**policy)).Error == error


@pytest.mark.parametrize("name", ["a b", "a*", ">", "a."])
def test_the_dead_letter_queue_is_checked_like_a_channel(name: str, stub: Stub, channel: str) -> None:
    policy = pb.QueueMessagePolicy(MaxReceiveCount=1, MaxReceiveQueue=name)
    assert stub.send(channel, Policy=policy).Error == E120


def test_a_batch_of_nothing_is_a_status_and_not_an_answer(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.batch([])
    assert refused.value.code() == grpc.StatusCode.UNKNOWN
    assert refused.value.details() == "empty messages batch"


def test_an_upstream_request_of_nothing_is_answered_in_band(stub: Stub) -> None:
    stream = stub.upstream()
    answer = stream.ask(pb.QueuesUpstreamRequest(RequestID="r"))
    stream.half_close()
    assert (answer.RefRequestID, answer.IsError, answer.Error) == ("r", True, "no messages to send")
