"""Noun <-> the record: the one shape that `-o json` prints and that `--json-lines` takes.

A field's name decides its form, whatever noun it is in, so a noun is written by listing its fields. Empty
strings, maps and zeros are left out; a body, an answer's `executed` and a count that was asked for never are.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kubemqctl.errors import UsageError
from kubemqctl.message import (
    NO_POLICY,
    NO_TAGS,
    Affected,
    Answered,
    BenchResult,
    ChannelInfo,
    Check,
    Decided,
    Event,
    HandledEvent,
    HandledMessage,
    Message,
    Policy,
    Pong,
    Received,
    Reply,
    Request,
    Response,
    SendResult,
)
from kubemqctl.quantity import second_text, time_text
from kubemqctl.strictjson import RecordError, parse, shown

Record = dict[str, object]

MAX_RECEIVES = 1_024
POLICY_FIELDS = ("expiration", "delay", "max_receives", "dead_letter")


# --- noun to record ---


def to_record(noun: object) -> Record:
    """`noun` as a record, its fields in the order of the documentation; a dict is a record already."""
    if type(noun) is dict:
        return noun
    record: Record = {}
    for name, index, put in _COLUMNS[type(noun)]:
        value = noun[index]  # type: ignore[index]
        if put is not None:
            put(record, name, value)
        elif value:
            record[name] = value
    return record


def field(noun: object, name: str) -> object:
    """One field of `noun`'s record; None where it is left out. Cheaper than the whole."""
    if type(noun) is dict:
        return noun.get(name)
    value = getattr(noun, name, None)
    if value is None:
        return None
    record: Record = {}
    _PUT.get(name, _put_given)(record, name, value)
    return record.get(name)


def fields(noun_type: type) -> tuple[str, ...]:
    """The names of the fields that a record of this noun may have; of dicts, a TypedDict alone tells them."""
    if noun_type in _COLUMNS:
        return tuple(name for name, _, _ in _COLUMNS[noun_type])
    return tuple(getattr(noun_type, "__annotations__", ()))


def _put_given(record: Record, name: str, value: object) -> None:
    if value:
        record[name] = value


def _put_told(record: Record, name: str, value: object) -> None:
    """A count is what was asked for: 0 is an answer, None is not."""
    if value is not None:
        record[name] = value


def _put_body(record: Record, _name: str, value: bytes) -> None:
    try:
        record["body"] = value.decode()
    except UnicodeDecodeError:
        record["body_base64"] = b2a_base64(value, newline=False).decode("ascii")


def _put_tags(record: Record, name: str, value: Mapping[str, str]) -> None:
    if value:
        record[name] = dict(value)


def _put_time(record: Record, name: str, value: int | None) -> None:
    if value:
        record[name] = time_text(value)


def _put_second(record: Record, name: str, value: int) -> None:
    if value:
        record[name] = second_text(value)


def _put_policy(record: Record, name: str, value: Policy) -> None:
    if value is NO_POLICY or value == NO_POLICY:
        return
    policy: Record = {}
    if value.expiration:
        policy["expiration"] = f"{value.expiration}s"
    if value.delay:
        policy["delay"] = f"{value.delay}s"
    if value.max_receives:
        policy["max_receives"] = value.max_receives
    if value.dead_letter:
        policy["dead_letter"] = value.dead_letter
    record[name] = policy


def _put_seconds(record: Record, name: str, value: int) -> None:
    record[name] = f"{value}s"


def _put_always(record: Record, name: str, value: object) -> None:
    record[name] = value


def _put_timeout(record: Record, name: str, value: float) -> None:
    """Seconds, to the millisecond."""
    if value:
        record[name] = f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def _put_ttl(record: Record, name: str, value: int) -> None:
    if value:
        record[name] = f"{value}s"


def _put_round_trip(record: Record, name: str, value: int) -> None:
    """Nanoseconds, to the microsecond."""
    record[name] = f"{value / 1e6:.3f}ms"


def _put_latency(record: Record, name: str, value: int | None) -> None:
    """Nanoseconds, to the microsecond; none where nothing was measured."""
    if value is not None:
        record[name] = f"{value / 1e6:.3f}ms"


def _put_elapsed(record: Record, name: str, value: int) -> None:
    """Nanoseconds, to the millisecond."""
    record[name] = f"{value / 1e9:.3f}s"


def _put_rate(record: Record, name: str, value: float) -> None:
    """A second, to a tenth."""
    record[name] = round(value, 1)


def _put_target(record: Record, name: str, value: float) -> None:
    """A second; left out where no rate was asked for."""
    if value:
        _put_rate(record, name, value)


def _put_share(record: Record, name: str, value: float) -> None:
    """From 0 to 1, to a thousandth."""
    record[name] = round(value, 3)


def _put_histogram(record: Record, name: str, value: Iterable[tuple[int, int]]) -> None:
    """How many took up to how long."""
    record[name] = [{"up_to": f"{bound / 1e6:.3f}ms", "count": count} for bound, count in value]


_PUT: dict[str, Callable[..., None]] = {
    "body": _put_body,
    "tags": _put_tags,
    "policy": _put_policy,
    "timestamp": _put_time,
    "expires_at": _put_time,
    "delayed_to": _put_time,
    "sent_at": _put_time,
    "last_activity": _put_time,
    "started_at": _put_second,
    "uptime": _put_seconds,
    "round_trip": _put_round_trip,
    "executed": _put_always,
    "timeout": _put_timeout,
    "cache_ttl": _put_ttl,
    "affected": _put_told,
    "messages": _put_told,
    "bytes": _put_told,
    "waiting": _put_told,
    "subscribers": _put_told,
    "first_sequence": _put_told,
    "last_sequence": _put_told,
    "active": _put_told,
    "sent": _put_always,
    "received": _put_always,
    "doubles": _put_always,
    "disorder": _put_always,
    "errors": _put_always,
    "loss": _put_told,
    "elapsed": _put_elapsed,
    "send_rate": _put_rate,
    "rate": _put_rate,
    "byte_rate": _put_rate,
    "target_rate": _put_target,
    **dict.fromkeys(("min", "mean", "p50", "p90", "p95", "p99", "p999", "max"), _put_latency),
    "busy": _put_share,
    "histogram": _put_histogram,
}


def _columns(noun: type[NamedTuple], names: str) -> tuple[tuple[str, int, Callable[..., None] | None], ...]:
    return tuple((name, noun._fields.index(name), _PUT.get(name)) for name in names.split())


_COLUMNS = {
    noun: _columns(noun, names)
    for noun, names in {
        Message: "id channel metadata body tags policy",
        Received: "id channel metadata client_id body tags timestamp sequence receive_count re_routed_from"
        " expires_at delayed_to policy",
        Event: "id channel metadata body tags timestamp sequence",
        HandledEvent: "id channel metadata body tags timestamp sequence handler_exit",
        HandledMessage: "id channel metadata client_id body tags timestamp sequence receive_count"
        " re_routed_from expires_at delayed_to policy outcome handler_exit",
        Decided: "id sequence outcome",
        SendResult: "id channel sent_at expires_at delayed_to error",
        Request: "id channel metadata client_id body tags timeout reply_channel cache_key cache_ttl",
        Response: "id channel metadata client_id body tags timestamp executed error cache_hit",
        Answered: "id channel metadata client_id body tags executed error timeout reply_channel cache_key"
        " cache_ttl handler_exit",
        Affected: "channel affected target",
        ChannelInfo: "name type messages bytes waiting subscribers first_sequence last_sequence active"
        " last_activity",
        Check: "name outcome found advice",
        BenchResult: "pattern channel producers consumers size batch in_flight target_rate elapsed sent"
        " received send_rate rate byte_rate loss doubles disorder errors min mean p50 p90 p95 p99 p999 max"
        " limit busy stopped histogram",
        Pong: "host version started_at uptime round_trip",
    }.items()
}


# --- record to noun ---

# The exact type of each field. Those after `policy` are what only a receiver knows: taken and ignored.
_TYPES: dict[str, type] = {
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
    "executed": bool,
    "error": str,
    "cache_hit": bool,
    "timeout": str,
    "reply_channel": str,
    "cache_key": str,
    "cache_ttl": str,
    "outcome": str,
    "handler_exit": int,
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
        raise RecordError("neither body nor metadata: a server takes no such message")
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
        raise RecordError(f"a record is an object, not {_type_name(record)}")
    for name, value in record.items():
        if type(value) is not _TYPES.get(name):
            raise _misfit(name, value, _TYPES, "")
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
        raise RecordError(f"{name} holds \\u{code:04x}, half of a surrogate pair: no UTF-8 for it") from None


def _body(record: Record) -> bytes:
    """The body's bytes; none when the record has no body."""
    text = record.get("body")
    encoded = record.get("body_base64")
    if encoded is None:
        return b"" if text is None else _utf8("body", text)  # type: ignore[arg-type]
    if text is not None:
        raise RecordError("body and body_base64: give one of them")
    return _from_base64(encoded)  # type: ignore[arg-type]


def _from_base64(text: str) -> bytes:
    """Decoded, and the length compared: binascii skips characters that are not base64."""
    try:
        body = a2b_base64(text)
    except ValueError as error:
        raise RecordError(f"body_base64 is not base64: {str(error).lower()}") from None
    padding = len(text) - len(text.rstrip("="))
    if len(text) % 4 or len(body) != len(text) // 4 * 3 - padding:
        raise RecordError("body_base64 is not base64: a foreign character, or an end cut off")
    return body


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if type(key) is not str or type(value) is not str:
            raise RecordError(f"tags.{shown(key)} must be a string, not {_type_name(value)}")
        if not (key.isascii() and value.isascii()):
            _utf8("a key of tags", key)
            _utf8(f"tags.{shown(key)}", value)
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
    from kubemqctl.values import whole_seconds

    try:
        return whole_seconds(text, name)
    except UsageError as error:
        raise RecordError(error.message, hint=error.hint) from None


def _misfit(name: object, value: object, types: Mapping[str, type], prefix: str) -> RecordError:
    """Why a field does not fit: nobody knows it, or it has the wrong type."""
    where = prefix + shown(name)
    if isinstance(name, str) and name in types:
        return RecordError(f"{where} must be {_TYPE_NAMES[types[name]]}, not {_type_name(value)}")
    hint = nearest(str(name), types) or f"known here: {', '.join(types)}"
    return RecordError(f"unknown field {where}", hint=hint)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the known one that was probably meant, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name[:60], known, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)
