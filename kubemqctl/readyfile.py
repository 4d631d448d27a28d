"""`--ready-file`: a file that appears once a process is live, so that scripts need not sleep."""

from __future__ import annotations

import contextlib
import os

from kubemqctl.model.errors import NotFound, OutputError


def clear(path: str) -> None:
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


def write(path: str, text: str = "live") -> None:
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
