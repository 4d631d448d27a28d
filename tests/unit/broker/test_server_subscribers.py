"""A broker as a process: subscribers that do not read, kills, clients that vanish, the end."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.listening import back_on_store, from_start, on_events, on_requests, on_store, subscribe
from tests.conftest import NewBroker
from tests.support.raw_grpc import Exchange, Stub, store
from tests.support.server import Broker
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

FIRST, NEW = pb.Subscribe.StartFromFirst, pb.Subscribe.StartNewOnly
KIB = 1024


def kill(broker: Broker) -> None:
    assert broker.process
    broker.process.send(signal.SIGKILL)
    broker.process.wait()


def memory(broker: Broker) -> int:
    """Resident bytes of the broker's process."""
    assert broker.process
    status = Path(f"/proc/{broker.process.pid}/status")
    if not status.exists():
        pytest.skip("this system has no /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * KIB


def publish(stub: Stub, channel: str, bodies: Iterable[bytes], store: bool = False) -> None:
    """Send events over one stream; they are all there when it returns."""
    sending = stub.exchange("SendEventsStream")
    count = 0
    for body in bodies:
        sending.send(pb.Event(ClientID="sender", Channel=channel, Body=body, Store=store))
        count += 1
    sending.half_close()
    assert sending.status(60) == grpc.StatusCode.OK
    if store:
        assert all(sending.next().Sent for _ in range(count))


def places(folder: Path) -> set[int]:
    """Where the subscriptions of the broker with that data directory would go on."""
    with closing(sqlite3.connect(folder / "broker.db")) as db:
        return {next_ for (next_,) in db.execute("SELECT next FROM position")}


def unread(stub: Stub, request: pb.Subscribe) -> Any:
    """A subscription that is live and that nobody reads."""
    call = stub.subscribe("SubscribeToEvents", request)
    assert call.initial_metadata() is not None
    return call


def numbered(count: int, size: int) -> Iterator[bytes]:
    return (str(n).encode().ljust(size) for n in range(1, count + 1))


# --- slow readers ------------------------------------------------------------------------------


def test_a_subscriber_that_does_not_read_delays_nobody_and_memory_stays_bounded(
    new_broker: NewBroker,
) -> None:
    broker = new_broker()
    with Stub(broker.address) as stub, Stub(broker.address, client="slow") as slow:
        stalled = [unread(slow, subscribe(slow, pb.Subscribe.Events, "c")) for _ in range(3)]
        with on_events(stub, "c") as listener:
            before = memory(broker)
            bodies = numbered(2400, 64 * KIB)
            for _ in range(24):
                publish(stub, "c", itertools.islice(bodies, 100))
                listener.take(100, timeout=60)
        # 150 MiB were sent. The three share what waits for them, 32 MiB; on their way are 4 MiB each.
        assert memory(broker) - before < 80 * KIB * KIB
        heard = [int(next(call).Body) for call in stalled for _ in range(100)]
        assert heard == list(range(1, 101)) * 3


def test_stored_events_wait_in_the_log_for_a_reader_that_does_not_read(
    new_broker: NewBroker, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub, Stub(broker.address, client="slow") as slow:
        stalled = unread(slow, from_start(slow, "c", NEW))
        before = memory(broker)
        with on_store(stub, "c", NEW) as listener:
            publish(stub, "c", numbered(3000, 16 * KIB), store=True)
            assert [e.Sequence for e in listener.take(3000, timeout=60)] == list(range(1, 3001))
        assert memory(broker) - before < 32 * KIB * KIB
        seen = [event.Sequence for event in itertools.takewhile(lambda e: e.Sequence < 3000, stalled)]
        # What it lost while it stood still is one event for two seconds, behind its buffer.
        assert seen == sorted(seen)
        assert len(seen) > 2900


# --- restarts ----------------------------------------------------------------------------------


def test_stored_events_and_places_survive_a_kill(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address, client="a") as stub:
        publish(stub, "c", numbered(5, 1), store=True)
        listener = on_store(stub, "c", FIRST)
        member = on_store(stub, "c", FIRST, ClientID="m", Group="g")
        before = listener.take(5)
        member.take(5)
        late = on_store(stub, "c", NEW, ClientID="late")
        publish(stub, "d", numbered(3, 1), store=True)
        until(lambda: places(tmp_path) == {6}, "all places written")
        kill(broker)
        del late
    with Stub(new_broker("--data", tmp_path).address, client="b") as stub:
        publish(stub, "c", [b"6"], store=True)
        with on_store(stub, "c", FIRST) as listener:
            events = listener.take(6)
        assert events[:5] == before
        assert (events[5].Sequence, events[5].Body) == (6, b"6")
        assert events[5].Timestamp > events[4].Timestamp
        for client, group in (("a", ""), ("late", ""), ("n", "g")):
            with on_store(stub, "c", FIRST, ClientID=client, Group=group) as listener:
                assert [e.Sequence for e in listener.take(1)] == [6]
        with on_store(stub, "d", FIRST, ClientID="d") as listener:
            assert [e.Sequence for e in listener.take(3)] == [1, 2, 3]


def test_what_was_answered_is_stored_when_the_broker_is_killed(new_broker: NewBroker, tmp_path: Path) -> None:
    """Three times: whatever was answered `Sent` is there, once, in order; sequences have no holes."""
    answered: list[int] = []
    sent = itertools.count(1)
    for _ in range(3):
        broker = new_broker("--data", tmp_path)
        with Stub(broker.address) as stub:
            sending = stub.exchange("SendEventsStream")
            sender = threading.Thread(target=send_until_the_end, args=(sending, sent))
            sender.start()
            answered += [int(sending.next().EventID) for _ in range(300)]
            kill(broker)
            sending.status()
            answered += answers_left(sending)
            sender.join(20)
    with Stub(new_broker("--data", tmp_path).address) as stub, on_store(stub, "c", FIRST) as listener:
        publish(stub, "c", [b"0"], store=True)
        events = listener.take(len(answered) + 1)
        while events[-1].Body != b"0":
            events += listener.take(1)
    assert [e.Sequence for e in events] == list(range(1, len(events) + 1))
    bodies = [int(e.Body) for e in events[:-1]]
    assert bodies == sorted(set(bodies))
    assert set(answered) <= set(bodies)


def send_until_the_end(sending: Exchange, numbers: Iterator[int]) -> None:
    """Events numbered in id and body, until the stream is over."""
    while sending.open:
        n = next(numbers)
        sending.send(pb.Event(EventID=str(n), ClientID="s", Channel="c", Body=str(n).encode(), Store=True))
        if n % 10 == 0:
            time.sleep(0.002)


def answers_left(sending: Exchange) -> list[int]:
    left = []
    try:
        while True:
            left.append(int(sending.next(0.1).EventID))
    except AssertionError:
        return left


def test_the_end_of_the_broker_is_told_to_everybody_at_once(new_broker: NewBroker) -> None:
    broker = new_broker()
    with Stub(broker.address) as stub:
        heard = [
            on_events(stub, "c"),
            on_store(stub, "c", FIRST),
            on_requests(stub, pb.Subscribe.Commands, "c"),
        ]
        request = pb.Request(
            RequestTypeData=pb.Request.Query, ClientID="me", Channel="q", Body=b"x", Timeout=60_000
        )
        waiting = stub.waiting("SendRequest", request, timeout=60)
        sending = stub.exchange("SendEventsStream")
        publish(stub, "c", [b"x"])
        heard[0].take()
        begun = time.monotonic()
        broker.stop()
        assert time.monotonic() - begun < 5
        for listener in heard:
            until(lambda listener=listener: listener.call.code() or None, "the end")  # type: ignore[misc]
            assert listener.call.code() == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError) as ended:
            waiting.result()
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        assert sending.status() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


# --- clients that vanish -----------------------------------------------------------------------


def test_clients_that_vanish_at_any_moment_leave_no_trace(new_broker: NewBroker, tmp_path: Path) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as steady:
        for n in range(15):
            with Stub(broker.address, client=f"v{n % 3}") as stub:
                sending = stub.exchange("SendEventsStream")
                for store in (True, False) * 100:
                    sending.send(pb.Event(ClientID="v", Channel="c", Body=b"x" * KIB, Store=store))
                stub.subscribe("SubscribeToEvents", subscribe(stub, pb.Subscribe.Events, ">"))
                stub.subscribe("SubscribeToEvents", from_start(stub, "c", FIRST))
                stub.subscribe("SubscribeToRequests", subscribe(stub, pb.Subscribe.Queries, "c", "g"))
                request = pb.Request(
                    RequestTypeData=pb.Request.Query, ClientID="v", Channel="c", Body=b"x", Timeout=60_000
                )
                stub.waiting("SendRequest", request)
                if n % 2:
                    sending.next()
        with back_on_store(steady, "c", FIRST, ClientID="v0") as listener:
            publish(steady, "c", [b"last"], store=True)
            while listener.take()[0].Body != b"last":
                pass
        assert steady.ping().Host
    broker.stop()
    assert broker.process
    assert [line for line in broker.process.err.splitlines() if "listening" not in line] == [
        "stopped: 0 messages wait in 0 queues"
    ]


@pytest.mark.parametrize(
    ("start", "stored"), [(pb.Subscribe.StartFromFirst, "3"), (pb.Subscribe.StartNewOnly, "0")]
)
def test_a_subscription_begins_with_how_many_events_are_stored_for_it(
    stub: Stub, channel: str, start: pb.Subscribe.EventsStoreType, stored: str
) -> None:
    store(stub, channel, [1, 2, 3])
    request = pb.Subscribe(
        SubscribeTypeData=pb.Subscribe.EventsStore,
        ClientID=f"reader-{channel}",
        Channel=channel,
        EventsStoreTypeData=start,
    )
    call = stub.subscribe("SubscribeToEvents", request)
    assert dict(call.initial_metadata())["kubemqctl-stored"] == stored
    call.cancel()
