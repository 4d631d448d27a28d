"""Records that are no messages, as a pipe wants them: tab-separated rows, or a line for each field.

No header, nothing cut, an absent value empty, `yes` and `no` for booleans. A tab, a line feed, a carriage
return or a backslash in a value is written as `\\t`, `\\n`, `\\r` or `\\\\`: a row stays a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from kubemqctl.model.records import to_record
from kubemqctl.model.text import text_bytes

_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def row(fields: Sequence[str]) -> Callable[[object], bytes]:
    """Renders a noun as one row of these fields."""

    def one(noun: object) -> bytes:
        record = to_record(noun)
        return text_bytes("\t".join(cell(record.get(name)) for name in fields))

    return one


def values(noun: object) -> bytes:
    """All values of a record as one row, for records that have the same fields."""
    return text_bytes("\t".join(map(cell, to_record(noun).values())))


def pairs(noun: object) -> bytes:
    """A line `field⇥value` for each field of the record; those of a map are `tls.ca`."""
    return text_bytes("\n".join(f"{name}\t{cell(value)}" for name, value in _flat(to_record(noun))))


def _flat(record: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def cell(value: object) -> str:
    """The text of one value; a list is joined by commas."""
    if value is None:
        return ""
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(map(cell, value))
    return str(value).translate(_ESCAPED)
