"""Answers with text that is no UTF-8: read with its stray bytes written out, and nothing else changed."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.wire import kubemq_pb2 as pb
from kubemqctl.wire.lenient_decoding import decoder
from tests.fuzz.examples import examples
from tests.fuzz.wirebytes import JUNK, LENGTH, NOT_UTF8, message_bytes, tagged

KINDS: list[Any] = [pb.QueuesDownstreamResponse, pb.EventReceive, pb.Request, pb.QueuesInfoResponse]


def read(kind: Any, data: bytes) -> tuple[Any, int]:
    """The message, and how many had to be mended."""
    mended: list[None] = []
    return decoder(kind, lambda: mended.append(None))(data), len(mended)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.DESCRIPTOR.name)
@examples(15)
@given(data=st.data())
def test_what_protobuf_reads_is_read_the_same(kind: Any, data: st.DataObject) -> None:
    wire = data.draw(message_bytes(kind.DESCRIPTOR))
    try:
        expected = kind.FromString(wire)
    except DecodeError:
        found, mended = read(kind, wire)
        assert mended == 1
        assert kind.FromString(found.SerializeToString()) == found
    else:
        assert read(kind, wire) == (expected, 0)


@examples(30)
@given(st.sampled_from(KINDS), JUNK, st.data())
def test_what_is_no_message_is_refused_as_protobuf_does(kind: Any, junk: bytes, data: st.DataObject) -> None:
    wire = data.draw(message_bytes(kind.DESCRIPTOR)) + junk
    wire = wire[: data.draw(st.integers(0, len(wire)))]
    try:
        found, _ = read(kind, wire)
    except DecodeError:
        with pytest.raises(DecodeError):
            kind.FromString(wire)
    else:
        assert isinstance(found, kind)


@examples(15)
@given(st.text(max_size=5), NOT_UTF8, st.text(max_size=5), st.binary(max_size=9))
def test_stray_bytes_are_written_out_and_the_rest_stays(
    before: str, stray: bytes, after: str, body: bytes
) -> None:
    text = before.encode() + stray + after.encode()
    event = tagged(3, LENGTH, text) + tagged(4, LENGTH, body) + tagged(7, LENGTH, tagged(1, LENGTH, text))
    found, mended = read(pb.EventReceive, event)
    shown = text.decode("utf-8", "backslashreplace")
    assert (found.Metadata, found.Body, dict(found.Tags), mended) == (shown, body, {shown: ""}, 1)
    assert found.Metadata.startswith(before)
    assert found.Metadata.endswith(after)
    assert "\\x" in found.Metadata
