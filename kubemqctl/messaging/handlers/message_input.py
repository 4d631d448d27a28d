"""What a handler is given of a message: its stdin, and the variables of its environment.

Nothing of a message is ever put on a command line. What an environment cannot hold is left out and named:
a message that is too large for it must be handled like any other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from kubemqctl.model.records import field

LARGEST_VARIABLE = 100 << 10
"""Bytes; Linux takes 128 KiB for one `NAME=VALUE`."""
Input = Literal["body", "json"]
_VARIABLES = {
    f"KUBEMQ_{name.upper()}": name
    for name in ("channel", "id", "metadata", "sequence", "receive_count", "timestamp", "timeout", "tags")
}
_ALWAYS = {"channel", "id", "metadata", "tags"}
_OMITTED = "KUBEMQ_OMITTED"
MESSAGE_VARIABLES = frozenset((*_VARIABLES, _OMITTED))
"""All that may tell of a message; those of a handler above us would tell of another one."""


def variables(noun: object) -> dict[str, str]:
    """The environment that tells of a message; what does not fit is left out and named in KUBEMQ_OMITTED.

    Channel, id, metadata and tags are always there, the others where the message has them.
    """
    given: dict[str, str] = {}
    omitted = []
    for variable, name in _VARIABLES.items():
        text = _text(noun, name)
        if "\0" in text or len(text.encode()) > LARGEST_VARIABLE:
            omitted.append(variable)
        elif text or name in _ALWAYS:
            given[variable] = text
    if omitted:
        given[_OMITTED] = " ".join(omitted)
    return given


def _text(noun: object, name: str) -> str:
    if name == "tags":
        return json.dumps(field(noun, name) or {}, separators=(",", ":"), ensure_ascii=False)
    value = field(noun, name)
    return "" if value is None else str(value)


def stdin_bytes(noun: Any, form: Input) -> bytes:
    """What the handler reads: the body's exact bytes, or the whole record as a line of JSON."""
    if form == "body":
        return bytes(noun.body)
    return _renderer()(noun)


@lru_cache(maxsize=1)
def _renderer() -> Callable[[object], bytes]:
    from kubemqctl.output.forms import json_renderer

    return json_renderer()


class Executable(NamedTuple):
    """A handler that was found: the words as given, and the file that the first of them means."""

    words: tuple[str, ...]
    path: str


# --- how much an environment holds ---

# Linux takes no more than three quarters of its own stack limit, however high that of a process is.
_MOST_OF_ALL = 6 << 20
# What the system itself, the path of an interpreter and the like may need.
_RESERVE = 4 << 10
_POINTER = 8


def room_for_variables(command: Executable, environ: Mapping[bytes, bytes]) -> int:
    """Bytes that variables of a message may take in the environment of `command`, besides `environ`."""
    words = sum(len(os.fsencode(word)) + 1 + _POINTER for word in (command.path, *command.words))
    most = min(os.sysconf("SC_ARG_MAX"), _MOST_OF_ALL)
    return most - words - sum(_cost(name, value) for name, value in environ.items()) - _RESERVE


def fitting(given: Mapping[str, str], room: int) -> dict[bytes, bytes]:
    """`given` as bytes, the largest left out until they fit, and named in KUBEMQ_OMITTED.

    Bytes, because a locale must not decide what a message may hold.
    """
    own = {name.encode(): value.encode() for name, value in given.items()}
    total = sum(_cost(name, value) for name, value in own.items())
    omitted = own.pop(_OMITTED.encode(), b"").split()
    while total > room and own:
        name = max(own, key=lambda name: len(own[name]))
        total -= _cost(name, own.pop(name))
        omitted.append(name)
    if omitted:
        own[_OMITTED.encode()] = b" ".join(omitted)
    return own


def _cost(name: bytes, value: bytes) -> int:
    return len(name) + len(value) + 2 + _POINTER
