"""What a handler is given of a message: the body, or the whole record, on stdin; the rest in its environment.

Nothing of a message is ever on a command line, and no shell is between. The environment is otherwise ours:
`KUBEMQ_AUTH_TOKEN` stays in it, as the command is the user's own and may well call kubemqctl.
"""

from __future__ import annotations

import json
from typing import Any, Literal

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
    from kubemqctl.output.forms import json_renderer

    return json_renderer()(noun)
