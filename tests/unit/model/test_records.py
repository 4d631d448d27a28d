"""From noun to record: every field, in the documented order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Affected, Message, Policy, Received, SendResult
from kubemqctl.model.records import field, fields, to_record
from kubemqctl.model.reports import Pong
from tests.unit.model.received_message import NS, RECEIVED, WHEN


def test_a_received_message_has_every_field_in_the_documented_order() -> None:
    assert list(to_record(RECEIVED).items()) == [
        ("id", "id-1"),
        ("channel", "orders"),
        ("metadata", "meta"),
        ("client_id", "sender"),
        ("body", "hello"),
        ("tags", {"kind": "order"}),
        ("timestamp", WHEN),
        ("sequence", 7),
        ("receive_count", 2),
        ("re_routed_from", "orders.main"),
        ("expires_at", "2026-11-23T13:40:40.123456790Z"),
        ("delayed_to", "2026-11-23T13:40:40.123456791Z"),
        ("policy", {"expiration": "30s", "delay": "5s", "max_receives": 3, "dead_letter": "dead"}),
    ]


def test_only_the_body_is_left_of_an_empty_message() -> None:
    empty = Received("", "", "", "", b"", NO_TAGS, 0, 0, 0, "", 0, 0, NO_POLICY)
    assert to_record(empty) == {"body": ""}
    assert to_record(Message()) == {"body": ""}


def test_a_body_that_is_no_text_is_base64() -> None:
    assert to_record(Message(b"\xff\x00")) == {"body_base64": "/wA="}


def test_a_policy_shows_only_what_it_asks_for() -> None:
    assert to_record(Message(b"x", policy=Policy(max_receives=3)))["policy"] == {"max_receives": 3}
    assert "policy" not in to_record(Message(b"x", policy=Policy()))


def test_a_send_result_has_its_times_and_its_error_only_where_there_are_any() -> None:
    assert to_record(SendResult("a", "q", NS)) == {"id": "a", "channel": "q", "sent_at": WHEN}
    assert to_record(SendResult("a", "q", error="no")) == {"id": "a", "channel": "q", "error": "no"}


def test_a_count_that_was_asked_for_is_there_when_it_is_0() -> None:
    assert to_record(Affected("q", 0)) == {"channel": "q", "affected": 0}
    assert to_record(ChannelInfo("q", "queues", waiting=0)) == {"name": "q", "type": "queues", "waiting": 0}


def test_a_pong_has_seconds_for_what_the_server_gives_in_seconds() -> None:
    assert to_record(Pong("h", "2.4.0", NS // 10**9, 90, 1_234_567)) == {
        "host": "h",
        "version": "2.4.0",
        "started_at": "2026-11-23T13:40:40Z",
        "uptime": "90s",
        "round_trip": "1.235ms",
    }


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
        (10**30, "@1000000000000000000000.000000000"),
        (-(10**30), "@-1000000000000000000000.000000000"),
    ],
)
def test_a_hostile_time_is_shown_as_it_is(nanoseconds: int, text: str) -> None:
    assert to_record(RECEIVED._replace(timestamp=nanoseconds))["timestamp"] == text


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_no_server_can_give_a_start_time_that_cannot_be_shown(seconds: int) -> None:
    shown = to_record(Pong("", "", seconds, -1, 0)).get("started_at", "")
    assert shown == "" if seconds == 0 else isinstance(shown, str)


def test_one_field_is_what_the_whole_record_has() -> None:
    record = to_record(RECEIVED)
    assert {name: field(RECEIVED, name) for name in fields(Received)} == record
    assert field(RECEIVED, "executed") is None


def test_a_dict_is_a_record_already() -> None:
    profile: dict[str, object] = {"name": "dev", "address": "a:1"}
    assert to_record(profile) is profile
    assert field(profile, "name") == "dev"
