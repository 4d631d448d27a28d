"""Events, passing and stored, with the official SDK on one side and our program on the other."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.interop.conftest import Sdk, encoded
from tests.support.program import Run, Start
from tests.support.waiting import until

pytestmark = pytest.mark.sdk

BINARY = bytes(range(256))


def event(channel: str, body: bytes = BINARY, **fields: Any) -> dict[str, Any]:
    return {"channel": channel, "body": encoded(body), **fields}


def whole(channel: str) -> dict[str, Any]:
    """An event with everything that one can have."""
    return event(channel, id=f"{channel}-1", metadata="méta", tags={"kind": "x", "ü": "1"})


def bodies(heard: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(one["body"]) for one in heard]


def test_an_event_of_the_sdk_arrives_in_our_sub_whole(sdk: Sdk, start: Start, channel: str) -> None:
    sub = start("events", "sub", channel, "--count", "1", "-o", "json", ready=True)
    sdk("publish", messages=[whole(channel)])
    ended = sub.wait()
    assert ended.code == 0
    (record,) = ended.records()
    assert base64.b64decode(record["body_base64"]) == BINARY
    assert (record["id"], record["channel"]) == (f"{channel}-1", channel)
    assert (record["metadata"], record["tags"]) == ("méta", {"kind": "x", "ü": "1"})


def test_events_of_the_sdk_keep_their_order(sdk: Sdk, start: Start, channel: str) -> None:
    sub = start("events", "sub", channel, "--count", "100", ready=True)
    sdk("publish", messages=[event(channel, b"%d" % n) for n in range(100)])
    assert sub.wait().out.split() == [b"%d" % n for n in range(100)]


def test_an_event_of_ours_arrives_in_the_sdk_whole(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("listen", channel=channel)
    sent = run(
        "events", "pub", channel, "-", "--metadata", "méta", "--tag", "kind=x", "--tag", "ü=1",
        "--id", f"{channel}-1", "--client-id", "ours", stdin=BINARY,
    )  # fmt: skip
    assert (sent.code, sent.text) == (0, f"{channel}-1\n")
    (heard,) = sdk("hang_up", count=1)["heard"]
    assert heard == {**whole(channel), "client_id": ""}  # which servers do not pass on


def test_a_stream_of_our_events_arrives_in_the_sdk_in_order(sdk: Sdk, run: Run, channel: str) -> None:
    sdk("listen", channel=f"{channel}.>")
    lines = b"".join(b"%d\n" % n for n in range(200))
    assert run("events", "pub", f"{channel}.many", "--lines", stdin=lines).code == 0
    assert bodies(sdk("hang_up", count=200)["heard"]) == lines.split()


def test_a_group_is_shared_between_the_sdk_and_us(sdk: Sdk, run: Run, start: Start, channel: str) -> None:
    sdk("listen", channel=channel, group="both")
    ours = start("events", "sub", channel, "--group", "both", ready=True)
    sent = {b"%d" % n for n in range(100)}
    assert run("events", "pub", channel, "--lines", stdin=b"\n".join(sorted(sent))).code == 0
    theirs: list[bytes] = []

    def shared() -> bool:
        theirs[:] = bodies(sdk("heard")["heard"])
        return len(theirs) + len(ours.out.split()) >= 100

    until(shared, "all of them heard by one or the other")
    sdk("hang_up", count=0)
    assert sorted(ours.stop().out.split() + theirs) == sorted(sent)


@pytest.mark.parametrize("position", ["first", "1"])
def test_what_the_sdk_stores_our_sub_reads_whole(sdk: Sdk, run: Run, channel: str, position: str) -> None:
    (sent,) = sdk("store", messages=[whole(channel)])["results"]
    assert sent == {"id": f"{channel}-1", "sent": True, "error": ""}
    (record,) = run("store", "sub", channel, "--from", position, "--until", "now", "-o", "json").records()
    assert base64.b64decode(record["body_base64"]) == BINARY
    assert (record["id"], record["channel"], record["sequence"]) == (f"{channel}-1", channel, 1)
    assert (record["metadata"], record["tags"]) == ("méta", {"kind": "x", "ü": "1"})
    assert record["timestamp"].endswith("Z")


def test_what_the_sdk_stores_goes_on_behind_our_checkpoint(sdk: Sdk, run: Run, channel: str) -> None:
    reading = ("store", "sub", channel, "--from", "first", "--until", "now", "--checkpoint", "position")
    sdk("store", messages=[event(channel, b"%d" % n) for n in range(10)])
    assert run(*reading).out.split() == [b"%d" % n for n in range(10)]
    sdk("store", messages=[event(channel, b"%d" % n) for n in range(10, 20)])
    assert run(*reading).out.split() == [b"%d" % n for n in range(10, 20)]


def test_what_we_store_the_sdk_reads_whole(sdk: Sdk, run: Run, channel: str) -> None:
    sent = run(
        "store", "pub", channel, "-", "--metadata", "méta", "--tag", "kind=x", "--tag", "ü=1",
        "--id", f"{channel}-1", "--client-id", "ours", stdin=BINARY,
    )  # fmt: skip
    assert (sent.code, sent.text) == (0, f"{channel}-1\n")
    sdk("listen_to_store", channel=channel, start="StartFromFirst")
    (heard,) = sdk("hang_up", count=1)["heard"]
    assert heard == {**whole(channel), "client_id": "", "sequence": 1}


def test_many_that_we_store_the_sdk_reads_in_order_from_where_it_likes(
    sdk: Sdk, run: Run, channel: str
) -> None:
    lines = b"".join(b"%d\n" % n for n in range(200))
    assert run("store", "pub", channel, "--lines", stdin=lines).code == 0
    sdk("listen_to_store", channel=channel, start="StartAtSequence", sequence=101, group=channel)
    heard = sdk("hang_up", count=100)["heard"]
    assert bodies(heard) == lines.split()[100:]
    assert [one["sequence"] for one in heard] == list(range(101, 201))
