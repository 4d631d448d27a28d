"""Pieces of input to requests: a body each, or a JSON record each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kubemqctl.messaging.input.message_parsers import check_kept
from kubemqctl.messaging.requests.ask_options import DEFAULT_TIMEOUT, ManyOptions
from kubemqctl.model.errors import RecordError, TooLarge, UsageError
from kubemqctl.model.limits import MAX_BODY, MAX_WIRE_SECONDS
from kubemqctl.model.messages import Request
from kubemqctl.model.record_parser import message_from_record, parse
from kubemqctl.model.values import check_timeout, parse_duration, whole_seconds

if TYPE_CHECKING:
    from kubemqctl.client.requests import Kind

Parse = Callable[[bytes], Request]


def request_parser(template: Request, kind: Kind, many: ManyOptions) -> Parse:
    """Each piece of input is a body, or a record; all the rest is the template's.

    Its timeout of 0 is one that was not given.
    """

    def from_body(piece: bytes) -> Request:
        return template._replace(body=piece, timeout=template.timeout or DEFAULT_TIMEOUT)

    def from_record(piece: bytes) -> Request:
        return _of_record(piece, template, kind, many)

    parsed = from_record if many.separators.json_lines else from_body
    encode = many.encode
    if encode is None:
        return parsed

    def encoded(piece: bytes) -> Request:
        request = parsed(piece)
        return request._replace(body=encode(request.body))

    return encoded


def _of_record(line: bytes, template: Request, kind: Kind, many: ManyOptions) -> Request:
    """The request that a record describes; what the template has goes first, and a bad field is one even so.

    Raises RecordError or TooLarge.
    """
    record = parse(line)
    message = message_from_record(record, many.keep_id)
    if many.keep_channel:
        check_kept(message.channel, kind)
    if len(message.body) > MAX_BODY:
        raise TooLarge(f"too large: the maximum is {MAX_BODY} bytes")
    assert type(record) is dict
    timeout = _timeout(record.get("timeout", ""))
    key, ttl = template.cache_key, template.cache_ttl
    if kind == "queries":
        own_key, own_ttl = record.get("cache_key", ""), _ttl(record.get("cache_ttl", ""))
        if not key:
            key, ttl = own_key, own_ttl
        if bool(key) != bool(ttl):
            raise RecordError("cache_key and cache_ttl must be used together")
    return Request(
        message.channel if many.keep_channel else template.channel,
        message.body,
        template.metadata or message.metadata,
        {**message.tags, **template.tags} if template.tags else message.tags,
        template.timeout or timeout,
        key,
        ttl,
        message.id,
    )


def _timeout(text: str) -> float:
    if not text:
        return DEFAULT_TIMEOUT
    try:
        seconds = parse_duration(text)
    except UsageError as e:
        raise RecordError(f"timeout: {e.message}", hint=e.hint) from None
    try:
        check_timeout(seconds)
    except UsageError as e:
        raise RecordError(e.message.replace("--timeout", "timeout"), hint=e.hint) from None
    return seconds


def _ttl(text: str) -> int:
    try:
        return whole_seconds(text, "cache_ttl", minimum=1, maximum=MAX_WIRE_SECONDS) if text else 0
    except UsageError as e:
        raise RecordError(e.message, hint=e.hint) from None
