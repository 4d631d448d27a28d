"""The built-in broker among clients that send what they like, in any order, and leave when they like."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz.examples import examples
from tests.fuzz.wirebytes import METHODS, request_bytes
from tests.support.server import Broker, start_broker

pytestmark = pytest.mark.builtin

# Seconds that a client stays.
STAY = 0.05
# What a broker may grow by beside three times what was sent to it, in bytes.
ROOM = 80 << 20
# What a broker may have at any moment, in bytes.
MOST = 300 << 20


class Crowd:
    """Clients of one broker, over one connection of raw bytes."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.sent = 0
        self._channel = grpc.insecure_channel(
            broker.address, [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        )

    def close(self) -> None:
        self._channel.close()

    def call(self, method: str, requests: list[bytes], leaves: bool) -> list[bytes]:
        """Send all; take answers until the call ends or its time is over, or leave at once."""
        self.sent += sum(map(len, requests))
        call = self._channel.stream_stream(f"/kubemq.kubemq/{method}", None, None)(
            iter(requests), timeout=STAY
        )
        answers: list[bytes] = []
        try:
            if not leaves:
                answers.extend(call)
        except grpc.RpcError:
            assert call.code() is not grpc.StatusCode.UNAVAILABLE or "fault" in (call.details() or "")
            assert "Traceback" not in (call.details() or "")
        finally:
            call.cancel()  # type: ignore[no-untyped-call]
        return answers

    def check_alive(self) -> None:
        """The broker answers, whatever came before."""
        self.broker.assert_alive()
        ping = self._channel.unary_unary("/kubemq.kubemq/Ping", None, None)
        for tries_left in range(9, -1, -1):
            try:
                assert pb.PingResult.FromString(ping(b"", timeout=10)).Host
                return
            except grpc.RpcError as e:
                if not tries_left or "fault" not in (e.details() or ""):
                    raise


# The other ways in which a broker may be run are for `make fuzz`.
FAULTS = ("error=5%", "lose-answer=5%", "redeliver=20%", "latency=0ms..2ms")
WAYS: list[tuple[str, ...]] = [("--ephemeral",)]
if int(os.environ.get("KUBEMQ_TEST_FUZZ") or 1) > 1:
    WAYS += [
        ("--ephemeral", "--like", "community-2.4"),
        ("--ephemeral", *(word for fault in FAULTS for word in ("--fault", fault))),
        ("--data", "kept"),
    ]


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    broker = start_broker(tmp_path_factory.mktemp("broker"), *request.param)
    assert broker.process
    try:
        crowd = Crowd(broker)
        before = memory(broker.process.pid)
        yield crowd
        crowd.check_alive()
        crowd.close()
        assert memory(broker.process.pid) - before < ROOM + 3 * crowd.sent
        assert peak_memory(broker.process.pid) < MOST
        broker.stop()
        assert "Traceback" not in broker.process.err
        assert "Exception" not in broker.process.err
        assert "never" not in broker.process.err, (
            "a coroutine was never awaited, an exception never retrieved"
        )
    finally:
        broker.process.kill()


def memory(pid: int) -> int:
    """What the process has in memory, in bytes; 0 where that is not easily told."""
    if not sys.platform.startswith("linux"):
        return 0
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def peak_memory(pid: int) -> int:
    """The most that the process ever had in memory, in bytes; 0 where that is not easily told."""
    if not sys.platform.startswith("linux"):
        return 0
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


class Client(NamedTuple):
    """What one client does."""

    method: str
    requests: list[bytes]
    leaves: bool


CHANNELS = st.sampled_from(["a", "b", "a.b"])
NOW_AND_THEN = st.sampled_from([0, 1, 2, 3600, -1])


def decent(method: str) -> st.SearchStrategy[bytes]:
    """A request that the broker would take, to be spoilt or not."""
    kind = getattr(pb, METHODS[method].input_type.name)
    names = {field.name for field in kind.DESCRIPTOR.fields}
    known: dict[str, st.SearchStrategy[Any]] = {
        "ClientID": st.sampled_from(["c", "d"]),
        "Channel": CHANNELS,
        "Body": st.binary(min_size=1, max_size=10),
        "Store": st.booleans(),
        "Timeout": st.sampled_from([1, 50, 10_000]),
        "RequestTypeData": st.integers(1, 11) if method == "QueuesDownstream" else st.sampled_from([1, 2]),
        "StreamRequestTypeData": st.integers(1, 6),
        "SubscribeTypeData": st.integers(1, 4),
        "EventsStoreTypeData": st.sampled_from([0, 1, 2, 3]),
        "MaxNumberOfMessages": st.sampled_from([1, 5, 1024]),
        "MaxItems": st.sampled_from([1, 5, -1]),
        "WaitTimeSeconds": NOW_AND_THEN,
        "WaitTimeout": NOW_AND_THEN.map(lambda seconds: seconds * 1000),
        "VisibilitySeconds": NOW_AND_THEN,
        "RefSequence": st.integers(0, 3),
        "SequenceRange": st.lists(st.integers(-1, 5), max_size=3),
        "ReplyChannel": st.just("r"),
    }
    chosen = {name: strategy for name, strategy in known.items() if name in names}
    messages = st.lists(
        st.builds(pb.QueueMessage, ClientID=st.just("c"), Channel=CHANNELS, Body=st.just(b"x")), max_size=3
    )
    if "Messages" in names:
        chosen["Messages"] = messages
    return st.builds(kind, **chosen).map(lambda request: bytes(request.SerializeToString()))


def clients(method: str) -> st.SearchStrategy[Client]:
    hostile, honest = request_bytes(method), decent(method)
    # Of two values of a field the last one counts.
    requests = st.lists(st.one_of(honest, st.builds(bytes.__add__, honest, hostile), hostile), max_size=4)
    return st.builds(Client, st.just(method), requests, st.booleans())


ANY_CLIENT = st.one_of([clients(method) for method in sorted(METHODS.keys())])


@examples(30)
@given(st.lists(ANY_CLIENT, min_size=1, max_size=3))
def test_whatever_clients_send_the_broker_goes_on(crowd: Crowd, together: list[Client]) -> None:
    for client in together:
        crowd.call(*client)
    crowd.check_alive()


@examples(5)
@given(st.text("aBk/.", max_size=8), st.lists(st.binary(max_size=9), max_size=2))
def test_a_method_that_nobody_knows_is_refused(crowd: Crowd, name: str, requests: list[bytes]) -> None:
    assert crowd.call(name, requests, False) == []
    crowd.check_alive()
