"""Section 8, first half: QueuesUpstream."""

from __future__ import annotations

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Stub


def request(stub: Stub, name: str, channel: str, *texts: str) -> pb.QueuesUpstreamRequest:
    return pb.QueuesUpstreamRequest(RequestID=name, Messages=[stub.message(channel, t) for t in texts])


def test_one_answer_a_request_with_results_in_order_and_errors_in_band(stub: Stub, channel: str) -> None:
    stream = stub.upstream()
    answer = stream.ask(request(stub, "mine", channel, "1", "", "3"))
    stream.half_close()
    assert (answer.RefRequestID, answer.IsError, answer.Error) == ("mine", False, "")
    assert [result.IsError for result in answer.Results] == [False, True, False]
    assert [message.Body for message in stub.receive(channel, 2).Messages] == [b"1", b"3"]


def test_results_carry_ids_and_times_like_those_of_a_single_send(stub: Stub, channel: str) -> None:
    stream = stub.upstream()
    message = stub.message(channel, MessageID="mine", Policy=pb.QueueMessagePolicy(ExpirationSeconds=30))
    (result,) = stream.ask(pb.QueuesUpstreamRequest(RequestID="r", Messages=[message])).Results
    stream.half_close()
    assert result.MessageID == "mine"
    assert result.ExpirationAt - result.SentAt == pytest.approx(30e9, abs=1e9)


def test_fifty_pipelined_requests_are_all_answered(stub: Stub, channel: str) -> None:
    stream = stub.upstream()
    for n in range(50):
        stream.send(request(stub, str(n), channel, f"{n}a", f"{n}b"))
    answered = {stream.next().RefRequestID for _ in range(50)}
    stream.half_close()
    assert answered == {str(n) for n in range(50)}
    assert stub.receive(channel, 100, wait=10).MessagesReceived == 100


def test_the_stream_goes_on_after_a_failed_request(stub: Stub, channel: str) -> None:
    stream = stub.upstream()
    assert stream.ask(pb.QueuesUpstreamRequest(RequestID="1")).IsError
    answer = stream.ask(request(stub, "2", channel, "x"))
    stream.half_close()
    assert (answer.RefRequestID, answer.IsError) == ("2", False)


@pytest.mark.builtin
def test_a_half_close_ends_the_stream_after_everything_is_answered(stub: Stub, channel: str) -> None:
    """On purpose: the real server leaves the stream open until it is cancelled."""
    stream = stub.upstream()
    for n in range(5):
        stream.send(request(stub, str(n), channel, "x"))
    stream.half_close()
    assert {stream.next().RefRequestID for _ in range(5)} == {str(n) for n in range(5)}
    stream.status()


@pytest.mark.builtin
def test_an_abrupt_end_of_a_busy_stream_harms_nobody(stub: Stub, channel: str) -> None:
    """On purpose: it can crash the real server."""
    for _ in range(5):
        stream = stub.upstream()
        for n in range(60):
            stream.send(request(stub, str(n), channel, "x"))
        stream.next()
        stream.cancel()
    assert stub.ping().Host
    assert not stub.send(channel).IsError
