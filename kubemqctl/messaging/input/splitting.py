"""A stream cut into pieces, and pieces into batches, with flat memory whatever comes in.

An iterator of batches never waits for input unless the batch before said `idle`, so a consumer that
settles its work on `idle` leaves nothing unanswered while a live pipe is silent.
"""

from __future__ import annotations

import errno
import os
import select
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from kubemqctl.model.errors import KubemqctlError, NotFound, UsageError
from kubemqctl.model.limits import MAX_BODY, MAX_RECORD
from kubemqctl.model.text import quoted, reason

MAX_COUNT = 1000
MAX_BYTES = 4 << 20
READ = 256 << 10
_LINGER = 0.001
"""Seconds without input until a batch goes out unfilled, in all at most five times that. A fast writer needs
some microseconds to refill a pipe: with no patience at all, `cat FILE |` came in ten times as many batches
(2,010 for 201, lines of 1 KiB, requests of 12 ms) and took 1.6 times as long."""


class Separators(NamedTuple):
    """What the options say of where messages end in the input; false where they say nothing: it is one."""

    lines: bool = False
    nul: bool = False
    delimiter: bytes | None = None
    json_lines: bool = False

    def __bool__(self) -> bool:
        return self._given > 0

    @property
    def between(self) -> bytes:
        """What separates messages in the input."""
        return b"\0" if self.nul else b"\n" if self.delimiter is None else self.delimiter

    @property
    def longest(self) -> int:
        """How many bytes a piece of the input may have: a record in JSON is longer than its body."""
        return MAX_RECORD if self.json_lines else MAX_BODY

    def check(self) -> None:
        """Raises UsageError when it was said in two ways, or is nothing."""
        if self._given > 1:
            raise UsageError("--lines, -0, --delimiter and --json-lines cannot be used together")
        if not self.between:
            raise UsageError("--delimiter is empty")

    def check_records(self, *, keep_id: bool, keep_channel: bool, pace: float | None) -> None:
        """Refuse what only records can have. Raises UsageError."""
        for name, given in (
            ("--keep-id", keep_id),
            ("--keep-channel", keep_channel),
            ("--pace", pace is not None),
        ):
            if given and not self.json_lines:
                raise UsageError(f"{name} needs --json-lines")

    @property
    def _given(self) -> int:
        return sum((self.lines, self.nul, self.delimiter is not None, self.json_lines))


class InputBatch(NamedTuple):
    """Some pieces of a stream, in order.

    `pieces` are exact and not empty, the delimiter removed; `lines` are their numbers in the input, from 1.
    `skipped` counts empty pieces, `oversize` has the numbers of pieces dropped for being over the limit;
    both kinds have line numbers too. `idle`: no more input was ready, the next batch may be long in coming.
    Any of these may be the only news: `pieces` may be empty.
    """

    pieces: list[bytes]
    lines: Sequence[int]
    skipped: int = 0
    oversize: tuple[int, ...] = ()
    idle: bool = False


def read_some(fd: int, size: int, name: str) -> bytes | None:
    """Up to `size` bytes, none at the end; None if there are none yet and a parent left it non-blocking."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError as error:
        raise unreadable(name, error) from error


def unreadable(name: str, error: OSError) -> KubemqctlError:
    name = quoted(name, 1000)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return NotFound(f"{name} does not exist")
    if isinstance(error, IsADirectoryError):
        return UsageError(f"{name} is a directory: give its files one by one")
    if isinstance(error, PermissionError):
        return UsageError(f"{name} cannot be read: permission denied")
    if error.errno == errno.EBADF:
        return UsageError(f"{name} is closed")
    return KubemqctlError(f"{name} cannot be read: {reason(error)}")


def split_stream(
    fd: int,
    delimiter: bytes,
    *,
    max_count: int = MAX_COUNT,
    max_bytes: int = MAX_BYTES,
    max_piece: int = MAX_BODY,
    stop_fd: int | None = None,
    name: str = "stdin",
) -> StreamSplitter:
    """Batches of the pieces that `fd` brings, each of at most `max_count` pieces and `max_bytes` bytes.

    A larger piece comes alone, one over `max_piece` not at all. A batch also ends when no more input is
    ready; a piece is whole only at its delimiter or at the end of the input. When `stop_fd` can be read
    the iterator reads no more: it hands out what is complete, then ends. Raises UsageError for an empty
    delimiter, and what `unreadable` says for a descriptor that fails; `name` is for the message.
    """
    return StreamSplitter(fd, PieceBuffer(delimiter, max_count, max_bytes, max_piece), stop_fd, name)


def split_bytes(data: bytes, delimiter: bytes, max_piece: int = MAX_BODY) -> Iterator[InputBatch]:
    """The batches of a body given as an argument; the same rules, without the waiting."""
    buffer = PieceBuffer(delimiter, MAX_COUNT, MAX_BYTES, max_piece)
    buffer.feed(data)
    buffer.finish()
    while buffer.has_news:
        yield buffer.take()


class StreamSplitter(Iterator[InputBatch]):
    """The batches of a descriptor, which stays open.

    At any time, `left` is how many whole pieces were read but not handed out, `unfinished` the bytes read
    of a piece whose delimiter has not come, and `stopped` whether `stop_fd` ended the reading.
    """

    def __init__(self, fd: int, buffer: PieceBuffer, stop_fd: int | None, name: str) -> None:
        self.stopped = False
        self._fd = fd
        self._buffer = buffer
        self._watched = [fd] if stop_fd is None else [fd, stop_fd]
        self._stop_fd = stop_fd
        self._name = name
        self._due = 0.0
        self._failure: KubemqctlError | None = None
        self._batches = self._run()

    def __next__(self) -> InputBatch:
        return next(self._batches)

    @property
    def left(self) -> int:
        return self._buffer.left

    @property
    def unfinished(self) -> int:
        return self._buffer.unfinished

    def _run(self) -> Iterator[InputBatch]:
        buffer = self._buffer
        told = True  # nothing was handed out since the consumer last heard that it may have to wait
        while True:
            waiting = buffer.left or buffer.oversize or not told
            news = self._wait(self._patience() if waiting else None)
            if news == "quiet":
                told, self._due = True, 0.0
                yield buffer.take(idle=True)
            elif news == "stop" or (chunk := self._chunk()) == b"":
                break
            elif chunk is not None:
                buffer.feed(chunk)
                while buffer.full:
                    batch = buffer.take()
                    told, self._due = not buffer.left and self._wait(0) == "quiet", 0.0
                    yield batch._replace(idle=told)
        if not self.stopped and not self._failure:
            buffer.finish()
        while buffer.has_news:
            yield buffer.take()
        if self._failure:
            raise self._failure

    def _chunk(self) -> bytes | None:
        """The next input; one that fails ends it, and is raised when all that came before is handed out."""
        try:
            return read_some(self._fd, READ, self._name)
        except KubemqctlError as error:
            self._failure = error
            return b""

    def _patience(self) -> float:
        """Seconds that a batch may still wait to be filled, counted from the first call for it."""
        now = time.monotonic()
        self._due = self._due or now + 5 * _LINGER
        return max(0.0, min(_LINGER, self._due - now))

    def _wait(self, timeout: float | None) -> Literal["input", "stop", "quiet"]:
        """What comes first within `timeout` seconds; a stop is for good, and goes before input."""
        try:
            # Not poll: on macOS it does not know terminals and other devices.
            ready = select.select(self._watched, [], [], timeout)[0]
        except OSError as error:
            raise unreadable(self._name, error) from error
        self.stopped = self.stopped or self._stop_fd in ready
        if self.stopped:
            return "stop"
        return "input" if ready else "quiet"


class PieceBuffer:
    """Pieces from chunks that end anywhere, and batches from pieces, wherever they come from."""

    def __init__(self, delimiter: bytes, max_count: int, max_bytes: int, max_piece: int) -> None:
        if not delimiter:
            raise UsageError("the delimiter is empty")
        self.oversize: list[int] = []
        self._delimiter = delimiter
        self._edge = len(delimiter) - 1
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._max_piece = max_piece
        self._tail = bytearray()  # the piece that has no end yet; while it is dropped, its last bytes
        self._dropping = False
        self._line = 0
        self._skipped = 0
        self._pieces: list[bytes] = []
        self._lines: list[int] = []
        self._held = 0
        self._taken = 0

    @property
    def left(self) -> int:
        return len(self._pieces) - self._taken

    @property
    def unfinished(self) -> int:
        return len(self._tail)

    @property
    def full(self) -> bool:
        return self.left >= self._max_count or self._held >= self._max_bytes

    @property
    def has_news(self) -> bool:
        return bool(self.left or self._skipped or self.oversize)

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes of the input, however few or many."""
        if self._edge and self._tail:
            # A delimiter that straddles two chunks begins in the last bytes of the tail, which holds none.
            chunk = bytes(self._tail[-self._edge :]) + chunk
            del self._tail[-self._edge :]
        parts = chunk.split(self._delimiter)
        tail = parts.pop()
        if parts:
            self._complete(parts)
        self._grow(tail)

    def finish(self) -> None:
        """The input is over: what is left of it is a piece too, but nothing behind a delimiter is none."""
        if self._tail or self._dropping:
            self._complete([b""])

    def take(self, idle: bool = False) -> InputBatch:
        """The next pieces that make a batch, perhaps none, and all that there is to tell."""
        end = self._taken + self._max_count
        pieces = self._pieces[self._taken : end]
        sizes = sum(map(len, pieces))
        if sizes > self._max_bytes:
            count = max(1, bisect_right(list(accumulate(map(len, pieces))), self._max_bytes))
            pieces = pieces[:count]
            sizes = sum(map(len, pieces))
        lines = self._lines[self._taken : self._taken + len(pieces)]
        self._taken += len(pieces)
        self._held -= sizes
        batch = InputBatch(pieces, lines, self._skipped, tuple(self.oversize), idle)
        self._skipped, self.oversize = 0, []
        return batch

    def _complete(self, parts: list[bytes]) -> None:
        """`parts` have ended, the first of them being the end of what the tail began."""
        if self._taken:
            del self._pieces[: self._taken], self._lines[: self._taken]
            self._taken = 0
        if self._dropping:
            self._line += 1
            self.oversize.append(self._line)
            del parts[0]
        elif self._tail:
            parts[0] = b"".join((self._tail, parts[0]))
        self._tail.clear()
        self._dropping = False
        self._accept(parts)

    def _accept(self, parts: list[bytes]) -> None:
        first = self._line + 1
        self._line += len(parts)
        size = sum(map(len, parts))
        if size <= self._max_piece and all(parts):
            self._pieces += parts
            self._lines += range(first, self._line + 1)
            self._held += size
            return
        for line, piece in enumerate(parts, first):
            if not piece:
                self._skipped += 1
            elif len(piece) > self._max_piece:
                self.oversize.append(line)
            else:
                self._pieces.append(piece)
                self._lines.append(line)
                self._held += len(piece)

    def _grow(self, data: bytes) -> None:
        """The unfinished piece goes on; past the limit only its end is kept, which may begin a delimiter."""
        if not self._dropping and len(self._tail) + len(data) <= self._max_piece + self._edge:
            self._tail += data
        else:
            self._dropping = True
            self._tail[:] = data
