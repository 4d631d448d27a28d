"""JSON Schemas (draft 2020-12) of all records, by the name of the noun.

They are derived from the nouns and records.py: a field's schema follows from how records.py writes it, and
from the noun's annotation where it is written as it is. Only the records that are no nouns are spelled here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kubemqctl.model import channels, limits, reports
from kubemqctl.model import messages as m
from kubemqctl.model import record_parser as parser
from kubemqctl.model import records as r
from kubemqctl.model.text import docstring

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOUNS: dict[str, type] = {
    "message": m.Received,
    "handled-message": m.HandledMessage,
    "decision": m.Decided,
    "event": m.Event,
    "handled-event": m.HandledEvent,
    "result": m.SendResult,
    "request": m.Request,
    "answered-request": m.AnsweredRequest,
    "response": m.Response,
    "affected": m.Affected,
    "channel": channels.ChannelInfo,
    "check": reports.Check,
    "health-check": reports.HealthCheck,
    "benchmark": reports.BenchResult,
    "pong": reports.Pong,
}
MEANINGS = {
    "active": "whether it is in use now",
    "advice": "what to do about it",
    "affected": "how many messages it touched",
    "batch": "how many messages were sent in a request, at most",
    "body": "the body, when its bytes are UTF-8",
    "body_base64": "the body, when its bytes are not UTF-8",
    "busy": "the share of a processor that the busiest process of the benchmark used",
    "byte_rate": "bytes of bodies that were received a second",
    "bytes": "the size of these messages",
    "cache_hit": "answered from the server's cache",
    "cache_key": "the key under which the answer is cached",
    "cache_ttl": "how long the answer is cached",
    "channel": "its channel",
    "client_id": "who sent it",
    "clock_ahead": "how far the server's clock is ahead of the client's; behind when negative",
    "connect_time": "how long connecting took",
    "consumers": "how many processes received",
    "delayed_to": "until then nobody receives it",
    "disorder": "how many messages came behind a later one",
    "doubles": "how many messages came again",
    "elapsed": "how long it took: the measuring, until the last message; asking; answering",
    "error": "why it failed; outcome-unknown when the answer was lost",
    "errors": "how many messages could not be sent, or were not answered",
    "executed": "whether it was carried out",
    "expires_at": "it is dropped then; a certificate is valid until then",
    "first_sequence": "the sequence of the oldest message",
    "found": "what was found",
    "handler_exit": "the exit code of the handler",
    "histogram": "how many messages took longer than the bound before, and up to this one",
    "host": "the server's host",
    "id": "its id",
    "in_flight": "how many messages of a producer were unanswered at a time, at most",
    "last_activity": "when it was last used",
    "last_sequence": "the sequence of the newest message",
    "line": "the line of the input that it answers, from 1; only of many requests",
    "limit": "what kept it from being faster; left out where that is not known",
    "loss": "how many messages never came; left out where that is not known",
    "max": "the longest latency",
    "mean": "the mean latency",
    "messages": "how many messages are stored, acknowledged ones included; where none are, how many came",
    "metadata": "the metadata text",
    "min": "the shortest latency",
    "name": "its name",
    "oldest": "the age of the first message",
    "outcome": "what became of it",
    "p50": "50 % of the latencies are no longer",
    "p90": "90 % of the latencies are no longer",
    "p95": "95 % of the latencies are no longer",
    "p99": "99 % of the latencies are no longer",
    "p999": "99.9 % of the latencies are no longer",
    "pattern": "queue, events, store, cmd or query",
    "policy": "what the queue does with it",
    "producers": "how many processes sent",
    "rate": "messages that were received, or requests that were answered, a second",
    "rate_in": "messages that came in, a second, as `top` measured it",
    "rate_out": "messages that went out, a second, as `top` measured it",
    "reason": "why it is not ok",
    "re_routed_from": "the queue that dead-lettered it",
    "receive_count": "how often it was received",
    "received_at": "when it reached us, by the local clock",
    "received": "how many messages were received, or requests answered",
    "reply_channel": "where the answer goes",
    "round_trip": "how long the answer took",
    "send_rate": "messages that the server took a second",
    "sent": "how many messages the server took",
    "sent_at": "when the server took it",
    "sequence": "its number in its channel",
    "size": "the size of a body in bytes",
    "started_at": "when the server was started",
    "status": "how it went",
    "stopped": "what ended it too early",
    "subscribers": "how many consumers the server remembers, connected or not",
    "tags": "its tags",
    "target": "where they went",
    "target_rate": "how many messages a second were asked for",
    "timeout": "how long the sender waits for the answer",
    "timestamp": "when the server took it, or a responder answered",
    "type": "queues, events, events_store, commands or queries",
    "uptime": "for how long it has run",
    "version": "the server's version",
    "waiting": "how many of its messages are not acknowledged yet",
}
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_TAGS: Schema = {"type": "object", "additionalProperties": _TEXT}
_TIME: Schema = {
    "type": "string",
    "pattern": r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z|@-?\d+(\.\d{9})?)$",
    "$comment": "RFC 3339 in UTC; @SECONDS of Unix time outside the years 1 to 9999",
}
_DURATION: Schema = {"type": "string", "pattern": r"^(-?\d+(\.\d+)?(ms|s|m|h|d))+$"}
_POLICY: Schema = {
    "type": "object",
    "properties": {
        "expiration": _DURATION,
        "delay": _DURATION,
        "max_receives": {"type": "integer", "minimum": 0, "maximum": limits.MAX_RECEIVES},
        "dead_letter": _TEXT,
    },
    "additionalProperties": False,
}
_HISTOGRAM: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"up_to": _DURATION, "count": _COUNT},
        "required": ["up_to", "count"],
        "additionalProperties": False,
    },
}
_AS_WRITTEN: dict[Callable[..., None] | None, Schema] = {
    r.put_time: _TIME,
    r.put_second: _TIME,
    r.put_seconds: _DURATION,
    r.put_timeout: _DURATION,
    r.put_ttl: _DURATION,
    r.put_round_trip: _DURATION,
    r.put_age: _DURATION,
    r.put_latency: _DURATION,
    r.put_elapsed: _DURATION,
    r.put_span: {"type": "string", "pattern": "^-?[0-9]+s$"},
    r.put_rate: _NUMBER,
    r.put_target: _NUMBER,
    r.put_measured: _NUMBER,
    r.put_share: _NUMBER,
    r.put_histogram: _HISTOGRAM,
    r.put_tags: _TAGS,
    r.put_policy: _POLICY,
}
_NEVER_LEFT_OUT = (
    r.put_always,
    r.put_seconds,
    r.put_round_trip,
    r.put_rate,
    r.put_share,
    r.put_histogram,
)
_KEYS = {
    "affected": ("channel", "affected"),
    "channel": ("name", "type"),
    "check": ("name", "status"),
    "health-check": ("name", "status"),
    "benchmark": ("pattern", "channel"),
}
_BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
_BODY = [{"required": ["body"]}, {"required": ["body_base64"]}]


def schemas() -> dict[str, Schema]:
    """The schema of every record, by its name."""
    return {**{name: _of_noun(name) for name in NOUNS}, **_OTHERS, **_taken()}


def _of_noun(name: str) -> Schema:
    noun = NOUNS[name]
    hints = get_type_hints(noun)
    properties: Schema = {}
    required = list(_KEYS.get(name, ()))
    for field, _, put in r.COLUMNS[noun]:
        properties[field] = _described(field, _AS_WRITTEN.get(put) or _typed(hints[field]))
        if put is r.put_body:
            properties["body_base64"] = _described("body_base64", _BASE64)
        if put in _NEVER_LEFT_OUT and field not in required:
            required.append(field)
    about = " ".join(docstring(noun).split("\n")[0].split())
    body = {"oneOf": _BODY} if "body" in properties else {}
    return _object(about, properties, required, **body)


def _typed(hint: Any) -> Schema:
    """The schema of a value that is written as it is."""
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    kinds = {part for part in (get_args(hint) or (hint,)) if part is not type(None)}
    (kind,) = kinds
    return {str: _TEXT, bytes: _TEXT, bool: _FLAG, int: _COUNT}[kind]


def _described(field: str, schema: Schema) -> Schema:
    return {"description": MEANINGS[field], **schema}


def _object(about: str, properties: Schema, required: list[str], **more: Any) -> Schema:
    return {
        "$schema": DIALECT,
        "description": about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


# ---- records that are no nouns ----

_TLS = {"enabled": _FLAG, "ca": _TEXT, "cert": _TEXT, "key": _TEXT, "server_name": _TEXT}
_STORED = {
    "name": _TEXT,
    "current": _FLAG,
    "address": {"type": "string", "description": "HOST:PORT, several with commas between"},
    "client_id": _TEXT,
    "token": {"type": "string", "description": "*** for a token that the file holds, or ${VARIABLE}"},
    "token_file": _TEXT,
    "token_command": _TEXT,
    "tls": {"type": "object", "properties": _TLS, "additionalProperties": False},
    "output": _TEXT,
    "protected": _FLAG,
    "read_only": _FLAG,
}
_OTHERS: dict[str, Schema] = {
    "profile": _object(
        "A profile in a list.",
        {
            **{name: _STORED[name] for name in ("name", "current", "address", "protected", "read_only")},
            "tls": {**_FLAG, "description": "whether TLS is used"},
            "token": {**_FLAG, "description": "whether a token is set"},
        },
        ["name", "current", "address", "tls", "token", "protected", "read_only"],
    ),
    "stored-profile": _object("A profile as its file has it.", _STORED, ["name", "current"]),
    "settings": _object(
        "What a command would use now, and where each value comes from.",
        {
            **{name: schema for name, schema in _STORED.items() if name != "current"},
            "connect_timeout": _DURATION,
            "connect_wait": _DURATION,
            "sources": {**_TAGS, "description": "what gave each value: a flag, a variable, file and line"},
        },
        [
            "name",
            "address",
            "client_id",
            "tls",
            "output",
            "protected",
            "read_only",
            "connect_timeout",
            "connect_wait",
            "sources",
        ],
    ),
    "path": _object("A path.", {"path": _TEXT}, ["path"]),
    "script": _object("A completion script.", {"script": _TEXT, "shell": _TEXT}, ["script", "shell"]),
    "help": _object(
        "A text for people.",
        {"text": _TEXT, "topic": _TEXT, "topics": {"type": "array", "items": _TEXT}},
        ["text"],
    ),
    "error": _object(
        "How a command failed, on stderr.",
        {
            "error": {"type": "string", "description": "one of `errors`"},
            "message": _TEXT,
            "hint": _TEXT,
            "exit_code": _COUNT,
            "retryable": _FLAG,
            "grpc_status": _TEXT,
            "server_message": _TEXT,
        },
        ["error", "message", "hint", "exit_code", "retryable", "grpc_status", "server_message"],
    ),
}


def _taken() -> dict[str, Schema]:
    """What --json-lines and --handler-output json take: every field there is, most of them ignored."""
    kinds = {str: _TEXT, int: _COUNT, bool: _FLAG}
    fields = {
        **{name: _described(name, kinds[kind]) for name, kind in parser.TYPES.items() if kind in kinds},
        "body_base64": _described("body_base64", _BASE64),
        "tags": _described("tags", _TAGS),
        "policy": _described("policy", _POLICY),
    }
    both = {"not": {"required": ["body", "body_base64"]}}
    return {
        "sent-message": _object("A message to send, as --json-lines takes it.", fields, [], **both),
        "reply": _object("A reply, as --handler-output json takes it.", fields, [], **both),
    }
