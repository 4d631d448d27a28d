"""Answers from their bytes, also where a text in them is no UTF-8.

Servers take such text and hand it on: 2.4.0 stores it. Protobuf refuses the whole message for it, which would
let one careless sender block a queue for every receiver of ours. So a text's stray bytes are written out, as
`\xe9`, like those of a file name; bodies are bytes and stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def decoder(kind: Any, mended: Callable[[], None]) -> Callable[[bytes], Any]:
    """Reads messages of `kind`; `mended` is called, in some thread, for each that had such text.

    What it returns raises DecodeError for bytes that are no message of the kind.
    """

    def decode(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            message = kind.FromString(_mended(data, kind.DESCRIPTOR))
            mended()
            return message

    return decode


def _mended(data: bytes, kind: Descriptor) -> bytes:
    """`data` with every text of it valid, at any depth. Raises DecodeError where it is no message."""
    out = bytearray()
    at = 0
    while at < len(data):
        tag, start = _varint(data, at)
        end = _end(data, start, tag & 7)
        out += data[at:start]
        field = kind.fields_by_number.get(tag >> 3)
        if tag & 7 == _LENGTH and field is not None:
            _, begin = _varint(data, start)
            out += _sized(_mended_field(data[begin:end], field))
        else:
            out += data[start:end]
        at = end
    return bytes(out)


def _mended_field(piece: bytes, field: FieldDescriptor) -> bytes:
    if field.type == FieldDescriptor.TYPE_STRING:
        return piece.decode("utf-8", "backslashreplace").encode()
    if field.message_type is not None:
        return _mended(piece, field.message_type)
    return piece


def _end(data: bytes, start: int, wire_type: int) -> int:
    """Where the value that begins at `start` ends."""
    if wire_type == _VARINT:
        end = _varint(data, start)[1]
    elif wire_type == _LENGTH:
        size, end = _varint(data, start)
        end += size
    elif wire_type in (_FIXED64, _FIXED32):
        end = start + (8 if wire_type == _FIXED64 else 4)
    else:
        raise DecodeError("a group, or no type of protobuf's")
    if end > len(data):
        raise DecodeError("cut off")
    return end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise DecodeError("a number that does not end")


def _sized(piece: bytes) -> bytes:
    """`piece` behind its length."""
    size, head = len(piece), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + piece
