"""`broker run --fault`: what a client meets then, with which chance, and that it can be repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kubemqctl.broker.faults import METHODS, Faults, parse
from kubemqctl.model.errors import UsageError
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.certificates import issue
from tests.support.program import Run
from tests.support.raw_grpc import Stub, event
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

Serve = Callable[..., Any]


@pytest.fixture
def serve(new_broker: NewBroker) -> Iterator[Serve]:
    """serve("error=1%", …): a connection to a broker that fails so."""
    with contextlib.ExitStack() as open_:

        def begin(*specs: str, seed: int = 1) -> Stub:
            options = [word for spec in specs for word in ("--fault", spec)]
            broker = new_broker("--ephemeral", *options, "--fault-seed", str(seed))
            return open_.enter_context(Stub(broker.address))

        yield begin


# ---- the words ----


@pytest.mark.parametrize(
    "spec",
    [
        "latency=50ms..200ms",
        "latency=1s",
        "error=1%",
        "error=0.5%:INTERNAL@SendEvent",
        "cut=2%",
        "cut=30s",
        "cut=5%@QueuesUpstream",
        "lose-answer=1%@SendQueueMessage",
        "redeliver=100%@QueuesDownstream",
    ],
)
def test_a_spec_is_read(spec: str) -> None:
    assert parse(spec).text == spec


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("latency", "is not a fault"),
        ("explode=1%", "is not a fault"),
        ("latency=5%", "latency=5%"),
        ("latency=2s..1s", "above its end"),
        ("latency=5", "latency=5"),
        ("error=101%", "is not a chance"),
        ("error=1", "is not a chance"),
        ("error=-1%", "is not a chance"),
        ("error=nan%", "is not a chance"),
        ("error=1%:OK", "is not a gRPC status"),
        ("error=1%:oops", "is not a gRPC status"),
        ("lose-answer=1%:INTERNAL", "is not a gRPC status"),
        ("cut=fast", "cut=fast"),
        ("error=1%@Send", "Send is not a method of the broker"),
        ("error=1%@", "is not a method"),
        ("redeliver=1%@SendEvent", "redeliver does not apply to SendEvent"),
        ("lose-answer=1%@SubscribeToEvents", "lose-answer does not apply to SubscribeToEvents"),
    ],
)
def test_a_spec_that_is_none_says_what_to_write(spec: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(spec)
    assert why in refused.value.message
    assert spec.partition("@")[0][:4] in refused.value.message


@pytest.mark.parametrize("words", [("--fault", "error=2"), ("--fault-seed", "7"), ("--like", "redis")])
def test_options_that_say_nothing_are_usage_errors(words: tuple[str, ...], run: Run) -> None:
    for command in (("run", "--ephemeral", "--listen", "127.0.0.1:0"), ("exec",)):
        tail = ("--", "true") if command[0] == "exec" else ()
        assert run("broker", *command, *words, *tail, address="").code == 2


# ---- chance ----


def drawn(seed: int, method: str, mixed_with: str = "") -> list[bool]:
    faults = Faults([parse("error=20%")], seed)
    out = []
    for _ in range(200):
        out.append(faults.strikes("error", method) is not None)
        if mixed_with:
            faults.strikes("error", mixed_with)
    return out


def test_what_a_method_draws_is_its_own_and_can_be_repeated() -> None:
    assert drawn(1, "SendEvent") == drawn(1, "SendEvent", mixed_with="Ping")
    assert drawn(1, "SendEvent") != drawn(2, "SendEvent")
    assert drawn(1, "SendEvent") != drawn(1, "Ping")
    assert 20 < sum(drawn(1, "SendEvent")) < 60


def test_each_fault_counts_how_often_it_struck() -> None:
    faults = Faults([parse("error=100%@Ping"), parse("redeliver=0%")], 5)
    for method in METHODS:
        faults.strikes("error", method)
    faults.redelivers("QueuesDownstream")
    assert faults.summary() == [
        "fault error=100%@Ping: 1 of 1",
        "fault redeliver=0%: 0 of 1",
        "to repeat them: --fault-seed 5",
    ]


# ---- what a client meets ----


def test_an_error_does_nothing_and_spares_other_methods(serve: Serve) -> None:
    stub = serve("error=100%:RESOURCE_EXHAUSTED@SendQueueMessage")
    with pytest.raises(grpc.RpcError) as failed:
        stub.send("q")
    assert failed.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.info("q").Info.Waiting == 0
    assert not stub.batch([stub.message("q")]).HaveErrors


def test_a_lost_answer_was_carried_out(serve: Serve) -> None:
    stub = serve("lose-answer=100%@SendQueueMessage")
    with pytest.raises(grpc.RpcError) as failed:
        stub.send("q")
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert stub.info("q").Info.Waiting == 1


def test_a_stream_loses_an_answer_and_ends_and_what_it_held_is_there(serve: Serve) -> None:
    stub = serve("lose-answer=100%@QueuesDownstream")
    stub.send("q")
    stream = stub.downstream()
    stream.ask_for("q")
    assert stream.status() == grpc.StatusCode.UNAVAILABLE
    assert stub.receive("q").MessagesReceived == 1


def test_latency_comes_before_each_call(serve: Serve) -> None:
    stub = serve("latency=300ms@Ping")
    assert not stub.waiting("SendQueueMessage", stub.message("q"), timeout=10).result().IsError
    with pytest.raises(grpc.RpcError) as failed:
        stub.call("Ping", pb.Empty(), timeout=0.2)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert stub.ping().Host


def test_a_cut_takes_the_whole_connection(serve: Serve) -> None:
    stub = serve("cut=100%@SendQueueMessage")
    stream = stub.downstream()
    stream.ask_for("q", wait=20_000)
    until(lambda: stub.info("q").Info.Queues, "the Get waits")
    with pytest.raises(grpc.RpcError) as failed:
        stub.send("q")
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert stream.status() == grpc.StatusCode.UNAVAILABLE

    def is_served_again() -> bool:
        try:
            return bool(stub.ping().Host)
        except grpc.RpcError:
            return False  # a call may still go into the connection that is ending

    until(is_served_again, "a new connection")


def test_a_cut_by_time_ends_each_connection_again_and_again(serve: Serve) -> None:
    stub = serve("cut=300ms")
    for _ in range(2):
        stream = stub.upstream()
        assert stream.status() == grpc.StatusCode.UNAVAILABLE


def test_a_cut_by_time_of_a_method_spares_connections_without_it(serve: Serve) -> None:
    stub = serve("cut=200ms@QueuesDownstream")
    other = stub.upstream()
    assert other.silent(0.4)
    stub.downstream()
    assert other.status() == grpc.StatusCode.UNAVAILABLE


def test_a_cut_needs_no_key_of_a_secure_connection(new_broker: NewBroker, tmp_path: Path) -> None:
    files = issue(tmp_path / "tls", "127.0.0.1")
    pair = ("--tls-cert", files.cert, "--tls-key", files.key)
    address = new_broker("--ephemeral", "--fault", "cut=50%@Ping", "--fault-seed", "1", *pair).address
    credentials = grpc.ssl_channel_credentials(files.ca.read_bytes())
    codes = set()
    with grpc.secure_channel(address, credentials) as channel:
        ping = channel.unary_unary("/kubemq.kubemq/Ping", bytes, pb.PingResult.FromString)
        for _ in range(8):
            try:
                ping(b"", timeout=10, wait_for_ready=True)
                codes.add(grpc.StatusCode.OK)
            except grpc.RpcError as e:
                codes.add(e.code())
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_a_name_is_listened_on_where_connections_are_cut(new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral", "--fault", "cut=0%", listen="localhost:0")
    with Stub(broker.address) as stub:
        assert stub.ping().Host


def test_an_acknowledged_message_comes_again(serve: Serve) -> None:
    stub = serve("redeliver=100%@QueuesDownstream")
    stub.fill("q", 2)
    stream = stub.downstream()
    for _ in range(2):
        answer = stream.get("q", 2)
        assert [(m.Attributes.Sequence, m.Attributes.ReceiveCount) for m in answer.Messages] == [
            (1, 1),
            (2, 1),
        ]
        stream.settle(pb.AckAll, answer.TransactionId)
    assert stub.receive("q", 2).MessagesReceived == 2
    assert stub.receive("q").MessagesReceived == 0


def test_a_stored_event_comes_twice(serve: Serve) -> None:
    stub = serve("redeliver=100%@SubscribeToEvents")
    stub.call("SendEvent", event(stub, "c", "x", store=True))
    call = stub.subscribe(
        "SubscribeToEvents",
        pb.Subscribe(
            SubscribeTypeData=pb.Subscribe.EventsStore,
            ClientID="me",
            Channel="c",
            EventsStoreTypeData=pb.Subscribe.StartFromFirst,
        ),
    )
    assert [next(call).Sequence for _ in range(2)] == [1, 1]
    call.cancel()


def test_the_counts_are_said_at_the_end(new_broker: NewBroker) -> None:
    faults = ("error=100%@SendQueueMessage", "latency=1ms@Ping", "cut=1h@SendQueueMessage")
    broker = new_broker("--ephemeral", *(f"--fault={fault}" for fault in faults), "--fault-seed", "3")
    with Stub(broker.address) as stub:
        with contextlib.suppress(grpc.RpcError):
            stub.send("q")
        stub.ping()
        stub.ping()
    assert broker.process
    said = broker.process.stop().err.splitlines()
    assert [line for line in said if "fault" in line] == [
        "fault error=100%@SendQueueMessage: 1 of 1",
        "fault latency=1ms@Ping: 2 of 2",
        "fault cut=1h@SendQueueMessage: 0 of 1",
        "to repeat them: --fault-seed 3",
    ]


def test_a_command_is_run_with_faults_too(run: Run, tmp_path: Path) -> None:
    result = run("broker", "exec", "--fault", "latency=1ms", "--", "true", address="")
    assert result.code == 0
    assert "fault latency=1ms: 0 of 0\n" in result.err


def test_of_two_cuts_by_time_the_shorter_one_is_counted_as_having_struck() -> None:
    faults = Faults([parse("cut=30s"), parse("cut=10s")], 1)
    assert faults.connection_lives() == 10.0
    faults.connection_cut()
    assert faults.summary()[:2] == ["fault cut=30s: 0 of 1", "fault cut=10s: 1 of 1"]
