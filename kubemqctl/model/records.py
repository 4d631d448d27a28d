"""Nouns to records, the one shape that `-o json` prints; record_parser.py reads it back.

A field's name decides its form, whatever noun it is in, so a noun is written by listing its fields. Empty
strings, maps and zeros are left out; a body, an answer's `executed` and a count that was asked for never are.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.messages import (
    NO_POLICY,
    Affected,
    AnsweredRequest,
    Decided,
    Event,
    HandledEvent,
    HandledMessage,
    Message,
    Policy,
    Received,
    Request,
    Response,
    SendResult,
)
from kubemqctl.model.reports import BenchResult, Check, HealthCheck, Pong
from kubemqctl.model.text import second_text, time_text

Record = dict[str, object]
POLICY_FIELDS = ("expiration", "delay", "max_receives", "dead_letter")


def to_record(noun: object) -> Record:
    """`noun` as a record, its fields in the order of the documentation; a dict is a record already."""
    if type(noun) is dict:
        return noun
    record: Record = {}
    for name, index, put in COLUMNS[type(noun)]:
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
    _PUT.get(name, put_given)(record, name, value)
    return record.get(name)


def fields(noun_type: type) -> tuple[str, ...]:
    """The names of the fields that a record of this noun may have; of dicts, a TypedDict alone tells them."""
    if noun_type in COLUMNS:
        return tuple(name for name, _, _ in COLUMNS[noun_type])
    return tuple(getattr(noun_type, "__annotations__", ()))


def put_given(record: Record, name: str, value: object) -> None:
    if value:
        record[name] = value


def put_told(record: Record, name: str, value: object) -> None:
    """A count is what was asked for: 0 is an answer, None is not."""
    if value is not None:
        record[name] = value


def put_body(record: Record, _name: str, value: bytes) -> None:
    try:
        record["body"] = value.decode()
    except UnicodeDecodeError:
        record["body_base64"] = b2a_base64(value, newline=False).decode("ascii")


def put_tags(record: Record, name: str, value: Mapping[str, str]) -> None:
    if value:
        record[name] = dict(value)


def put_time(record: Record, name: str, value: int | None) -> None:
    if value:
        record[name] = time_text(value)


def put_second(record: Record, name: str, value: int) -> None:
    if value:
        record[name] = second_text(value)


def put_policy(record: Record, name: str, value: Policy) -> None:
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


def put_seconds(record: Record, name: str, value: int) -> None:
    record[name] = f"{value}s"


def put_always(record: Record, name: str, value: object) -> None:
    record[name] = value


def put_timeout(record: Record, name: str, value: float) -> None:
    """Seconds, to the millisecond."""
    if value:
        record[name] = f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def put_ttl(record: Record, name: str, value: int) -> None:
    if value:
        record[name] = f"{value}s"


def put_round_trip(record: Record, name: str, value: int) -> None:
    """Nanoseconds, to the microsecond."""
    record[name] = f"{value / 1e6:.3f}ms"


def put_age(record: Record, name: str, value: int | None) -> None:
    """Nanoseconds, to the millisecond; None where it is not known."""
    if value is not None:
        record[name] = f"{value / 1e9:.3f}s"


def put_latency(record: Record, name: str, value: int | None) -> None:
    """Nanoseconds, to the microsecond; none where nothing was measured."""
    if value is not None:
        record[name] = f"{value / 1e6:.3f}ms"


def put_span(record: Record, name: str, value: int | None) -> None:
    """Seconds, which may be negative; none where nothing was measured."""
    if value is not None:
        record[name] = f"{value}s"


def put_elapsed(record: Record, name: str, value: int) -> None:
    """Nanoseconds, to the millisecond, or below a second to the microsecond; none of nothing."""
    if value:
        record[name] = f"{value / 1e9:.3f}s" if value >= 999_999_500 else f"{value / 1e6:.3f}ms"


def put_rate(record: Record, name: str, value: float) -> None:
    """A second, to a tenth."""
    record[name] = round(value, 1)


def put_measured(record: Record, name: str, value: float | None) -> None:
    """A second, to a tenth; None where it was not measured."""
    if value is not None:
        put_rate(record, name, value)


def put_target(record: Record, name: str, value: float) -> None:
    """A second; left out where no rate was asked for."""
    if value:
        put_rate(record, name, value)


def put_share(record: Record, name: str, value: float) -> None:
    """From 0 to 1, to a thousandth."""
    record[name] = round(value, 3)


def put_histogram(record: Record, name: str, value: Iterable[tuple[int, int]]) -> None:
    """How many took up to how long."""
    record[name] = [{"up_to": f"{bound / 1e6:.3f}ms", "count": count} for bound, count in value]


_PUT: dict[str, Callable[..., None]] = {
    "body": put_body,
    "tags": put_tags,
    "policy": put_policy,
    "timestamp": put_time,
    "expires_at": put_time,
    "delayed_to": put_time,
    "received_at": put_time,
    "sent_at": put_time,
    "last_activity": put_time,
    "started_at": put_second,
    "uptime": put_seconds,
    "round_trip": put_round_trip,
    "executed": put_always,
    "timeout": put_timeout,
    "cache_ttl": put_ttl,
    "oldest": put_age,
    "affected": put_told,
    "messages": put_told,
    "bytes": put_told,
    "waiting": put_told,
    "subscribers": put_told,
    "first_sequence": put_told,
    "last_sequence": put_told,
    "active": put_told,
    "sent": put_always,
    "received": put_always,
    "doubles": put_always,
    "disorder": put_always,
    "errors": put_always,
    "loss": put_told,
    "elapsed": put_elapsed,
    "send_rate": put_rate,
    "rate": put_rate,
    "byte_rate": put_rate,
    "target_rate": put_target,
    "rate_in": put_measured,
    "rate_out": put_measured,
    "clock_ahead": put_span,
    **dict.fromkeys(("connect_time", "min", "mean", "p50", "p90", "p95", "p99", "p999", "max"), put_latency),
    "busy": put_share,
    "histogram": put_histogram,
}


def _columns(noun: type[NamedTuple], names: str) -> tuple[tuple[str, int, Callable[..., None] | None], ...]:
    return tuple((name, noun._fields.index(name), _PUT.get(name)) for name in names.split())


COLUMNS = {
    noun: _columns(noun, names)
    for noun, names in {
        Message: "id channel metadata body tags policy",
        Received: "id channel metadata client_id body tags timestamp sequence receive_count re_routed_from"
        " expires_at delayed_to policy",
        Event: "id channel metadata body tags timestamp received_at sequence",
        HandledEvent: "id channel metadata body tags timestamp received_at sequence handler_exit",
        HandledMessage: "id channel metadata client_id body tags timestamp sequence receive_count"
        " re_routed_from expires_at delayed_to policy outcome handler_exit",
        Decided: "id sequence outcome",
        SendResult: "id channel sent_at expires_at delayed_to error",
        Request: "id channel metadata client_id body tags received_at timeout reply_channel cache_key"
        " cache_ttl",
        Response: "id channel metadata client_id body tags timestamp elapsed executed error cache_hit line",
        AnsweredRequest: "id channel metadata client_id body tags received_at elapsed executed error timeout"
        " reply_channel cache_key cache_ttl handler_exit",
        Affected: "channel affected target",
        ChannelInfo: "name type messages bytes waiting subscribers first_sequence last_sequence active"
        " last_activity rate_in rate_out",
        Check: "name status found advice connect_time min p50 max clock_ahead expires_at host version"
        " started_at",
        HealthCheck: "name status waiting messages bytes subscribers oldest round_trip reason",
        BenchResult: "pattern channel producers consumers size batch in_flight target_rate elapsed sent"
        " received send_rate rate byte_rate loss doubles disorder errors min mean p50 p90 p95 p99 p999 max"
        " limit busy stopped histogram",
        Pong: "host version started_at uptime round_trip",
    }.items()
}
