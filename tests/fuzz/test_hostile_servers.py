"""Every command against a server that answers what it likes, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.cli import completion_names
from kubemqctl.client import channels, connection, events, queues, requests, transaction
from kubemqctl.messaging import recovery
from kubemqctl.messaging.queues import fetcher, receive_options, tx_message, worker
from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz.examples import TIMES, examples
from tests.fuzz.hostile import HONEST, SUBSCRIPTIONS, HostileServer, Move, Plan, hostile_server
from tests.fuzz.inprocess import Ended, run
from tests.fuzz.lines import COMMANDS, Command
from tests.fuzz.texts import STRINGS
from tests.fuzz.wirebytes import NASTY, answer_bytes, message_bytes

# Seconds that a call may take here, in place of half a minute.
SHORT = 0.25


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with hostile_server() as hostile:
        yield hostile


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (connection, queues, transaction, events):
        monkeypatch.setattr(room, "CALL_TIMEOUT", SHORT)
    monkeypatch.setattr(connection, "PING_TIMEOUT", SHORT)
    monkeypatch.setattr(events, "CLOCK_TIMEOUT", SHORT)
    monkeypatch.setattr(connection.Client.call, "__defaults__", (SHORT,))
    monkeypatch.setattr(connection.Client.begin, "__defaults__", (SHORT,))
    monkeypatch.setattr(connection.Client.start, "__defaults__", (SHORT, None))
    monkeypatch.setattr(requests, "MARGIN", SHORT)
    monkeypatch.setattr(requests, "ANSWER_TIMEOUT", SHORT)
    monkeypatch.setattr(tx_message, "LATE", SHORT)
    monkeypatch.setattr(worker, "SETTLEMENTS", SHORT)
    monkeypatch.setattr(worker, "LAST_SETTLEMENTS", SHORT)
    monkeypatch.setattr(fetcher, "REGAIN", SHORT)
    monkeypatch.setattr(receive_options, "LONGEST", SHORT)
    monkeypatch.setattr(recovery, "REGAIN", SHORT)
    monkeypatch.setattr(channels, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(channels, "TIMEOUT", SHORT)
    monkeypatch.setattr(channels, "PROBE", SHORT)
    monkeypatch.setattr(completion_names, "_end_in_time", lambda: None)


DETAILS = st.one_of(
    STRINGS,
    NASTY.map(lambda data: data[:4000].decode()),
    st.sampled_from(
        [
            "Error 301: timeout for request message",
            "Error 421: authentication verification failed, ",
            "Error 138: x",
            "Error 302: connection not available",
            "grpc: received message larger than max (9 vs. 4)",
            "stan: clientID already registered",
            "nats: connection closed",
            "Error 129: current visibility timer expired",
            "Error 99999999999999999999999: x",
            "Exception deserializing response!",
            "grpc server is not ready to accept requests",
            "Socket closed",
            "",
        ]
    ),
)
STATUSES = st.builds(
    Move,
    st.just("status"),
    st.just(b""),
    st.sampled_from([s for s in grpc.StatusCode if s is not grpc.StatusCode.OK]),
    DETAILS,
)


@lru_cache
def moves(method: str) -> st.SearchStrategy[Move]:
    answers = answer_bytes(method)
    return st.one_of(
        st.just(Move()),
        answers.map(lambda data: Move("merged", data)),
        answers.map(lambda data: Move("instead", data)),
        st.binary(max_size=20).map(lambda data: Move("cut", data)),
        STATUSES,
        st.sampled_from([Move(kind) for kind in ("twice", "end", "nothing", "silence")]),
    )


@lru_cache
def pushed(kind: str) -> st.SearchStrategy[list[bytes]]:
    return st.lists(message_bytes(pb.DESCRIPTOR.message_types_by_name[kind]), max_size=4)


@lru_cache
def plans(command: Command) -> st.SearchStrategy[Plan]:
    some = st.fixed_dictionaries({method: st.lists(moves(method), max_size=3) for method in command.methods})
    return st.builds(Plan, some, pushed("QueueMessage"), pushed("EventReceive"), pushed("Request"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.line)
@examples(2)
@given(data=st.data())
def test_whatever_a_server_answers_a_command_ends_as_documented(
    server: HostileServer, command: Command, data: st.DataObject
) -> None:
    plan = data.draw(plans(command))
    ended = against(server, plan, command)
    judge(command, plan, ended)


def against(server: HostileServer, plan: Plan, command: Command) -> Ended:
    for left in ("failed", "unknown", "checkpoint"):
        Path(left).unlink(missing_ok=True)
    server.plan = plan
    words = command.line.split()
    tail = words.index("--") if "--" in words else len(words)
    words[tail:tail] = ["--address", server.address, "--connect-timeout", "300ms"]
    try:
        return run(words, command.stdin, 0.4 if command.endless else None)
    finally:
        plan.end()


def judge(command: Command, plan: Plan, ended: Ended) -> None:
    """A success is one: what the server answered bears it out."""
    if command.line.startswith("queue send q body") and ended.code == 0:
        answers = [read(pb.SendQueueMessageResult, data) for data in plan.sent["SendQueueMessage"]]
        assert any(a is None or not a.IsError for a in answers), ended
    if command.line.startswith("queue send q --lines") and ended.code == 0:
        (answer,) = [
            read(pb.QueueMessagesBatchResponse, data) for data in plan.sent["SendQueueMessagesBatch"][-1:]
        ]
        assert answer is None or [r.IsError for r in answer.Results] == [False] * 3, ended
    if command.line.startswith(("cmd send", "query send")) and ended.code == 0:
        assert any(
            a is None or a.Executed for a in (read(pb.Response, data) for data in plan.sent["SendRequest"])
        ), ended
    if command.line.startswith("queue receive q --count 3"):
        there = [m for data in plan.sent["QueuesDownstream"] for m in messages_in(data)]
        printed = [json.loads(line) for line in ended.out.splitlines()]
        if None not in there:
            assert all(
                record["id"] in [m.MessageID for m in there] for record in printed if "id" in record
            ), ended
            assert len(printed) <= len(there)


def read(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def messages_in(data: bytes) -> Sequence[Any]:
    answer = read(pb.QueuesDownstreamResponse, data)
    return [None] if answer is None else answer.Messages


def test_every_method_of_the_wire_has_an_honest_answer_and_a_command_that_meets_lies() -> None:
    met = {method for command in COMMANDS for method in command.methods}
    assert met == {*HONEST, *SUBSCRIPTIONS}
    assert TIMES >= 1
