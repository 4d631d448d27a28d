"""Bodies packed and unpacked: what goes in comes out, and what is not what it should be is said."""

from __future__ import annotations

import base64
import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.messaging.conditions import parse_conditions
from kubemqctl.messaging.encodings import Protobuf, Undecodable, decoder, encoder
from kubemqctl.messaging.message_view import MessageView, message_view
from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from kubemqctl.model.messages import Event
from kubemqctl.model.paths import Body

STEPS = st.lists(st.sampled_from(["gzip", "zlib", "base64"]), min_size=1, max_size=3)


@given(body=st.binary(max_size=200), steps=STEPS)
def test_what_is_encoded_decodes_in_the_opposite_order(body: bytes, steps: list[str]) -> None:
    encode, decode = encoder(steps), decoder(steps[::-1])
    assert encode
    assert decode
    assert decode(encode(body)) == body


def test_it_is_what_other_programs_pack_and_unpack() -> None:
    encode, decode = encoder(["gzip"]), decoder(["gzip"])
    assert encode
    assert decode
    assert gzip.decompress(encode(b"one")) == b"one"
    assert decode(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    unzlib, unbase64 = decoder(["zlib"]), decoder(["base64"])
    assert unzlib
    assert unbase64
    assert unzlib(zlib.compress(b"one")) == b"one"
    assert unbase64(base64.encodebytes(b"x" * 100)) == b"x" * 100


# Without the time of its making, which would be another in each process of a parallel run.
ONE = gzip.compress(b"one", mtime=0)


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("gzip", b"plain", "is not gzip"),
        ("gzip", b"", "is not gzip: it is empty"),
        ("gzip", ONE[:-3], "cut short"),
        ("gzip", ONE + b"x" * 20, "is not gzip"),
        ("zlib", ONE, "is not zlib"),
        ("base64", b"%%%%", "is not base64"),
        ("base64", b"YQ", "is not base64"),
        ("base64", "größe".encode(), "is not base64"),
    ],
)
def test_a_body_that_is_not_packed_so_is_refused_with_the_reason(name: str, body: bytes, why: str) -> None:
    decode = decoder([name])
    assert decode
    with pytest.raises(Undecodable, match=why):
        decode(body)


def test_a_body_that_unpacks_to_more_than_any_message_is_not_unpacked() -> None:
    decode = decoder(["gzip"])
    assert decode
    with pytest.raises(Undecodable, match="unpacks to more than 104857600 bytes"):
        decode(gzip.compress(b"\0" * (101 << 20), 9))


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of descriptors as protoc writes it."""
    folder = tmp_path_factory.mktemp("proto")
    (folder / "shop.proto").write_text(
        'syntax = "proto3"; package shop; message Order { int64 order_id = 1; repeated string items = 2; }'
    )
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", "--include_imports"]
    subprocess.run(
        [*command, f"--descriptor_set_out={folder / 'shop.set'}", "shop.proto"], check=True, cwd=folder
    )
    return folder / "shop.set"


ORDER = b"\x08\x2a\x12\x03tea"


def test_a_protobuf_message_becomes_its_json(descriptors: Path) -> None:
    decode = decoder(["base64", "protobuf"], Protobuf(str(descriptors), "shop.Order"))
    assert decode
    assert decode(base64.b64encode(ORDER)) == b'{"order_id": "42", "items": ["tea"]}'
    with pytest.raises(Undecodable, match=r"it is no shop\.Order"):
        decode(base64.b64encode(b"\x08"))


def test_a_type_or_file_that_is_not_there_is_said_before_anything_is_taken(
    descriptors: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="has no message type Order") as caught:
        decoder(["protobuf"], Protobuf(str(descriptors), "Order"))
    assert "shop.Order" in caught.value.hint
    with pytest.raises(NotFound):
        decoder(["protobuf"], Protobuf(str(tmp_path / "none"), "Order"))
    (tmp_path / "text").write_text("syntax")
    with pytest.raises(ConfigError, match="is no set of protobuf descriptors"):
        decoder(["protobuf"], Protobuf(str(tmp_path / "text"), "Order"))


@pytest.mark.parametrize(
    ("names", "protobuf", "why"),
    [
        (["gzip"], Protobuf("a", "b"), "are for --decode protobuf"),
        (["protobuf"], Protobuf("a", ""), "needs --proto-set FILE and --proto-type NAME"),
        (["protobuf", "gzip"], Protobuf("a", "b"), "comes last"),
        (["gzipp"], Protobuf(), "does not know gzipp"),
    ],
)
def test_options_that_do_not_fit_are_refused(names: list[str], protobuf: Protobuf, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        decoder(names, protobuf)
    with pytest.raises(UsageError, match="--encode does not know protobuf"):
        encoder(["protobuf"])


def event(body: bytes) -> Event:
    return Event("c", "e-1", "", body, {}, 0, 0)


def test_a_view_shows_what_is_decoded_and_meant_and_warns_once_of_what_does_not_decode() -> None:
    warnings: list[str] = []
    conditions = parse_conditions(["body.id!=7"], Event, print)
    view = MessageView[Event](conditions, decoder(["gzip"]), warnings.append)
    shown = view(event(gzip.compress(b'{"id": 8}')))
    assert shown
    assert shown.body == b'{"id": 8}'
    assert view(event(gzip.compress(b'{"id": 7}'))) is None
    assert view(event(b'{"id": 8}')) is None, "nothing is known of the inside of what did not decode"
    shown, is_decoded = view.decoded(event(b"x"))
    assert [c for c in conditions if not view.holds(c, shown, Body(shown.body), is_decoded)] == conditions
    assert warnings == [warnings[0]]
    assert "the body of e-1 is shown as it is: it is not gzip" in warnings[0]


def test_a_body_that_does_not_decode_fulfils_conditions_on_the_rest() -> None:
    view = MessageView[Event](
        parse_conditions(["size=1", "id=e-1"], Event, print), decoder(["gzip"]), lambda text: None
    )
    assert view(event(b"x")) == event(b"x")


def test_a_view_is_made_only_where_an_option_asks_for_one() -> None:
    def warn(text: str) -> None:
        raise AssertionError(text)

    assert message_view(Event, [], [], Protobuf(), warn) is None
    filtered = message_view(Event, ["tags.kind=new"], [], Protobuf(), warn)
    assert filtered
    assert filtered(event(b"x")) is None
    decoding = message_view(Event, [], ["gzip"], Protobuf(), warn)
    assert decoding
    assert decoding(event(gzip.compress(b"x"))) == event(b"x")
    with pytest.raises(UsageError, match="no field"):
        message_view(Event, ["receive_count>1"], [], Protobuf(), warn)
