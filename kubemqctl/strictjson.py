"""One line of JSON Lines, read strictly: what a record could mean in two ways is refused.

json is imported with the first line: it costs 3 ms, and few commands read any.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from kubemqctl.errors import RecordError
from kubemqctl.terminal import escaped

if TYPE_CHECKING:
    from json import JSONDecoder


def parse(line: bytes) -> object:
    """The one JSON value on a line; RecordError for anything that strict JSON is not."""
    try:
        text = line.decode().rstrip(" \t\r\n")
        start = 0 if text[:1] == "{" else len(text) - len(text.lstrip(" \t\r\n"))
        value, end = _decoder().raw_decode(text, start)
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8 at byte {error.start + 1}") from None
    except RecursionError:
        raise RecordError("not a record: nested too deeply") from None
    except ValueError as error:
        raise _not_json(error, line) from None
    if end != len(text):
        raise RecordError(f"not JSON: more follows the value at column {end + 1}")
    return value


def _not_json(error: ValueError, line: bytes) -> RecordError:
    from json import JSONDecodeError

    if not line.strip():
        return RecordError("not JSON: the line is blank")
    if line.startswith(b"\xef\xbb\xbf"):
        return RecordError("not JSON: it begins with a byte order mark")
    if isinstance(error, JSONDecodeError):
        said = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        return RecordError(f"not JSON: {said} at column {error.pos + 1}")
    return RecordError("not a record: a number with too many digits")


@lru_cache(maxsize=1)
def _decoder() -> JSONDecoder:
    from json import JSONDecoder

    return JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"{shown(twice)} is given twice")
    return record


def _no_constant(name: str) -> object:
    raise RecordError(f"not JSON: {name} is no JSON number")


def shown(name: object) -> str:
    """A name that somebody sent us, for an error message."""
    text = escaped(str(name)[:61])
    return text if len(text) <= 60 else text[:60] + "…"
