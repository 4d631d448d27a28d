"""Channels of events, stored events, commands and queries as a channel list shows them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.broker.subscribers import Usages
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.listening import on_events, on_requests, on_store
from tests.conftest import NewBroker
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

pytestmark = pytest.mark.builtin


@pytest.fixture
def stub(new_broker: NewBroker) -> Iterator[Stub]:
    with Stub(new_broker().address, client="me") as opened:
        yield opened


def ask(stub: Stub, what: str, kind: str, channel: str = "") -> pb.Response:
    answer: pb.Response = stub.call(
        "SendRequest",
        pb.Request(
            RequestTypeData=pb.Request.Query,
            ClientID="me",
            Channel="kubemq.cluster.internal.requests",
            Metadata=what,
            Tags={"channel_type": kind, "channel": channel, "channel_search": channel},
            Timeout=10_000,
        ),
    )
    return answer


def listed(stub: Stub, kind: str) -> dict[str, dict[str, Any]]:
    """The channels of a type, by name."""
    return {entry["name"]: entry for entry in json.loads(ask(stub, "list-channels", kind).Body)}


def send(stub: Stub, channel: str, store: bool = False) -> None:
    event = pb.Event(ClientID="me", Channel=channel, Body=b"x" * 100, Store=store)
    assert stub.call("SendEvent", event).Sent


def counted(entry: dict[str, Any]) -> tuple[int, int]:
    """Messages in and out; volume goes with them."""
    came, went = entry["incoming"], entry["outgoing"]
    assert (came["volume"] > 100 * came["messages"]) == bool(came["messages"])
    assert (went["volume"] > 100 * went["messages"]) == bool(went["messages"])
    return came["messages"], went["messages"]


def test_events_count_what_came_and_each_delivery(stub: Stub) -> None:
    with on_events(stub, "a.*") as one, on_events(stub, "a.b") as other:
        send(stub, "a.b")
        one.take()
        other.take()
        send(stub, "x")
        channels = listed(stub, "events")
    assert channels.keys() == {"a.b", "x"}
    assert (counted(channels["a.b"]), counted(channels["x"])) == ((1, 2), (1, 0))
    assert (channels["a.b"]["isActive"], channels["x"]["isActive"]) == (True, False)
    assert abs(channels["x"]["lastActivity"] / 1000 - time.time()) < 60
    until(lambda: not listed(stub, "events")["a.b"]["isActive"], "inactive without listeners")


def test_stored_events_count_what_is_there_and_what_went_out(stub: Stub) -> None:
    for _ in range(3):
        send(stub, "c", store=True)
    assert counted(listed(stub, "events_store")["c"]) == (3, 0)
    with on_store(stub, "c", pb.Subscribe.StartFromLast) as listener:
        listener.take()
        until(lambda: counted(listed(stub, "events_store")["c"]) == (3, 1), "the delivery counted")
        assert listed(stub, "events_store")["c"]["isActive"]


def test_commands_and_queries_count_responses_and_are_apart(stub: Stub) -> None:
    with on_requests(stub, pb.Subscribe.Commands, "c") as responder:
        request = pb.Request(
            RequestTypeData=pb.Request.Command, ClientID="me", Channel="c", Body=b"x" * 100, Timeout=5000
        )
        waiting = stub.waiting("SendRequest", request)
        (seen,) = responder.take()
        response = pb.Response(ClientID="r", RequestID=seen.RequestID, ReplyChannel=seen.ReplyChannel)
        stub.call("SendResponse", response)
        waiting.result()
        entry = listed(stub, "commands")["c"]
    assert counted(entry) == (1, 1)
    assert (entry["incoming"]["responses"], entry["isActive"]) == (1, True)
    assert listed(stub, "queries") == {}


@pytest.mark.parametrize("kind", ["events", "commands", "queries", "events_store"])
def test_a_created_channel_survives_a_restart_and_a_deleted_one_does_not(
    kind: str, new_broker: NewBroker, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path)
    with Stub(broker.address) as stub:
        for name in ("kept", "gone"):
            assert ask(stub, "create-channel", kind, name).Executed
        assert ask(stub, "delete-channel", kind, "gone").Executed
        assert not ask(stub, "delete-channel", kind, "gone").Executed
    broker.stop()
    with Stub(new_broker("--data", tmp_path).address) as stub:
        assert listed(stub, kind).keys() == {"kept"}


def test_a_channel_that_was_only_used_can_be_deleted(stub: Stub) -> None:
    send(stub, "c")
    assert ask(stub, "delete-channel", "events", "c").Executed
    assert listed(stub, "events") == {}


def test_deleting_a_channel_of_stored_events_deletes_them_but_not_their_subscribers(stub: Stub) -> None:
    for _ in range(3):
        send(stub, "c", store=True)
    with on_store(stub, "c", pb.Subscribe.StartFromFirst) as listener:
        listener.take(3)
        assert ask(stub, "delete-channel", "events_store", "c").Executed
        send(stub, "c", store=True)
        assert [event.Sequence for event in listener.take()] == [1]
    with on_store(stub, "c", pb.Subscribe.StartNewOnly) as listener:
        send(stub, "c", store=True)
        assert [event.Sequence for event in listener.take()] == [2]


@pytest.mark.parametrize(
    ("kind", "name"), [("events", "a b"), ("events", "a.*"), ("queries", ""), ("events_store", "a/b")]
)
def test_a_name_that_could_not_be_used_is_not_created(kind: str, name: str, stub: Stub) -> None:
    answer = ask(stub, "create-channel", kind, name)
    assert not answer.Executed
    assert answer.Error
    assert listed(stub, kind) == {}


def test_the_channels_longest_unused_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubemqctl.broker.subscribers._MOST", 2)
    usages = Usages()
    for now, name in enumerate(["a", "b", "a", "c"]):
        usages.of(name, now)
    assert list(usages.known()) == ["a", "c"]
