"""Files that we read and write: reading one whole, its permissions, the ready file, errors in words."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from kubemqctl.model.errors import ConfigError, NotFound, OutputError


def clear_ready_file(path: str) -> None:
    """Take away what an earlier run left, so that it tells nothing of this one. To be called at the start.

    Raises NotFound when the directory is not there, OutputError when the file cannot be replaced.
    """
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise NotFound(f"--ready-file: no such directory: {folder}")
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as e:
        raise OutputError(f"cannot replace the ready file {path}: {(e.strerror or str(e)).lower()}") from e


def write_ready_file(path: str, text: str = "live") -> None:
    """Write `text` and a newline in one step: whoever waits for the file never reads half of it."""
    part = f"{path}.{os.getpid()}"
    try:
        with open(part, "x") as file:
            file.write(f"{text}\n")
        os.replace(part, path)
    except OSError as e:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise OutputError(f"cannot write the ready file {path}: {(e.strerror or str(e)).lower()}") from e


@contextmanager
def _cannot_write(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "inside `broker exec` no profile applies" if path.startswith("/dev/null/") else ""
        raise ConfigError(
            f"cannot write the configuration file {path}: {reason(error)}", hint=hint
        ) from error


def readable_by_others(path: str) -> bool:
    """Whether somebody else on this machine can read the plain file at `path`."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False  # whoever opens it learns why
    return stat.S_ISREG(mode) and bool(mode & 0o044)


def read_file(path: str, what: str = "file") -> bytes:
    """The bytes of a small file that a setting names; `what` is what the error calls it.

    Raises NotFound when it is not there and ConfigError when it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no such {what}: {path}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the {what} {path}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What the system says of a failed call, in lower case and without its number."""
    return (getattr(error, "strerror", None) or str(error)).lower()
