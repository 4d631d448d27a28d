"""Standard error that nobody reads, or not yet."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubemqctl.output.stderr_writer import StderrWriter
from tests.support.waiting import until

LINES = b"".join(b"%07d\n" % n for n in range(20_000))


@contextmanager
def stderr_pipe() -> Iterator[int]:
    """The end to read of a pipe that is stderr meanwhile; no fixture, as pytest changes it in between."""
    before = os.dup(2)
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    try:
        yield read
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(read)


@pytest.fixture
def stop() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def all_of(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        data += os.read(fd, 1 << 16)
    return bytes(data)


def test_what_is_not_taken_at_once_is_kept_in_order(stop: tuple[int, int]) -> None:
    with stderr_pipe() as pipe:
        writer = StderrWriter()
        writer.watch(stop[0])
        assert not writer.offer(LINES)
        assert not writer.offer(b"last\n")
        assert not writer.is_clear
        reader = threading.Thread(target=lambda: read.append(all_of(pipe, len(LINES) + 5)))
        read: list[bytes] = []
        reader.start()
        until(lambda: writer.offer(b""), "all of it has gone")
        reader.join(10)
        assert read == [LINES + b"last\n"]
        writer.watch(None)


def test_a_few_lines_hold_nobody_up_and_are_there_for_a_reader_that_comes_later(
    stop: tuple[int, int],
) -> None:
    with stderr_pipe() as pipe:
        writer = StderrWriter()
        writer.watch(stop[0])
        writer.put(LINES)
        writer.put(b"last\n")
        assert all_of(pipe, len(LINES) + 5) == LINES + b"last\n"
        until(lambda: writer.is_clear, "nothing is kept")
        writer.watch(None)


def test_a_reader_that_comes_late_gets_all_lines(stop: tuple[int, int]) -> None:
    with stderr_pipe() as pipe:
        writer = StderrWriter()
        writer.watch(stop[0])
        putting = threading.Thread(target=lambda: writer.put(LINES))
        putting.start()
        assert all_of(pipe, len(LINES)) == LINES
        putting.join(10)
        writer.watch(None)


def test_behind_a_stop_nobody_waits_for_its_reader_for_long(stop: tuple[int, int]) -> None:
    with stderr_pipe():
        writer = StderrWriter()
        writer.watch(stop[0])
        putting = threading.Thread(target=lambda: writer.put(LINES * 10))
        putting.start()
        until(lambda: not writer.is_clear, "the pipe is full")
        began = time.monotonic()
        os.write(stop[1], b"!")
        putting.join(10)
        assert time.monotonic() - began < 5
        writer.watch(None)


def test_the_flags_that_others_share_stay_as_they_were(stop: tuple[int, int]) -> None:
    with stderr_pipe():
        writer = StderrWriter()
        writer.watch(stop[0])
        writer.put(b"x")
        assert os.get_blocking(2)
        writer.watch(None)


def test_one_that_others_have_made_non_blocking_loses_no_line() -> None:
    with stderr_pipe() as pipe:
        os.set_blocking(2, False)
        writer = StderrWriter()
        putting = threading.Thread(target=lambda: writer.put(LINES))
        putting.start()
        assert all_of(pipe, len(LINES)) == LINES
        putting.join(10)


def test_with_nobody_there_it_is_dropped(stop: tuple[int, int]) -> None:
    with stderr_pipe():
        writer = StderrWriter()
        writer.watch(stop[0])
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, 2)
        os.close(write)
        writer.put(LINES)
        assert writer.is_clear
        writer.watch(None)
