"""Paths into a record: `id`, `tags.kind`, `tags[a.b]`, `policy.delay`, `body.items[0].price`, `size`.

`--format` prints what a path leads to, and conditions compare it. A path is a field of the record, or
`size`, the length of the body in bytes; `tags` and `policy` go one step deeper, and `body` as deep as its
JSON goes. A step is `.name` (dashes are part of it) or `[KEY]`, KEY being any text up to the next `]`.
Nothing else is understood: a path reaches no attribute and calls nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.model.errors import UsageError
from kubemqctl.model.records import POLICY_FIELDS, field
from kubemqctl.model.text import nearest, quoted

if TYPE_CHECKING:
    from json import JSONDecoder

SIZE = "size"
_STEP = re.compile(r"\.([^\s.\[\]]+)|\[([^\]]+)\]")
_NAME = re.compile(r"\w+", re.ASCII)
# A longer index is behind the end of every list; int() itself would stop at 4300 digits.
_INDEX = re.compile(r"[0-9]{1,18}", re.ASCII)


class Path(NamedTuple):
    """A field, and the steps behind it: keys of maps, or indexes of lists."""

    field: str
    steps: tuple[str, ...] = ()


class Number(str):
    """A number of a JSON document, as it is written there."""

    __slots__ = ()


class Missing(Enum):
    """What a path leads to where there is nothing; null is None."""

    MISSING = 0


MISSING = Missing.MISSING


class Body:
    """A body, read as JSON when that is first asked for, once however many paths lead there."""

    __slots__ = ("_data", "_is_read", "_value")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._is_read = False
        self._value: object = MISSING

    @property
    def value(self) -> object:
        """Maps, lists, strings, Numbers, booleans and None; MISSING for what is no JSON."""
        if not self._is_read:
            self._is_read = True
            self._value = parse_json(self._data)
        return self._value


Read = Callable[[object, Body], object]
"""What a path leads to in a noun, whose body is given too, for JSON. MISSING where there is nothing."""


def parse_json(data: bytes) -> object:
    """As parse_json_text, for bytes that may be no UTF-8."""
    try:
        return parse_json_text(data.decode())
    except UnicodeDecodeError:
        return MISSING


def parse_json_text(text: str) -> object:
    """The JSON value that `text` is, numbers as Number; MISSING for what is no strict JSON."""
    try:
        return _decoder().decode(text)
    except (ValueError, RecursionError):
        return MISSING


@lru_cache(maxsize=1)
def _decoder() -> JSONDecoder:
    from json import JSONDecoder

    return JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_constant)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def parse_path(text: str, known: Iterable[str]) -> Path:
    """`text` as a path into records with the fields `known`; where they are none, any field is taken.

    Raises UsageError for another name, and for a path that goes where nothing can be.
    """
    found = _NAME.match(text)
    if not found:
        raise UsageError(
            f"{quoted(text)} is not a field",
            hint="write a field like id, tags.kind, tags[a.b] or body.items[0].price",
        )
    path = Path(found[0], _steps(text, found.end()))
    _check_field(path.field, tuple(known))
    _check_depth(path)
    return path


def _steps(text: str, at: int) -> tuple[str, ...]:
    steps = []
    while at < len(text):
        step = _STEP.match(text, at)
        if not step:
            raise UsageError(
                f"{quoted(text)} is not a path from column {at + 1} on",
                hint="a step is .name, or [KEY] for a key with dots or blanks and for an index",
            )
        steps.append(step[1] or step[2])
        at = step.end()
    return tuple(steps)


def _check_field(name: str, known: tuple[str, ...]) -> None:
    if known and "body" in known:
        known = (*known, SIZE)
    if known and name not in known:
        raise UsageError(
            f"there is no field {quoted(name)} here; use {', '.join(known)}", hint=nearest(name, known)
        )


def _check_depth(path: Path) -> None:
    if not path.steps or path.field == "body":
        return
    if path.field not in ("tags", "policy"):
        raise UsageError(f"{path.field} has no keys", hint="only tags, policy and a JSON body have")
    if len(path.steps) > 1:
        key = ".".join(path.steps)
        raise UsageError(
            f"{path.field}.{quoted(key)} is too deep",
            hint=f"a key with a dot in it is {path.field}[{quoted(key)}]",
        )
    if path.field == "policy" and path.steps[0] not in POLICY_FIELDS:
        raise UsageError(
            f"there is no policy.{quoted(path.steps[0])}; use {', '.join(POLICY_FIELDS)}",
            hint=nearest(path.steps[0], POLICY_FIELDS),
        )


def reader(path: Path) -> Read:
    """What finds `path` in a noun (or a record as a dict).

    It gives a record's values: strings, integers, booleans, maps, lists, and bytes for `body` alone; behind a
    body those of parse_json.
    """
    name, steps = path
    if name == SIZE:
        return lambda noun, body: len(getattr(noun, "body", b""))
    if name == "body":
        return _body_reader(steps)
    if name == "tags" and steps:
        return lambda noun, body: _tags(noun).get(steps[0], MISSING)
    if steps:
        return lambda noun, body: walk(_given(noun, name), steps)
    return lambda noun, body: _given(noun, name)


def _given(noun: object, name: str) -> object:
    value = field(noun, name)
    return MISSING if value is None else value


def _body_reader(steps: tuple[str, ...]) -> Read:
    if steps:
        return lambda noun, body: walk(body.value, steps)
    return lambda noun, body: getattr(noun, "body", b"")


def _tags(noun: object) -> Mapping[str, str]:
    tags = noun.get("tags") if type(noun) is dict else getattr(noun, "tags", None)
    return tags or {}


def walk(value: object, steps: Iterable[str]) -> object:
    """What `steps` lead to from `value`; MISSING where they lead nowhere."""
    for step in steps:
        if type(value) is dict:
            value = value.get(step, MISSING)
        elif type(value) is list and _INDEX.fullmatch(step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def compact_json(value: object) -> str:
    """A value of parse_json as JSON again, without blanks, its numbers as they were written."""
    from json import dumps

    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        members = (
            f"{dumps(key, ensure_ascii=False)}:{compact_json(member)}" for key, member in value.items()
        )
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(compact_json, value))}]"
    return dumps(value, ensure_ascii=False)
