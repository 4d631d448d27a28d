"""The broker's memory under a hostile client: bounded, whatever is sent and whatever is not read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from kubemqctl.broker import rules
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

pytestmark = [
    pytest.mark.builtin,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

LIMIT = 300_000  # KiB


def peak_memory(pid: int) -> int:
    """The most memory that a process ever had, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def long_names(stub: Stub) -> None:
    """Refused, and once kept by whoever refused them."""
    for n in range(15):
        name = f"{n}" + "x" * (5 << 20)
        assert stub.send(name).IsError
        with contextlib.suppress(grpc.RpcError):
            stub.call("SendEvent", pb.Event(ClientID="me", Channel=name, Body=b"x", Store=True))


def unread_answers(stub: Stub) -> None:
    """Requests of 5 MiB on one stream, whose answers nobody reads."""
    great = pb.StreamQueueMessagesRequest(
        ClientID="me",
        StreamRequestTypeData=pb.SendModifiedMessage,
        RequestID="x" * (5 << 20),
        ModifiedMessage=pb.QueueMessage(ClientID="me", Channel="q", Body=b"x"),
    )
    sent = 0

    def requests() -> Iterator[pb.StreamQueueMessagesRequest]:
        nonlocal sent
        for _ in range(100):
            yield great
            sent += 1

    call = stub.grpc_channel.stream_stream(
        "/kubemq.kubemq/StreamQueueMessage",
        request_serializer=pb.StreamQueueMessagesRequest.SerializeToString,
        response_deserializer=pb.StreamQueueMessagesResponse.FromString,
    )(requests())
    until(lambda: sent >= 2, "some were sent", timeout=30)
    for _ in range(30):
        stub.ping()
    call.cancel()  # type: ignore[no-untyped-call]


def great_pings(stub: Stub) -> None:
    """A method that needs no token."""
    ping = stub.grpc_channel.unary_unary("/kubemq.kubemq/Ping", bytes, pb.PingResult.FromString)
    great = bytes(90 << 20)
    waiting = [ping.future(great, timeout=20) for _ in range(4)]
    for call in waiting:
        with contextlib.suppress(grpc.RpcError):
            call.result()


def pending_commands(stub: Stub) -> None:
    """Many that nobody answers, all waiting at the same time."""
    great = pb.Request(
        ClientID="me",
        Channel="nobody",
        RequestTypeData=pb.Request.Command,
        Metadata="x" * (5 << 20),
        Timeout=3_000,
    )
    for call in [stub.waiting("SendRequest", great, timeout=60) for _ in range(30)]:
        with pytest.raises(grpc.RpcError, match="Error 301"):
            call.result()


def refused_messages(stub: Stub) -> None:
    """One after the other: nothing is left of what was refused."""
    body = bytes(10 << 20)
    refused = [
        ("SendEvent", pb.Event(ClientID="me", Body=body)),
        ("SendResponse", pb.Response(ClientID="me", Body=body)),
        ("SendRequest", pb.Request(ClientID="me", Body=body)),
    ]
    for method, message in refused * 20:
        with pytest.raises(grpc.RpcError, match="Error "):
            stub.call(method, message)


def idle_streams(stub: Stub) -> None:
    """Streams that stay open behind a great request each; that is no attack, but how SDKs publish."""
    great = pb.QueuesUpstreamRequest(Messages=[pb.QueueMessage(ClientID="me", Body=bytes(10 << 20))])
    for stream in [stub.exchange("QueuesUpstream") for _ in range(20)]:
        assert stream.ask(great).Results[0].IsError


@pytest.mark.parametrize(
    "attack", [long_names, unread_answers, great_pings, pending_commands, refused_messages, idle_streams]
)
def test_memory_stays(attack: Callable[[Stub], None], new_broker: NewBroker) -> None:
    broker = new_broker()
    assert broker.process
    with Stub(broker.address) as stub:
        attack(stub)
        assert stub.ping().Host
        assert peak_memory(broker.process.pid) < LIMIT


def test_memory_stays_where_great_messages_come_without_the_token(
    new_broker: NewBroker, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    broker = new_broker("--ephemeral", "--token-file", tmp_path / "token")
    with Stub(broker.address) as stub:
        waiting = [stub.waiting("SendQueueMessage", stub.message("q", bytes(60 << 20))) for _ in range(5)]
        for call in waiting:
            with pytest.raises(grpc.RpcError):
                call.result()
    assert broker.process
    assert peak_memory(broker.process.pid) < LIMIT


def test_names_that_are_long_are_not_remembered() -> None:
    looked = []
    remembered = rules._remembered(lambda name: looked.append(name) or "")  # type: ignore[func-returns-value]
    for name in ("short", "short", "long" * 200, "long" * 200):
        remembered(name)
    assert looked == ["short", "long" * 200, "long" * 200]
