"""What a message becomes: stored, rejected, dead-lettered, sent on, released."""

from __future__ import annotations

from kubemqctl.broker.queues import enqueue
from kubemqctl.broker.queues.enqueue import Enqueuer
from kubemqctl.broker.queues.queue import Memory, Queue
from kubemqctl.model.limits import SECOND
from kubemqctl.wire import kubemq_pb2 as pb

NOW = 1_700_000_000 * SECOND


def message(**fields: object) -> pb.QueueMessage:
    values = {"MessageID": "id", "ClientID": "me", "Channel": "q", "Body": b"body", **fields}
    return pb.QueueMessage(**values)  # type: ignore[arg-type]


def delivered(sent: pb.QueueMessage, now: int = NOW) -> pb.QueueMessage:
    """`sent` as a receiver of queue `q` gets it."""
    queue = Queue(1, "q", Memory(None), lambda after, upto, limit: [])
    batch = Enqueuer(lambda name: queue, now)
    batch.add(sent)
    batch.seal()
    batch.admit()
    (entry,) = queue.drain().entries
    assert entry.message is not None
    assert entry.size == len(entry.message)
    return pb.QueueMessage.FromString(entry.message)


def received(**policy: object) -> bytes:
    policies = pb.QueueMessagePolicy(**policy)  # type: ignore[arg-type]
    return delivered(enqueue.fresh(message(Policy=policies), NOW)).SerializeToString()


def test_a_fresh_message_has_its_time_its_sequence_and_its_first_receive() -> None:
    attributes = delivered(enqueue.fresh(message(), NOW)).Attributes
    assert attributes == pb.QueueMessageAttributes(Timestamp=NOW, Sequence=1, ReceiveCount=1)


def test_attributes_that_a_sender_made_up_are_dropped() -> None:
    lie = pb.QueueMessageAttributes(ReceiveCount=9, ReRouted=True, ExpirationAt=5, DelayedTo=5)
    attributes = delivered(enqueue.fresh(message(Attributes=lie), NOW)).Attributes
    assert attributes == pb.QueueMessageAttributes(Timestamp=NOW, Sequence=1, ReceiveCount=1)


def test_no_limit_of_receives_means_1024() -> None:
    assert enqueue.fresh(message(), NOW).Policy.MaxReceiveCount == 1024


def test_it_expires_after_its_delay_and_its_expiration() -> None:
    policy = pb.QueueMessagePolicy(ExpirationSeconds=5, DelaySeconds=2)
    fresh = enqueue.fresh(message(Policy=policy), NOW)
    assert fresh.Attributes.ExpirationAt == NOW + 7 * SECOND


def test_a_released_message_is_new_and_expires_from_its_release_on() -> None:
    policy = pb.QueueMessagePolicy(ExpirationSeconds=5, DelaySeconds=2)
    released = enqueue.released(message(Policy=policy).SerializeToString(), NOW)
    assert released.Policy.DelaySeconds == 0
    assert released.Attributes.ExpirationAt == NOW + 5 * SECOND


def test_a_rejected_message_keeps_its_count_which_its_next_delivery_raises() -> None:
    again = enqueue.rejected(received())
    assert again is not None
    assert delivered(again).Attributes.ReceiveCount == 2


def test_a_rejected_message_keeps_policy_and_expiry() -> None:
    again = enqueue.rejected(received(MaxReceiveCount=3, MaxReceiveQueue="dead", ExpirationSeconds=9))
    assert again is not None
    assert (again.Policy.MaxReceiveCount, again.Policy.MaxReceiveQueue) == (3, "dead")
    assert again.Attributes.ExpirationAt == NOW + 9 * SECOND


def test_the_last_rejection_makes_a_dead_letter() -> None:
    dead = enqueue.rejected(received(MaxReceiveCount=1, MaxReceiveQueue="dead", ExpirationSeconds=9))
    assert dead is not None
    assert (dead.Channel, dead.MessageID, dead.Body) == ("dead", "id", b"body")
    assert dead.Policy == pb.QueueMessagePolicy()
    attributes = delivered(dead).Attributes
    assert (attributes.ReceiveCount, attributes.ReRouted, attributes.ReRoutedFromQueue) == (1, True, "q")
    assert attributes.ExpirationAt == NOW + 9 * SECOND


def test_the_last_rejection_without_a_dead_letter_queue_drops_it() -> None:
    assert enqueue.rejected(received(MaxReceiveCount=1)) is None


def test_a_dead_letter_is_never_dead_lettered_again() -> None:
    dead = enqueue.rejected(received(MaxReceiveCount=1, MaxReceiveQueue="dead"))
    for _ in range(5):
        assert dead is not None
        dead = enqueue.rejected(delivered(dead).SerializeToString())
    assert dead is not None
    assert dead.Channel == "dead"


def test_a_message_sent_on_counts_from_one_again_and_is_not_re_routed() -> None:
    again = enqueue.rejected(received(MaxReceiveCount=5))
    assert again is not None
    sent_on = enqueue.requeued(delivered(again).SerializeToString(), "other", NOW)
    assert sent_on.Channel == "other"
    assert sent_on.Policy.MaxReceiveCount == 5
    assert delivered(sent_on).Attributes == pb.QueueMessageAttributes(
        Timestamp=NOW, Sequence=1, ReceiveCount=1
    )


def test_topic_and_partition_are_lost_in_a_copy() -> None:
    sent = enqueue.fresh(message(Topic="t", Partition=3, PartitionKey="k"), NOW)
    first = delivered(sent)
    assert (first.Topic, first.Partition, first.PartitionKey) == ("t", 3, "k")
    again = enqueue.rejected(first.SerializeToString())
    assert again is not None
    assert (again.Topic, again.Partition, again.PartitionKey) == ("", 0, "")
