"""The files that keep what was not sent: JSON Lines, ready for `queue send --json-lines`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from kubemqctl.config.files import cannot_write, refuse_dash
from kubemqctl.model.errors import KubemqctlError, OutputError, UsageError
from kubemqctl.model.messages import Message
from kubemqctl.model.text import reason

Keep = Callable[[Sequence[Message]], None]
Identity = tuple[int, int]


class UnsentFiles:
    """Keeps failed and unknown messages in the files that were named; a context manager.

    Both files are made empty at the start, before anything is sent: one that cannot be written is no
    news for later, and an empty one says that nothing was lost. `inputs` are the paths that will be read.
    Raises UsageError or NotFound for a file that cannot be written or is read or written by this run already.
    """

    def __init__(self, failed: str | None, unknown: str | None, inputs: Iterable[str] = ()) -> None:
        self.keeps_failed = failed is not None
        self.failed: Keep = _forget
        self.unknown: Keep = _forget
        self._files: list[int] = []
        if failed is None and unknown is None:
            return
        taken: dict[Identity, str] = {}
        _take(taken, "the input", 0)
        for path in inputs:
            _take(taken, "the input", path)
        _take(taken, "the output", 1)
        self.failed = self._keeper("--failed", failed, taken)
        self.unknown = self._keeper("--unknown", unknown, taken)

    def __enter__(self) -> UnsentFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        for fd in self._files:
            os.close(fd)

    def _keeper(self, option: str, path: str | None, taken: dict[Identity, str]) -> Keep:
        if path is None:
            return _forget
        refuse_dash(option, path)
        fd = _emptied(option, path, taken)
        self._files.append(fd)
        from kubemqctl.output.forms import json_renderer

        render = json_renderer()
        return lambda messages: _write(fd, path, b"".join(map(render, messages)))


def _forget(messages: Sequence[Message]) -> None:
    pass


def _take(taken: dict[Identity, str], what: str, file: int | str) -> None:
    """Note whose file this is, if it is a regular one."""
    try:
        status = os.stat(file)
    except OSError:
        return
    if stat.S_ISREG(status.st_mode):
        taken[status.st_dev, status.st_ino] = what


def _emptied(option: str, path: str, taken: dict[Identity, str]) -> int:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise cannot_write(option, path, e) from e
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        if what := taken.get((status.st_dev, status.st_ino)):
            os.close(fd)
            raise UsageError(f"{option}: {path} is {what} itself", hint="name another file")
        taken[status.st_dev, status.st_ino] = f"the file of {option}"
        os.ftruncate(fd, 0)
    return fd


def _write(fd: int, path: str, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError as e:
        raise _failure(path, e) from e


def _failure(path: str, e: OSError) -> KubemqctlError:
    return OutputError(f"cannot write {path}: {reason(e)}", hint="some messages are missing in it")
