"""Section 6: AckAllQueueMessages."""

from __future__ import annotations

import grpc

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import Elapsed, bodies
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub
from tests.support.server import OTHER_SERVER

together = Together()


@together
def test_it_takes_the_full_wait_even_when_empty(stub: Stub, channel: str) -> None:
    with Elapsed() as took:
        answer = stub.ack_all(channel, wait=2)
    took.assert_whole(2)
    assert (answer.IsError, answer.AffectedMessages) == (False, 0)


@together
def test_it_takes_the_full_wait_even_when_done(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    with Elapsed() as took:
        assert stub.ack_all(channel, wait=1).AffectedMessages == 3
    took.assert_whole(1)


@together
def test_a_wait_of_0_is_1_second(stub: Stub, channel: str) -> None:
    with Elapsed() as took:
        stub.ack_all(channel, wait=0)
    took.assert_whole(1)
    assert took.seconds < 6


@together
def test_an_unknown_queue_gets_created(stub: Stub, channel: str) -> None:
    assert not stub.ack_all(channel).IsError
    assert [queue.Name for queue in stub.info(channel).Info.Queues] == [channel]


@together
def test_three_thousand_messages_are_acknowledged_in_one_call_of_three_seconds(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 3000)
    assert stub.ack_all(channel, wait=3).AffectedMessages == 3000


@together
def test_what_comes_while_it_waits_is_acknowledged_too(stub: Stub, channel: str) -> None:
    request = pb.AckAllQueueMessagesRequest(ClientID=stub.client, Channel=channel, WaitTimeSeconds=2)
    waiting = stub.waiting("AckAllQueueMessages", request)
    stub.fill(channel, 2)
    assert waiting.result().AffectedMessages == 2


@together
def test_messages_that_others_hold_are_not_affected(stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    stream = stub.downstream()
    assert bodies(stream.get(channel, 1).Messages) == ["1"]
    assert stub.ack_all(channel).AffectedMessages == 1
    stream.cancel()
    assert bodies(stub.receive(channel, wait=5).Messages) == ["1"]


@together
def test_messages_are_acknowledged_although_the_deadline_is_shorter_than_the_wait(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 2)
    request = pb.AckAllQueueMessagesRequest(ClientID=stub.client, Channel=channel, WaitTimeSeconds=3)
    late = stub.waiting("AckAllQueueMessages", request, timeout=1).exception()
    # Another server knows the deadline too, and may be the first to see it.
    assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED if late else OTHER_SERVER
    assert stub.receive(channel, wait=1).MessagesReceived == 0
