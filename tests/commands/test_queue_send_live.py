"""`queue send` while its input is still coming: live pipes, rates, signals, slow readers."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_queue_server import (
    FakeQueueServer,
    WaitForRelease,
    fake_queue_server,
    lose_the_answer,
)
from tests.support.program import Start, Started
from tests.support.raw_grpc import Stub
from tests.support.terminal.pseudo_terminal import PseudoTerminal
from tests.support.waiting import until


def piped(start: Start, *options: str, **more: Any) -> Started:
    return start("queue", "send", "q", "--lines", *options, stdin=subprocess.PIPE, **more)


def write(sending: Started, data: bytes) -> None:
    sending.stdin.write(data)
    sending.stdin.flush()


def test_a_line_goes_out_at_once_while_the_pipe_stays_open(start: Start, stub: Stub, channel: str) -> None:
    sending = start("queue", "send", channel, "--lines", stdin=subprocess.PIPE)
    for body in (b"one", b"two"):
        write(sending, body + b"\nunfinished ")
        [message] = stub.receive(channel, 1, wait=10).Messages
        assert message.Body.endswith(body)
        sending.wait_for_stdout(message.MessageID.encode() + b"\n")
    sending.stdin.close()
    assert sending.wait().code == 0
    [last] = stub.receive(channel).Messages
    assert last.Body == b"unfinished "


def test_a_terminal_is_read_line_by_line(start: Start, stub: Stub, channel: str) -> None:
    with PseudoTerminal() as terminal:
        sending = start("queue", "send", channel, "-", "--lines", stdin=terminal.slave)
        terminal.type(b"typed\n")
        sending.wait_for_stdout(b"\n")
        terminal.type(b"\x04")
        assert sending.wait().code == 0
    assert [m.Body for m in stub.receive(channel).Messages] == [b"typed"]


def test_one_request_is_under_way_at_a_time(start: Start) -> None:
    held = WaitForRelease()
    with fake_queue_server(held) as server:
        sending = piped(start, address=server.address)
        write(sending, b"1\n")
        assert held.arrived.wait(10)
        with sending.stdin as pipe:
            pipe.write(b"2\n" * 5000)
        assert server.bodies == [[b"1"]]
        held.release.set()
        assert sending.wait().code == 0
    assert sum(map(len, server.bodies)) == 5001


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_settles_what_is_in_flight(start: Start, signum: signal.Signals, code: int) -> None:
    held = WaitForRelease()
    with fake_queue_server(held) as server:
        sending = piped(start, address=server.address)
        write(sending, b"a\nb\n")
        assert held.arrived.wait(10)
        sending.send(signum)
        held.release.set()
        done = sending.wait()
    sent = server.bodies[0]
    assert (done.code, done.text) == (code, "".join(f"id of {body.decode()}\n" for body in sent))
    assert done.err == f"stopped after line {len(sent)}: {len(sent)} sent\n"


def test_a_signal_ends_a_run_that_waits_for_input(start: Start) -> None:
    with fake_queue_server() as server:
        sending = piped(start, address=server.address)
        write(sending, b"a\n")
        sending.wait_for_stdout(b"id of a\n")
        sending.send(signal.SIGTERM)
        done = sending.wait()
    assert (done.code, done.err) == (143, "stopped after line 1: 1 sent\n")


def test_a_second_signal_ends_at_once(start: Start) -> None:
    held = WaitForRelease(lose_the_answer)
    with fake_queue_server(held) as server:
        sending = piped(start, address=server.address)
        write(sending, b"a\n")
        assert held.arrived.wait(10)
        # Of two kinds, because a signal that is sent twice may be taken once.
        sending.send(signal.SIGINT)
        sending.send(signal.SIGTERM)
        done = sending.wait()
        held.release.set()
    assert (done.code, done.out) == (143, b"")


def test_a_signal_ends_a_run_that_is_held_back_by_its_rate(start: Start) -> None:
    with fake_queue_server() as server:
        sending = piped(start, "--rate", "1/h", address=server.address)
        write(sending, b"a\nb\n")
        sending.wait_for_stdout(b"id of a\n")
        sending.send(signal.SIGINT)
        done = sending.wait()
    assert (done.code, done.text, server.bodies) == (130, "id of a\n", [[b"a"]])


def test_a_signal_is_noticed_while_nobody_reads_the_ids(start: Start, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"x" * 60 + b"\n" + (b"y" * 1000 + b"\n") * 1000)
    read, out = os.pipe()
    # From a file: whoever wrote that into a pipe would be held up with the program, which reads no more.
    with fake_queue_server() as server, lines.open("rb") as file:
        sending = start("queue", "send", "q", "--lines", stdin=file, stdout=out, address=server.address)
        os.close(out)
        until(lambda: _taken(server) >= 200, "more ids than a pipe holds")
        until(lambda: _blocked(read), "a full pipe")
        sending.send(signal.SIGTERM)
        done = sending.wait()
        os.close(read)
    assert done.code == 143
    assert "not printed" in done.err


def _taken(server: FakeQueueServer) -> int:
    return sum(map(len, server.bodies))


def _blocked(read: int) -> bool:
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(read, termios.FIONREAD, b"\0\0\0\0"), "little") >= 65536


def test_the_rate_is_kept_to(start: Start) -> None:
    with fake_queue_server() as server:
        began = time.monotonic()
        sending = piped(start, "--rate", "100/s", address=server.address)
        with sending.stdin as pipe:
            pipe.write(b"x\n" * 51)
        assert sending.wait().code == 0
        took = time.monotonic() - began
    # Five portions of ten and one more: the last goes half a second after the first, never sooner.
    assert [len(each) for each in server.bodies][-1] == 1
    assert max(map(len, server.bodies)) == 10
    assert took >= 0.5
