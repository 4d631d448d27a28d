"""Bodies that were packed by who sent them: `--encode` on the way out, `--decode` for who looks at them.

Steps are taken in the order in which they are given: `--encode gzip --encode base64` is undone by
`--decode base64 --decode gzip`. What is decoded is for printing and for conditions alone: a message that
is moved or handled keeps its bytes. A protobuf message is read with a set of descriptors, as `protoc
--descriptor_set_out=FILE --include_imports` writes it, and becomes its JSON, with the names of its .proto
file.
"""

from __future__ import annotations

import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubemqctl.config.files import read_file, refuse_dash
from kubemqctl.model.errors import ConfigError, UsageError
from kubemqctl.model.limits import MAX_MESSAGE
from kubemqctl.model.text import nearest, quoted

PACKED = ("gzip", "zlib", "base64")
PROTOBUF = "protobuf"
# What zlib is told to expect: 32 KiB of window, and 16 for the header and checksum of gzip.
_WINDOW, _GZIP = 15, 16

Step = Callable[[bytes], bytes]
"""Raises ValueError for a body that it does not fit."""


class Undecodable(ValueError):
    """A body that is not what the options say; the text says why."""


class Protobuf(NamedTuple):
    """`--proto-set FILE` and `--proto-type NAME`; empty where they are not given."""

    path: str = ""
    type: str = ""


def encoder(names: Sequence[str]) -> Step | None:
    """What `--encode` makes of a body; None for no such option. Raises UsageError for an unknown encoding."""
    steps = [_step(name, _ENCODERS, "--encode") for name in names]
    return _in_order(steps) if steps else None


def decoder(names: Sequence[str], protobuf: Protobuf = Protobuf()) -> Step | None:  # noqa: B008
    """What `--decode` makes of a body; None for no such option. The step raises Undecodable.

    Raises UsageError for an unknown encoding and for options that do not fit together, NotFound and
    ConfigError for a set of descriptors that cannot be read or lacks the type.
    """
    if PROTOBUF not in names and any(protobuf):
        raise UsageError("--proto-set and --proto-type are for --decode protobuf")
    if PROTOBUF in names and not all(protobuf):
        raise UsageError(
            "--decode protobuf needs --proto-set FILE and --proto-type NAME",
            hint="the file is written by: protoc --include_imports --descriptor_set_out=FILE …",
        )
    refuse_dash("--proto-set", protobuf.path or None)
    if PROTOBUF in names[:-1]:
        raise UsageError("--decode protobuf comes last: it makes JSON of a body")
    known = _DECODERS | ({PROTOBUF: protobuf_reader(protobuf)} if PROTOBUF in names else {})
    steps = [_step(name, known, "--decode", (*PACKED, PROTOBUF)) for name in names]
    return _in_order(steps) if steps else None


def _step(name: str, known: dict[str, Step], option: str, names: Sequence[str] = PACKED) -> Step:
    if name not in known:
        hint = nearest(name, names) or f"it takes {', '.join(names)}"
        raise UsageError(f"{option} does not know {quoted(name)}", hint=hint)
    return known[name]


def _in_order(steps: Sequence[Step]) -> Step:
    def taken(body: bytes) -> bytes:
        for step in steps:
            body = step(body)
        return body

    return taken


# --- packed bytes ---


def _unpacked(body: bytes, window: int, name: str) -> bytes:
    """One stream, or several one behind the other, as gzip allows.

    The size is limited: a body may be made to unpack to gigabytes.
    """
    out = []
    size = 0
    while body:
        stream = zlib.decompressobj(window)
        try:
            data = stream.decompress(body, MAX_MESSAGE - size + 1)
        except zlib.error as e:
            raise Undecodable(f"it is not {name}: {e}") from None
        size += len(data)
        if size > MAX_MESSAGE:
            raise Undecodable(f"it unpacks to more than {MAX_MESSAGE} bytes")
        if not stream.eof:
            raise Undecodable(f"its {name} stream is cut short")
        out.append(data)
        body = stream.unused_data
    if not out:
        raise Undecodable(f"it is not {name}: it is empty")
    return b"".join(out)


def _gzip(body: bytes) -> bytes:
    # zlib writes no time into the header: the same body gives the same bytes.
    packer = zlib.compressobj(wbits=_WINDOW + _GZIP)
    return packer.compress(body) + packer.flush()


def _base64(body: bytes) -> bytes:
    try:
        # White space is for people: mails and YAML break lines. Anything else would be skipped in silence.
        return a2b_base64(b"".join(body.split()), strict_mode=True)  # type: ignore[call-arg]
    except TypeError:  # Python 3.10 knows no strict mode
        return _base64_checked(b"".join(body.split()))
    except Base64Error as e:
        raise Undecodable(f"it is not base64: {str(e).lower()}") from None


def _base64_checked(text: bytes) -> bytes:
    try:
        data = a2b_base64(text)
    except Base64Error as e:
        raise Undecodable(f"it is not base64: {str(e).lower()}") from None
    if b2a_base64(data, newline=False) != text:
        raise Undecodable("it is not base64: it has other characters")
    return data


_ENCODERS: dict[str, Step] = {
    "gzip": _gzip,
    "zlib": zlib.compress,
    "base64": lambda body: b2a_base64(body, newline=False),
}
_DECODERS: dict[str, Step] = {
    "gzip": lambda body: _unpacked(body, _WINDOW + _GZIP, "gzip"),
    "zlib": lambda body: _unpacked(body, _WINDOW, "zlib"),
    "base64": _base64,
}


# --- protobuf ---


def protobuf_reader(protobuf: Protobuf) -> Step:
    """What makes JSON of a message of that type. Door to protobuf, which is loaded by all that speak gRPC."""
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
    from google.protobuf.message import DecodeError

    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(read_file(protobuf.path, "set of descriptors"))
    except DecodeError:
        raise ConfigError(
            f"{quoted(protobuf.path, 1000)} is no set of protobuf descriptors",
            hint="write one with: protoc --include_imports --descriptor_set_out=FILE …",
        ) from None
    pool = descriptor_pool.DescriptorPool()
    try:
        for file in files.file:
            pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
        found = pool.FindMessageTypeByName(protobuf.type)
    except KeyError:
        names = [f"{file.package}.{m.name}".lstrip(".") for file in files.file for m in file.message_type]
        hint = nearest(protobuf.type, names) or f"there are {', '.join(sorted(names)[:10])}"
        raise ConfigError(f"{protobuf.path} has no message type {quoted(protobuf.type)}", hint=hint) from None
    except TypeError as e:
        raise ConfigError(
            f"the descriptors of {protobuf.path} are not whole: {str(e).strip()}",
            hint="write them with: protoc --include_imports --descriptor_set_out=FILE …",
        ) from None
    kind = message_factory.GetMessageClass(found)

    def read(body: bytes) -> bytes:
        try:
            text = json_format.MessageToJson(
                kind.FromString(body), preserving_proto_field_name=True, indent=None, ensure_ascii=False
            )
        except (DecodeError, json_format.Error, ValueError, RecursionError) as e:
            raise Undecodable(f"it is no {protobuf.type}: {str(e) or 'its bytes do not fit'}") from None
        return text.encode("utf-8", "backslashreplace")

    return read
