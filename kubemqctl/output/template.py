"""`--format` templates: `'{sequence}\t{tags[kind]}\t{body}'`.

A field is a path (model/paths.py); `{{` and `}}` are braces; escapes are those of `--delimiter`. Nothing else
is understood: a template reaches no attribute and calls nothing.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Container, Iterator

from kubemqctl.model.errors import UsageError
from kubemqctl.model.paths import MISSING, Body, compact_json, parse_path, reader
from kubemqctl.model.records import fields
from kubemqctl.model.text import escaped, quoted, text_bytes
from kubemqctl.model.values import OUTPUT_FORMS, parse_delimiter

Part = Callable[[object], bytes]
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FORM_OF = {
    **{form: form for form in OUTPUT_FORMS},
    "table": "human",
    "text": "raw",
    "csv": "raw",
    "jsonl": "json",
}
# Of Go and Jinja. Here `{{` is a brace: what stands in it would be printed in place of each message.
_OTHER_TEMPLATE = re.compile(r"\{\{\s*\.?(\w+)[^{}]*\}\}")
_NO_BODY = Body(b"")


def compile_template(text: str, noun_type: type, on_terminal: bool = False) -> Part:
    """A function that renders a noun of `noun_type` as `text` says, with a newline at the end.

    A body is its bytes, a time or duration what the record has, a map compact JSON, an absent value empty;
    of a JSON body's inside, strings are bare, numbers as written, and the rest is compact JSON. With
    `on_terminal`, what acts on a terminal is written out in all of these but a whole body.
    UsageError for a field that the noun does not have and for what is no template.
    """
    _refuse_those_of_others(text, fields(noun_type))
    parts = [*_parts(text, noun_type, on_terminal), _constant(b"\n")]
    return lambda noun: b"".join([part(noun) for part in parts])


def _refuse_those_of_others(text: str, known: Container[str]) -> None:
    """What `--format` takes elsewhere. Printed as it stands, it would take the place of every message."""
    if form := _FORM_OF.get(text):
        raise UsageError(
            f"--format takes a template with fields, not {text}", hint=f"did you mean -o {form}?"
        )
    if any(match[1] is not None for match in _BRACES.finditer(text)):
        return
    other = _OTHER_TEMPLATE.search(text)
    if other and (name := other[1].lower()) in known:
        raise UsageError(f"--format: {quoted(other[0])} is no field", hint=f"write it as {{{name}}}")


def _parts(text: str, noun_type: type, on_terminal: bool) -> Iterator[Part]:
    at = 0
    for match in _BRACES.finditer(text):
        yield _constant(parse_delimiter(text[at : match.start()]))
        at = match.end()
        if match[1] is not None:
            part = _field(match[1], noun_type)
            yield _shown(part) if on_terminal and match[1] != "body" else part
        elif len(match[0]) == 2:
            yield _constant(match[0][:1].encode())
        else:
            raise UsageError(
                f"--format: unmatched {match[0]} at column {match.start() + 1}",
                hint="write a field like {name}, and a brace as {{ or }}",
            )
    yield _constant(parse_delimiter(text[at:]))


def _constant(plain: bytes) -> Part:
    return lambda noun: plain


def _shown(part: Part) -> Part:
    return lambda noun: text_bytes(escaped(part(noun).decode("utf-8", "surrogateescape")))


def _field(name: str, noun_type: type) -> Part:
    """What puts the field between two braces into bytes."""
    known = fields(noun_type)
    if name == "body_base64" and (not known or "body" in known):
        return lambda noun: b2a_base64(getattr(noun, "body", b""), newline=False)
    try:
        path = parse_path(name, known)
    except UsageError as e:
        e.message = f"--format: {e.message}"
        raise
    read = reader(path)
    if path.field == "body" and path.steps:
        return lambda noun: _json_bytes(read(noun, Body(getattr(noun, "body", b""))))
    return lambda noun: _bytes(read(noun, _NO_BODY))


def _json_bytes(value: object) -> bytes:
    """What a path leads to: a string bare, the rest as JSON, nothing for what is not there."""
    if value is MISSING:
        return b""
    if isinstance(value, str):  # a number too, as it is written
        return text_bytes(value)
    try:
        return text_bytes(compact_json(value))
    except RecursionError:  # nested deeper than this program follows
        return b""


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if type(value) is int:  # by far quicker than as JSON
        return b"%d" % value
    return _json_bytes(value)
