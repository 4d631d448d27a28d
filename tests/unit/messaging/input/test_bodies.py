"""One body, and many files: exact bytes from arguments, pipes, files and terminals."""

from __future__ import annotations

import os
import select
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.messaging.input import bodies
from kubemqctl.messaging.input.bodies import body_source, file_batches, single_body
from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.model.errors import InvalidRequest, NotFound, TooLarge, UsageError
from kubemqctl.model.limits import MAX_BODY
from tests.support.terminal.pseudo_terminal import PseudoTerminal
from tests.unit.messaging.input.pipes import Pipe

BINARY = bytes(range(256)) + b"\r\n\0"


def sparse(path: Path, size: int) -> Path:
    path.touch()
    os.truncate(path, size)
    return path


def test_an_argument_is_its_exact_bytes_and_stdin_is_not_touched(pipe: Pipe) -> None:
    pipe.write(b"the next line of a while loop")
    text = os.fsdecode(b"caf\xe9 $HOME %s\n")
    assert single_body(text, [], stdin_fd=pipe.read_fd, stdin_is_terminal=False) == b"caf\xe9 $HOME %s\n"
    assert pipe.rest() == b"the next line of a while loop"


def test_a_file_is_its_exact_bytes_and_stdin_is_not_touched(pipe: Pipe, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(BINARY)
    pipe.write(b"other")
    assert single_body(None, [str(file)], stdin_fd=pipe.read_fd, stdin_is_terminal=False) == BINARY
    assert pipe.rest() == b"other"


@pytest.mark.parametrize("argument", [None, "-"])
def test_stdin_is_read_whole_and_unchanged(pipe: Pipe, argument: str | None) -> None:
    pipe.write(BINARY).end()
    assert single_body(argument, [], stdin_fd=pipe.read_fd, stdin_is_terminal=False) == BINARY


def test_a_dash_reads_from_a_terminal_too(terminal: PseudoTerminal) -> None:
    terminal.type(b"typed\n\x04")
    assert single_body("-", [], stdin_fd=terminal.slave, stdin_is_terminal=True) == b"typed\n"


@pytest.mark.parametrize("has_metadata", [False, True])
def test_a_terminal_is_not_read_without_being_asked(terminal: PseudoTerminal, has_metadata: bool) -> None:
    terminal.type(b"for the shell\n")
    with pytest.raises(UsageError) as caught:
        single_body(None, [], stdin_fd=terminal.slave, stdin_is_terminal=True, has_metadata=has_metadata)
    assert all(way in caught.value.message for way in ("argument", "--file", "stdin"))
    assert os.read(terminal.slave, 100) == b"for the shell\n"


def test_a_body_given_twice_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        single_body("text", [str(tmp_path / "f")], stdin_is_terminal=False)


def test_two_files_are_not_one_body() -> None:
    with pytest.raises(UsageError, match="2 files were given"):
        single_body(None, ["a", "b"], stdin_is_terminal=False)


def test_a_closed_stdin_is_no_body(pipe: Pipe) -> None:
    closed = os.dup(pipe.read_fd)
    os.close(closed)
    with pytest.raises(UsageError, match="stdin is closed: pass it as an argument"):
        single_body(None, [], stdin_fd=closed, stdin_is_terminal=False)
    assert single_body("text", [], stdin_fd=closed, stdin_is_terminal=False) == b"text"


@pytest.mark.parametrize("argument", ["", None])
def test_an_empty_message_needs_metadata(argument: str | None) -> None:
    with open(os.devnull, "rb") as null:
        with pytest.raises(InvalidRequest, match="empty: it needs a body or --metadata"):
            single_body(argument, [], stdin_fd=null.fileno(), stdin_is_terminal=False)
        assert (
            single_body(argument, [], stdin_fd=null.fileno(), stdin_is_terminal=False, has_metadata=True)
            == b""
        )


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for missing in ("none", "file/none"):
        with pytest.raises(NotFound, match=f"{missing} does not exist"):
            single_body(None, [str(tmp_path / missing)], stdin_is_terminal=False)


def test_a_directory_is_refused_as_a_file_and_as_stdin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        single_body(None, [str(tmp_path)], stdin_is_terminal=False)
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(UsageError, match="stdin is a directory"):
        single_body(None, [], stdin_fd=fd, stdin_is_terminal=False)
    os.close(fd)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(mode=0)
    with pytest.raises(UsageError, match="permission denied"):
        single_body(None, [str(file)], stdin_is_terminal=False)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    file = sparse(tmp_path / "huge", MAX_BODY + 1)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="huge is too large"):
        single_body(None, [str(file)], stdin_is_terminal=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_large_file_is_held_in_memory_once(tmp_path: Path) -> None:
    file = sparse(tmp_path / "large", 20 << 20)
    tracemalloc.start()
    assert len(single_body(None, [str(file)], stdin_is_terminal=False)) == 20 << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20


def test_a_pipe_over_the_limit_is_refused_at_the_limit(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 10)
    with pytest.raises(TooLarge, match="stdin is too large: the maximum is 10 bytes"):
        single_body(None, [], stdin_fd=pipe.write(b"x" * 20).read_fd, stdin_is_terminal=False)
    assert pipe.rest() == b"x" * 9


def test_a_body_of_exactly_the_limit_passes(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 10)
    pipe.write(b"x" * 10).end()
    assert single_body(None, [], stdin_fd=pipe.read_fd, stdin_is_terminal=False) == b"x" * 10


def test_only_what_is_left_of_a_file_on_stdin_counts(tmp_path: Path) -> None:
    with open(sparse(tmp_path / "huge", MAX_BODY + 5), "rb") as file:
        os.lseek(file.fileno(), MAX_BODY, os.SEEK_SET)
        assert single_body(None, [], stdin_fd=file.fileno(), stdin_is_terminal=False) == bytes(5)


def test_a_named_pipe_can_be_a_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", 'printf "from afar" > "$0"', fifo]):
        assert single_body(None, [str(fifo)], stdin_is_terminal=False) == b"from afar"


def test_a_non_blocking_stdin_is_waited_for(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    os.set_blocking(pipe.read_fd, False)
    wait = select.select

    def write_when_waited_for(*args: Any) -> object:
        pipe.write(b"late").end()
        return wait(*args)

    monkeypatch.setattr(select, "select", write_when_waited_for)
    assert single_body(None, [], stdin_fd=pipe.read_fd, stdin_is_terminal=False) == b"late"


def test_a_source_to_split_may_be_of_any_size(tmp_path: Path) -> None:
    with body_source(None, [str(sparse(tmp_path / "huge", MAX_BODY + 1))], stdin_is_terminal=False) as source:
        assert isinstance(source, int)
        assert os.read(source, 3) == bytes(3)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(source)


def files(folder: Path, *bodies: bytes) -> list[str]:
    paths = [folder / f"f{n}" for n in range(len(bodies))]
    for path, body in zip(paths, bodies, strict=True):
        path.write_bytes(body)
    return [str(path) for path in paths]


def test_each_file_is_a_message_with_its_exact_bytes(tmp_path: Path) -> None:
    paths = files(tmp_path, BINARY, b"two\n", b"3")
    assert list(file_batches(paths)) == [InputBatch([BINARY, b"two\n", b"3"], range(1, 4))]


def test_files_are_sent_in_batches_of_bounded_count_and_bytes(tmp_path: Path) -> None:
    paths = files(tmp_path, b"11111", b"2222", b"3", b"4", b"5")
    by_bytes = list(file_batches(paths, max_bytes=9))
    assert [(b.pieces, list(b.lines)) for b in by_bytes] == [
        ([b"11111", b"2222"], [1, 2]),
        ([b"3", b"4", b"5"], [3, 4, 5]),
    ]
    assert [list(b.lines) for b in file_batches(paths, max_count=2)] == [[1, 2], [3, 4], [5]]


def test_every_file_is_looked_at_before_the_first_is_sent(tmp_path: Path) -> None:
    paths = files(tmp_path, b"good")
    empty = tmp_path / "empty"
    empty.touch()
    for bad, error in [
        (tmp_path / "none", NotFound),
        (tmp_path, UsageError),
        (sparse(tmp_path / "huge", MAX_BODY + 1), TooLarge),
        (empty, InvalidRequest),
    ]:
        with pytest.raises(error):
            file_batches([*paths, str(bad)])


def test_an_empty_file_may_carry_metadata(tmp_path: Path) -> None:
    assert [b.pieces for b in file_batches(files(tmp_path, b"", b"x"), has_metadata=True)] == [[b"", b"x"]]


def test_a_pipe_among_the_files_is_waited_for_only_after_saying_so(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    batches = file_batches([*files(tmp_path, b"first"), str(fifo)])
    assert next(batches) == InputBatch([b"first"], range(1, 2), idle=True)
    with subprocess.Popen(["sh", "-c", 'printf slow > "$0"', fifo]):
        assert list(batches) == [InputBatch([b"slow"], range(2, 3))]
