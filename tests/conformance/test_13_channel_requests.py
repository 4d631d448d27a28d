"""Section 13: list, create and delete channels, as the SDK asks for them.

On purpose: the real community server answers none of them, the commercial one and ours do.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.raw_grpc import Stub

pytestmark = pytest.mark.builtin

TYPES = ["queues", "events", "events_store", "commands", "queries"]


def ask(stub: Stub, what: str, **tags: str) -> pb.Response:
    request = pb.Request(
        RequestID="mine",
        RequestTypeData=pb.Request.Query,
        ClientID=stub.client,
        Channel="kubemq.cluster.internal.requests",
        Metadata=what,
        Tags={"client_id": stub.client, **tags},
        Timeout=10_000,
    )
    answer: pb.Response = stub.call("SendRequest", request)
    return answer


def create(stub: Stub, kind: str, channel: str) -> pb.Response:
    return ask(stub, "create-channel", channel_type=kind, channel=channel)


def delete(stub: Stub, kind: str, channel: str) -> pb.Response:
    return ask(stub, "delete-channel", channel_type=kind, channel=channel)


def listed(stub: Stub, kind: str, search: str) -> list[dict[str, Any]]:
    answer = ask(stub, "list-channels", channel_type=kind, channel_search=search)
    assert (answer.Executed, answer.Error, answer.RequestID) == (True, "", "mine")
    channels: list[dict[str, Any]] = json.loads(answer.Body)
    return channels


@pytest.mark.parametrize("kind", TYPES)
def test_a_channel_is_created_listed_and_deleted(kind: str, stub: Stub, channel: str) -> None:
    assert create(stub, kind, channel).Executed
    (entry,) = listed(stub, kind, channel)
    assert (entry["name"], entry["type"]) == (channel, kind)
    assert isinstance(entry["lastActivity"], int)
    assert isinstance(entry["isActive"], bool)
    assert delete(stub, kind, channel).Executed
    assert listed(stub, kind, channel) == []


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("queues", {"messages", "volume", "waiting", "expired", "delayed"}),
        ("events", {"messages", "volume"}),
        ("events_store", {"messages", "volume"}),
        ("commands", {"messages", "volume", "responses"}),
        ("queries", {"messages", "volume", "responses"}),
    ],
)
def test_an_entry_has_the_numbers_that_the_sdk_reads(
    kind: str, keys: set[str], stub: Stub, channel: str
) -> None:
    create(stub, kind, channel)
    (entry,) = listed(stub, kind, channel)
    for side in ("incoming", "outgoing"):
        assert keys <= entry[side].keys()
        assert all(isinstance(number, int) for number in entry[side].values())


def test_a_queue_that_sprang_into_being_is_listed_with_what_it_holds(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    (entry,) = listed(stub, "queues", channel)
    assert entry["incoming"]["messages"] == 3
    assert entry["isActive"]


def test_the_search_is_part_of_a_name_and_types_are_apart(stub: Stub, channel: str) -> None:
    for name in (f"{channel}-a", f"{channel}-b"):
        create(stub, "queues", name)
    create(stub, "events", f"{channel}-c")
    assert sorted(entry["name"] for entry in listed(stub, "queues", channel)) == [
        f"{channel}-a",
        f"{channel}-b",
    ]
    assert [entry["name"] for entry in listed(stub, "queues", f"{channel}-b")] == [f"{channel}-b"]


def test_an_empty_search_lists_all(stub: Stub, channel: str) -> None:
    create(stub, "queues", channel)
    assert channel in {entry["name"] for entry in listed(stub, "queues", "")}


def test_deleting_a_queue_deletes_its_messages(stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    assert delete(stub, "queues", channel).Executed
    assert stub.info(channel).Info.TotalQueue == 0
    stub.send(channel, "new")
    assert [message.Body for message in stub.receive(channel).Messages] == [b"new"]


def test_a_failure_is_executed_false_with_the_reason(stub: Stub, channel: str) -> None:
    for answer in (
        create(stub, "queues", "a b"),
        create(stub, "nosuch", channel),
        ask(stub, "list-channels"),
    ):
        assert not answer.Executed
        assert answer.Error
