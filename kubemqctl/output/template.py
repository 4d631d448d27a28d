"""`--format` templates: `'{sequence}\t{tags[kind]}\t{body}'`.

A field is a record's field, or one key of its `tags` or `policy`; `{{` and `}}` are braces; escapes are
those of `--delimiter`. Nothing else is understood: a template reaches no attribute and calls nothing.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator

from kubemqctl.model.errors import UsageError
from kubemqctl.model.records import POLICY_FIELDS, field, fields
from kubemqctl.model.text import escaped, nearest, text_bytes
from kubemqctl.model.values import parse_delimiter

Part = Callable[[object], bytes]
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FIELD = re.compile(r"(\w+)(?:\[(.+)\])?", re.ASCII | re.DOTALL)


def compile_template(text: str, noun_type: type) -> Part:
    """A function that renders a noun of `noun_type` as `text` says, with a newline at the end.

    A body is its bytes, a time or duration what the record has, a map compact JSON, an absent value empty.
    UsageError for a field that the noun does not have and for what is no template.
    """
    parts = [*_parts(text, noun_type), _constant(b"\n")]
    return lambda noun: b"".join([part(noun) for part in parts])


def _parts(text: str, noun_type: type) -> Iterator[Part]:
    at = 0
    for match in _BRACES.finditer(text):
        yield _constant(parse_delimiter(text[at : match.start()]))
        at = match.end()
        if match[1] is not None:
            yield _field(match[1], noun_type)
        elif len(match[0]) == 2:
            yield _constant(match[0][:1].encode())
        else:
            raise UsageError(
                f"--format: the {match[0]} at column {match.start() + 1} stands alone",
                hint="a field is {name}; for a brace itself write {{ or }}",
            )
    yield _constant(parse_delimiter(text[at:]))


def _constant(plain: bytes) -> Part:
    return lambda noun: plain


def _field(name: str, noun_type: type) -> Part:
    """What puts the field between two braces into bytes."""
    found = _FIELD.fullmatch(name)
    if not found:
        raise UsageError(f"--format: {{{escaped(name)}}} names no field", hint="as {channel} or {tags[KEY]}")
    base, key = found.groups()
    known = fields(noun_type)
    if known:
        _check(base, (*known, "body_base64") if "body" in known else known)
    if key is not None:
        return _key(base, key)
    if base == "body":
        return lambda noun: getattr(noun, "body", b"")
    if base == "body_base64":
        return lambda noun: b2a_base64(getattr(noun, "body", b""), newline=False)
    return lambda noun: _bytes(field(noun, base))


def _key(base: str, key: str) -> Part:
    """One key of a map."""
    if base not in ("tags", "policy"):
        raise UsageError(f"--format: {base} has no keys", hint="tags[KEY] and policy[KEY] have")
    if base == "policy":
        _check(key, POLICY_FIELDS, "policy[", "]")

    def part(noun: object) -> bytes:
        values = field(noun, base)
        return _bytes(values.get(key)) if isinstance(values, dict) else b""

    return part


def _check(name: str, known: tuple[str, ...], before: str = "", after: str = "") -> None:
    if name not in known:
        raise UsageError(
            f"--format: no field {before}{escaped(name)}{after} here; there are {', '.join(known)}",
            hint=nearest(name, known),
        )


def _bytes(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return text_bytes(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
