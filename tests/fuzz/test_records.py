"""Records: what a stranger fills a noun with comes back from its text, and any line is read or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import UsageError
from kubemqctl.model.limits import MAX_QUEUE_SECONDS, MAX_RECEIVES
from kubemqctl.model.messages import (
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
from kubemqctl.model.record_parser import message_from_line, parse, reply_from_line
from kubemqctl.model.records import field, fields, to_record
from kubemqctl.model.reports import Check, Pong
from kubemqctl.model.text import escaped
from kubemqctl.output.forms import Form, make_renderer
from tests.fuzz.examples import examples
from tests.fuzz.test_parsers import refusal
from tests.fuzz.texts import BODIES, INT32, INT64, POLICIES, RECEIVED, STRINGS, TAGS, UINT64

MAYBE = st.none() | INT64
TIMEOUTS = INT32.map(lambda milliseconds: milliseconds / 1000)

SHOWN = st.one_of(
    RECEIVED,
    st.builds(
        HandledMessage,
        *[STRINGS] * 4,
        BODIES,
        TAGS,
        INT64,
        UINT64,
        INT32,
        STRINGS,
        INT64,
        INT64,
        POLICIES,
        STRINGS,
        INT32,
    ),
    st.builds(Event, STRINGS, STRINGS, STRINGS, BODIES, TAGS, INT64, UINT64, INT64),
    st.builds(HandledEvent, STRINGS, STRINGS, STRINGS, BODIES, TAGS, INT64, UINT64, INT64, INT32),
    st.builds(Message, BODIES, STRINGS, STRINGS, STRINGS, TAGS, POLICIES),
    st.builds(SendResult, STRINGS, STRINGS, INT64, INT64, INT64, STRINGS),
    st.builds(
        Request, STRINGS, BODIES, STRINGS, TAGS, TIMEOUTS, STRINGS, INT32, STRINGS, STRINGS, STRINGS, INT64
    ),
    st.builds(
        Response,
        STRINGS,
        STRINGS,
        st.booleans(),
        STRINGS,
        BODIES,
        STRINGS,
        TAGS,
        INT64,
        st.booleans(),
        STRINGS,
        STRINGS,
        INT64,
    ),
    st.builds(
        AnsweredRequest,
        STRINGS,
        BODIES,
        STRINGS,
        TAGS,
        TIMEOUTS,
        STRINGS,
        INT32,
        STRINGS,
        STRINGS,
        STRINGS,
        INT64,
        st.booleans(),
        STRINGS,
        INT32,
        INT64,
    ),
    st.builds(
        ChannelInfo,
        STRINGS,
        st.just("queues"),
        MAYBE,
        MAYBE,
        MAYBE,
        MAYBE,
        MAYBE,
        MAYBE,
        st.none() | st.booleans(),
        MAYBE,
    ),
    st.builds(Pong, STRINGS, STRINGS, INT64, INT64, st.integers(0, 2**63)),
    st.builds(Affected, STRINGS, UINT64, STRINGS),
    st.builds(Check, STRINGS, st.just("ok"), STRINGS, STRINGS),
)
NOUNS = SHOWN | st.builds(Decided, STRINGS, UINT64, STRINGS)


def rendered(noun: object, form: str) -> bytes:
    return make_renderer(Form(form), type(noun)).one(noun)  # type: ignore[arg-type]


@examples(40)
@given(NOUNS)
def test_what_a_stranger_filled_comes_back_from_json_as_it_was(noun: Any) -> None:
    line = rendered(noun, "json")
    assert line.count(b"\n") == 1
    text = line.decode()
    assert escaped(text[:-1]).isprintable() or not text.isprintable()
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text[:-1])
    assert parse(line) == json.loads(line) == to_record(noun)


@examples(20)
@given(NOUNS)
def test_what_a_stranger_filled_comes_back_from_yaml_as_it_was(noun: Any) -> None:
    text = rendered(noun, "yaml")
    assert list(yaml.load_all(text, Loader=yaml.CSafeLoader)) == [to_record(noun)]
    assert list(yaml.load_all(text, Loader=yaml.SafeLoader)) == [to_record(noun)]


@examples(25)
@given(SHOWN, st.sampled_from([40, 80, 200]), st.booleans())
def test_a_page_for_people_holds_nothing_that_acts_on_a_terminal(noun: Any, width: int, colour: bool) -> None:
    renderer = make_renderer(Form("human"), type(noun), colour=False, width=width)
    pages = [renderer.one(noun), renderer.all([noun, noun])]
    for page in pages:
        for line in page.decode().split("\n"):
            assert escaped(line.replace("\t", " ")) == line.replace("\t", " ")
    assert make_renderer(Form("human"), type(noun), colour=colour, width=width).one(noun)


@examples(15)
@given(NOUNS)
def test_one_field_alone_is_what_the_whole_record_has(noun: Any) -> None:
    record = to_record(noun)
    assert set(record) <= {*fields(type(noun)), "body_base64"}
    for name in fields(type(noun)):
        if name != "body":
            assert field(noun, name) == record.get(name)


def is_sendable(policy: Policy) -> bool:
    seconds = range(MAX_QUEUE_SECONDS + 1)
    return (
        policy.expiration in seconds
        and policy.delay in seconds
        and policy.max_receives in range(MAX_RECEIVES + 1)
    )


@examples(30)
@given(RECEIVED)
def test_what_was_received_can_be_sent_again_as_it_was_or_is_refused_by_name(noun: Received) -> None:
    def send() -> None:
        message = message_from_line(rendered(noun, "json"), keep_id=True)
        assert message == Message(noun.body, noun.channel, noun.id, noun.metadata, noun.tags, noun.policy)

    error = refusal(send)
    assert bool(error) != bool(is_sendable(noun.policy) and (noun.body or noun.metadata))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRINGS | st.just("aGk="),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    st.sampled_from([*fields(Received), "body_base64", "executed", "error", "timeout", "bodY", ""]) | STRINGS
)
RECORDISH = st.dictionaries(NAMES, VALUES, max_size=5).map(lambda v: json.dumps(v).encode())
TWICE = st.builds(lambda one, two: b"{" + one[1:-1] + b"," + two[1:-1] + b"}", RECORDISH, RECORDISH)
DEEP = st.sampled_from([10, 990, 25_000]).map(lambda depth: b'{"body":' + b"[" * depth)
DIGITS = st.integers(1, 20_000).map(lambda count: b'{"sequence":' + b"9" * count + b"}")


def cut(line: bytes, at: int, change: bytes) -> bytes:
    at %= len(line) + 1
    return line[:at] + change + line[at + len(change) :]


MUTATED = st.builds(
    cut, RECEIVED.map(lambda noun: rendered(noun, "json")), st.integers(0, 500), st.binary(max_size=3)
)
LINES = st.one_of(st.binary(max_size=60), RECORDISH, TWICE, DEEP, DIGITS, MUTATED)
READERS: list[Callable[[bytes], object]] = [lambda line: message_from_line(line, True), reply_from_line]


@examples(60)
@given(LINES)
def test_any_line_is_a_record_or_refused_by_name(line: bytes) -> None:
    for read in READERS:
        error = refusal(lambda read=read: read(line))  # type: ignore[misc]
        assert error is None or isinstance(error, UsageError)
