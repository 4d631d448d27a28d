"""Conditions, as `body.price>=9.5`: what `--where`, `--never`, `--warn` and `--critical` take.

One is `FIELD OP VALUE`: FIELD a path (model/paths.py), OP the first of `!= !~ <= >= = < > ~` outside
brackets, and VALUE all that follows. It is read before anything is taken from a server, and evaluated without
eval, without attributes, and in bounded time: numbers have a limit of digits, a pattern sees the first 64 KiB
of a text and has a second of processor time.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import SECOND
from kubemqctl.model.paths import Body, Number, Path, Read, parse_path, reader
from kubemqctl.model.records import fields
from kubemqctl.model.text import argument_bytes, quoted
from kubemqctl.model.values import duration_ns, parse_size, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

OPERATORS = ("!=", "!~", "<=", ">=", "=", "<", ">", "~")
LONGEST_NUMBER = 4_096
"""Characters. A longer text is no number here, so that no message can make a comparison slow."""
LONGEST_TEXT = 64 << 10
"""Characters of a text that a pattern is searched in; of a body, bytes."""
PATTERN_SECONDS = 1.0
"""Processor time that a search may take: some patterns take for ever on some texts."""
UNORDERED = "text"
"""The order of a value that is no number, time, duration or size."""
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

Test = Callable[[object], bool]
_EXAMPLE = "as in 'tags.kind=new', 'body.price>=9.5' or 'metadata~^eu-': see `kubemqctl help conditions`"


class Condition(NamedTuple):
    """One condition: as it was written, and read. `holds` takes a noun, and its body for JSON.

    `order` is what < <= > >= compare: a number, a time, a duration or a size; or a text, for which they never
    hold; empty for other operators.
    """

    text: str
    path: Path
    read: Read
    test: Test
    order: str = ""

    def holds(self, noun: object, body: Body) -> bool:
        """Whether `noun` fulfils it. Raises UsageError for a pattern that takes too long."""
        return self.test(self.read(noun, body))


def parse_conditions(
    texts: Iterable[str], noun_type: type, warn: Callable[[str], None], option: str = "--where"
) -> list[Condition]:
    """The conditions that `option` was given, for records of `noun_type`; `warn` is told what can never hold.

    Raises UsageError, naming `option`, for one that cannot be read.
    """
    known = fields(noun_type)
    conditions = [parse_condition(text, known, option) for text in texts]
    for condition in conditions:
        if condition.order == UNORDERED:
            warn(
                f"{option} {quoted(condition.text)} never holds: < <= > >= compare numbers, times, durations "
                "and sizes; texts are compared by = and ~"
            )
    return conditions


def parse_condition(
    text: str, known: Iterable[str], option: str = "--where", example: str = _EXAMPLE
) -> Condition:
    """One condition on records with the fields `known`. Raises UsageError, naming `option`.

    `example` is the hint for what is none at all.
    """
    name, operator, value = _split(text, option, example)
    try:
        path = parse_path(name, known)
        order = _order_of(operator, value)
        test = _ordered(operator, value, order) if order else _test(operator, value)
    except UsageError as e:
        e.message = f"{option} {quoted(text)}: {e.message}"
        raise
    return Condition(text, path, reader(path), test, order)


# --- reading a condition ---


def _split(text: str, option: str, hint: str) -> tuple[str, str, str]:
    at = _operator_at(text)
    if at is None:
        raise UsageError(f"{option} takes FIELD OP VALUE, not {quoted(text)}", hint=hint)
    operator = next(o for o in OPERATORS if text.startswith(o, at))
    name, value = text[:at], text[at + len(operator) :]
    if not name:
        raise UsageError(f"{option} {quoted(text)} names no field before {operator}", hint=hint)
    if name != name.strip() and name.strip():
        raise UsageError(
            f"{option} {quoted(text)} has a blank beside its field",
            hint=f"write none, as in '{quoted(name.strip())}{operator}…': those of a value belong to it",
        )
    if operator == "=" and value[:1] in ("=", "~"):
        right = "one = compares" if value[:1] == "=" else "~ alone searches for a pattern"
        raise UsageError(f"{option} {quoted(text)}: there is no operator ={value[:1]}", hint=right)
    return name, operator, value


def _operator_at(text: str) -> int | None:
    """Where the first operator outside brackets begins; None for none."""
    inside = False
    for at, char in enumerate(text):
        if inside:
            inside = char != "]"
        elif char == "[":
            inside = True
        elif char in "=<>~" or text[at : at + 2] in ("!=", "!~"):
            return at
    return None


def _test(operator: str, value: str) -> Test:
    if operator in ("~", "!~"):
        return _search(value, wanted=operator == "~")
    return _equal(value, wanted=operator == "=")


# --- equality ---


_NUMBERS = (Number, int, float)


def _equal(value: str, wanted: bool) -> Test:
    """JSON numbers by their value, all else as text; what is missing, a map or a list equals nothing."""
    data = argument_bytes(value)
    number = _decimal(value, _JSON_NUMBER)

    def test(found: object) -> bool:
        if type(found) is str:
            return (found == value) is wanted
        if type(found) is bytes:
            return (found == data) is wanted
        if number is not None and type(found) in _NUMBERS:
            return (_decimal(str(found), _JSON_NUMBER) == number) is wanted
        return (text_form(found) == value) is wanted

    return test


def text_form(found: object) -> str | None:
    """The text form of what a path leads to; None for nothing, a map or a list.

    Bytes that are no UTF-8 become what Python makes of them in an argument, so that the two are equal.
    """
    if isinstance(found, str):
        return found
    if found is True or found is False:
        return "true" if found else "false"
    if isinstance(found, bytes):
        return found.decode("utf-8", "surrogateescape")
    return str(found) if isinstance(found, (int, float)) else None


def _decimal(text: str, form: re.Pattern[str]) -> Decimal | None:
    """`text` as an exact number; None for what is none, or too long to be compared."""
    if len(text) > LONGEST_NUMBER or not form.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that nobody can count to
        return None


# --- order ---


def _order_of(operator: str, value: str) -> str:
    if operator not in _COMPARISONS:
        return ""
    for order, measure in _MEASURES.items():
        if measure(value) is not None:
            return order
    return UNORDERED


def _ordered(operator: str, value: str, order: str) -> Test:
    """Numbers, times, durations or sizes, where both sides are of one kind; else it does not hold."""
    if order == UNORDERED:
        return lambda found: False
    measure, compare = _MEASURES[order], _COMPARISONS[operator]
    limit = measure(value)

    def test(found: object) -> bool:
        known = measure(found)
        return known is not None and compare(known, limit)

    return test


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _as_number(found: object) -> Decimal | None:
    if type(found) is int:
        return Decimal(found)
    text = _short_text(found)
    return None if text is None else _decimal(text, _NUMBER)


def _as_time(found: object) -> int | None:
    """Unix nanoseconds; a date alone is its midnight here."""
    text = _short_text(found)
    if text is None:
        return None
    if not (date := _DATE.fullmatch(text)):
        return _measured(parse_time, text)
    from datetime import datetime

    year, month, day = map(int, date.groups())
    try:
        return int(datetime(year, month, day).timestamp()) * SECOND
    except (OverflowError, ValueError, OSError):
        return None


def _as_duration(found: object) -> int | None:
    text = _short_text(found)
    return None if text is None else _measured(duration_ns, text)


def _as_size(found: object) -> int | None:
    """Bytes; a plain count is one of bytes: `size` is."""
    if type(found) is int:
        return found
    text = _short_text(found)
    return None if text is None else _measured(parse_size, text)


def _measured(parse: Callable[[str], int], text: str) -> int | None:
    try:
        return parse(text)
    except UsageError:
        return None


def _short_text(found: object) -> str | None:
    """The text form of what may be a number or a time; None for what cannot be one."""
    if found is True or found is False:
        return None
    if isinstance(found, (str, bytes)) and len(found) > LONGEST_NUMBER:
        return None
    return text_form(found)


# In the order in which they are tried; nothing reads as two of them.
_MEASURES: dict[str, Callable[[object], Any]] = {
    "number": _as_number,
    "time": _as_time,
    "duration": _as_duration,
    "size": _as_size,
}


# --- patterns ---


def _search(value: str, wanted: bool) -> Test:
    """Python's `re` in the text form; what is missing, a map or a list matches nothing."""
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError) as e:
        raise UsageError(
            f"{quoted(value)} is no pattern: {e}", hint="it takes a regular expression of Python"
        ) from e

    def test(found: object) -> bool:
        text = text_form(found[:LONGEST_TEXT] if isinstance(found, (str, bytes)) else found)
        if text is None:
            return not wanted
        with _time_limit(value):
            return (pattern.search(text) is not None) is wanted

    return test


class _TooSlow(Exception):
    """A search has used up its time."""


@contextmanager
def _time_limit(pattern: str) -> Iterator[None]:
    """Ends a search that goes on too long: `re` looks for signals now and then, and a timer sends one.

    Only the main thread can be interrupted so; in another one there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def too_slow(signum: int, frame: FrameType | None) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGVTALRM, too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATTERN_SECONDS)
    try:
        yield
    except _TooSlow:
        raise UsageError(
            f"the pattern {quoted(pattern)} took over {PATTERN_SECONDS:g} s on one message",
            hint="write one without a repeat inside a repeat, as (a+)+ has",
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
