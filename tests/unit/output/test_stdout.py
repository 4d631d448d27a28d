"""Standard output with its account of bytes, on real pipes, files and devices."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubemqctl.model.errors import OutputError, ReaderGone
from kubemqctl.output.stdout import Stdout
from tests.support.waiting import until

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


class Pipe:
    """A pipe and a stdout on its writing end."""

    def __init__(self, stop_fd: int | None = None) -> None:
        self.reader, self.writer = os.pipe()
        self.stdout = Stdout(self.writer, stop_fd)

    def leave(self) -> None:
        os.close(self.reader)
        self.reader = -1

    def close(self) -> None:
        self.stdout.close()
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    opened = Pipe()
    yield opened
    opened.close()


def test_what_goes_into_a_file_is_taken_at_once(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file, contextlib.closing(Stdout(file.fileno())) as stdout:
        assert stdout.write(b"abc")
        assert stdout.bytes_taken == stdout.finish() == 3
    assert (tmp_path / "out").read_bytes() == b"abc"


def test_a_file_keeps_its_place_and_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"before\n")
    with (tmp_path / "out").open("ab") as file, contextlib.closing(Stdout(file.fileno())) as stdout:
        stdout.write(b"after\n")
    assert (tmp_path / "out").read_bytes() == b"before\nafter\n"


@linux
def test_of_a_pipe_only_what_was_read_is_taken(pipe: Pipe) -> None:
    pipe.stdout.write(b"x" * 100)
    assert (pipe.stdout.offset, pipe.stdout.bytes_taken) == (100, 0)
    os.read(pipe.reader, 30)
    assert pipe.stdout.bytes_taken == 30
    os.read(pipe.reader, 70)
    assert pipe.stdout.bytes_taken == 100


@linux
def test_what_others_have_in_the_same_pipe_is_not_counted_for_more_than_our_own(pipe: Pipe) -> None:
    os.write(pipe.writer, b"y" * 500)
    pipe.stdout.write(b"x" * 100)
    assert pipe.stdout.bytes_taken == 0


@linux
def test_at_the_end_what_a_reader_that_stays_has_not_read_counts_as_taken(pipe: Pipe) -> None:
    pipe.stdout.write(b"x" * 100)
    assert pipe.stdout.finish() == 100


@linux
def test_at_the_end_what_a_reader_that_left_has_not_read_does_not_count(pipe: Pipe) -> None:
    pipe.stdout.write(b"x" * 100)
    os.read(pipe.reader, 40)
    pipe.leave()
    assert pipe.stdout.finish() == 40


@linux
def test_a_reader_gets_a_moment_to_take_what_is_left(pipe: Pipe) -> None:
    pipe.stdout.write(b"x" * 100)
    threading.Timer(0.02, lambda: os.read(pipe.reader, 100)).start()
    assert pipe.stdout.drain(5.0)
    assert pipe.stdout.bytes_taken == 100


@linux
def test_a_reader_that_left_gets_no_moment(pipe: Pipe) -> None:
    pipe.stdout.write(b"x")
    pipe.leave()
    assert not pipe.stdout.drain(60.0)


def test_a_reader_that_left_is_seen_without_writing(pipe: Pipe) -> None:
    assert not pipe.stdout.reader_gone()
    pipe.leave()
    assert pipe.stdout.reader_gone()


def test_writing_to_a_reader_that_left_ends_quietly_with_141(pipe: Pipe) -> None:
    pipe.leave()
    with pytest.raises(ReaderGone) as caught:
        pipe.stdout.write(b"x")
    assert caught.value.exit_code == 141


def test_a_great_text_goes_through_a_pipe_whole(pipe: Pipe) -> None:
    data = os.urandom(1_000_000)
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(os.read(pipe.reader, 7_001))

    reader = threading.Thread(target=read)
    reader.start()
    assert pipe.stdout.write(data)
    reader.join(10)
    assert bytes(got) == data


@linux
def test_the_shared_description_of_a_pipe_stays_blocking(pipe: Pipe) -> None:
    pipe.stdout.write(b"x")
    assert os.get_blocking(pipe.writer)


def test_a_stop_ends_the_write_to_a_reader_that_does_not_read() -> None:
    watched, wake = os.pipe()
    pipe = Pipe(watched)
    try:
        threading.Timer(0.02, lambda: os.write(wake, b"!")).start()
        assert not pipe.stdout.write(b"x" * 1_000_000)
        assert 0 < pipe.stdout.offset < 1_000_000
    finally:
        pipe.close()
        os.close(watched)
        os.close(wake)


def test_after_a_stop_a_reader_that_reads_still_gets_all_of_a_write() -> None:
    watched, wake = os.pipe()
    pipe = Pipe(watched)
    os.write(wake, b"!")
    got = bytearray()

    def read() -> None:
        while len(got) < 300_000:
            got.extend(os.read(pipe.reader, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert pipe.stdout.write(b"x" * 300_000)
        reader.join(10)
        assert len(got) == 300_000
    finally:
        pipe.close()
        os.close(watched)
        os.close(wake)


def test_a_stop_ends_the_write_to_a_socket_that_nobody_reads() -> None:
    ours, theirs = socket.socketpair()
    watched, wake = os.pipe()
    os.write(wake, b"!")
    with ours, theirs, contextlib.closing(Stdout(ours.fileno(), watched)) as stdout:
        assert not stdout.write(b"x" * 10_000_000)
        assert stdout.bytes_taken == stdout.offset < 10_000_000
    os.close(watched)
    os.close(wake)


@linux
def test_a_full_device_is_an_error_that_says_so() -> None:
    with open("/dev/full", "wb", buffering=0) as full, contextlib.closing(Stdout(full.fileno())) as stdout:
        with pytest.raises(OutputError, match="no space left") as caught:
            stdout.write(b"x")
        assert "free some space" in caught.value.hint
        assert caught.value.exit_code == 1
        assert stdout.bytes_taken == 0


def test_what_went_out_before_the_disk_was_full_is_counted(tmp_path: Path) -> None:
    script = (
        "import os, resource, signal, sys\n"
        "from kubemqctl.model.errors import OutputError\n"
        "from kubemqctl.output.stdout import Stdout\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "stdout = Stdout()\n"
        "try:\n"
        "    stdout.write(b'x' * 1500)\n"
        "except OutputError as e:\n"
        "    print(stdout.offset, stdout.bytes_taken, e.message, file=sys.stderr)\n"
    )
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=out, stderr=subprocess.PIPE, text=True, check=True
        )
    assert done.stderr == "1000 1000 cannot write to standard output: file too large\n"


@pytest.mark.parametrize("how", ["closed", "for reading only"])
def test_an_output_that_cannot_be_written_is_found_out_before_anything_is_done(how: str) -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    if how == "closed":
        os.close(fd)
    with pytest.raises(OutputError, match="standard output is closed") as caught:
        Stdout(fd)
    assert caught.value.exit_code == 1
    if how != "closed":
        os.close(fd)


def test_closing_leaves_the_output_itself_open(pipe: Pipe) -> None:
    pipe.stdout.close()
    pipe.stdout.close()
    assert os.write(pipe.writer, b"x") == 1
    until(lambda: os.read(pipe.reader, 1) == b"x", "still open", 1)
