"""Conditions in the slowest and plainest way: what messaging/conditions.py must agree with.

It follows the sentences of the documentation one by one, and shares no code with the program but the units.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from kubemqctl.model.errors import UsageError
from kubemqctl.model.values import duration_ns, parse_size, parse_time

OPERATORS = ["!=", "!~", "<=", ">=", "=", "<", ">", "~"]
NOTHING = object()


class Refused(Exception):
    """The text is no condition."""


class Written:
    """A number of a JSON document: what stands there, and its value."""

    def __init__(self, text: str) -> None:
        self.text = text


def split(text: str) -> tuple[str, str, str]:
    """FIELD, OP and VALUE."""
    depth = 0
    for at in range(len(text)):
        if depth:
            depth -= text[at] == "]"
            continue
        if text[at] == "[":
            depth = 1
            continue
        for operator in OPERATORS:
            if text[at:].startswith(operator):
                return text[:at], operator, text[at + len(operator) :]
    raise Refused


def steps_of(name: str, known: set[str]) -> list[str]:
    """The parts of FIELD: the field first."""
    found = re.match(r"[A-Za-z0-9_]+", name)
    if not found or found[0] not in known | {"size"}:
        raise Refused
    steps = [found[0]]
    rest = name[found.end() :]
    while rest:
        if rest[0] == "[" and "]" in rest[2:]:
            key, _, rest = rest[1:].partition("]")
        elif rest[0] == "." and (dotted := re.match(r"\.([^\s.\[\]]+)", rest)):
            key, rest = dotted[1], rest[dotted.end() :]
        else:
            raise Refused
        if not key:
            raise Refused
        steps.append(key)
    if len(steps) > 1 and steps[0] not in ("body", "tags", "policy"):
        raise Refused
    if len(steps) > 2 and steps[0] != "body":
        raise Refused
    if (
        len(steps) > 1
        and steps[0] == "policy"
        and steps[1] not in ("expiration", "delay", "max_receives", "dead_letter")
    ):
        raise Refused
    return steps


def inside(body: bytes) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        return json.loads(body.decode(), parse_int=Written, parse_float=Written, parse_constant=refuse)
    except (ValueError, RecursionError):
        return NOTHING


def found_at(steps: list[str], record: Mapping[str, Any], body: bytes) -> Any:
    """What the path leads to in a record (as a dict of JSON values) with this body."""
    if steps[0] == "size":
        return len(body)
    if steps == ["body"]:
        return body
    value = inside(body) if steps[0] == "body" else record.get(steps[0], NOTHING)
    for step in steps[1:]:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif (
            isinstance(value, list)
            and re.fullmatch("[0-9]+", step)
            and int(step[:18]) < len(value)
            and len(step) <= 18
        ):
            value = value[int(step)]
        else:
            return NOTHING
    return value


def text_of(value: Any) -> str | None:
    if value is NOTHING or value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, Written):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def number(text: str, pattern: str) -> Fraction | None:
    found = re.fullmatch(pattern, text, re.ASCII)
    # A Fraction writes its exponent out: no test has one that is greater.
    return Fraction(text) if found and len(text) <= 4096 else None


def measured(text: str) -> dict[str, Any]:
    """Every kind that a text reads as, with its value."""
    kinds: dict[str, Any] = {}
    if (value := number(text, r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")) is not None:
        kinds["number"] = value
    for kind, parse in (("time", parse_time), ("duration", duration_ns), ("size", parse_size)):
        with contextlib.suppress(UsageError):
            kinds[kind] = parse(text)
    return kinds


def holds(text: str, record: Mapping[str, Any], body: bytes, known: set[str]) -> bool:
    """Whether the record fulfils the condition. Raises Refused."""
    name, operator, value = split(text)
    if operator == "=" and value[:1] in ("=", "~"):
        raise Refused
    steps = steps_of(name, known)
    is_ordered = operator in ("<", "<=", ">", ">=")
    limits = measured(value) if is_ordered else {}
    if operator in ("~", "!~"):
        try:
            re.compile(value)
        except re.error:
            raise Refused from None
    found = found_at(steps, record, body)
    said = text_of(found)
    if said is None:
        return operator in ("!=", "!~")
    if operator in ("~", "!~"):
        start = (
            found[: 64 << 10].decode("utf-8", "surrogateescape")
            if isinstance(found, bytes)
            else said[: 64 << 10]
        )
        return (re.search(value, start) is not None) == (operator == "~")
    if operator in ("=", "!="):
        same = said == value
        json_number = r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"
        if isinstance(found, (Written, int)) and not isinstance(found, bool):
            ours, theirs = number(said, json_number), number(value, json_number)
            if ours is not None and theirs is not None:
                same = ours == theirs
        return same == (operator == "=")
    if isinstance(found, bool):
        return False
    kinds = measured(said)
    if isinstance(found, int):
        kinds["size"] = found
    for kind, limit in limits.items():
        if kind in kinds:
            return bool(eval(f"a {operator} b", {"a": kinds[kind], "b": limit}))
    return False
