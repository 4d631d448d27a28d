"""The forms of the output: which one applies, and the exact bytes of raw, json and yaml."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Affected, Received, SendResult
from kubemqctl.model.records import to_record
from kubemqctl.model.reports import Pong
from kubemqctl.model.text import escaped
from kubemqctl.output.forms import Form, FormName, decide, make_renderer

NASTY = st.text(
    st.sampled_from(" \n\t#:-'\"|>%@&*{}[],?\\ab1.e\r\x85\u2028\ufeff\x00\x1b\x7f\x9b😀~"), max_size=20
)


def received(body: bytes = b"hello", **others: Any) -> Received:
    plain = Received("orders", "id-1", "me", "", body, NO_TAGS, 0, 7, 1, "", 0, 0, NO_POLICY)
    return plain._replace(**others)


# --- which form ---


@pytest.mark.parametrize(
    ("output", "template", "profile", "terminal", "form"),
    [
        (None, None, "", True, Form("human")),
        (None, None, "", False, Form("raw")),
        (None, None, "json", True, Form("json")),
        (None, None, "json", False, Form("raw")),
        (None, None, "auto", True, Form("human")),
        ("auto", None, "json", True, Form("human")),
        ("auto", None, "json", False, Form("raw")),
        ("human", None, "json", False, Form("human")),
        ("yaml", None, "json", True, Form("yaml")),
        ("raw", None, "", True, Form("raw")),
        (None, "{id}", "json", True, Form("template", "{id}")),
        (None, "", "", False, Form("template", "")),
    ],
)
def test_options_come_first_then_the_profile_on_a_terminal_then_what_stdout_is(
    output: str | None, template: str | None, profile: str, terminal: bool, form: Form
) -> None:
    assert decide(output, template, profile, terminal) == form


def test_output_and_format_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="cannot be used together"):
        decide("json", "{id}", "", True)


@pytest.mark.parametrize(("output", "profile"), [("xml", ""), (None, "xml"), ("template", "")])
def test_an_unknown_form_is_refused_with_the_known_ones(output: str | None, profile: str) -> None:
    with pytest.raises(UsageError) as caught:
        decide(output, None, profile, True)
    assert "json" in caught.value.hint


def test_a_bad_template_is_refused_before_anything_is_rendered() -> None:
    with pytest.raises(UsageError, match="no field nothing"):
        make_renderer(Form("template", "{nothing}"), Received)


# --- raw ---


@pytest.mark.parametrize(
    ("noun", "value"),
    [
        (received(b"\xff\x00"), b"\xff\x00"),
        (SendResult("id-1", "q"), b"id-1"),
        (SendResult("a\tb\\\n", "q"), b"a\\tb\\\\\\n"),
        (Affected("q", 12345), b"12345"),
        (Affected("q", 0), b"0"),
        (ChannelInfo("größe", "queues", waiting=2), "größe\tqueues\t2\t\t\t\t".encode()),
        (ChannelInfo("a\tb\\", "queues"), b"a\\tb\\\\\tqueues\t\t\t\t\t"),
        (Pong("h", "", 0, 0, 1_234_567), b"1.235"),
        ({"name": "dev", "address": "a:1"}, b"dev"),
        ({"path": "/tmp/\udcff"}, b"/tmp/\xff"),
        ({"name": "half \ud83d"}, b"half \\ud83d"),
    ],
)
def test_raw_is_the_one_value_that_a_pipe_wants(noun: object, value: bytes) -> None:
    assert make_renderer(Form("raw"), type(noun)).one(noun) == value + b"\n"


@pytest.mark.parametrize(("delimiter", "end"), [(None, b""), (b"", b""), (b"\0", b"\0"), (b"--\n", b"--\n")])
def test_a_raw_body_is_followed_by_the_delimiter_and_nothing_else(
    delimiter: bytes | None, end: bytes
) -> None:
    renderer = make_renderer(Form("raw"), Received, delimiter=delimiter)
    assert renderer.one(received(b"a\n")) == b"a\n" + end
    assert renderer.all([received(b"a"), received(b"b")]) == b"a" + end + b"b" + end


# --- json ---


def test_json_is_one_compact_object_a_line() -> None:
    renderer = make_renderer(Form("json"), Received)
    line = (
        b'{"id":"id-1","channel":"orders","client_id":"me","body":"hello","sequence":7,"receive_count":1}\n'
    )
    assert renderer.one(received()) == line
    assert renderer.all([received(), received()]) == line * 2


def test_json_keeps_readable_what_is_readable() -> None:
    line = make_renderer(Form("json"), Received).one(received("größe 東京".encode()))
    assert "größe 東京".encode() in line


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")) | NASTY)
def test_json_has_no_control_character_and_says_the_same(text: str) -> None:
    line = make_renderer(Form("json"), Received).one(received(text.encode(), metadata=text))
    assert not [c for c in line.decode()[:-1] if ord(c) < 32 or 127 <= ord(c) < 160]
    assert json.loads(line).get("metadata", "") == text
    assert json.loads(line)["body"] == text


def test_json_of_a_path_that_is_no_text_is_still_json() -> None:
    line = make_renderer(Form("json"), dict).one({"path": "/tmp/\udcff"})
    assert json.loads(line) == {"path": "/tmp/\udcff"}


# --- yaml ---


def test_yaml_is_a_stream_of_documents() -> None:
    stream = make_renderer(Form("yaml"), Affected).all([Affected("a", 1), Affected("b", 2)])
    assert stream == b"---\nchannel: a\naffected: 1\n---\nchannel: b\naffected: 2\n"


def test_yaml_shows_long_texts_as_blocks_and_quotes_what_some_take_for_numbers() -> None:
    document = make_renderer(Form("yaml"), Received).one(received(b"a: 1\n  b\n", metadata="1e3"))
    assert b"metadata: '1e3'\n" in document
    assert b"body: |\n  a: 1\n    b\n" in document


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_yaml_gives_every_string_back_exactly(loader: Any) -> None:
    render = make_renderer(Form("yaml"), Received).one

    @settings(deadline=None)
    @given(st.text() | NASTY, st.text() | NASTY)
    def round_trip(body: str, tag: str) -> None:
        noun = received(body.encode(), tags={"k": tag, tag: "v"})
        assert list(yaml.load_all(render(noun) * 2, Loader=loader)) == [to_record(noun)] * 2

    round_trip()


def test_yaml_escapes_what_terminals_obey_or_hide_and_reads_as_before() -> None:
    text = "a\u202eb\u200bc\x9b31m\x7f\n\U000e0041 \U0001f468\u200d\U0001f469 é"
    noun = received(text.encode(), metadata="gnp\u202e", tags={"k\u2066": "1"})
    document = make_renderer(Form("yaml"), Received).one(noun)
    shown = document.decode()
    assert escaped(shown, multiline=True) == shown
    assert "é" in shown
    assert yaml.safe_load(document) == to_record(noun)


def test_yaml_without_libyaml_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeDumper", raising=False)
    test_yaml_gives_every_string_back_exactly(yaml.SafeLoader)


# --- all forms ---


@pytest.mark.parametrize("name", ["human", "json", "yaml", "raw", "template"])
def test_an_empty_list_prints_nothing(name: FormName) -> None:
    assert make_renderer(Form(name, "{name}"), ChannelInfo).all([]) == b""
