"""The small languages of the command line: a value that keeps its promise, or a refusal safe to print."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kubemqctl.broker.server import _split as parse_listen
from kubemqctl.config.config_file import check_name
from kubemqctl.config.profiles import parse_addresses
from kubemqctl.config.token import Token, command_words, expanded, fetch, variable_in
from kubemqctl.messaging.queues.tx_lines import decision
from kubemqctl.model.channels import check_channel, check_client_id, check_durable, check_group
from kubemqctl.model.errors import KubemqctlError, UsageError
from kubemqctl.model.messages import Received
from kubemqctl.model.text import (
    escaped,
    moment_text,
    relative_text,
    second_text,
    size_text,
    span_text,
    time_text,
)
from kubemqctl.model.values import (
    End,
    Start,
    ceil_seconds,
    duration_ns,
    format_duration,
    parse_delimiter,
    parse_duration,
    parse_end,
    parse_rate,
    parse_size,
    parse_start,
    parse_tag,
    parse_time,
    whole_seconds,
)
from kubemqctl.output.stderr import error_json, error_text
from kubemqctl.output.template import compile_template
from tests.fuzz.examples import examples
from tests.fuzz.texts import ARGUMENTS, INT64, RECEIVED, TEXTS
from tests.support.views import where

# What a terminal would act on; line feeds are between the two lines of an error.
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def refusal(act: Callable[[], object]) -> KubemqctlError | None:
    """The refusal that `act` ends with, seen to be one that can be printed; None when it is content."""
    try:
        act()
    except UsageError as e:
        text = error_text(e, verbose=True)
        assert not ACTING.search(text), f"not safe for a terminal: {text!r}"
        assert len(text.split("\n")) <= 2
        error_json(e).encode("ascii")
        return e
    return None


def is_duration(text: str) -> None:
    seconds = parse_duration(text)
    assert 0 <= seconds <= 36_500 * 86_400
    assert duration_ns(format_duration(seconds)) == pytest.approx(duration_ns(text), rel=1e-15)
    assert ceil_seconds(seconds) >= math.floor(seconds)


def is_whole(text: str) -> None:
    assert 0 <= whole_seconds(text, "--expire") <= 43_200


def is_size(text: str) -> None:
    assert 0 <= parse_size(text) < 2**63


def is_rate(text: str) -> None:
    assert 0 < parse_rate(text) < math.inf


def is_tag(text: str) -> None:
    key, value = parse_tag(text)
    assert key
    assert f"{key}={value}" == text
    text.encode()


def is_delimiter(text: str) -> None:
    delimiter = parse_delimiter(text)
    if "\\" not in text:
        assert delimiter == text.encode("utf-8", "surrogateescape")


def is_time(text: str) -> None:
    assert time_text(parse_time(text))[:3].isdigit()


def is_start(text: str) -> None:
    start = parse_start(text)
    assert isinstance(start, Start)
    assert -(2**63) <= start.value < 2**63


def is_end(text: str) -> None:
    end = parse_end(text)
    assert isinstance(end, End)
    assert -(2**63) <= end.value < 2**63


def is_channel(text: str) -> None:
    check_channel(text)
    assert 0 < len(text.encode()) <= 240
    assert not re.search(r"[\s*>/:]|^\.|\.$|\.\.", text)


def is_pattern(text: str) -> None:
    check_channel(text, "events", wildcards=True)
    assert not re.search(r"[\s/]|^\.|\.$|\.\.", text)


def is_group(text: str) -> None:
    check_group(text, "events_store")
    assert not re.search(r"[\s:]", text)


def is_client_id(text: str) -> None:
    check_client_id(text)
    text.encode()


def is_durable(text: str) -> None:
    check_durable(text)
    assert re.fullmatch("[A-Za-z0-9_-]+", text)


def is_address(text: str) -> None:
    for address in parse_addresses([text], "--address"):
        host, _, port = address.rpartition(":")
        assert host
        assert 1 <= int(port) <= 65535


def is_listen(text: str) -> None:
    _, port = parse_listen(text)
    assert 0 <= port <= 65535


def is_command(text: str) -> None:
    assert command_words(text)


PARSERS: list[Callable[[str], Any]] = [
    is_duration,
    is_whole,
    is_size,
    is_rate,
    is_tag,
    is_delimiter,
    is_time,
    is_start,
    is_end,
    is_channel,
    is_pattern,
    is_group,
    is_client_id,
    is_durable,
    is_address,
    is_listen,
    is_command,
    check_name,
]


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@examples(15)
@given(text=TEXTS)
def test_any_text_is_a_value_or_a_refusal_that_can_be_shown(parse: Callable[[str], Any], text: str) -> None:
    refusal(lambda: parse(text))


@examples(25)
@given(text=TEXTS, noun=RECEIVED)
def test_any_template_renders_whatever_was_received_or_is_refused(text: str, noun: Received) -> None:
    def render() -> None:
        assert compile_template(text, Received)(noun).endswith(b"\n")

    refusal(render)


FIELDS = st.sampled_from(
    ["body", "body_base64", "policy", "policy[delay]", "tags", "tags[a]", *Received._fields]
)


@examples(25)
@given(field=FIELDS, noun=RECEIVED)
def test_every_field_of_what_was_received_can_be_shown_and_selected_by(field: str, noun: Received) -> None:
    shown = compile_template(f"{{{field}}}", Received)(noun).removesuffix(b"\n")
    value = shown.decode("utf-8", "surrogateescape")
    # What is not there, a map or a list equals nothing, and `==` is no operator.
    if value and value[0] not in "=~" and field not in ("body_base64", "policy", "tags"):
        wanted = where([f"{field}={value}"], Received)
        assert wanted is not None
        assert wanted(noun)


@examples(15)
@given(condition=TEXTS, noun=RECEIVED)
def test_any_condition_is_true_or_false_or_refused(condition: str, noun: Received) -> None:
    def judge() -> None:
        wanted = where([condition], Received)
        assert wanted is not None
        assert wanted(noun) in (True, False)

    refusal(judge)


LINES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda word, text: f"{word} {text}".encode("utf-8", "surrogateescape"),
        st.sampled_from(["ack", "reject", "extend", "resend", "modify", "next", "Ack", ""]),
        ARGUMENTS | st.sampled_from(['{"body":"x"}', '{"channel":""}', '{"tags":{"a":1}}', "30s", "0s", "q"]),
    ),
)


@examples(25)
@given(line=LINES, held=st.none() | RECEIVED)
def test_any_control_line_is_a_decision_or_a_refusal(line: bytes, held: Received | None) -> None:
    def decide() -> None:
        made = decision(line, held)
        assert made.kind in ("ack", "reject", "extend", "resend", "modify", "next")
        assert (made.kind == "next") == (held is None)

    refusal(decide)


@examples(20)
@given(text=ARGUMENTS | st.text(max_size=20).map(lambda name: f"${{{name}}}"), value=ARGUMENTS)
def test_a_token_is_ascii_or_refused_without_being_shown(text: str, value: str) -> None:
    name = variable_in(text)
    token = expanded(Token(value=text), {name: value} if name else {})

    def read() -> None:
        found = fetch(token, "profile p")
        assert found.isascii()
        assert found.isprintable()

    error = refusal(read)
    secret = (value if name else text).strip()
    assume(len(secret) > 3)
    assert error is None or secret not in error.message or name


@examples(20)
@given(INT64, INT64)
def test_any_number_of_a_server_can_be_written_as_a_quantity(one: int, other: int) -> None:
    for text in (
        time_text(one),
        second_text(one),
        size_text(one),
        span_text(abs(one)),
        relative_text(one, other),
        moment_text(one, other),
    ):
        assert text
        assert escaped(text) == text
