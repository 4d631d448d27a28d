"""Section 13: QueuesInfo."""

from __future__ import annotations

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Stub


def test_an_unknown_name_is_empty_totals(stub: Stub, channel: str) -> None:
    answer = stub.info(channel, request_id="mine")
    assert answer.RefRequestID == "mine"
    assert (answer.Info.TotalQueue, answer.Info.Waiting, len(answer.Info.Queues)) == (0, 0, 0)


def test_an_empty_name_is_all_queues(stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stub.fill(f"{channel}-b", 1)
    info = stub.info("").Info
    assert {channel, f"{channel}-b"} <= {queue.Name for queue in info.Queues}
    assert info.TotalQueue == len(info.Queues)


def test_names_joined_by_a_semicolon_are_exact_and_added_up(stub: Stub, channel: str) -> None:
    for name, count in ((channel, 1), (f"{channel}-b", 2), (f"{channel}-c", 4)):
        stub.fill(name, count)
    info = stub.info(f"{channel};{channel}-c").Info
    assert sorted(queue.Name for queue in info.Queues) == [channel, f"{channel}-c"]
    assert (info.TotalQueue, info.Sent, info.Waiting) == (2, 5, 5)


def test_messages_and_sent_count_what_was_taken_and_waiting_does_not(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stub.receive(channel)
    (queue,) = stub.info(channel).Info.Queues
    assert (queue.Messages, queue.Sent, queue.FirstSequence, queue.LastSequence) == (3, 3, 1, 3)
    # Delivered is one more where the server has looked ahead.
    assert (queue.Delivered, queue.Waiting) in ((1, 2), (2, 2))
    assert queue.Bytes > 0


def test_waiting_counts_what_is_held(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stream = stub.downstream()
    answer = stream.get(channel, 2)
    assert stub.info(channel).Info.Waiting == 3
    stream.settle(pb.AckAll, answer.TransactionId)
    stream.active(answer.TransactionId)
    assert stub.info(channel).Info.Waiting == 1


def test_delivered_counts_hand_outs_and_may_exceed_acknowledgements(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    answer = stub.downstream().get(channel, 2)
    assert len(answer.Messages) == 2
    (queue,) = stub.info(channel).Info.Queues
    assert (queue.Delivered, queue.Waiting) == (2, 3)


@pytest.mark.builtin
@pytest.mark.parametrize("name", ["{}-jobS", "_{}.Q", "QUEUES.{}"])
def test_names_are_whole(name: str, stub: Stub, channel: str) -> None:
    """On purpose: the real server trims any of the characters `_QUES.` off both ends."""
    stub.fill(name.format(channel), 1)
    assert [queue.Name for queue in stub.info(name.format(channel)).Info.Queues] == [name.format(channel)]
