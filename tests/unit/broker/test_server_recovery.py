"""kill -9: what was acknowledged is there, once, in order; what was not may be; sequences go on."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.raw_grpc import Downstream, Stub
from tests.support.server import Broker
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

ROUNDS = 12


def kill(broker: Broker) -> None:
    assert broker.process
    broker.process.send(signal.SIGKILL)
    broker.process.wait()


def test_everything_of_a_queue_survives_a_kill(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        stub.send("q", b"\xff\0", MessageID="mine", Metadata="meta", Tags={"k": "v"}, Topic="t")
        stub.send("q", "two", Policy=pb.QueueMessagePolicy(MaxReceiveCount=3, MaxReceiveQueue="dead"))
        before = list(stub.peek("q", 2).Messages)
        kill(broker)
    with Stub(new_broker("--data", tmp_path).address) as stub:
        assert list(stub.peek("q", 2).Messages) == before
        stub.send("q", "three")
        assert [m.Attributes.Sequence for m in stub.receive("q", 3).Messages] == [1, 2, 3]


def test_sequences_and_counts_go_on_in_a_queue_that_was_empty(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        stub.fill("q", 5)
        stub.receive("q", 5)
        before = stub.info("q").Info.Queues[0]
        kill(broker)
    with Stub(new_broker("--data", tmp_path).address) as stub:
        after = stub.info("q").Info.Queues[0]
        assert (after.Messages, after.Bytes, after.LastSequence) == (5, before.Bytes, 5)
        assert (after.Waiting, after.Delivered) == (0, 5)
        stub.send("q", "six")
        assert [m.Attributes.Sequence for m in stub.receive("q").Messages] == [6]


def test_what_was_held_comes_back_in_order_and_uncounted(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        stub.fill("q", 5)
        stream = stub.downstream()
        first, second = stream.get("q", 2), stream.get("q", 2)
        stream.settle(pb.AckRange, second.TransactionId, 3)
        assert list(stream.active(second.TransactionId).ActiveOffsets) == [4]
        assert len(first.Messages) == 2
        kill(broker)
    with Stub(new_broker("--data", tmp_path).address) as stub:
        messages = stub.receive("q", 5, wait=1).Messages
        assert [(m.Attributes.Sequence, m.Attributes.ReceiveCount) for m in messages] == [
            (1, 1),
            (2, 1),
            (4, 1),
            (5, 1),
        ]


def test_a_rejection_before_the_kill_stays_counted(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        stub.fill("q", 1)
        stream = stub.downstream()
        got = stream.get("q")
        stream.settle(pb.NAckAll, got.TransactionId)
        assert stream.active(got.TransactionId).IsError
        kill(broker)
    with Stub(new_broker("--data", tmp_path).address) as stub:
        (message,) = stub.receive("q").Messages
        assert (message.Attributes.Sequence, message.Attributes.ReceiveCount) == (2, 2)


def test_delayed_messages_come_when_they_are_due(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        for seconds, body in ((2, "second"), (1, "first"), (40_000, "never")):
            stub.send("q", body, Policy=pb.QueueMessagePolicy(DelaySeconds=seconds))
        kill(broker)
    with Stub(new_broker("--data", tmp_path).address) as stub:
        messages = stub.receive("q", 2, wait=10).Messages
        assert [(m.Body, m.Policy.DelaySeconds) for m in messages] == [(b"first", 0), (b"second", 0)]


def test_a_deleted_queue_stays_deleted(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        stub.fill("q", 3)
        stub.send("q", Policy=pb.QueueMessagePolicy(DelaySeconds=1))
        request = pb.Request(
            RequestTypeData=pb.Request.Query,
            ClientID="me",
            Channel="kubemq.cluster.internal.requests",
            Metadata="delete-channel",
            Tags={"channel_type": "queues", "channel": "q"},
            Timeout=10_000,
        )
        assert stub.call("SendRequest", request).Executed
        kill(broker)
    with Stub(new_broker("--data", tmp_path).address) as stub:
        assert stub.info("q").Info.TotalQueue == 0
        assert stub.receive("q", wait=2).MessagesReceived == 0


class Load:
    """Senders and consumers of one queue, on one broker, until it is killed."""

    def __init__(self, address: str, label: int) -> None:
        self.accepted: list[str] = []
        self.sent: set[str] = set()
        self.acknowledged: list[str] = []
        self.perhaps_acknowledged: list[str] = []
        self._address = address
        self._label = label
        self._threads = [
            threading.Thread(target=self._until_it_dies, args=(work,), daemon=True)
            for work in (self._send_singles, self._send_batches, self._consume)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a client hangs on a broker that is dead"

    def _until_it_dies(self, work: Callable[[Stub], None]) -> None:
        # The broker was killed: what was under way is known to nobody.
        with contextlib.suppress(grpc.RpcError, AssertionError), Stub(self._address) as stub:
            work(stub)

    def _send_singles(self, stub: Stub) -> None:
        for n in range(1_000_000):
            body = f"{self._label}-single-{n}"
            self.sent.add(body)
            assert not stub.send("load", body).IsError
            self.accepted.append(body)

    def _send_batches(self, stub: Stub) -> None:
        for n in range(1_000_000):
            bodies = [f"{self._label}-batch-{n}-{i}" for i in range(50)]
            self.sent.update(bodies)
            answer = stub.batch([stub.message("load", body) for body in bodies])
            assert not answer.HaveErrors
            self.accepted += bodies

    def _consume(self, stub: Stub) -> None:
        stream = stub.downstream()
        while True:
            self._take(stream)

    def _take(self, stream: Downstream) -> None:
        got = stream.get("load", 20, 1000)
        bodies = [m.Body.decode() for m in got.Messages]
        if not bodies:
            return
        self.perhaps_acknowledged = bodies
        stream.settle(pb.AckAll, got.TransactionId)
        assert stream.active(got.TransactionId).IsError
        self.acknowledged += bodies
        self.perhaps_acknowledged = []


def test_twelve_kills_under_load_lose_and_double_nothing(new_broker: NewBroker, tmp_path: Path) -> None:
    """Each message accepted ends exactly once: acknowledged by a consumer, or still in the queue."""
    rng = random.Random(20)
    loads: list[Load] = []
    for label in range(ROUNDS):
        broker = new_broker("--data", tmp_path)
        load = Load(broker.address, label)
        loads.append(load)
        load.start()
        target = rng.randrange(1, 400)
        until(lambda: len(load.accepted) > target, "some load")  # noqa: B023 - used at once
        kill(broker)
        load.join()
    with Stub(new_broker("--data", tmp_path).address) as stub:
        left = drain(stub)
    accepted = {body for load in loads for body in load.accepted}
    sent = {body for load in loads for body in load.sent}
    acknowledged = [body for load in loads for body in load.acknowledged]
    perhaps = {body for load in loads for body in load.perhaps_acknowledged}
    seen = Counter([*acknowledged, *left])
    assert [body for body, times in seen.items() if times > 1] == []
    assert accepted - set(seen) - perhaps == set()
    assert set(seen) - sent == set()
    assert len(acknowledged) > ROUNDS, "the consumers got their share"


def drain(stub: Stub) -> list[str]:
    """All that is left, in sequence order without a doubled sequence."""
    bodies: list[str] = []
    last = 0
    while messages := stub.receive("load", min(1024, max(1, stub.info("load").Info.Waiting))).Messages:
        sequences = [m.Attributes.Sequence for m in messages]
        assert sequences == sorted(set(sequences))
        assert sequences[0] > last
        last = sequences[-1]
        bodies += [m.Body.decode() for m in messages]
    return bodies
