"""A reader that leaves, a full disk, a signal: no message is lost, and none that was read comes again."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Result, Start, Started
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pipes are asked on Linux only")

Messages = list[tuple[bytes, int, int]]


def body(number: int, size: int = 5000) -> bytes:
    """Message `number`, without a newline in it."""
    return (b"%06d " % number).ljust(size, b"x")


def fill(stub: Stub, channel: str, count: int, size: int = 5000) -> None:
    answer = stub.batch([stub.message(channel, body(n, size)) for n in range(1, count + 1)])
    assert not any(result.IsError for result in answer.Results)


def left(stub: Stub, channel: str) -> Messages:
    """Body, sequence and receive count of all that another consumer gets now, in its order; it holds them."""
    waits = sum(q.Waiting for q in stub.info(channel).Info.Queues)
    if not waits:
        return []
    got = stub.downstream().get(channel, waits)
    return [(m.Body, m.Attributes.Sequence, m.Attributes.ReceiveCount) for m in got.Messages]


def untouched(first: int, last: int, size: int = 5000) -> Messages:
    """Messages `first` to `last` as they are when nobody has had them."""
    return [(body(n, size), n, 1) for n in range(first, last + 1)]


def piece_of(fd: int, most: int, writer: Started) -> bytes:
    """What comes next, up to `most` bytes; nothing at the end. A writer silent for 20 s is a failure."""
    assert select.select([fd], [], [], 20)[0], f"nothing to read\n{writer}"
    return os.read(fd, most)


class Reading:
    """The program with its output on a pipe that the test reads as it likes."""

    def __init__(self, start: Start, *args: str, capacity: int = 0) -> None:
        self.fd, writer = os.pipe()
        if capacity:
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, capacity)
        self.started: Started = start("queue", "receive", *args, stdout=writer)
        os.close(writer)

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes, or all until the end."""
        data = b""
        while len(data) < count and (piece := piece_of(self.fd, count - len(data), self.started)):
            data += piece
        return data

    def unread(self) -> int:
        """How many bytes are in the pipe."""
        return int.from_bytes(fcntl.ioctl(self.fd, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)

    def leave(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def end(self, timeout: float = 15.0) -> Result:
        return self.started.wait(timeout)


@pytest.fixture
def reading(start: Start) -> Iterator[Any]:
    """reading(ARGS…): a Reading; its pipe is closed after the test."""
    opened: list[Reading] = []

    def begin(*args: str, capacity: int = 0) -> Reading:
        opened.append(Reading(start, *args, capacity=capacity))
        return opened[-1]

    yield begin
    for one in opened:
        one.leave()


def settled(tail: str) -> str:
    """What the summary says of what was given back."""
    return tail.partition(" given back")[0].rpartition(" ")[2]


# --- the reader leaves ---


def test_head_takes_three_lines_and_all_that_it_had_not_read_is_still_there(
    start: Start, stub: Stub, channel: str
) -> None:
    fill(stub, channel, 2000)
    reader, writer = os.pipe()
    started = start("queue", "receive", channel, "--all", stdout=writer)
    os.close(writer)
    # As `head -n 3` does: it reads a buffer of its own size, prints three lines of it and leaves.
    taken = b""
    while taken.count(b"\n") < 3:
        piece = piece_of(reader, 8192, started)
        assert piece, started
        taken += piece
    os.close(reader)
    result = started.wait()
    assert (result.code, result.err.count("\n")) == (141, 1)
    read = taken.count(b"\n")
    assert left(stub, channel) == untouched(read + 1, 2000)
    assert f" received, {read} acknowledged, " in result.err


def test_the_real_head_ends_the_run_quietly_and_loses_nothing(start: Start, stub: Stub, channel: str) -> None:
    fill(stub, channel, 2000)
    head = subprocess.Popen(["head", "-n", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert head.stdin
    result = start("queue", "receive", channel, "--all", "-q", stdout=head.stdin).wait()
    head.stdin.close()
    assert head.stdout
    with head.stdout as out:
        assert out.read() == b"".join(body(n) + b"\n" for n in (1, 2, 3))
    head.wait(10)
    assert (result.code, result.err) == (141, "")
    rest = left(stub, channel)
    first = rest[0][1]
    # head reads pages ahead of the lines it prints: what was in its buffer is gone, and nothing else.
    assert 4 <= first <= 30
    assert rest == untouched(first, 2000)


@pytest.mark.parametrize("seed", range(8))
def test_a_pipe_closed_anywhere_splits_the_messages_into_read_and_given_back(
    reading: Any, stub: Stub, channel: str, seed: int
) -> None:
    chance = random.Random(seed)
    size = chance.choice([20, 300, 5000, 70_000])
    count = 40 if size == 70_000 else 400
    fill(stub, channel, count, size)
    run = reading(channel, "--all", "-0")
    stop_at = chance.randrange(1, count * (size + 1))
    data = run.read(stop_at)
    run.leave()
    result = run.end()
    read = data.count(b"\0")
    # The last may have been read up to its delimiter: whoever has that much may have used it.
    assert data == b"".join(body(n, size) + b"\0" for n in range(1, count + 1))[:stop_at]
    assert result.code == 141
    assert left(stub, channel) == untouched(read + 1, count, size)


def test_a_reader_that_leaves_before_the_first_byte_takes_nothing(
    reading: Any, stub: Stub, channel: str
) -> None:
    fill(stub, channel, 3)
    run = reading(channel, "--all")
    run.leave()
    assert run.end().code == 141
    assert left(stub, channel) == untouched(1, 3)


def test_following_ends_by_itself_when_the_reader_has_left(reading: Any, stub: Stub, channel: str) -> None:
    run = reading(channel, "--follow")
    stub.send(channel, body(1))
    assert run.read(5001) == body(1) + b"\n"
    run.leave()
    began = time.monotonic()
    result = run.end()
    assert time.monotonic() - began < 10
    assert result.code == 141
    assert left(stub, channel) == []


def test_when_all_was_read_a_reader_that_left_is_no_failure(reading: Any, stub: Stub, channel: str) -> None:
    fill(stub, channel, 3, 100)
    run = reading(channel, "--count", "3")
    assert run.read(303).count(b"\n") == 3
    run.leave()
    assert run.end().code == 0
    assert left(stub, channel) == []


# --- the reader does not read ---


def test_a_parent_that_waits_for_the_exit_before_it_reads_gets_all_and_nothing_doubles(
    reading: Any, stub: Stub, channel: str
) -> None:
    fill(stub, channel, 60, 1000)
    run = reading(channel, "--all")
    result = run.end()
    assert result.code == 0
    assert run.read(100_000) == b"".join(body(n, 1000) + b"\n" for n in range(1, 61))
    assert left(stub, channel) == []


def test_a_reader_that_sleeps_is_waited_for(reading: Any, stub: Stub, channel: str) -> None:
    fill(stub, channel, 200)
    run = reading(channel, "--all")
    until(lambda: run.unread() > 60_000, "the pipe is full")
    assert run.started.running
    assert run.read(200 * 5001) == b"".join(body(n) + b"\n" for n in range(1, 201))
    assert run.end().code == 0
    assert left(stub, channel) == []


def test_messages_go_into_a_pipe_with_room_though_its_reader_sleeps(
    reading: Any, stub: Stub, channel: str
) -> None:
    run = reading(channel, "--follow")
    for n in range(1, 11):
        stub.send(channel, body(n, 100))
        until(lambda n=n: run.unread() == n * 101, f"message {n} is in the pipe")  # type: ignore[misc]
    run.started.send(signal.SIGTERM)
    assert run.end().code == 143
    assert run.read(2000).count(b"\n") == 10
    assert left(stub, channel) == []


def test_beside_a_paused_pipe_other_consumers_get_what_comes(reading: Any, stub: Stub, channel: str) -> None:
    fill(stub, channel, 6, 100)
    other = stub.downstream()
    assert len(other.get(channel, 4).Messages) == 4
    # Six are told to wait and two are there: a Get of six would go on taking what comes, for nobody.
    run = reading(channel, "--count", "6", "--wait", "20s")
    until(lambda: run.unread() == 2 * 101, "both are in the pipe", 15)
    for n in range(7, 11):
        stub.send(channel, body(n, 100))
    until(lambda: run.unread() == 6 * 101, "the others are there too", 15)
    assert run.end().code == 0
    got = [line[:6] for line in run.read(2000).splitlines()]
    assert got == [b"000005", b"000006", b"000007", b"000008", b"000009", b"000010"]
    other.cancel()
    until(lambda: left(stub, channel) == untouched(1, 4, 100), "the other's are back")


def test_an_answer_over_the_size_limit_doubles_nothing_that_a_slow_reader_has_not_read(
    reading: Any, stub: Stub, channel: str
) -> None:
    fill(stub, channel, 3, 100)
    run = reading(channel, "--count", "2003", "--wait", "20s")
    until(lambda: run.unread() == 3 * 101, "three are in the pipe")
    # It sleeps while we put in what is small on the whole, so that many are asked for at once, and yet
    # too great for one answer.
    run.started.send(signal.SIGSTOP)
    fill(stub, channel, 100, 10)
    for _ in range(4):
        stub.send(channel, b"x" * 30_000_000)
    fill(stub, channel, 1896, 10)
    run.started.send(signal.SIGCONT)
    until(lambda: run.unread() > 3 * 101, "it goes on", 15)
    with os.fdopen(os.dup(run.fd), "rb") as out:
        lines = out.read().splitlines()
    assert run.end().code == 0
    assert [len(line) for line in lines] == [100] * 3 + [10] * 100 + [30_000_000] * 4 + [10] * 1896
    assert left(stub, channel) == []


# --- signals ---


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_while_it_waits_ends_it(
    start: Start, stub: Stub, channel: str, signum: signal.Signals, code: int
) -> None:
    started = start("queue", "receive", channel, "--wait", "1m")
    until(lambda: any(q.Subscribers for q in stub.info(channel).Info.Queues), "it waits")
    started.send(signum)
    result = started.wait()
    assert (result.code, result.out, result.err) == (code, b"", "")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_reader_sleeps_gives_back_what_is_not_in_the_pipe(
    reading: Any, stub: Stub, channel: str, signum: signal.Signals
) -> None:
    fill(stub, channel, 200)
    run = reading(channel, "--all")
    until(lambda: run.unread() > 60_000, "the pipe is full")
    run.started.send(signum)
    result = run.end()
    assert result.code == 128 + signum
    written = run.read(1_000_000).count(b"\n")
    assert 1 <= written < 200
    assert left(stub, channel) == untouched(written + 1, 200)
    assert 0 < int(settled(result.err)) <= 200 - written


def test_a_signal_does_not_wait_for_a_slow_reader(reading: Any, stub: Stub, channel: str) -> None:
    fill(stub, channel, 1000)
    run = reading(channel, "--all")
    data = run.read(5001)
    run.started.send(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while run.started.running:
        assert time.monotonic() < deadline
        data += run.read(4096)
        time.sleep(0.02)  # a slow reader: 200 KB a second
    data += run.read(10_000_000)
    written = data.count(b"\n")
    assert written < 100
    assert run.end().code == 143
    assert left(stub, channel) == untouched(written + 1, 1000)


def test_a_second_signal_ends_it_at_once(reading: Any, stub: Stub, channel: str) -> None:
    run = reading(channel, "--wait", "1m")
    until(lambda: any(q.Subscribers for q in stub.info(channel).Info.Queues), "it waits")
    run.started.send(signal.SIGINT)
    began = time.monotonic()
    while run.started.running and time.monotonic() < began + 5:
        run.started.send(signal.SIGINT)
    assert run.end().code == 130
    assert time.monotonic() - began < 5


def test_a_hangup_that_the_parent_ignores_stays_ignored(stub: Stub, start: Start, channel: str) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        started = start("queue", "receive", channel, "--wait", "1m")
    finally:
        signal.signal(signal.SIGHUP, before)
    until(lambda: any(q.Subscribers for q in stub.info(channel).Info.Queues), "it waits")
    started.send(signal.SIGHUP)
    stub.send(channel, "still here")
    assert started.wait().out == b"still here"


def test_killed_outright_it_loses_nothing(reading: Any, stub: Stub, channel: str) -> None:
    fill(stub, channel, 300)
    run = reading(channel, "--all")
    read = run.read(5001 * 50)
    run.started.kill()
    read += run.read(10_000_000)
    rest: Messages = until(lambda: left(stub, channel), "the broker has them back")
    assert rest[0][1] <= read.count(b"\n") + 1
    assert rest == untouched(rest[0][1], 300)


# --- the disk is full ---


def test_a_full_disk_is_1_and_what_it_did_not_take_is_still_there(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    fill(stub, channel, 100)
    limit = 123_456
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "out").open("wb") as out:
        started = start("queue", "receive", channel, "--all", stdout=out)
        resource.prlimit(started.pid, resource.RLIMIT_FSIZE, (limit, limit))
        result = started.wait()
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before
    data = (tmp_path / "out").read_bytes()
    assert len(data) == limit
    written = data.count(b"\n")
    assert result.code == 1
    assert "cannot write to standard output: file too large" in result.err
    assert left(stub, channel) == untouched(written + 1, 100)


def test_a_device_without_space_is_1_with_a_hint_and_takes_nothing(
    start: Start, stub: Stub, channel: str
) -> None:
    fill(stub, channel, 3)
    with open("/dev/full", "wb") as full:
        result = start("queue", "receive", channel, "--all", stdout=full).wait()
    assert result.code == 1
    assert "no space left on device" in result.err
    assert "hint: free some space" in result.err
    assert left(stub, channel) == untouched(1, 3)


def test_a_real_disk_that_fills_up_keeps_whole_messages_only(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    try:
        fill(stub, channel, 100)
        with (disk / "out").open("wb") as out:
            result = start("queue", "receive", channel, "--all", stdout=out).wait()
        written = (disk / "out").read_bytes().count(b"\n")
    finally:
        subprocess.run(["umount", disk], check=True)
    assert result.code == 1
    assert "no space left on device" in result.err
    assert left(stub, channel) == untouched(written + 1, 100)


# --- no output at all ---


@pytest.mark.parametrize("command", [["receive"], ["receive", "--all"], ["peek"], ["peek", "--all"]])
def test_a_closed_output_is_1_before_anything_is_taken(
    start: Start, stub: Stub, channel: str, command: list[str]
) -> None:
    fill(stub, channel, 3)
    words = [sys.executable, "-m", "kubemqctl", "queue", command[0], channel, *command[1:]]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *words],
        env={**os.environ, "KUBEMQ_ADDRESS": stub.address},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output is closed\nhint: ")
    assert left(stub, channel) == untouched(1, 3)


def test_a_closed_stderr_costs_the_summary_only(start: Start, stub: Stub, channel: str) -> None:
    fill(stub, channel, 3, 10)
    words = [sys.executable, "-m", "kubemqctl", "queue", "receive", channel, "--all"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *words],
        env={**os.environ, "KUBEMQ_ADDRESS": stub.address},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 3)
    assert left(stub, channel) == []
