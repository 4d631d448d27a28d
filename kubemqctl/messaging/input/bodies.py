"""Where whole bodies come from: an argument, files, or stdin. Exact bytes, at most MAX_BODY of them."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kubemqctl.messaging.input.splitting import (
    MAX_BYTES,
    MAX_COUNT,
    READ,
    InputBatch,
    Separators,
    read_some,
    split_bytes,
    split_stream,
    unreadable,
)
from kubemqctl.model.errors import InvalidRequest, TooLarge, UsageError
from kubemqctl.model.limits import MAX_BODY
from kubemqctl.model.text import argument_bytes, quoted

STDIN = "-"


def single_body(
    argument: str | None,
    files: Sequence[str],
    *,
    stdin_is_terminal: bool,
    stdin_fd: int = 0,
    has_metadata: bool = False,
) -> bytes:
    """The body of one message, at most MAX_BODY bytes; empty only if there is metadata to go with it.

    stdin is read if `argument` or the file is `-`, or if neither was given and stdin is no terminal.
    Raises UsageError, NotFound, TooLarge, or InvalidRequest for a message with nothing in it.
    """
    if len(files) > 1:
        raise UsageError(f"{len(files)} files were given, but a message has one body")
    with body_source(argument, files, stdin_is_terminal=stdin_is_terminal, stdin_fd=stdin_fd) as source:
        name = files[0] if files and files[0] != STDIN else "stdin"
        body = source if isinstance(source, bytes) else _read_all(source, name)
    if not body and not has_metadata:
        raise InvalidRequest("the message is empty: it needs a body or --metadata")
    return body


@contextmanager
def body_source(
    argument: str | None, files: Sequence[str], *, stdin_is_terminal: bool, stdin_fd: int = 0
) -> Iterator[bytes | int]:
    """Where the body comes from: the bytes of an argument, or a descriptor to read, stdin's or a file's.

    Raises UsageError if it is given twice or not at all, or is more than one file; NotFound.
    """
    if argument is not None and files:
        raise UsageError("the body is given twice: as an argument and with --file")
    if len(files) > 1:
        raise UsageError(f"{len(files)} files were given, but only one can be used here")
    if files and files[0] != STDIN:
        fd = _open(files[0])
        try:
            yield fd
        finally:
            os.close(fd)
    elif argument is None or argument == STDIN:
        _check_stdin(stdin_fd, stdin_is_terminal and argument is None and not files)
        yield stdin_fd
    else:
        yield argument_bytes(argument)


@contextmanager
def split_source(
    argument: str | None,
    files: Sequence[str],
    separators: Separators,
    *,
    stdin_is_terminal: bool,
    stop_fd: int,
    max_count: int = MAX_COUNT,
) -> Iterator[tuple[int | None, Iterator[InputBatch]]]:
    """What `body_source` gives, in batches, and its descriptor where there is one.

    Reading ends when `stop_fd` can be read.
    """
    with body_source(argument, files, stdin_is_terminal=stdin_is_terminal) as source:
        between, longest = separators.between, separators.longest
        if isinstance(source, bytes):
            yield None, split_bytes(source, between, longest)
        else:
            name = files[0] if files else "stdin"
            yield (
                source,
                split_stream(
                    source, between, max_count=max_count, max_piece=longest, stop_fd=stop_fd, name=name
                ),
            )


def _check_stdin(fd: int, no_body: bool) -> None:
    ways = "pass it as an argument, with --file PATH, or on stdin: COMMAND | kubemqctl …"
    if no_body:
        raise UsageError(f"the body is missing: {ways}")
    try:
        os.fstat(fd)
    except OSError as error:
        raise UsageError(f"the body is missing, as stdin is closed: {ways}") from error


def _open(path: str) -> int:
    """A descriptor to read `path` from; directories are refused here, as opening them would succeed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.close(fd)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise unreadable(path, error) from error
    return fd


def _read_all(fd: int, name: str) -> bytes:
    """Everything from `fd`, in memory; raises TooLarge before it has read more than MAX_BODY bytes."""
    size = bytes_to_come(fd)
    if size > MAX_BODY:
        raise _too_large(name)
    chunks: list[bytes] = []
    room = MAX_BODY + 1
    # A file comes in one read: joining chunks would hold it twice.
    while chunk := _read_patiently(fd, min(room, max(READ, size)), name):
        chunks.append(chunk)
        size -= len(chunk)
        room -= len(chunk)
        if not room:
            raise _too_large(name)
    return b"".join(chunks)


def bytes_to_come(fd: int) -> int:
    """What a regular file still holds from its position on; 0 for what has no size, and for /proc."""
    status = os.fstat(fd)
    return status.st_size - os.lseek(fd, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else 0


def _read_patiently(fd: int, size: int, name: str) -> bytes:
    while (chunk := read_some(fd, size, name)) is None:
        select.select([fd], [], [])
    return chunk


def _too_large(name: str) -> TooLarge:
    return TooLarge(f"{quoted(name, 1000)} is too large: the maximum is {MAX_BODY} bytes")


# Files, a message each


def file_batches(
    paths: Sequence[str],
    *,
    has_metadata: bool = False,
    max_count: int = MAX_COUNT,
    max_bytes: int = MAX_BYTES,
) -> Iterator[InputBatch]:
    """A message for each file, in order; a batch's `lines` count the files from 1.

    All are looked at before the first batch, so that a missing, unreadable, oversize or empty one (unless
    there is metadata) ends the run before anything is sent: NotFound, UsageError, TooLarge, InvalidRequest.
    """
    if list(paths).count(STDIN) > 1:
        raise UsageError("--file - is given twice, but stdin can be read once")
    for path in paths:
        if _is_regular(path):
            _check_file(path, has_metadata)
    return _file_batches(paths, has_metadata, max_count, max_bytes)


def _file_batches(
    paths: Sequence[str], has_metadata: bool, max_count: int, max_bytes: int
) -> Iterator[InputBatch]:
    pieces: list[bytes] = []
    size = 0
    for number, path in enumerate(paths, start=1):
        waits = not _is_regular(path)
        if waits:
            yield InputBatch(pieces, range(number - len(pieces), number), idle=True)
            pieces, size = [], 0
        body = _file_body(path, has_metadata)
        if pieces and (len(pieces) == max_count or size + len(body) > max_bytes):
            yield InputBatch(pieces, range(number - len(pieces), number))
            pieces, size = [], 0
        pieces.append(body)
        size += len(body)
    if pieces:
        yield InputBatch(pieces, range(len(paths) + 1 - len(pieces), len(paths) + 1))


def _file_body(path: str, has_metadata: bool) -> bytes:
    return single_body(None, [path], stdin_is_terminal=False, has_metadata=has_metadata)


def _check_file(path: str, has_metadata: bool) -> None:
    fd = _open(path)
    try:
        if bytes_to_come(fd) > MAX_BODY:
            raise _too_large(path)
        if not has_metadata and not read_some(fd, 1, path):
            raise InvalidRequest(f"{quoted(path, 1000)} is empty: a message needs a body or --metadata")
    finally:
        os.close(fd)


def _is_regular(path: str) -> bool:
    """False for pipes and devices, which can be read once and may keep us waiting; so for stdin."""
    if path == STDIN:
        return False
    try:
        return not stat.S_ISFIFO(mode := os.stat(path).st_mode) and not stat.S_ISCHR(mode)
    except OSError as error:
        raise unreadable(path, error) from error
