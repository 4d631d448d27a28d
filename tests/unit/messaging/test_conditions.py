"""Conditions: what they hold for, what is refused, and that nothing of a message makes them slow."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubemqctl.messaging.conditions import Condition, parse_condition, parse_conditions
from kubemqctl.model.errors import UsageError
from kubemqctl.model.messages import Event, Policy, Received
from kubemqctl.model.paths import Body
from kubemqctl.model.records import fields, to_record
from tests.support import reference_conditions as reference
from tests.support.views import where

BODY = json.dumps(
    {
        "id": 42,
        "price": 9.5,
        "name": "größe",
        "ok": True,
        "none": None,
        "items": [{"price": 10, "sku-1": "a"}, 7],
        "a.b": "dotted",
        "zip": "01234",
        "due": "2024-05-31T08:30:00Z",
        "took": "1m30s",
        "limit": "4KiB",
    },
    ensure_ascii=False,
).encode()
MESSAGE = Received(
    channel="orders",
    id="m-1",
    client_id="sender",
    metadata="eu-west",
    body=BODY,
    tags={"kind": "test", "zip": "01234", "n": "9.50", "a.b": "x", "empty": ""},
    timestamp=1_717_144_200_000_000_000,  # 2024-05-31T08:30:00Z
    sequence=7,
    receive_count=2,
    re_routed_from="",
    expires_at=0,
    delayed_to=0,
    policy=Policy(expiration=30, max_receives=3),
)


HOLDING = [
    "id=m-1",
    "id!=m-2",
    "channel=orders",
    "metadata~^eu-",
    "metadata!~^us-",
    "sequence=7",
    "sequence=7.0",
    "sequence>=7",
    "receive_count<3",
    "size>1",
    "size<1KiB",
    "size!=7",
    "tags.kind=test",
    "tags[kind]=test",
    "tags[a.b]=x",
    "tags.zip=01234",
    "tags.zip!=1234",
    "tags.n>=9.5",
    "tags.n=9.50",
    "tags.n!=9.5",
    "tags.retry!~.",
    "tags.kind~.",
    "tags.retry!=x",
    "tags.empty=",
    "tags.empty!~.",
    "policy.expiration=30s",
    "policy.expiration<1m",
    "policy.max_receives=3",
    "policy.delay!~.",
    "body.id=42",
    "body.id=42.0",
    "body.id=4.2e1",
    "body.id!=43",
    "body.price>=9.5",
    "body.price<10",
    "body.name=größe",
    "body.ok=true",
    "body.ok!=false",
    "body.none!=null",
    "body.none!~.",
    "body.items!=x",
    "body.items[0].price=10",
    "body.items[0].sku-1=a",
    "body.items[1]=7",
    "body.items[2]!~.",
    "body[a.b]=dotted",
    "body.zip=01234",
    "body.zip!=1234",
    "body.due>2024-05-30T00:00:00+02:00",
    "body.due<2025-01-01",
    "body.took=1m30s",
    "body.took>89s",
    "body.limit>=4096B",
    "timestamp<=2024-05-31T08:30:00Z",
    "body!~^x",
    "re_routed_from!~.",
    "body.name~ö",
    'body~"id": ?42',
]
NOT_HOLDING = [
    "id=m-2",
    "id=",
    "sequence=07",
    "sequence>7",
    "size>1KiB",
    "tags.retry=x",
    "tags.retry~.",
    "tags.kind>3",
    "tags.kind<3",
    "body.none=null",
    "body.none~.",
    "body.none=",
    "body.items=x",
    "body.items~.",
    "body.id>41s",
    "body.ok>0",
    "body.took>1",
    "body.zip=1234",
    "body.nothing=",
    "metadata=EU-west",
    "body.limit>1MiB",
    "re_routed_from=",
    "body.id= 42",
]


def holds(text: str, message: Received = MESSAGE) -> bool:
    wanted = where([text], Received)
    assert wanted
    return wanted(message)


@pytest.mark.parametrize("text", HOLDING)
def test_it_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize("text", NOT_HOLDING)
def test_it_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "takes FIELD OP VALUE"),
        ("body.id", "takes FIELD OP VALUE"),
        ("=1", "names no field before ="),
        ("body.id==42", "there is no operator =="),
        ("body.id=~42", "there is no operator =~"),
        ("body.id = 42", "blank beside its field"),
        ("identity=1", "there is no field identity here; use id, channel"),
        ("bodi.id=1", "there is no field bodi"),
        ("id.x=1", "id has no keys"),
        ("tags.a.b=1", "too deep"),
        ("policy.ttl=1", "there is no policy.ttl"),
        ("body.items[0=1", "takes FIELD OP VALUE"),
        ("body..id=1", "is not a path from column 5 on"),
        ("body[]=1", "is not a path from column 5 on"),
        ("metadata~(", "is no pattern"),
        ("body_base64=1", "there is no field body_base64"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_to_write(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_conditions([text], Received, print)
    assert caught.value.message.startswith("--where ")
    assert why in caught.value.message


@pytest.mark.parametrize("text", ["tags.kind>a", "tags.kind<=test", "body.id>many", "body.id<", "body>=["])
def test_what_compares_a_text_never_holds(text: str) -> None:
    assert not parse_condition(text, fields(Received)).holds(MESSAGE, Body(MESSAGE.body))


def test_what_never_holds_is_warned_of() -> None:
    said: list[str] = []
    parse_conditions(["body.name>a", "body.price>9", "body.name=a"], Received, said.append, "--never")
    assert [text.partition(":")[0] for text in said] == ["--never body.name>a never holds"]


def test_the_option_is_named_and_the_fields_are_those_of_the_noun() -> None:
    with pytest.raises(UsageError) as caught:
        parse_conditions(["receive_count=1"], Event, print, "--never")
    assert caught.value.message.startswith("--never receive_count=1: there is no field receive_count here")
    assert parse_condition("oldest>10m", ["waiting", "oldest"], "--warn").holds({"oldest": "11m"}, Body(b""))
    assert not parse_condition("oldest>10m", ["oldest"]).holds({}, Body(b""))


def test_all_conditions_must_hold_and_none_is_no_filter() -> None:
    both = where(["body.id=42", "tags.kind=test"], Received)
    assert both
    assert both(MESSAGE)
    assert not both(MESSAGE._replace(tags={}))
    assert where([], Received) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"NaN", b"[" * 100_000, b'{"id": 42'])
def test_a_body_that_is_no_json_has_nothing_inside(body: bytes) -> None:
    message = MESSAGE._replace(body=body)
    assert holds("body.id!=42", message)
    assert not holds("body.id=42", message)


def test_a_body_alone_is_its_exact_bytes() -> None:
    message = MESSAGE._replace(body=b"caf\xe9\n")
    assert holds("body=caf\udce9\n", message)
    assert holds("body!=caf\udce9", message)
    assert holds("body~^caf\udce9$", message)


def test_a_pattern_sees_the_first_64_kib() -> None:
    message = MESSAGE._replace(body=b"x" * (64 << 10) + b"end")
    assert holds("body~x", message)
    assert not holds("body~end", message)


def test_a_pattern_that_takes_for_ever_on_a_message_ends_the_run() -> None:
    message = MESSAGE._replace(metadata="a" * 40 + "b")
    with pytest.raises(UsageError, match=r"the pattern \(a\+\)\+\$ took over 1 s on one message"):
        holds("metadata~(a+)+$", message)


def test_a_number_that_nobody_can_count_to_costs_nothing() -> None:
    began = time.process_time()
    for number in ("1e999999999999999999999", "9" * 1_000_000, "1e999999999", "-1e-999999999"):
        message = MESSAGE._replace(body=b'{"n": %s}' % number.encode())
        holds("body.n>1", message)
        holds("body.n=1", message)
    assert holds("body.n>1", MESSAGE._replace(body=b'{"n": 1e999999999}'))
    assert time.process_time() - began < 5


NAMES = [
    *fields(Received),
    *[
        "size",
        "tags.kind",
        "tags[a.b]",
        "policy.delay",
        "body.id",
        "body.items[0].price",
        "body[a.b]",
        "body.items[9]",
        "body.name",
    ],
    *[
        "body.ok",
        "body.none",
        "body.items",
        "body.zip",
        "body.due",
        "body.took",
        "body.limit",
        "tags.n",
        "nothing",
        "id.x",
        "tags.a.b",
    ],
    *("body..x", "body.items[", ""),
]
VALUES = [
    *[
        "42",
        "42.0",
        "9.5",
        "01234",
        "-1",
        "1e2",
        "true",
        "null",
        "x",
        "größe",
        "30s",
        "1m30s",
        "4KiB",
        "5000B",
        "a",
        "[",
        "=x",
        "~x",
        "m-1",
        "test",
        "^e.",
        "]=",
        "0x10",
        "1_0",
        "١",
    ],
    *("", "2024-05-31T08:30:00Z", "2024-05-31T10:30:00+02:00"),
]
TEXTS = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(reference.OPERATORS), st.sampled_from(VALUES)).map(
        "".join
    ),
    st.text(alphabet="bodytags.[]=!<>~ -019k", max_size=14),
    st.text(max_size=12),
)
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-100, 100), st.floats(-100, 100), st.sampled_from(VALUES)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "price", "a.b", "0"]), inner, max_size=3),
    ),
    max_leaves=6,
)
BODIES = st.one_of(
    st.just(BODY),
    st.binary(max_size=8),
    st.dictionaries(st.sampled_from(["id", "items", "name", "a.b", "price"]), JSON_VALUES, max_size=4).map(
        lambda value: json.dumps(value).encode()
    ),
)


@given(
    text=TEXTS,
    body=BODIES,
    tags=st.dictionaries(st.sampled_from(["kind", "n", "a.b"]), st.sampled_from(VALUES), max_size=3),
)
@example(text="body.id!=42", body=b'{"id": "42"}', tags={})
@example(text="tags[a=b]=x", body=b"", tags={"a=b": "x"})
@settings(max_examples=400, deadline=None)
def test_it_means_the_same_as_the_plain_reference_or_is_refused_by_both(
    text: str, body: bytes, tags: dict[str, str]
) -> None:
    message = MESSAGE._replace(body=body, tags=tags)
    record = {**to_record(message), "tags": tags or reference.NOTHING}
    try:
        wanted: bool | None = reference.holds(text, record, body, set(fields(Received)))
    except reference.Refused:
        wanted = None
    try:
        condition: Condition | None = parse_condition(text, fields(Received))
    except UsageError:
        condition = None
    assert (condition and condition.holds(message, Body(body))) == wanted if condition else wanted is None
