"""Protobuf messages as bytes: well-formed in most places, with the values that no decent server sends."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz.texts import STRINGS

METHODS = pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)

NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 5, 8, 100, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]),
    st.integers(0, 2**64 - 1),
)
# As lone bytes, cut sequences, surrogates, overlong forms, and beyond the last code point.
NOT_UTF8 = st.sampled_from(
    [b"\xff", b"caf\xe9", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"a\x80b", b"\xf8\x88"]
)
NASTY = st.sampled_from(
    [
        b"\x1b[31mred",
        b"\x1b]0;title\x07",
        b"\xc2\x9b2J",
        b"\xe2\x80\xae",
        b"line\nbreak\r",
        b"\0",
        b"{body}",
        b"x" * 70_000,
        b"Error 301: timeout for request message",
        b"Error 421: authentication",
        b"Error 138: no new message",
        b"Error 129: x",
    ]
)
TEXT_BYTES = st.one_of(STRINGS.map(str.encode), NOT_UTF8, NASTY)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tagged(number: int, kind: int, payload: bytes) -> bytes:
    """One field of a message."""
    size = varint(len(payload)) if kind == LENGTH else b""
    return varint(number << 3 | kind) + size + payload


@lru_cache
def message_bytes(kind: Descriptor, depth: int = 3) -> st.SearchStrategy[bytes]:
    """A message of that type with some of its fields, in any order, perhaps twice."""
    if not kind.fields or not depth:
        return st.just(b"")
    return st.lists(st.one_of([_field(field, depth) for field in kind.fields]), max_size=6).map(b"".join)


def _field(field: Any, depth: int) -> st.SearchStrategy[bytes]:
    number = field.number
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return message_bytes(field.message_type, depth - 1).map(lambda data: tagged(number, LENGTH, data))
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXT_BYTES.map(lambda data: tagged(number, LENGTH, data))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=12).map(lambda data: tagged(number, LENGTH, data))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans().map(lambda value: tagged(number, VARINT, varint(value)))
    if field.type == FieldDescriptor.TYPE_ENUM:
        return st.one_of(st.integers(0, 12), NUMBERS).map(lambda value: tagged(number, VARINT, varint(value)))
    return NUMBERS.map(lambda value: tagged(number, VARINT, varint(value)))


# What is no message of any kind, or not of the one that is expected.
JUNK = st.one_of(
    st.binary(max_size=12),
    st.builds(tagged, st.integers(1, 20), st.integers(0, 5), st.binary(max_size=6)),
    st.sampled_from(
        [b"\xff" * 11, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x7f", b"\x0b" * 200, b"\x08", b"\x00"]
    ),
)


@lru_cache
def answer_bytes(method: str) -> st.SearchStrategy[bytes]:
    """An answer of `method`, or nearly one."""
    return st.one_of(message_bytes(METHODS[method].output_type), JUNK)


@lru_cache
def request_bytes(method: str) -> st.SearchStrategy[bytes]:
    """A request of `method`, or nearly one."""
    return st.one_of(message_bytes(METHODS[method].input_type), JUNK)
