"""Text for people: what others sent made safe to print, and counts, sizes and times written out.

Nothing here imports rich: errors go through `escaped` on every command.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from errno import ENOENT, ENOEXEC
from functools import lru_cache

from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import SECOND

# What acts on a terminal or reorders, hides or splits the text around it: C0, DEL, C1, bidirectional
# marks, overrides and isolates, line and paragraph separators, and all that is shown as nothing: fillers,
# blanks of Braille, invisible operators and format characters, variation selectors, tags, lone surrogates.
_ACTING = (
    "\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
)
# Apart, since a set with them in it is searched for at a quarter of the speed.
_ACTING_ASTRAL = "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
# Seen, and so left alone: joiners within the scripts that need them (Arabic, Indic, Khmer, Mongolian) and
# within emoji; the selectors of emoji and text behind a picture and in a keycap.
_PICTURE = "\xa9\xae\u203c-\u3299\U0001f000-\U0001faff"
_JOINED = f"\u0600-\u08ff\u0900-\u109f\u1780-\u18af\ufb50-\ufdff\ufe0f\ufe70-\ufefc{_PICTURE}"
_SEEN = (
    f"(?<!(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}]))"
    f"(?<!(?<=[{_PICTURE}])[\ufe0e\ufe0f])(?<![\ufe0e\ufe0f](?=\u20e3))"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str, multiline: bool = False) -> str:
    """`text` with every character that acts on a terminal, or is invisible, written out: `\\x1b`, `\\u202e`.

    With `multiline`, line feeds and tabs stay as they are. A byte that Python could not decode is `\\xHH`.
    """
    if text.isascii() and text.isprintable():
        return text
    return _invisible(multiline).sub(_written_out, text)


def escaped_json(text: str) -> str:
    """JSON `text` in which the same characters are escaped as JSON does, so that it means what it meant.

    Outside strings JSON has none of them but line feeds and tabs, which stay.
    """
    return _escaped_within(text, _json_escape)


def escaped_yaml(text: str) -> str:
    """A YAML document in which they are escaped; they must stand between double quotes."""
    return _escaped_within(text, _written_out)


def _escaped_within(text: str, escape: Callable[[re.Match[str]], str]) -> str:
    if text.isascii() and "\x7f" not in text:
        return text
    # The pattern alone takes 60 µs for a KiB, this 1 µs.
    starts = text.encode("utf-8", "surrogatepass").translate(None, _OTHER_BYTES)
    if not starts:
        return text
    return _invisible(True, astral=bool(starts.translate(None, _BASIC_STARTS))).sub(escape, text)


_BASIC_STARTS = b"\x7f\xc2\xcd\xd8\xe1\xe2\xe3\xed\xef"
_STARTS = _BASIC_STARTS + b"\xf0\xf3"
"""The bytes with which such a character begins in UTF-8; the last two beyond U+FFFF."""
_OTHER_BYTES = bytes(set(range(256)) - set(_STARTS))


@lru_cache(maxsize=3)
def _invisible(multiline: bool, astral: bool = True) -> re.Pattern[str]:
    controls = "\x00-\x08" if multiline else "\x00-\x0a"
    beyond = _ACTING_ASTRAL if astral else ""
    return re.compile(f"[{controls}{_ACTING}{beyond}\u200c\u200d\ufe0e\ufe0f]{_SEEN}")


def _written_out(match: re.Match[str]) -> str:
    return _code(match[0])


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _code(character: str) -> str:
    """A character as it is written in a string of Python or JSON: `\\n`, `\\x1b`, `\\u202e`."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code < 0x100:
        return _SHORT.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def docstring(documented: object) -> str:
    """The docstring of a function or class, also where `python -OO` has taken it away: help is made of it."""
    from inspect import cleandoc, getsource

    text = getattr(documented, "__doc__", None)
    # A NamedTuple has one of its own then: its name and fields.
    if sys.flags.optimize >= 2 and (text is None or isinstance(documented, type)):
        import ast

        (defined,) = ast.parse(cleandoc("\n" + getsource(documented))).body  # type: ignore[arg-type]
        text = ast.get_docstring(defined)  # type: ignore[arg-type]
    return cleandoc(text or "")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the known one that was probably meant, or nothing."""
    close = closest(name, known)
    return f"did you mean {close}?" if close else ""


def closest(name: str, known: Iterable[str], most: int = 2) -> str:
    """The one of `known` that `name` is a misspelling of; empty for none.

    One letter wrong, missing, too many or swapped with the next makes a misspelling of what has three; two,
    if so many may be (`most`), of what has seven. A beginning of three letters is one too, if of one alone;
    so is what leaves out up to a third of the letters: `thruput`.
    """
    name = name[:60].lower()
    letters = len(name.lstrip("-"))
    names = list(known)
    begun = [one for one in names if letters > 2 and one.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    shortened = [one for one in names if letters > 5 and _shortens(name, one)]
    if len(shortened) == 1:
        return shortened[0]
    allowed = min(most, 2 if letters > 6 else 1 if letters > 2 else 0)
    near = [(typos, one) for one in names if (typos := _typos(name, one, allowed)) <= allowed]
    return min(near, default=(0, ""), key=lambda found: found[0])[1]


def _shortens(short: str, whole: str) -> bool:
    """Whether `short` is `whole` without up to a third of its inner letters."""
    if (short[0], short[-1]) != (whole[:1], whole[-1:]) or not 2 * len(whole) <= 3 * len(short):
        return False
    letters = iter(whole)
    return all(letter in letters for letter in short)


def _typos(left: str, right: str, enough: int) -> int:
    """How many letters must be changed, added, left out or swapped to make one of the other.

    What is certain to be more than `enough` is not counted out.
    """
    if abs(len(left) - len(right)) > enough:
        return enough + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left):
        above, row = row, [i + 1]
        for j, other in enumerate(right):
            cost = min(above[j] + (letter != other), above[j + 1] + 1, row[j] + 1)
            if i and j and letter == right[j - 1] and other == left[i - 1]:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before = above
    return row[-1]


def time_text(nanoseconds: int) -> str:
    """Unix nanoseconds as RFC 3339 in UTC, all nine digits; `@SECONDS` outside the years 1 to 9999."""
    seconds, rest = divmod(nanoseconds, SECOND)
    clock = _clock(seconds)
    return f"{clock}.{rest:09d}Z" if clock else f"@{seconds}.{rest:09d}"


def second_text(seconds: int) -> str:
    """Unix seconds as RFC 3339 in UTC; `@SECONDS` outside the years 1 to 9999."""
    clock = _clock(seconds)
    return f"{clock}Z" if clock else f"@{seconds}"


@lru_cache(maxsize=1024)
def _clock(seconds: int) -> str:
    """Date and time without a zone, or empty outside the calendar. Messages come many a second: cached."""
    try:
        year, *rest = time.gmtime(seconds)[:6]
    except (OverflowError, OSError, ValueError):
        return ""
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}".format(year, *rest) if 1 <= year <= 9999 else ""


def count_text(count: int, noun: str = "") -> str:
    """`12,345`; with a noun, `1 message` or `12,345 messages`."""
    if not noun:
        return f"{count:,}"
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size_text(size: int) -> str:
    """Bytes to read: `512 B`, `1.2 MiB`."""
    if abs(size) < 1024:
        return f"{size} B"
    value = size / 1024
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(value) < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} EiB"


def span_text(seconds: int) -> str:
    """A length of time in its two greatest units: `45s`, `3m 5s`, `2d 4h`."""
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count:,}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def relative_text(then: int, now: int) -> str:
    """`3s ago`, `in 2m 5s`, `now`; both in Unix nanoseconds."""
    if then > now:
        return f"in {span_text(-((now - then) // SECOND))}"
    seconds = (now - then) // SECOND
    return f"{span_text(seconds)} ago" if seconds else "now"


def moment_text(then: int, now: int) -> str:
    """A moment both ways: `3s ago (2026-11-23 13:40:40.123Z)`."""
    return f"{relative_text(then, now)} ({exact_text(then)})"


def exact_text(then: int) -> str:
    """Unix nanoseconds as UTC to the millisecond: `2026-11-23 13:40:40.123Z`."""
    exact = time_text(then)
    return f"{exact[:-7]}Z".replace("T", " ") if exact.endswith("Z") else exact


def latency_text(nanoseconds: int) -> str:
    """Three figures: `412 µs`, `12.3 ms`, `1.24 s`."""
    for unit, factor in (("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        value = nanoseconds / factor
        if value < 999.5 or unit == "s":
            break
    return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def figure_text(name: str, figure: int) -> str:
    """A figure of a queue or server for people: `bytes` as a size, `oldest` and `round_trip` as times."""
    if name == "bytes":
        return size_text(figure)
    if name == "oldest" and figure >= 60 * SECOND:
        return span_text(figure // SECOND)
    return latency_text(figure) if name in ("oldest", "round_trip") else count_text(figure)


def text_bytes(text: str) -> bytes:
    """UTF-8; what came from a file name in another encoding goes back as the bytes it was."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def quoted(text: str, limit: int = 60) -> str:
    """`text` for an error message: made safe as by `escaped`, cut at `limit`; two quotes when it is empty."""
    cut = escaped(text if len(text) <= limit else text[: limit - 1] + "…")
    return "".join(c if c.isprintable() else _code(c) for c in cut) or "''"


def id_text(id: str) -> str:
    """A message's id for people. It is what they search for, so it is cut only far beyond any usual one."""
    return quoted(id, 200)


def argument_bytes(text: str) -> bytes:
    """The exact bytes of a command-line argument, whether they are text or not."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text_bytes(text)


def check_text(option: str, text: str) -> None:
    """Refuse what the wire cannot carry as text: a command line may hold any bytes, a string only UTF-8."""
    if not is_utf8(text):
        raise UsageError(f"{option} {quoted(text)} is not valid UTF-8: only a body can hold other bytes")


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def reason(error: Exception) -> str:
    """What the system says of a failed call, in lower case and without its number."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def why_not_started(error: OSError) -> tuple[str, str]:
    """Why a program that is there cannot be started, and a hint where there is one."""
    if error.errno == ENOENT:
        return "it, or the interpreter it names, does not exist", ""
    return reason(error), "a script begins with a line such as #!/bin/sh" if error.errno == ENOEXEC else ""
