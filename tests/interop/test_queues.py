"""Queues with the official SDK on one side and our program on the other."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.interop.conftest import Sdk, encoded
from tests.support.program import Run

pytestmark = pytest.mark.sdk

BINARY = bytes(range(256))


def sdk_message(channel: str, body: bytes = BINARY, **fields: Any) -> dict[str, Any]:
    return {"channel": channel, "body": encoded(body), **fields}


def test_the_sdk_lives_beside_a_protobuf_that_it_accepts(sdk: Sdk) -> None:
    versions = sdk("versions")
    assert versions["kubemq"] == "4.1.5"
    assert int(versions["protobuf"].partition(".")[0]) < 6


def test_the_sdk_pings_the_server(sdk: Sdk) -> None:
    assert sdk("ping")["host"]


@pytest.mark.parametrize("way", ["send", "send_unary"])
def test_what_the_sdk_sends_our_receive_sees_whole(way: str, sdk: Sdk, run: Run, channel: str) -> None:
    fields: dict[str, Any] = {"id": f"{channel}-1", "metadata": "méta", "tags": {"kind": "x", "ü": "1"}}
    sent = sdk(way, message_=sdk_message(channel, **fields))
    assert sent == {"id": f"{channel}-1", "is_error": False, "error": ""}
    (record,) = run("queue", "receive", channel, "-o", "json").records()
    assert base64.b64decode(record["body_base64"]) == BINARY
    assert (record["id"], record["channel"], record["client_id"]) == (f"{channel}-1", channel, "the-sdk")
    assert (record["metadata"], record["tags"]) == ("méta", {"kind": "x", "ü": "1"})
    assert (record["sequence"], record["receive_count"]) == (1, 1)


def test_the_policy_that_the_sdk_sends_is_in_our_record(sdk: Sdk, run: Run, channel: str) -> None:
    policy: dict[str, Any] = {
        "expiration_in_seconds": 45,
        "max_receive_count": 3,
        "max_receive_queue": "dead",
    }
    sdk("send", message_=sdk_message(channel, **policy))
    (record,) = run("queue", "receive", channel, "-o", "json").records()
    assert record["policy"] == {"expiration": "45s", "max_receives": 3, "dead_letter": "dead"}
    assert record["expires_at"].endswith("Z")


def test_a_batch_of_the_sdk_keeps_its_order(sdk: Sdk, run: Run, channel: str) -> None:
    batch = [sdk_message(channel, b"%d" % n) for n in range(50)]
    sent = sdk("send_batch", messages=batch)
    assert not sent["have_errors"]
    assert [result["is_error"] for result in sent["results"]] == [False] * 50
    received = run("queue", "receive", channel, "--all")
    assert received.out.split() == [b"%d" % n for n in range(50)]


def test_what_we_send_the_sdk_receives_whole(sdk: Sdk, run: Run, channel: str) -> None:
    sent = run(
        "queue", "send", channel, "-", "--metadata", "méta", "--tag", "kind=x", "--tag", "ü=1",
        "--id", f"{channel}-1", "--client-id", "ours", stdin=BINARY,
    )  # fmt: skip
    assert (sent.code, sent.text) == (0, f"{channel}-1\n")
    (message,) = sdk("receive", channel=channel, count=1, how="ack_all")["messages"]
    assert base64.b64decode(message["body"]) == BINARY
    assert (message["id"], message["channel"], message["client_id"]) == (f"{channel}-1", channel, "ours")
    assert (message["metadata"], message["tags"]) == ("méta", {"kind": "x", "ü": "1"})
    assert (message["sequence"], message["receive_count"]) == (1, 1)


def test_many_that_we_send_the_sdk_receives_in_order(sdk: Sdk, run: Run, channel: str) -> None:
    lines = b"".join(b"%d\n" % n for n in range(200))
    assert run("queue", "send", channel, "--lines", stdin=lines).code == 0
    messages = sdk("receive", channel=channel, count=200, how="ack_each")["messages"]
    assert [base64.b64decode(message["body"]) for message in messages] == lines.split()


def test_what_the_sdk_acknowledges_is_gone(sdk: Sdk, run: Run, channel: str) -> None:
    run("queue", "send", channel, "hello")
    sdk("receive", channel=channel, count=1, how="ack_all")
    assert run("queue", "receive", channel, "--all").out == b""


def test_what_the_sdk_rejects_we_receive_again_and_counted(sdk: Sdk, run: Run, channel: str) -> None:
    run("queue", "send", channel, "--lines", stdin=b"1\n2\n3\n")
    sdk("receive", channel=channel, count=3, how="reject_first_ack_rest")
    (record,) = run("queue", "receive", channel, "--all", "-o", "json").records()
    assert (record["body"], record["receive_count"]) == ("1", 2)


def test_what_the_sdk_rejects_as_often_as_allowed_is_in_the_dead_letter_queue(
    sdk: Sdk, run: Run, channel: str
) -> None:
    dead = f"{channel}-dead"
    run("queue", "send", channel, "poison", "--max-receives", "2", "--dead-letter", dead)
    for _ in range(2):
        sdk("receive", channel=channel, count=1, how="reject_all", wait=5)
    (record,) = run("queue", "receive", dead, "-o", "json").records()
    assert (record["body"], record["re_routed_from"]) == ("poison", channel)


def test_what_the_sdk_requeues_we_receive_from_the_other_queue(sdk: Sdk, run: Run, channel: str) -> None:
    other = f"{channel}-other"
    run("queue", "send", channel, "hello")
    sdk("receive", channel=channel, count=1, how="requeue_all", to=other)
    assert run("queue", "receive", other).out == b"hello"


def test_what_the_sdk_closes_we_receive_uncounted(sdk: Sdk, run: Run, channel: str) -> None:
    run("queue", "send", channel, "hello")
    sdk("receive", channel=channel, count=1, how="close")
    (record,) = run("queue", "receive", channel, "-o", "json").records()
    assert (record["sequence"], record["receive_count"]) == (1, 1)


def test_what_the_sdk_takes_with_auto_ack_is_gone(sdk: Sdk, run: Run, channel: str) -> None:
    run("queue", "send", channel, "hello")
    assert len(sdk("receive", channel=channel, count=1, how="auto")["messages"]) == 1
    assert run("queue", "receive", channel, "--all").out == b""


def test_both_sides_peek_the_same(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("send", message_=sdk_message(channel, b"hello"))
    assert sdk("peek", channel=channel, count=1) == {"bodies": [encoded(b"hello")]}
    assert run("queue", "peek", channel).out == b"hello"


def test_either_side_empties_what_the_other_filled(sdk: Sdk, run: Run, channel: str) -> None:
    run("queue", "send", channel, "--lines", stdin=b"1\n2\n")
    assert sdk("ack_all", channel=channel) == {"affected": 2}
    sdk("send", message_=sdk_message(channel))
    assert run("queue", "ack-all", channel, "--yes").text == "1\n"


def test_a_refusal_reaches_the_sdk_in_the_words_of_the_server(sdk: Sdk, channel: str) -> None:
    refused = sdk("send_unary", message_=sdk_message(channel, b"", tags={"only": "tags"}))
    assert (refused["is_error"], refused["error"]) == (True, "Error 110: invalid message, cannot be empty")


@pytest.mark.builtin
def test_the_sdk_creates_lists_and_deletes_queues(sdk: Sdk, run: Run, channel: str) -> None:
    assert sdk("create", channel=channel)["ok"]
    (entry,) = sdk("list", search=channel)["channels"]
    assert (entry["name"], entry["type"]) == (channel, "queues")
    names = [row.split("\t")[0] for row in run("queue", "list").text.splitlines()]
    assert channel in names
    assert sdk("delete", channel=channel)["ok"]
    assert sdk("list", search=channel) == {"channels": []}


@pytest.mark.builtin
def test_the_sdk_lists_the_queues_that_we_filled(sdk: Sdk, run: Run, channel: str) -> None:
    run("queue", "send", channel, "hello")
    assert [entry["name"] for entry in sdk("list", search=channel)["channels"]] == [channel]
