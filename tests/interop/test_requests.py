"""Commands and queries with the official SDK on one side and our program on the other."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pytest

from tests.interop.conftest import Sdk, encoded
from tests.support.program import Run, Start

pytestmark = pytest.mark.sdk

BINARY = bytes(range(256))
FLIP = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"


def request(channel: str, body: bytes = BINARY, **fields: Any) -> dict[str, Any]:
    return {"channel": channel, "body": encoded(body), "timeout_in_seconds": 10, **fields}


def test_a_command_of_the_sdk_is_carried_out_by_us(sdk: Sdk, start: Start, channel: str) -> None:
    ours = start("cmd", "respond", channel, "--ok", "--count", "1", "-o", "json", ready=True)
    answer = sdk("command", message_=request(channel, metadata="méta", tags={"ü": "1"}))
    assert (answer["executed"], answer["error"]) == (True, "")
    (record,) = ours.wait().records()
    assert base64.b64decode(record["body_base64"]) == BINARY
    assert (record["metadata"], record["tags"], record["timeout"]) == ("méta", {"ü": "1"}, "10s")
    assert record["executed"] is True


def test_a_command_of_the_sdk_is_refused_in_our_words(sdk: Sdk, start: Start, channel: str) -> None:
    start("cmd", "respond", channel, "--error", "nö", ready=True)
    answer = sdk("command", message_=request(channel))
    assert (answer["executed"], answer["error"]) == (False, "nö")


def test_a_query_of_the_sdk_is_answered_by_our_echo_whole(sdk: Sdk, start: Start, channel: str) -> None:
    start("query", "respond", channel, "--echo", ready=True)
    answer = sdk("query", message_=request(channel, metadata="méta", tags={"ü": "1"}))
    assert base64.b64decode(answer["body"]) == BINARY
    assert (answer["executed"], answer["metadata"], answer["tags"]) == (True, "méta", {"ü": "1"})


def test_queries_of_the_sdk_are_answered_by_our_handler(sdk: Sdk, start: Start, channel: str) -> None:
    start("query", "respond", channel, "--", sys.executable, "-c", FLIP, ready=True)
    for body in (BINARY, b"abc"):
        answer = sdk("query", message_=request(channel, body))
        assert base64.b64decode(answer["body"]) == body[::-1]


@pytest.mark.builtin
def test_the_cache_that_the_sdk_filled_answers_us(sdk: Sdk, run: Run, start: Start, channel: str) -> None:
    responder = start("query", "respond", channel, "--reply", "first", ready=True)
    cached: dict[str, Any] = {"cache_key": channel, "cache_ttl_in_seconds": 60}
    assert not sdk("query", message_=request(channel, **cached))["cache_hit"]
    responder.stop()
    ours = run("query", "send", channel, "x", "--cache-key", channel, "--cache-ttl", "60s", "-o", "json")
    (record,) = ours.records()
    assert (record["body"], record["cache_hit"]) == ("first", True)
    assert sdk("query", message_=request(channel, **cached))["cache_hit"]


def test_our_command_is_carried_out_by_the_sdk(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("respond_to_commands", channel=channel)
    sent = run("cmd", "send", channel, "-", "--metadata", "méta", "--tag", "ü=1", stdin=BINARY)
    assert (sent.code, sent.out) == (0, b"")
    (heard,) = sdk("hang_up", count=1)["heard"]
    assert base64.b64decode(heard["body"]) == BINARY
    assert (heard["channel"], heard["metadata"], heard["tags"]) == (channel, "méta", {"ü": "1"})


def test_our_command_is_refused_in_the_words_of_the_sdk(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("respond_to_commands", channel=channel, error="the sdk säys no")
    sent = run("cmd", "send", channel, "x", "-o", "json")
    sdk("hang_up", count=1)
    assert sent.code == 9
    assert "the sdk säys no" in json.loads(sent.err)["message"]


def test_our_query_is_answered_by_the_sdk_whole(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("respond_to_queries", channel=channel)
    sent = run(
        "query", "send", channel, "-", "--metadata", "méta", "--tag", "ü=1", "-o", "json", stdin=BINARY
    )
    raw = run("query", "send", channel, "-", stdin=BINARY)
    sdk("hang_up", count=2)
    (record,) = sent.records()
    assert base64.b64decode(record["body_base64"]) == BINARY[::-1]
    assert (record["metadata"], record["tags"], record["executed"]) == ("méta", {"ü": "1"}, True)
    assert (raw.code, raw.out) == (0, BINARY[::-1])


def test_our_query_is_refused_in_the_words_of_the_sdk(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("respond_to_queries", channel=channel, error="no such thing")
    sent = run("query", "send", channel, "x")
    sdk("hang_up", count=1)
    assert sent.code == 9
    assert "no such thing" in sent.err
