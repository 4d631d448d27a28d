"""Records to nouns: what `--json-lines`, control lines and handlers give, read strictly.

A field that nobody knows, a wrong type, a name given twice or text that cannot travel is a RecordError
that names it. json is imported with the first line: it costs 3 ms, and few commands read any.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kubemqctl.model.errors import RecordError, UsageError
from kubemqctl.model.limits import MAX_RECEIVES
from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Message, Policy, Reply
from kubemqctl.model.records import POLICY_FIELDS, Record
from kubemqctl.model.text import nearest, quoted

if TYPE_CHECKING:
    from json import JSONDecoder


# The exact type of each field. Those after `policy` are what only a receiver knows, and no message to send is
# made of: but requests take time-outs and cache keys, and --pace the times.
TYPES: dict[str, type] = {
    "id": str,
    "channel": str,
    "metadata": str,
    "body": str,
    "body_base64": str,
    "tags": dict,
    "policy": dict,
    "client_id": str,
    "timestamp": str,
    "sequence": int,
    "receive_count": int,
    "re_routed_from": str,
    "expires_at": str,
    "delayed_to": str,
    "received_at": str,
    "elapsed": str,
    "executed": bool,
    "error": str,
    "cache_hit": bool,
    "timeout": str,
    "reply_channel": str,
    "cache_key": str,
    "cache_ttl": str,
    "outcome": str,
    "handler_exit": int,
    "line": int,
}
_POLICY_TYPES: dict[str, type] = dict(zip(POLICY_FIELDS, (str, str, int, str), strict=True))
_TYPE_NAMES = {
    str: "a string",
    int: "a whole number",
    float: "a number with a fraction",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


def message_from_line(line: bytes, keep_id: bool) -> Message:
    """The message that one line of JSON describes; RecordError when it does not describe one."""
    return message_from_record(parse(line), keep_id)


def message_from_record(record: object, keep_id: bool) -> Message:
    """The message to send that `record` describes; its id only with `keep_id`.

    What only a receiver knows is checked for its type and ignored. RecordError names the first misfit.
    """
    given = _checked(record)
    get = given.get
    metadata = _text("metadata", get("metadata", ""))
    body = _body(given)
    if not body and not metadata:
        raise RecordError("neither body nor metadata: the server does not accept such a message")
    message_id = _text("id", get("id", ""))
    tags = get("tags")
    policy = get("policy")
    return Message(
        body,
        _text("channel", get("channel", "")),
        message_id if keep_id else "",
        metadata,
        _tags(tags) if tags else NO_TAGS,
        _policy(policy) if policy else NO_POLICY,
    )


def time_of(record: object) -> int:
    """When the message of a record was stored, else when it was received: Unix nanoseconds, 0 for neither.

    RecordError for what is no time.
    """
    from kubemqctl.model.values import parse_time

    given = _checked(record)
    name = "timestamp" if given.get("timestamp") else "received_at"
    text = given.get(name)
    try:
        return parse_time(text) if text else 0
    except UsageError as error:
        raise RecordError(f"{name}: {error.message}", hint=error.hint) from None


def reply_from_line(line: bytes) -> Reply:
    """The reply that one line of JSON describes: body, metadata, tags, error. Others are checked and ignored.

    It is executed unless it says otherwise or has an error. RecordError names the first misfit.
    """
    record = _checked(parse(line))
    get = record.get
    error = _text("error", get("error", ""))
    return Reply(
        executed=bool(get("executed", True)) and not error,
        error=error,
        body=_body(record),
        metadata=_text("metadata", get("metadata", "")),
        tags=_tags(get("tags") or {}),
    )


def _checked(record: object) -> dict[str, Any]:
    """`record`, once every field of it is known and of the right type."""
    if type(record) is not dict:
        raise RecordError(f"a record is a JSON object, not {_type_name(record)}")
    for name, value in record.items():
        if type(value) is not TYPES.get(name):
            raise _misfit(name, value, TYPES, "")
    return record


def _text(name: str, value: str) -> str:
    """`value`, once it is sure that it can travel: a lone surrogate has no UTF-8."""
    if not value.isascii():
        _utf8(name, value)
    return value


def _utf8(name: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        code = ord(value[error.start])
        raise RecordError(
            f"{name} contains \\u{code:04x}, half of a surrogate pair, which UTF-8 cannot encode"
        ) from None


def _body(record: Record) -> bytes:
    """The body's bytes; none when the record has no body."""
    text = record.get("body")
    encoded = record.get("body_base64")
    if encoded is None:
        return b"" if text is None else _utf8("body", text)  # type: ignore[arg-type]
    if text is not None:
        raise RecordError("body and body_base64 cannot be used together")
    return _from_base64(encoded)  # type: ignore[arg-type]


def _from_base64(text: str) -> bytes:
    """Decoded, and the length compared: binascii skips characters that are not base64."""
    padding = len(text) - len(text.rstrip("="))
    with suppress(ValueError):
        body = a2b_base64(text)
        if len(text) % 4 == 0 and len(body) == len(text) // 4 * 3 - padding:
            return body
    raise RecordError("body_base64 is not base64: it has an invalid character, or was cut off")


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if type(key) is not str or type(value) is not str:
            raise RecordError(f"tags.{quoted(key)} must be a string, not {_type_name(value)}")
        if not (key.isascii() and value.isascii()):
            _utf8("a key of tags", key)
            _utf8(f"tags.{quoted(key)}", value)
    return tags


def _policy(policy: Record) -> Policy:
    for name, value in policy.items():
        if type(value) is not _POLICY_TYPES.get(name):
            raise _misfit(name, value, _POLICY_TYPES, "policy.")
    expiration, delay = policy.get("expiration"), policy.get("delay")
    read = Policy(
        _seconds("policy.expiration", expiration) if expiration else 0,
        _seconds("policy.delay", delay) if delay else 0,
        _receives(policy.get("max_receives", 0)),  # type: ignore[arg-type]
        _text("policy.dead_letter", policy.get("dead_letter", "")),  # type: ignore[arg-type]
    )
    return NO_POLICY if read == NO_POLICY else read


def _receives(count: int) -> int:
    if not 0 <= count <= MAX_RECEIVES:
        raise RecordError(f"policy.max_receives must be from 0 to {MAX_RECEIVES}")
    return count


@lru_cache(maxsize=256)
def _seconds(name: str, text: str) -> int:
    """A policy's duration in whole seconds, as far as servers take it."""
    from kubemqctl.model.values import whole_seconds

    try:
        return whole_seconds(text, name)
    except UsageError as error:
        raise RecordError(error.message, hint=error.hint) from None


def _misfit(name: object, value: object, types: Mapping[str, type], prefix: str) -> RecordError:
    """Why a field does not fit: nobody knows it, or it has the wrong type."""
    where = prefix + quoted(str(name))
    if isinstance(name, str) and name in types:
        return RecordError(f"{where} must be {_TYPE_NAMES[types[name]]}, not {_type_name(value)}")
    hint = nearest(str(name), types) or f"known fields: {', '.join(types)}"
    return RecordError(f"unknown field {where}", hint=hint)


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)


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
        raise RecordError(f"not JSON: unexpected text after the value, at column {end + 1}")
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
        raise RecordError(f"{quoted(twice)} is given twice")
    return record


def _no_constant(name: str) -> object:
    raise RecordError(f"not JSON: {name} is not a JSON number")
