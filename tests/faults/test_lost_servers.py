"""A server that goes away under `queue receive`, or that is none."""

from __future__ import annotations

import os
import select
import socket
import threading
from pathlib import Path

import pytest

from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

# --- a server that goes away ---


def test_a_broker_that_is_killed_while_it_waits_is_5(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    started = start("queue", "receive", channel, "--wait", "1m", address=broker.address)
    with Stub(broker.address) as stub:
        until(lambda: any(q.Subscribers for q in stub.info(channel).Info.Queues), "it waits")
    assert broker.process
    broker.process.kill()
    result = started.wait(timeout=5)
    assert (result.code, result.out) == (5, b"")
    assert "was lost" in result.err


def test_what_the_server_may_have_given_away_as_it_went_is_said(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    started = start("queue", "receive", channel, "--wait", "1m", "--ack", "auto", address=broker.address)
    with Stub(broker.address) as stub:
        until(lambda: any(q.Subscribers for q in stub.info(channel).Info.Queues), "it waits")
    assert broker.process
    broker.process.kill()
    assert "warning: up to 1 message may be lost: acknowledged by the server" in started.wait(timeout=5).err


def test_following_it_connects_again_and_says_both_once(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "data")
    started = start("queue", "receive", channel, "--follow", address=broker.address)
    with Stub(broker.address) as stub:
        stub.send(channel, "before")
        started.wait_for_stdout(b"before\n")
    assert broker.process
    broker.process.kill()
    started.wait_for_stderr("trying again")
    again = new_broker("--data", tmp_path / "data", listen=broker.address)
    with Stub(again.address) as stub:
        stub.send(channel, "after")
        started.wait_for_stdout(b"after\n", timeout=20)
        result = started.stop()
        assert not stub.receive(channel).Messages
    assert result.out in (b"before\nafter\n", b"before\nbefore\nafter\n")
    assert (result.err.count("trying again"), result.err.count("connected again")) == (1, 1)
    assert result.code == 143


def test_what_a_slow_reader_had_not_read_when_the_server_went_away_comes_again_and_is_counted(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "data")
    reader, writer = os.pipe()
    started = start("queue", "receive", channel, "--follow", address=broker.address, stdout=writer)
    os.close(writer)
    with Stub(broker.address) as stub:
        stub.send(channel, "one")
        until(lambda: select.select([reader], [], [], 0)[0], "it is in the pipe")
    assert broker.process
    broker.process.kill()
    started.wait_for_stderr("trying again")
    again = new_broker("--data", tmp_path / "data", listen=broker.address)
    started.wait_for_stderr("connected again", timeout=20)
    data = b""
    while data.count(b"\n") < 2:
        assert select.select([reader], [], [], 15)[0], started
        piece = os.read(reader, 100)
        assert piece, started
        data += piece
    result = started.stop()
    os.close(reader)
    assert (result.code, data) == (143, b"one\none\n")
    assert "warning: 1 message printed, but the acknowledgement is not confirmed" in result.err
    with Stub(again.address) as stub:
        assert not stub.receive(channel).Messages


def test_following_it_goes_on_at_the_next_address(start: Start, new_broker: NewBroker, channel: str) -> None:
    first, second = new_broker(), new_broker()
    started = start("queue", "receive", channel, "--follow", address=f"{first.address},{second.address}")
    with Stub(first.address) as stub:
        stub.send(channel, "one")
        started.wait_for_stdout(b"one\n")
    assert first.process
    first.process.kill()
    with Stub(second.address) as stub:
        stub.send(channel, "two")
    started.wait_for_stdout(b"one\ntwo\n")
    assert started.stop().code == 143


def test_following_with_a_bound_ends_with_5_when_the_server_does_not_come_back(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    started = start("queue", "receive", channel, "--follow", "--for", "3s", address=broker.address)
    with Stub(broker.address) as stub:
        stub.send(channel, "one")
        started.wait_for_stdout(b"one\n")
    assert broker.process
    broker.process.kill()
    assert started.wait(timeout=6).code == 5


def test_while_the_server_is_away_a_signal_or_a_reader_that_leaves_ends_it(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    reader, writer = os.pipe()
    piped = start("queue", "receive", channel, "--follow", address=broker.address, stdout=writer)
    os.close(writer)
    plain = start("queue", "receive", channel, "--follow", address=broker.address)
    with Stub(broker.address) as stub:
        until(lambda: sum(q.Subscribers for q in stub.info(channel).Info.Queues) >= 2, "both wait")
    assert broker.process
    broker.process.kill()
    for started in (piped, plain):
        started.wait_for_stderr("trying again")
    os.close(reader)
    assert piped.wait(timeout=12).code == 141
    assert plain.stop(timeout=5).code == 143


# --- a server that is none ---


@pytest.mark.parametrize("what", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", os.urandom(2000)])
def test_a_server_that_speaks_something_else_is_5_and_soon(run: Run, channel: str, what: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            with taken:
                taken.sendall(what)

    threading.Thread(target=talk, daemon=True).start()
    with listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        result = run("queue", "receive", channel, address=address, timeout=20)
        listener.shutdown(socket.SHUT_RDWR)
    assert (result.code, result.out) == (5, b"")
