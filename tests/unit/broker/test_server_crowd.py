"""Many at once: 200 waiting consumers and 50 senders, each served, none slowed to a stop."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.raw_grpc import Downstream, Stub
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

CONSUMERS = 200
SENDERS = 50
EACH = 10  # messages a sender


class Consumer:
    """A Get for one message after the other, each acknowledged, until `done`."""

    def __init__(self, stub: Stub, done: threading.Event) -> None:
        self.got: list[bytes] = []
        self._stream: Downstream = stub.downstream()
        self._done = done
        self._ask()
        threading.Thread(target=self._work, daemon=True).start()

    def _ask(self) -> None:
        self._stream.ask_for("crowd", 1, wait=60_000)

    def _work(self) -> None:
        while not self._done.is_set():
            try:
                answer = self._stream.next(timeout=60)
            except AssertionError:
                return
            self.got += [m.Body for m in answer.Messages]
            self._stream.settle(pb.AckAll, answer.TransactionId)
            self._ask()


def send_all(address: str, sender: int, slowest: list[float]) -> None:
    with Stub(address) as stub:
        for n in range(EACH):
            begun = time.monotonic()
            assert not stub.send("crowd", f"{sender}-{n}").IsError
            slowest[sender] = max(slowest[sender], time.monotonic() - begun)


@pytest.mark.parametrize("durable", [True, False])
def test_two_hundred_consumers_and_fifty_senders(
    durable: bool, new_broker: NewBroker, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "data") if durable else new_broker()
    done = threading.Event()
    slowest = [0.0] * SENDERS
    # 20 connections: as many threads as consumers are enough to start.
    stubs = [Stub(broker.address) for _ in range(20)]
    try:
        consumers = [Consumer(stubs[n % 20], done) for n in range(CONSUMERS)]
        until(lambda: stubs[0].info("crowd").Info.Queues[0:1], "the first consumer waits")
        until(lambda: stubs[0].info("crowd").Info.Queues[0].Subscribers == CONSUMERS, "all consumers wait")
        senders = [
            threading.Thread(target=send_all, args=(broker.address, n, slowest)) for n in range(SENDERS)
        ]
        for thread in senders:
            thread.start()
        for thread in senders:
            thread.join(60)
        until(lambda: sum(len(c.got) for c in consumers) >= SENDERS * EACH, "all messages consumed", 30)
        done.set()
        # Before the first connection ends: an acknowledgement that it cuts off sends its message to another.
        counts = Counter(body for consumer in consumers for body in consumer.got)
    finally:
        for stub in stubs:
            stub.close()
    assert counts == {b"%d-%d" % (s, n): 1 for s in range(SENDERS) for n in range(EACH)}
    assert min(len(consumer.got) for consumer in consumers) > 0, "a consumer went away empty"
    assert max(slowest) < 10


def test_a_message_to_another_queue_does_not_wait_for_a_flood(new_broker: NewBroker, tmp_path: Path) -> None:
    """Batches of a megabyte are stored without a pause meanwhile."""
    broker = new_broker("--data", tmp_path / "data")
    stop = threading.Event()

    def flood() -> None:
        with Stub(broker.address) as stub:
            batch = [stub.message("flood", bytes(1024)) for _ in range(1000)]
            while not stop.is_set():
                stub.batch(batch)

    flooding = threading.Thread(target=flood, daemon=True)
    flooding.start()
    try:
        with Stub(broker.address) as stub:
            until(lambda: stub.info("flood").Info.Sent > 0, "the flood began")
            times = sorted(round_trip(stub) for _ in range(30))
    finally:
        stop.set()
        flooding.join(20)
    assert times[15] < 0.5


def round_trip(stub: Stub) -> float:
    """Seconds from sending a message to having received it."""
    begun = time.monotonic()
    stub.send("quiet", "x")
    assert stub.receive("quiet").MessagesReceived == 1
    return time.monotonic() - begun
