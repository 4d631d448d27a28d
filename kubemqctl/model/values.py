"""Option values from the text that was typed: durations, sizes, rates, tags, times, store positions.

Pure functions. Each raises UsageError with a message that says what to write instead. Every command
imports this module, so what only some values need is imported or compiled where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import LARGEST, MAX_QUEUE_SECONDS, SECOND
from kubemqctl.model.text import argument_bytes, check_text, quoted

_DURATION_UNITS = {
    "w": 604_800 * SECOND,
    "d": 86_400 * SECOND,
    "h": 3_600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 1_000_000,
}
_SIZE_UNITS = {"B": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("KMGT", start=1)
    for suffix, base in (("B", 1000), ("iB", 1024))
}
_SIZE_NAMES = {name.lower(): factor for name, factor in _SIZE_UNITS.items()}
_RATE_UNITS = {"s": 1, "m": 60, "h": 3600}
_ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}
_LONGEST_NUMBER = 40
"""Longer texts are refused before they become integers: int() itself stops at 4300 digits."""
OUTPUT_FORMS = ("auto", "human", "json", "yaml", "raw")
"""What `-o` takes for every command."""


# Durations


def parse_duration(text: str) -> float:
    """`500ms`, `1.5s`, `10min`, `1h30m`, `1w` in seconds: each unit once, the largest first, up to 36500d."""
    return duration_ns(text) / SECOND


def duration_ns(text: str) -> int:
    """`text` as parse_duration reads it, in nanoseconds, exactly: `4.35h` is a whole number of seconds."""
    return _duration_ns(text)


@lru_cache(maxsize=256)
def _duration_ns(text: str) -> int:
    if text[:1] == "-":
        raise UsageError(f"{quoted(text)} is negative: a duration is 0s or more, such as 30s")
    if _is_number(text):
        raise UsageError(f"{quoted(text)} has no unit: write {quoted(text)}s, or use ms, min, h, d or w")
    # `m` is how durations are printed and `min` what most people write; no other unit has two names.
    part = r"([0-9]+)(?:\.([0-9]+))?(ms|min|[smhdw])"
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(f"(?:{part})+", text):
        raise UsageError(f"{quoted(text)} is not a duration: write it as 500ms, 2s, 10min, 1h30m or 1d")
    parts = [(whole, rest, unit.replace("min", "m")) for whole, rest, unit in re.findall(part, text)]
    units = [unit for _, _, unit in parts]
    if units != [unit for unit in _DURATION_UNITS if unit in units]:
        raise UsageError(
            f"{quoted(text)} has its units in the wrong order: the largest first, each once, as in 1h30m"
        )
    total = sum(_scaled(whole, fraction, _DURATION_UNITS[unit]) for whole, fraction, unit in parts)
    if total > 36_500 * _DURATION_UNITS["d"]:
        raise UsageError(f"{quoted(text)} is too long: the maximum is 36500d")
    return total


def whole_seconds(text: str, option: str, *, maximum: int = MAX_QUEUE_SECONDS, minimum: int = 0) -> int:
    """A duration that travels as whole seconds, `minimum` to `maximum`; `option` is for the message."""
    try:
        seconds, rest = divmod(duration_ns(text), SECOND)
    except UsageError as e:
        raise UsageError(f"{option}: {e.message}", hint=e.hint) from None
    if rest:
        raise UsageError(f"{option} {text} is a fraction of a second: the server counts in whole seconds")
    if seconds > maximum:
        most = format_duration(maximum)
        raise UsageError(f"{option} {text} is over the server's maximum of {most} ({maximum} seconds)")
    if seconds < minimum:
        raise UsageError(f"{option} {text} is too short: the minimum is {format_duration(minimum)}")
    return seconds


def only_one(options: Mapping[str, bool], why: str = "") -> list[str]:
    """Those of `options` that were given, none or one. Raises UsageError, which `why` goes on, for more."""
    given = [name for name, is_given in options.items() if is_given]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} cannot be used together{why}")
    return given


def ceil_seconds(seconds: float) -> int:
    """A wait for the wire, in seconds: up to the next whole one, never less than was asked for."""
    return -(-round(seconds * SECOND) // SECOND)


def format_duration(seconds: float) -> str:
    """`seconds` in the one form that parse_duration reads back: `30s`, `1m30s`, `1d`, `1.5s`, `500ms`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    numerator, denominator = seconds.as_integer_ratio()
    total = (2 * numerator * SECOND + denominator) // (2 * denominator)
    if total < SECOND:
        return _decimal(total, 1_000_000) + "ms" if total else "0s"
    text = ""
    for unit in "dhm":
        count, total = divmod(total, _DURATION_UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text + (_decimal(total, SECOND) + "s" if total else "")


def _decimal(value: int, unit: int) -> str:
    """`value` / `unit`, a power of ten, without rounding."""
    whole, rest = divmod(value, unit)
    return f"{whole}.{str(unit + rest)[1:].rstrip('0')}" if rest else str(whole)


def _scaled(whole: str, fraction: str, unit: int) -> int:
    """`whole`.`fraction` units, to the nearest integer."""
    scale: int = 10 ** len(fraction)
    return (2 * int(whole + fraction) * unit + scale) // (2 * scale)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None


# Sizes and rates


def parse_size(text: str) -> int:
    """`512B`, `4KiB`, `1MB`, `1.5MiB` in bytes; letter case does not matter."""
    found = (
        re.fullmatch(r"([0-9]+)(?:\.([0-9]+))?([A-Za-z]*)", text) if len(text) <= _LONGEST_NUMBER else None
    )
    if found is None:
        raise UsageError(f"{quoted(text)} is not a size: write it as 512B, 4KiB or 1MB")
    whole, fraction, name = found.groups(default="")
    if not name:
        raise UsageError(f"{text} has no unit: write {text}B for bytes, or use KB, KiB, MB, MiB, GB or GiB")
    if name.lower() not in _SIZE_NAMES:
        raise UsageError(f"{text} has an unknown unit, {name}: use one of {', '.join(_SIZE_UNITS)}")
    size = _scaled(whole, fraction, _SIZE_NAMES[name.lower()])
    if size >= 2**63:
        raise UsageError(f"{text} is too large")
    return size


def parse_rate(text: str) -> float:
    """`100/s`, `30/m`, `5000/h` as so many a second, greater than 0."""
    number, slash, unit = text.partition("/")
    if len(text) > _LONGEST_NUMBER or not _is_number(number) or (slash and unit not in _RATE_UNITS):
        raise UsageError(f"{quoted(text)} is not a rate: write it as 100/s, 30/m or 5000/h")
    if not slash:
        raise UsageError(f"{text} has no unit: write {text}/s, or {text}/m, or {text}/h")
    if float(number) == 0:
        raise UsageError(f"{text} would send nothing: leave the option out to send without a limit")
    return float(number) / _RATE_UNITS[unit]


def parse_pace(text: str) -> float:
    """`1x`, `2x`, `0.5x`: how many times as fast, greater than 0."""
    number = text[:-1]
    if len(text) > _LONGEST_NUMBER or not text.endswith("x") or not _is_number(number):
        raise UsageError(f"{quoted(text)} is not a pace: write 1x for the same gaps, 2x for half of them")
    if float(number) == 0:
        raise UsageError(f"{text} would never send anything: leave the option out to send without gaps")
    return float(number)


# Texts and bytes


def parse_tag(text: str) -> tuple[str, str]:
    """`KEY=VALUE`, split at the first `=`; the value may be empty."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"tag {quoted(text)} has no value: write KEY=VALUE")
    if not key:
        raise UsageError(f"tag {quoted(text)} has no key: write KEY=VALUE")
    check_text("--tag", text)
    return key, value


def parse_tags(texts: Iterable[str]) -> dict[str, str]:
    """Tags in the order given; a key given twice is refused, as only one of them could travel."""
    tags: dict[str, str] = {}
    for key, value in map(parse_tag, texts):
        if key in tags:
            raise UsageError(f"tag {quoted(key)} is given twice: a tag has one value")
        tags[key] = value
    return tags


def parse_delimiter(text: str) -> bytes:
    r"""A delimiter, perhaps empty: the bytes typed, with `\n \t \r \0 \\ \xHH` for those hard to type."""
    literal, *escapes = re.split(r"(?s)\\(x[0-9A-Fa-f]{2}|.|$)", text)
    out = argument_bytes(literal)
    for escape, literal in zip(escapes[::2], escapes[1::2], strict=True):
        if len(escape) == 3:
            out += bytes.fromhex(escape[1:])
        elif escape in _ESCAPES:
            out += _ESCAPES[escape]
        else:
            raise UsageError(f"\\{quoted(escape)} is not an escape: use one of \\n \\t \\r \\0 \\\\ \\xHH")
        out += argument_bytes(literal)
    return out


# Times and positions


def parse_time(text: str) -> int:
    """An RFC 3339 time in Unix nanoseconds, exactly; a leap second is the second that follows it."""
    from datetime import date

    pattern = r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))"
    found = re.fullmatch(pattern, text, re.ASCII)
    if found is None:
        raise UsageError(
            f"{quoted(text)} is not a time: write it as 2024-05-31T08:30:00Z or 2024-05-31T08:30:00.5+02:00"
        )
    *numbers, fraction, sign, offset_hours, offset_minutes = found.groups(default="0")
    year, month, day, hour, minute, second = map(int, numbers)
    offset = int(offset_hours) * 60 + int(offset_minutes)
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError as error:
        raise UsageError(f"{text} is not a date: {error}") from error
    if hour > 23 or minute > 59 or second > 60 or offset >= 24 * 60 or int(offset_minutes) > 59:
        raise UsageError(
            f"{text} has an invalid time of day: it must be 00:00:00 to 23:59:59, and the offset up to 23:59"
        )
    minutes = days * 1440 + hour * 60 + minute + (offset if sign == "-" else -offset)
    time = (minutes * 60 + second) * SECOND + int(fraction.ljust(9, "0"))
    if not -(2**63) <= time < 2**63:
        raise UsageError(f"{text} is out of range: the years 1678 to 2262 are supported")
    return time


def parse_date(text: str, days_on: int = 0) -> int:
    """A date such as `2024-05-31`: its midnight here, or that of so many days on, in Unix nanoseconds."""
    from datetime import datetime, timedelta

    try:
        midnight = datetime.strptime(text, "%Y-%m-%d") + timedelta(days_on)
        seconds = int(midnight.timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{quoted(text)} is not a date: write it as 2024-05-31") from error
    if not -(2**63) <= seconds * SECOND < 2**63:
        raise UsageError(f"{text} is out of range: the years 1678 to 2262 are supported")
    return seconds * SECOND


def parse_start(text: str) -> Start:
    """`new`, `first`, `last`, `-N`: the last N, a sequence, a time, a date, or a duration: so long ago."""
    if text in ("new", "first", "last"):
        return Start(text)  # type: ignore[arg-type]
    if text[:1] == "-" and _is_sequence(text[1:]):
        return Start("back", _sequence(text[1:]))
    if _is_sequence(text):
        return Start("sequence", _sequence(text))
    if _is_date(text):
        return Start("time", parse_date(text))
    if _looks_like_time(text):
        return Start("time", parse_time(text))
    try:
        return Start("ago", duration_ns(text))
    except UsageError:
        raise UsageError(
            f"{quoted(text)} is not a start position: use new, first, last, -10 for the last 10, a sequence"
            " such as 42, a time such as 2024-05-31T08:30:00Z, a date, or a duration ago such as 2h"
        ) from None


def parse_end(text: str) -> End:
    """`now`, a sequence, a time, or a date: the end of that day here."""
    if text == "now":
        return End("now")
    if _is_sequence(text):
        return End("sequence", _sequence(text))
    if _is_date(text):
        return End("time", parse_date(text, days_on=1) - 1)
    if _looks_like_time(text):
        return End("time", parse_time(text))
    raise UsageError(
        f"{quoted(text)} is not an end position: use now, a sequence such as 42, a time such as"
        " 2024-05-31T08:30:00Z, or a date"
    )


def check_order(start: Start, end: End) -> None:
    """Refuse an end before its start, as far as that can be known without a server."""
    if start.kind == end.kind and start.value > end.value:
        raise UsageError("--until is before --from")


def _is_sequence(text: str) -> bool:
    return re.fullmatch(r"[0-9]+", text) is not None


def _sequence(text: str) -> int:
    if len(text) > 19 or not 1 <= int(text) <= LARGEST:
        raise UsageError(f"{quoted(text)} is not a sequence: the range is 1 to {LARGEST}")
    return int(text)


def _is_date(text: str) -> bool:
    return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None


def _looks_like_time(text: str) -> bool:
    return re.match(r"[0-9]{4}-", text) is not None


class Start(NamedTuple):
    """Where in a store to begin.

    `value` is a sequence, a time, for `ago` a duration in nanoseconds, for `back` how many of the last. With
    `as_stored`, what is gone from a sequence on is not missed before the first event that is there.
    """

    kind: Literal["new", "first", "last", "back", "sequence", "time", "ago"]
    value: int = 0
    as_stored: bool = False


class End(NamedTuple):
    """Up to where to read a store, inclusive. `value` is a sequence or a time."""

    kind: Literal["now", "sequence", "time"]
    value: int = 0


LONGEST_TIMEOUT = (2**31 - 1) / 1000
"""Seconds; the wire has 32 bits of milliseconds."""


def check_timeout(seconds: float) -> None:
    """Raise UsageError for a timeout that no server takes."""
    if not 0.001 <= seconds <= LONGEST_TIMEOUT:
        raise UsageError("--timeout must be between 1ms and 24d")
