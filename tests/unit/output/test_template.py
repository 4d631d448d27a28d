"""`--format`: what a template renders, and that a bad one is refused before anything is done."""

from __future__ import annotations

from typing import TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import NO_POLICY, Affected, Policy, Received, SendResult
from kubemqctl.output.template import compile_template

MESSAGE = Received(
    channel="orders",
    id="id-1",
    client_id="sender",
    metadata="größe",
    body=b"\xff\x00body\n",
    tags={"kind": "order", "a b": "spaced", "x]": "bracket"},
    timestamp=1795441240123456789,
    sequence=7,
    receive_count=0,
    re_routed_from="",
    expires_at=0,
    delayed_to=0,
    policy=Policy(expiration=30, max_receives=3),
)


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{sequence}\\t{tags[kind]}\\t{body}", b"7\torder\t\xff\x00body\n"),
        ("", b""),
        ("plain", b"plain"),
        ("größe {metadata}", "größe größe".encode()),
        ("{{{id}}} {{}}", b"{id-1} {}"),
        ("\\n\\t\\0\\\\\\x41\\xff", b"\n\t\0\\A\xff"),
        ("\\\\{id}", b"\\id-1"),
        ("{timestamp}", b"2026-11-23T13:40:40.123456789Z"),
        ("[{expires_at}{re_routed_from}{receive_count}{tags[none]}{policy[delay]}]", b"[]"),
        ("{policy[expiration]} {policy[max_receives]}", b"30s 3"),
        ("{policy}", b'{"expiration":"30s","max_receives":3}'),
        ("{tags[a b]}{tags.kind}{size}", b"spacedorder7"),
        ("{body_base64}", b"/wBib2R5Cg=="),
        ("\udcff", b"\xff"),
    ],
)
def test_a_template_renders_fields_keys_braces_and_escapes(template: str, rendered: bytes) -> None:
    assert compile_template(template, Received)(MESSAGE) == rendered + b"\n"


def test_a_value_is_never_read_as_a_template() -> None:
    noun = MESSAGE._replace(metadata="{id}\\n", body=b"{sequence}", policy=NO_POLICY)
    assert (
        compile_template("{metadata}{body}{policy}{policy[delay]}", Received)(noun) == b"{id}\\n{sequence}\n"
    )


def test_each_noun_has_its_own_fields() -> None:
    assert compile_template("{id} {error}", SendResult)(SendResult("a", "q", error="no")) == b"a no\n"
    assert compile_template("{affected}", Affected)(Affected("q", 0)) == b"0\n"
    assert (
        compile_template("{name} {active}", ChannelInfo)(ChannelInfo("q", "events", active=True))
        == b"q true\n"
    )


def test_a_dict_is_checked_where_its_type_names_its_fields() -> None:
    class Profile(TypedDict):
        name: str
        address: list[str]

    profile = {"name": "dev", "address": ["a:1", "b:2"]}
    assert compile_template("{name} {address}", Profile)(profile) == b'dev ["a:1","b:2"]\n'
    assert compile_template("{name}{other}", dict)(profile) == b"dev\n"
    assert compile_template("{path}", dict)({"path": "/tmp/\udcff"}) == b"/tmp/\xff\n"
    with pytest.raises(UsageError, match="use name, address"):
        compile_template("{other}", Profile)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{sequnce}", "no field sequnce here; use id, channel"),
        ("{id", "unmatched { at column 1"),
        ("id}", "unmatched } at column 3"),
        ("{}", "'' is not a field"),
        ("{ id }", " id  is not a field"),
        ("{id.real}", "id has no keys"),
        ("{__class__}", "no field __class__ here"),
        ("{id!r}", "id!r is not a path from column 3 on"),
        ("{sequence:>5}", "sequence:>5 is not a path from column 9 on"),
        ("{tags[]}", "tags[] is not a path from column 5 on"),
        ("{id[0]}", "id has no keys"),
        ("{policy[ttl]}", "no policy.ttl; use expiration, delay"),
        ("{\x1b}", "\\x1b is not a field"),
        ("\\q", "\\q is not an escape"),
        ("\\", "is not an escape"),
        ("\\x4", "is not an escape"),
        ("{executed}", "no field executed here"),
    ],
)
def test_a_bad_template_is_refused_with_the_reason(template: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_template(template, Received)
    assert reason in caught.value.message


def test_a_misspelt_field_gets_the_right_one_as_a_hint() -> None:
    with pytest.raises(UsageError) as caught:
        compile_template("{sequnce}", Received)
    assert caught.value.hint == "did you mean sequence?"


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=()))
    | st.text(st.sampled_from("{}[]\\x0n")).map("{tags[a]}".__add__)
    | st.lists(st.sampled_from(["{", "}", "tags", "[", "]", "body", "policy", "\\", "x4", "é"])).map("".join)
)
def test_any_text_is_a_template_or_a_usage_error(text: str) -> None:
    try:
        template = compile_template(text, Received)
    except UsageError:
        return
    assert template(MESSAGE).endswith(b"\n")


JSON = MESSAGE._replace(
    body=b'{"id": 42, "price": 1.50, "big": 12345678901234567890123, "none": null, "on": true,'
    b' "name": "gr\xc3\xb6\xc3\x9fe\\n", "items": [{"sku-1": "a", "n": [1, 2.0]}], "a.b": "dotted"}'
)


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{body.id} {body.price} {body.big}", "42 1.50 12345678901234567890123"),
        ("{body.name}|", "größe\n|"),
        (
            "{body.on} {body.none} [{body.nothing}{body.id.deeper}{body[0]}{body.items[7]}{body.items.x}]",
            "true null []",
        ),
        ("{body.items[0].sku-1}{body[items][0][n][1]}{body[a.b]}", "a2.0dotted"),
        ("{body.items}", '[{"sku-1":"a","n":[1,2.0]}]'),
    ],
)
def test_a_path_leads_into_a_json_body(template: str, rendered: str) -> None:
    assert compile_template(template, Received)(JSON) == rendered.encode() + b"\n"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b'\xef\xbb\xbf{"id":1}', b'"id"', b"7"]
)
def test_a_body_that_is_no_json_object_has_nothing_inside(body: bytes) -> None:
    assert compile_template("[{body.id}]", Received)(MESSAGE._replace(body=body)) == b"[]\n"


def test_on_a_terminal_text_fields_are_shown_and_a_whole_body_is_its_bytes() -> None:
    evil = "\x1b[31m\u202e\n"
    noun = MESSAGE._replace(metadata=evil, tags={"k": evil}, body=b'{"a":"\\u001b[31m\\n"}')

    def shown(template: str, on_terminal: bool) -> bytes:
        return compile_template(template, Received, on_terminal)(noun)

    assert shown("{metadata}", False) == evil.encode() + b"\n"
    assert shown("{metadata}|{tags.k}\t{body.a}", True) == (
        b"\\x1b[31m\\u202e\\n|\\x1b[31m\\u202e\\n\t\\x1b[31m\\n\n"
    )
    assert shown("{body}", True) == noun.body + b"\n"
