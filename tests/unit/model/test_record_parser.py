"""From record to noun: what is read back, and how a bad record is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.errors import RecordError
from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Message, Policy
from kubemqctl.model.record_parser import message_from_line, message_from_record
from kubemqctl.model.records import to_record
from kubemqctl.output.forms import json_renderer
from tests.unit.model.received_message import RECEIVED

TEXT = st.text()

MESSAGES = st.builds(
    Message,
    body=st.one_of(st.binary(), st.text().map(str.encode)),
    channel=TEXT,
    id=TEXT,
    metadata=TEXT,
    tags=st.dictionaries(TEXT, TEXT),
    policy=st.builds(Policy, st.integers(0, 43_200), st.integers(0, 43_200), st.integers(0, 1024), TEXT),
)


def refusal(line: bytes | str) -> RecordError:
    with pytest.raises(RecordError) as caught:
        message_from_line(line.encode() if isinstance(line, str) else line, keep_id=True)
    return caught.value


@settings(deadline=None)
@given(MESSAGES)
def test_a_message_comes_back_from_its_line_as_it_was(message: Message) -> None:
    line = json_renderer()(message)
    if message.body or message.metadata:
        assert message_from_line(line, keep_id=True) == message
        assert message_from_line(line, keep_id=False) == message._replace(id="")
    else:
        assert "neither body nor metadata" in refusal(line).message


def test_a_received_record_gives_what_a_sender_decides_and_nothing_else() -> None:
    line = json_renderer()(RECEIVED)
    assert message_from_line(line, keep_id=False) == Message(
        b"hello", "orders", "", "meta", {"kind": "order"}, Policy(30, 5, 3, "dead")
    )


def test_a_plain_record_shares_the_empty_tags_and_policy() -> None:
    message = message_from_line(b'{"body":"x","tags":{},"policy":{}}', keep_id=False)
    assert message.tags is NO_TAGS
    assert message.policy is NO_POLICY


def test_metadata_alone_is_a_message() -> None:
    assert message_from_line(b'{"metadata":"m"}', keep_id=False) == Message(metadata="m")


def test_white_space_around_a_record_is_nothing() -> None:
    assert message_from_line(b' \t{"body":"x"} \r\n', keep_id=False).body == b"x"


def test_escaped_pairs_of_surrogates_are_one_character() -> None:
    assert message_from_line(b'{"body":"\\ud83d\\ude00"}', keep_id=False).body == "😀".encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "blank"),
        ("  \n", "blank"),
        ("{", "at column 2"),
        ('{"body":"x"', "not JSON: expecting ',' delimiter at column 12"),
        ('{"body":"x"} {}', "unexpected text after the value, at column 13"),
        ('{"body":"x', "unterminated string starting at column 9"),
        ("\ufeff{}", "byte order mark"),
        (b'{"body":"\xff"}', "not UTF-8 at byte 10"),
        (b'{"body":"\xed\xa0\x80"}', "not UTF-8 at byte 10"),
        ('["body"]', "a record is a JSON object, not a list"),
        ('"body"', "not a string"),
        ("null", "not null"),
        ("1.5", "not a number with a fraction"),
        ("NaN", "NaN is not a JSON number"),
        ('{"sequence":-Infinity}', "-Infinity is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"tags":' * 100_000, "nested too deeply"),
        ('{"body":"x","body":"y"}', "body is given twice"),
        ('{"body":"x","tags":{"k":"a","k":"b"}}', "k is given twice"),
        ('{"body":"x","body_base64":"eA=="}', "body and body_base64 cannot be used together"),
        ('{"body":"x","bdy":"y"}', "unknown field bdy"),
        ('{"body":"x","sent_at":"y"}', "unknown field sent_at"),
        ('{"body":"x","\\u001b[31m":1}', "unknown field \\x1b[31m"),
        ('{"body":null}', "body must be a string, not null"),
        ('{"body":{"a":1}}', "body must be a string, not an object"),
        ('{"body":"x","metadata":1}', "metadata must be a string, not a whole number"),
        ('{"body":"x","tags":["a"]}', "tags must be an object, not a list"),
        ('{"body":"x","tags":{"k":1}}', "tags.k must be a string, not a whole number"),
        ('{"body":"x","sequence":"7"}', "sequence must be a whole number, not a string"),
        ('{"body":"x","sequence":7.0}', "sequence must be a whole number, not a number with a fraction"),
        ('{"body":"x","sequence":true}', "sequence must be a whole number, not true or false"),
        ('{"body":"x","executed":1}', "executed must be true or false, not a whole number"),
        ('{"body":"x","policy":"30s"}', "policy must be an object"),
        ('{"body":"x","policy":{"ttl":"1s"}}', "unknown field policy.ttl"),
        ('{"body":"x","policy":{"expiration":30}}', "policy.expiration must be a string, not a whole number"),
        ('{"body":"x","policy":{"expiration":"30"}}', "30"),
        ('{"body":"x","policy":{"expiration":"soon"}}', "soon"),
        ('{"body":"x","policy":{"delay":"1500ms"}}', "policy.delay"),
        ('{"body":"x","policy":{"delay":"13h"}}', "policy.delay"),
        ('{"body":"x","policy":{"max_receives":1025}}', "policy.max_receives must be from 0 to 1024"),
        ('{"body":"x","policy":{"max_receives":-1}}', "policy.max_receives"),
        ('{"body":"x\\ud800"}', "body contains \\ud800, half of a surrogate pair"),
        ('{"metadata":"\\udfff"}', "metadata contains \\udfff"),
        ('{"body":"x","tags":{"k":"\\ud800"}}', "tags.k contains \\ud800"),
        ('{"body":"x","tags":{"\\ud800":"v"}}', "a key of tags contains \\ud800"),
        ('{"body":"x","policy":{"dead_letter":"\\ud800"}}', "policy.dead_letter contains \\ud800"),
        ('{"body":"x","channel":"\\ud800"}', "channel contains \\ud800"),
        ("{}", "neither body nor metadata"),
        ('{"body":"","tags":{"k":"v"}}', "neither body nor metadata"),
    ],
)
def test_a_bad_record_is_refused_with_the_field_and_the_reason(line: bytes | str, reason: str) -> None:
    assert reason in refusal(line).message


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    # Python 3.10 reads it, to find a number where a string belongs; later ones do not even read it.
    message = refusal(b'{"body":' + b"9" * 5_000 + b"}").message
    assert "too many digits" in message or "not a whole number" in message


@pytest.mark.parametrize(
    "text", ["eA=", "eA", "=", "====", "e A=", "eA==\n", "eA==eA==", "e-_=", "é", "eA!=", "eHh4!!!!"]
)
def test_base64_with_anything_odd_in_it_is_refused(text: str) -> None:
    assert "body_base64 is not base64" in refusal(json.dumps({"body_base64": text})).message


@settings(deadline=None)
@given(st.binary(min_size=1), st.integers(min_value=0), st.text(max_size=3))
def test_base64_that_was_tampered_with_never_gives_other_bytes_silently(
    body: bytes, at: int, junk: str
) -> None:
    encoded = str(to_record(Message(body + b"\xff"))["body_base64"])
    at %= len(encoded) + 1
    tampered = {"body_base64": encoded[:at] + junk + encoded[at:]}
    try:
        message = message_from_record(tampered, keep_id=False)
    except RecordError:
        assert junk
    else:
        assert (message.body == body + b"\xff") == (not junk)


def test_a_misspelt_field_gets_the_right_one_as_a_hint() -> None:
    assert refusal('{"body":"x","metdata":"m"}').hint == "did you mean metadata?"
    assert "body_base64" in refusal('{"qqq":1}').hint


def test_a_refusal_is_a_usage_error_with_its_own_name() -> None:
    error = refusal("{}")
    assert (error.exit_code, error.code) == (2, "invalid-record")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

RECORDISH = st.dictionaries(
    st.sampled_from(
        ["id", "body", "body_base64", "metadata", "tags", "policy", "sequence", "executed", "odd"]
    ),
    JSON | st.fixed_dictionaries({}, optional={"expiration": JSON, "max_receives": JSON}),
)


@settings(deadline=None)
@given(JSON | RECORDISH)
def test_whatever_json_says_it_is_a_message_or_a_named_refusal(value: Any) -> None:
    try:
        message = message_from_line(json.dumps(value).encode(), keep_id=True)
    except RecordError:
        return
    assert message.body or message.metadata


@settings(deadline=None)
@given(st.binary())
def test_whatever_bytes_come_they_are_refused_by_name(line: bytes) -> None:
    assert refusal(line).message
