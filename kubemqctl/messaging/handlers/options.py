"""The options of a handler, and the program that they name, found before anything is taken."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kubemqctl.messaging.handlers.message_input import Executable, Input
from kubemqctl.model.errors import NotFound, UsageError
from kubemqctl.model.text import escaped, quoted
from kubemqctl.runtime.invocation import Invocation

GRACE = 10.0
"""Seconds that running handlers get when the run is told to end."""


def find(words: Sequence[str], environ: Mapping[str, str]) -> Executable:
    """The file that `words` mean, looked for as a shell does. NotFound when there is none that can be run."""
    candidates = list(_candidates(words[0], environ))
    files = [path for path in candidates if os.path.isfile(path)]
    for path in files:
        if os.access(path, os.X_OK):
            return Executable(tuple(words), path)
    name = quoted(words[0], 200)
    if files:
        raise NotFound(f"{name} is not executable", hint=f"chmod +x {escaped(files[0])}")
    if "/" in words[0] and os.path.isdir(words[0]):
        raise NotFound(f"{name} is a directory, not a command")
    if "/" in words[0]:
        raise NotFound(f"there is no command {name}")
    near = f"; write ./{name} for the file here" if words[0] and os.path.isfile(words[0]) else ""
    raise NotFound(f"there is no command {name} on PATH{near}")


def _candidates(name: str, environ: Mapping[str, str]) -> list[str]:
    if "/" in name:
        return [name]
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return [os.path.join(folder or ".", name) for folder in folders] if name else []


class HandlerOptions(NamedTuple):
    """How messages are to be handled. Seconds."""

    command: Executable
    concurrency: int
    timeout: float | None
    input: Input
    grace: float
    persistent: bool = False
    prefix: bool = False


def handler_options(
    run: Invocation,
    *,
    concurrency: int | None,
    timeout: float | None,
    input: str | None,
    grace: float | None,
    persistent: bool = False,
    prefix: bool = False,
) -> HandlerOptions | None:
    """What `-- COMMAND` and its options ask for (None: not given); None without a command.

    Raises NotFound for the command, UsageError for a bad form and for options that have no command.
    """
    given = {
        "--concurrency": concurrency,
        "--handler-timeout": timeout,
        "--handler-input": input,
        "--grace": grace,
        "--persistent": persistent or None,
        "--prefix": prefix or None,
    }
    if run.words is None:
        for option, value in given.items():
            if value is not None:
                raise UsageError(f"{option} needs a handler", hint="its command goes after --")
        return None
    if persistent and input is not None:
        raise UsageError("--handler-input cannot be used with --persistent: a handler reads records")
    return HandlerOptions(
        find(run.words, run.environ),
        concurrency or 1,
        timeout,
        "json" if persistent else parse_form("--handler-input", input),
        GRACE if grace is None else grace,
        persistent,
        prefix,
    )


def parse_form(option: str, text: str | None) -> Input:
    """`body`, which is the default, or `json`."""
    if text not in (None, "body", "json"):
        raise UsageError(f"{option} takes body or json, not {quoted(text)}")
    return "json" if text == "json" else "body"
