"""Section 9: the order in which messages are handed out."""

from __future__ import annotations

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import bodies, sequences, stored
from tests.conformance.together import Together
from tests.support.raw_grpc import Stub

together = Together()


def test_single_sends_are_received_in_their_order(stub: Stub, channel: str) -> None:
    for n in range(100):
        stub.send(channel, str(n))
    assert bodies(stub.receive(channel, 100).Messages) == [str(n) for n in range(100)]


def test_one_by_one_a_receiver_sees_every_message_once_and_in_order(stub: Stub, channel: str) -> None:
    stub.fill(channel, 100)
    seen = [stub.receive(channel).Messages[0].Attributes.Sequence for _ in range(100)]
    assert seen == list(range(1, 101))


def test_gets_go_on_where_the_last_one_ended(stub: Stub, channel: str) -> None:
    stub.fill(channel, 6)
    stream = stub.downstream()
    assert [sequences(stream.get(channel, 2).Messages) for _ in range(3)] == [[1, 2], [3, 4], [5, 6]]


def test_on_a_queue_filled_before_each_subscriber_gets_a_block(stub: Stub, channel: str) -> None:
    stub.fill(channel, 6)
    first, second = stub.downstream(), stub.downstream()
    assert sequences(first.get(channel, 3).Messages) == [1, 2, 3]
    assert sequences(second.get(channel, 3).Messages) == [4, 5, 6]


def test_what_comes_back_to_a_consumer_that_took_newer_ones_comes_after_those(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 6)
    first, second = stub.downstream(), stub.downstream()
    held = first.get(channel, 3)
    assert sequences(second.get(channel, 3).Messages) == [4, 5, 6]
    first.settle(pb.CloseByClient, held.TransactionId)
    assert sequences(stored(second.get(channel, 3, wait=5000).Messages)) == [1, 2, 3]


@together
def test_messages_sent_while_two_gets_wait_alternate(stub: Stub, channel: str) -> None:
    """Nothing says that a Get has begun to wait; 0.3 s have always been enough."""
    first, second = stub.downstream(), stub.downstream()
    for stream in (first, second):
        stream.ask_for(channel, 3, wait=10_000)
        assert stream.silent(0.3)
    stub.fill(channel, 6)
    assert bodies(first.next().Messages) == ["1", "3", "5"]
    assert bodies(second.next().Messages) == ["2", "4", "6"]
