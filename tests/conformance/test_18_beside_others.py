"""What a consumer of the community server gets while others hold messages, as `--like` shows it.

With KUBEMQ_TEST_ADDRESS the same is asked of that server.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Downstream, Stub
from tests.support.waiting import until


@pytest.fixture
def stub(address: str) -> Iterator[Stub]:
    with Stub(address, client="raw") as opened:
        yield opened


def sequences(answer: pb.QueuesDownstreamResponse | pb.ReceiveQueueMessagesResponse) -> list[int]:
    return [m.Attributes.Sequence for m in answer.Messages]


def span(*ends: tuple[int, int]) -> list[int]:
    """The sequences from the first to the last of each pair."""
    return [n for first, last in ends for n in range(first, last + 1)]


def end(stream: Downstream, transaction: str, *settlements: tuple[int, list[int]]) -> None:
    """Settle, and wait until the server has done it."""
    for kind, those in settlements or ((pb.AckAll, []),):
        stream.settle(kind, transaction, SequenceRange=those)
    stream.active(transaction)


def take(stream: Downstream, channel: str, count: int, times: int) -> list[int]:
    """The sequences of so many Gets, each acknowledged before the next."""
    got: list[int] = []
    for _ in range(times):
        answer = stream.get(channel, count, wait=3000)
        got += sequences(answer)
        end(stream, answer.TransactionId)
    return got


def test_who_takes_one_at_a_time_misses_what_went_to_a_consumer_that_holds_one(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 101)
    holder = stub.downstream()
    holder.get(channel)
    stream = stub.downstream()
    got: list[int] = []
    for _ in range(8):
        answer = stream.get(channel)
        got += [m.Attributes.Sequence for m in answer.Messages]
        stream.settle(pb.AckAll, answer.TransactionId)
        stream.active(answer.TransactionId)
    assert got == list(range(2, 17, 2))
    holder.cancel()
    rest = {m.Attributes.Sequence for m in stub.receive(channel, 93, wait=10).Messages}
    assert rest == set(range(1, 102)) - set(got)


def test_what_went_past_one_consumer_to_another_comes_back_once(stub: Stub, channel: str) -> None:
    stub.fill(channel, 6)
    holder, stream = stub.downstream(), stub.downstream()
    held = [holder.get(channel) for _ in range(2)]
    answer = stream.get(channel)
    stream.settle(pb.AckAll, answer.TransactionId)
    stream.active(answer.TransactionId)
    for transaction in held:  # what was on its way to the stream is with these
        holder.settle(pb.CloseByClient, transaction.TransactionId)
    holder.active(held[-1].TransactionId)
    got = [m.Attributes.Sequence for m in stub.receive(channel, 6, wait=2).Messages]
    assert sorted(got) == [1, 2, 4, 5, 6]


@pytest.mark.parametrize("held", [1, 4])
def test_as_many_as_one_takes_at_a_time_go_past_and_come_at_the_end(
    stub: Stub, channel: str, held: int
) -> None:
    stub.fill(channel, held + 32)
    holder, stream = stub.downstream(), stub.downstream()
    holder.get(channel, held)
    got = [n - held for n in take(stream, channel, 8, times=4)]
    assert got == span((1, 8), (17, 24), (9, 16), (25, 32))
    holder.cancel()


def test_who_takes_many_at_a_time_misses_nothing(stub: Stub, channel: str) -> None:
    stub.fill(channel, 101)
    holder, stream = stub.downstream(), stub.downstream()
    holder.get(channel)
    for _ in range(4):
        answer = stream.get(channel, 25)
        assert len(answer.Messages) == 25
        stream.settle(pb.AckAll, answer.TransactionId)
        stream.active(answer.TransactionId)
    holder.cancel()


def test_a_plain_receive_of_many_lets_one_go_past(stub: Stub, channel: str) -> None:
    stub.fill(channel, 20)
    holder = stub.downstream()
    holder.get(channel)
    got = [sequences(stub.receive(channel, 4)) for _ in range(4)]
    assert got == [span((2, 5)), span((7, 10)), span((12, 15)), span((17, 20))]
    assert sequences(stub.receive(channel, 3)) == [6, 11, 16]
    holder.cancel()


def test_the_old_stream_lets_one_go_past_too(stub: Stub, channel: str) -> None:
    stub.fill(channel, 8)
    holder = stub.downstream()
    holder.get(channel)
    got = []
    for _ in range(3):
        stream = stub.exchange("StreamQueueMessage")
        asked = pb.StreamQueueMessagesRequest(
            ClientID="raw",
            StreamRequestTypeData=pb.ReceiveMessage,
            Channel=channel,
            VisibilitySeconds=30,
            WaitTimeSeconds=2,
        )
        sequence = stream.ask(asked).Message.Attributes.Sequence
        got.append(sequence)
        stream.send(
            pb.StreamQueueMessagesRequest(
                ClientID="raw", StreamRequestTypeData=pb.AckMessage, RefSequence=sequence
            )
        )
        stream.status()
    assert got == [2, 4, 6]
    holder.cancel()


def test_what_is_given_back_beside_a_holder_comes_behind_newer_messages(stub: Stub, channel: str) -> None:
    stub.fill(channel, 14)
    one, holder = stub.downstream(), stub.downstream()
    mine, _ = one.get(channel, 4), holder.get(channel, 3)
    end(one, mine.TransactionId, (pb.CloseByClient, []))
    assert sequences(stub.peek(channel, 11, 3)) == span((8, 14), (1, 4))
    assert sequences(stub.peek(channel, 11, 3)) == span((1, 4), (8, 14))
    holder.cancel()


def test_what_is_settled_and_what_is_given_back_go_the_same_way(stub: Stub, channel: str) -> None:
    stub.fill(channel, 20)
    holder, stream = stub.downstream(), stub.downstream()
    holder.get(channel)
    answer = stream.get(channel, 4)
    end(stream, answer.TransactionId, (pb.AckRange, [2, 4]), (pb.CloseByClient, []))
    assert sequences(stream.get(channel, 17, wait=3000)) == span((8, 20), (3, 3), (5, 7))
    holder.cancel()
    stream.cancel()


def test_what_nobody_waits_for_in_time_stays_with_the_holder_until_that_settles(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 9)
    holder, stream = stub.downstream(), stub.downstream()
    held = holder.get(channel)
    answer = stream.get(channel, 4)
    end(stream, answer.TransactionId)
    time.sleep(0.5)  # it is dealt out after 0.1 s
    assert sequences(stub.peek(channel, 4, 1)) == []
    end(holder, held.TransactionId)
    assert sequences(stub.peek(channel, 4, 2)) == span((6, 9))
    holder.cancel()
    stream.cancel()


def test_a_consumer_with_messages_of_others_is_sent_fewer_of_its_own(stub: Stub, channel: str) -> None:
    stub.fill(channel, 30)
    holder, stream = stub.downstream(), stub.downstream()
    first, second = holder.get(channel), holder.get(channel, 2)
    assert take(stream, channel, 4, times=2) == span((4, 7), (12, 15))
    end(holder, first.TransactionId)
    assert sequences(stream.get(channel, 4)) == span((20, 23))
    stream.cancel()
    end(holder, second.TransactionId)
    holder.cancel()


def test_who_comes_first_has_all_that_was_given_back_until_he_settles(stub: Stub, channel: str) -> None:
    stub.fill(channel, 20)
    gone, first, second = stub.downstream(), stub.downstream(), stub.downstream()
    end(gone, gone.get(channel, 5).TransactionId, (pb.CloseByClient, []))
    held = first.get(channel)
    assert sequences(held) == [1]
    others = second.get(channel, 19)
    assert sequences(others) == span((6, 20))
    end(first, held.TransactionId)
    assert sequences(first.get(channel, 4, wait=3000)) == span((2, 5))
    first.cancel()
    second.cancel()


def test_what_is_given_back_beside_one_that_waits_is_halved_with_who_comes_next(
    stub: Stub, channel: str
) -> None:
    stub.fill(channel, 21)
    holder, waits, comes = stub.downstream(), stub.downstream(), stub.downstream()
    held = holder.get(channel, 21)
    waits.ask_for(channel, 18, wait=3000)
    stub.fill(channel, 1)
    until(lambda: stub.info(channel).Info.Queues[0].Delivered >= 22, "the second one there")
    end(holder, held.TransactionId, (pb.AckRange, [1]), (pb.CloseByClient, []))
    assert sequences(comes.get(channel)) == [2]
    assert sequences(waits.next()) == span((22, 22), (13, 21))
    waits.cancel()
    comes.cancel()
