"""A body that is JSON, laid out to be read: what fits on a line stays on it, names and values in colours.

Only white space changes. Tokens are kept as they were written, so that `1.0`, a name given twice and a
number of forty digits are seen as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from kubemqctl.model.paths import MISSING, parse_json_text
from kubemqctl.model.text import escaped_json
from kubemqctl.output.stderr import BLUE, DIM, GREEN, ORANGE, PURPLE, ViewOptions

LARGEST = 64 << 10
"""Characters; a longer text is nothing to read at a glance, and is printed as it is."""
DEEPEST = 32
LONGEST_LINE = 100
"""Columns; more on one line is hard to follow, however wide the view is."""
INDENT = 2
_TOKEN = re.compile(r'[{}\[\],:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}\[\],:"]+')


class Leaf(NamedTuple):
    """A string, a number, true, false or null."""

    text: str
    style: str
    width: int


class Branch(NamedTuple):
    """An object or an array; of an object each value has its name. `width` is what it takes on one line."""

    brackets: str
    members: list[tuple[Leaf | None, Leaf | Branch]]
    width: int


def laid_out(text: str, view: ViewOptions) -> str | None:
    """`text` for `view`, safe for a terminal; None when it is no JSON object or array, or too much of one."""
    if len(text) > LARGEST or not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return None
    if parse_json_text(text) is MISSING:
        return None
    tokens = _TOKEN.finditer(text)
    tree = _value(next(tokens)[0], tokens, DEEPEST)
    view = view._replace(width=min(view.width, LONGEST_LINE))
    return f"{_drawn(tree, view, 0, 0)}\n" if tree else None


# --- the tree ---


def _value(token: str, tokens: Iterator[re.Match[str]], depth: int) -> Leaf | Branch | None:
    """The value that begins with `token`; None when it is deeper than `depth`."""
    if token not in ("{", "["):
        return _leaf(token)
    members: list[tuple[Leaf | None, Leaf | Branch]] = []
    for match in tokens:
        if match[0] in ("}", "]"):
            return _branch(token, members)
        if match[0] != ",":
            member = _member(match[0], tokens, depth, named=token == "{")
            if member is None:
                return None
            members.append(member)
    return None


def _member(
    token: str, tokens: Iterator[re.Match[str]], depth: int, named: bool
) -> tuple[Leaf | None, Leaf | Branch] | None:
    name = None
    if named:
        name = _leaf(token)._replace(style=BLUE)
        next(tokens)  # the colon
        token = next(tokens)[0]
    value = _value(token, tokens, depth - 1) if depth else None
    return None if value is None else (name, value)


def _leaf(token: str) -> Leaf:
    from rich.cells import cell_len

    text = escaped_json(token)
    return Leaf(text, _STYLES.get(token[0], PURPLE), cell_len(text))


_STYLES = {'"': GREEN, "t": ORANGE, "f": ORANGE, "n": ORANGE}


def _branch(opening: str, members: list[tuple[Leaf | None, Leaf | Branch]]) -> Branch:
    names = sum(name.width + 2 for name, _ in members if name)
    values = sum(value.width for _, value in members)
    between = 2 * max(0, len(members) - 1)
    return Branch("{}" if opening == "{" else "[]", members, names + values + between + 2)


# --- the view ---


def _drawn(value: Leaf | Branch, view: ViewOptions, indent: int, used: int) -> str:
    """`value` where `used` columns of its first line are taken, a comma behind it included."""
    if isinstance(value, Leaf):
        return view.paint(value.text, value.style)
    opening, closing = (view.paint(bracket, DIM) for bracket in value.brackets)
    if not value.members or used + value.width <= view.width:
        inner = f"{view.paint(',', DIM)} ".join(_named(*member, view, 0, 0) for member in value.members)
        return f"{opening}{inner}{closing}"
    inset = indent + INDENT
    comma = view.paint(",", DIM) + "\n" + " " * inset
    lines = comma.join(_lines(value, view, inset))
    return f"{opening}\n{' ' * inset}{lines}\n{' ' * indent}{closing}"


def _lines(branch: Branch, view: ViewOptions, indent: int) -> Iterator[str]:
    """One member a line; numbers side by side, as many as there is room for."""
    for are_numbers, run in groupby(branch.members, key=_is_number):
        if are_numbers:
            yield from _filled([member[1] for member in run], view, indent)
        else:
            yield from (_named(*member, view, indent, indent + 1) for member in run)


def _is_number(member: tuple[Leaf | None, Leaf | Branch]) -> bool:
    name, value = member
    return name is None and isinstance(value, Leaf) and value.style == PURPLE


def _filled(numbers: list[Leaf | Branch], view: ViewOptions, indent: int) -> Iterator[str]:
    line: list[str] = []
    used = indent
    comma = f"{view.paint(',', DIM)} "
    for number in numbers:
        if line and used + number.width + 1 > view.width:
            yield comma.join(line)
            line, used = [], indent
        line.append(_drawn(number, view, 0, 0))
        used += number.width + 2
    yield comma.join(line)


def _named(name: Leaf | None, value: Leaf | Branch, view: ViewOptions, indent: int, used: int) -> str:
    if name is None:
        return _drawn(value, view, indent, used)
    head = f"{view.paint(name.text, name.style)}{view.paint(':', DIM)} "
    return head + _drawn(value, view, indent, used + name.width + 2)
