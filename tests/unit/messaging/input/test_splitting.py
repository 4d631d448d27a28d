"""A stream cut into pieces: exact bytes, at the right moment, in flat memory."""

from __future__ import annotations

import errno
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.messaging.input import splitting
from kubemqctl.messaging.input.splitting import InputBatch, PieceBuffer, split_bytes, split_stream
from kubemqctl.model.errors import KubemqctlError, UsageError
from kubemqctl.model.limits import MAX_BODY
from tests.support.terminal.pseudo_terminal import PseudoTerminal
from tests.unit.messaging.input.pipes import Pipe


def reference(data: bytes, delimiter: bytes) -> list[bytes]:
    pieces = data.split(delimiter)
    return pieces if pieces[-1] else pieces[:-1]


def numbered(batches: Sequence[InputBatch]) -> list[tuple[int, bytes]]:
    return [pair for batch in batches for pair in zip(batch.lines, batch.pieces, strict=True)]


def fed(buffer: PieceBuffer, data: bytes, sizes: Sequence[int]) -> Iterator[InputBatch]:
    """The batches of `data` arriving in chunks of `sizes`, over and over."""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        buffer.feed(data[at : at + size])
        at, turn = at + size, turn + 1
        while buffer.full:
            yield buffer.take()
    buffer.finish()
    while buffer.has_news:
        yield buffer.take()


@settings(deadline=None)
@given(
    data=st.lists(st.sampled_from([b"a", b"b", b"\n", b"ab", b"long piece"]), max_size=60).map(b"".join),
    delimiter=st.sampled_from([b"\n", b"a", b"ab", b"aa", b"aba", b"\n\n", b"abab"]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    max_count=st.integers(1, 5),
    max_bytes=st.integers(1, 30),
    max_piece=st.integers(1, 40),
)
def test_any_chunks_are_cut_as_the_whole_would_be(
    data: bytes, delimiter: bytes, sizes: list[int], max_count: int, max_bytes: int, max_piece: int
) -> None:
    batches = list(fed(PieceBuffer(delimiter, max_count, max_bytes, max_piece), data, sizes))
    expected = list(enumerate(reference(data, delimiter), start=1))
    assert numbered(batches) == [(line, p) for line, p in expected if 0 < len(p) <= max_piece]
    assert sum(b.skipped for b in batches) == sum(not p for _, p in expected)
    assert [n for b in batches for n in b.oversize] == [line for line, p in expected if len(p) > max_piece]
    for batch in batches:
        assert len(batch.pieces) <= max_count
        assert len(batch.pieces) == 1 or sum(map(len, batch.pieces)) <= max_bytes


def test_a_long_piece_in_short_chunks_costs_no_more_than_its_length() -> None:
    buffer = PieceBuffer(b"\r\n", 1000, 1 << 20, MAX_BODY)
    before = time.process_time()
    for _ in range(1 << 15):
        buffer.feed(b"x" * 1023 + b"\r")
    buffer.finish()
    assert time.process_time() - before < 5
    assert len(buffer.take().pieces[0]) == 1 << 25


def test_an_argument_is_split_by_the_same_rules() -> None:
    assert list(split_bytes(b"a\r\n\nb", b"\n")) == [InputBatch([b"a\r", b"b"], [1, 3], skipped=1)]
    assert list(split_bytes(b"", b"\n")) == []


def test_an_empty_delimiter_is_a_usage_error(pipe: Pipe) -> None:
    with pytest.raises(UsageError, match="delimiter is empty"):
        split_stream(pipe.read_fd, b"")


def test_pieces_are_exact_and_a_last_one_without_its_delimiter_counts(pipe: Pipe) -> None:
    pipe.write(b"one\r\n\n\xff\0\n\nlast").end()
    assert list(split_stream(pipe.read_fd, b"\n")) == [
        InputBatch([b"one\r", b"\xff\0", b"last"], [1, 3, 5], skipped=2)
    ]


def test_an_empty_input_has_no_batches(pipe: Pipe) -> None:
    assert list(split_stream(pipe.end().read_fd, b"\n")) == []


def test_an_input_of_nothing_but_delimiters_is_told_as_skipped(pipe: Pipe) -> None:
    pipe.write(b"\n\n\n").end()
    assert list(split_stream(pipe.read_fd, b"\n")) == [InputBatch([], [], skipped=3)]


def test_a_line_goes_out_once_whole_and_never_before(pipe: Pipe) -> None:
    batches = split_stream(pipe.read_fd, b"\n")
    pipe.write(b"one\ntw")
    assert next(batches) == InputBatch([b"one"], [1], idle=True)
    pipe.write(b"o\nthr")
    assert next(batches) == InputBatch([b"two"], [2], idle=True)
    pipe.write(b"ee").end()
    assert list(batches) == [InputBatch([b"three"], [3])]


def test_half_a_delimiter_is_not_the_end_of_a_line(pipe: Pipe) -> None:
    batches = split_stream(pipe.read_fd, b"\r\n")
    pipe.write(b"one\r\ntwo\r")
    assert next(batches).pieces == [b"one"]
    pipe.write(b"\n")
    assert next(batches).pieces == [b"two"]


def test_a_batch_is_cut_at_its_count_and_says_whether_more_is_there(pipe: Pipe) -> None:
    batches = split_stream(pipe.read_fd, b"\n", max_count=2)
    pipe.write(b"1\n2\n3\n4\n")
    assert next(batches) == InputBatch([b"1", b"2"], [1, 2], idle=False)
    assert batches.left == 2
    assert next(batches) == InputBatch([b"3", b"4"], [3, 4], idle=True)
    pipe.write(b"5\n")
    assert next(batches) == InputBatch([b"5"], [5], idle=True)


def test_a_batch_is_cut_at_its_bytes_also_when_one_read_brings_more(pipe: Pipe) -> None:
    pipe.write(b"aaaa\nbbbb\nc\ndddddddddddd\ne\n").end()
    batches = list(split_stream(pipe.read_fd, b"\n", max_bytes=9))
    assert [b.pieces for b in batches] == [[b"aaaa", b"bbbb", b"c"], [b"dddddddddddd"], [b"e"]]


def test_it_never_waits_for_input_without_having_said_so(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "READ", 2)
    batches = split_stream(pipe.read_fd, b"\n", max_count=1)
    pipe.write(b"a\nb")
    assert next(batches) == InputBatch([b"a"], [1], idle=False)
    assert next(batches) == InputBatch([], [], idle=True)
    pipe.write(b"c\n")
    assert next(batches).pieces == [b"bc"]


def test_a_piece_over_the_limit_is_dropped_and_named_and_the_others_go_on(pipe: Pipe) -> None:
    pipe.write(b"good\n" + b"x" * 100 + b"\nfine\n")
    batches = split_stream(pipe.read_fd, b"\n", max_piece=10)
    assert next(batches) == InputBatch([b"good", b"fine"], [1, 3], oversize=(2,), idle=True)
    pipe.write(b"y" * 100 + b"\n")
    assert next(batches) == InputBatch([], [], oversize=(4,), idle=True)
    pipe.write(b"z" * 11).end()
    assert list(batches) == [InputBatch([], [], oversize=(5,))]


def test_a_piece_of_exactly_the_limit_passes_however_its_delimiter_comes() -> None:
    for delimiter in (b"\n", b"\r\n", b"----"):
        batches = fed(
            PieceBuffer(delimiter, 10, 100, 3), b"abc" + delimiter + b"abcd" + delimiter + b"abc", [1]
        )
        assert list(batches) == [InputBatch([b"abc", b"abc"], [1, 3], oversize=(2,))]


def test_a_file_is_read_without_a_pause(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"".join(b"%d\n" % n for n in range(2500)))
    with open(file, "rb") as opened:
        batches = list(split_stream(opened.fileno(), b"\n"))
    assert [(len(b.pieces), b.idle) for b in batches] == [(1000, False), (1000, False), (500, False)]
    assert numbered(batches) == [(n + 1, b"%d" % n) for n in range(2500)]


def test_lines_typed_at_a_terminal_come_one_by_one_until_end_of_file(terminal: PseudoTerminal) -> None:
    batches = split_stream(terminal.slave, b"\n")
    terminal.type(b"one\n")
    assert next(batches) == InputBatch([b"one"], [1], idle=True)
    terminal.type(b"\x04")
    assert list(batches) == []


def test_a_socket_can_be_split() -> None:
    here, there = socket.socketpair()
    with here, there:
        batches = split_stream(here.fileno(), b"\0")
        there.sendall(b"one\0two\0")
        assert next(batches).pieces == [b"one", b"two"]
        there.shutdown(socket.SHUT_WR)
        assert list(batches) == []


def test_a_writer_that_pauses_for_a_moment_still_fills_the_batch(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = select.select
    more = [b"two\n", b"three\n"]

    def written_meanwhile(read: list[int], write: list[int], other: list[int], timeout: float | None) -> Any:
        if timeout and more:
            pipe.write(more.pop(0))
        return wait(read, write, other, timeout)

    monkeypatch.setattr(select, "select", written_meanwhile)
    assert next(split_stream(pipe.write(b"one\n").read_fd, b"\n")).pieces == [b"one", b"two", b"three"]


def test_a_writer_that_never_rests_does_not_hold_a_batch_back(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = select.select
    clock = itertools.count(step=splitting._LINGER)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))

    def written_meanwhile(read: list[int], write: list[int], other: list[int], timeout: float | None) -> Any:
        if timeout:
            pipe.write(b"more\n")
        return wait(read, write, other, timeout)

    monkeypatch.setattr(select, "select", written_meanwhile)
    assert len(next(split_stream(pipe.write(b"one\n").read_fd, b"\n")).pieces) <= 6


def test_input_that_another_reader_took_is_waited_for(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    os.set_blocking(pipe.read_fd, False)
    wait = select.select
    calls: list[object] = []

    def ready_too_early(*args: Any) -> object:
        calls.append(args)
        if len(calls) == 1:
            return [pipe.read_fd], [], []
        if len(calls) == 2:
            pipe.write(b"late\n")
        return wait(*args)

    monkeypatch.setattr(select, "select", ready_too_early)
    assert next(split_stream(pipe.read_fd, b"\n")).pieces == [b"late"]


def test_a_signal_whose_handler_returns_does_not_end_the_wait(pipe: Pipe) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: pipe.write(b"after the signal\n") and None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert next(split_stream(pipe.read_fd, b"\n")).pieces == [b"after the signal"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_stop_leaves_unread_what_was_not_read(new_pipe: Callable[[], Pipe]) -> None:
    pipe, stop = new_pipe().write(b"one\ntwo\n"), new_pipe().write(b"!")
    batches = split_stream(pipe.read_fd, b"\n", stop_fd=stop.read_fd)
    assert list(batches) == []
    assert batches.stopped
    assert pipe.rest() == b"one\ntwo\n"


def test_a_stop_hands_out_what_is_complete_and_counts_the_rest(new_pipe: Callable[[], Pipe]) -> None:
    pipe, stop = new_pipe().write(b"1\n2\n3\nhalf"), new_pipe()
    batches = split_stream(pipe.read_fd, b"\n", max_count=1, stop_fd=stop.read_fd)
    assert next(batches).pieces == [b"1"]
    stop.write(b"!")
    pipe.write(b" more\n")
    assert [b.pieces for b in batches] == [[b"2"], [b"3"]]
    assert (batches.stopped, batches.left, batches.unfinished) == (True, 0, 4)
    assert pipe.rest() == b" more\n"


def test_a_stop_ends_the_wait_for_input(new_pipe: Callable[[], Pipe]) -> None:
    pipe, stop = new_pipe(), new_pipe()
    before = signal.signal(signal.SIGALRM, lambda *_: stop.write(b"!") and None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert list(split_stream(pipe.read_fd, b"\n", stop_fd=stop.read_fd)) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_stream_that_cannot_be_read_is_named(tmp_path: Path, pipe: Pipe) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(UsageError, match="here is a directory"):
        next(split_stream(fd, b"\n", name="here"))
    os.close(fd)
    with pytest.raises(KubemqctlError, match="stdin is closed"):
        next(split_stream(fd, b"\n"))


def test_a_failing_stream_still_hands_out_what_came_before(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a disk fails, or a terminal goes away."""
    chunks = [b"one\ntwo\nhalf"]

    def fails_later(fd: int, size: int) -> bytes:
        if chunks:
            return chunks.pop()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "read", fails_later)
    batches = split_stream(pipe.write(b"readable").read_fd, b"\n")
    assert next(batches).pieces == [b"one", b"two"]
    with pytest.raises(KubemqctlError, match="stdin cannot be read: input/output error"):
        next(batches)


WRITER = """
import os, sys
line, count = eval(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    data = memoryview(line)
    while data:
        data = data[os.write(1, data):]
"""


@pytest.mark.parametrize(
    ("chunk", "count", "most"),
    [
        ("(b'x' * 1023 + b'\\n') * 256", 400, 8 << 20),
        ("b'x' * ((1 << 20) - 1) + b'\\n'", 60, 16 << 20),
        ("b'x' * (1 << 18)", 400, 4 << 20),
        ("b'a\\n' * (1 << 17)", 4, 24 << 20),
        ("b'\\n' * (1 << 17)", 3, 8 << 20),
    ],
    ids=["lines of 1 KiB", "lines of 1 MiB", "one endless piece", "lines of a byte", "empty lines"],
)
def test_memory_stays_flat_however_long_the_stream(chunk: str, count: int, most: int) -> None:
    tracemalloc.start()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, chunk, str(count)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout
        for _ in split_stream(writer.stdout.fileno(), b"\n", max_piece=1 << 20):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most
