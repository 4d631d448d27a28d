"""What the fuzzing found, as plain examples, and the same against the program as a process of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest

from kubemqctl.client import emptying
from kubemqctl.messaging.events.checkpoint import Checkpoint
from kubemqctl.messaging.handlers.options import find
from kubemqctl.messaging.handlers.pool import HandlerPool, Task
from kubemqctl.messaging.handlers.process import HandlerProcess
from kubemqctl.messaging.queues import receive_options
from kubemqctl.model.errors import ConfigError
from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz import inprocess
from tests.fuzz.hostile import HostileServer, Move, Plan, hostile_server
from tests.fuzz.inprocess import Ended
from tests.fuzz.wirebytes import LENGTH, tagged
from tests.support.program import Run as Program

CENTURY = "36500d"


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with hostile_server() as hostile:
        yield hostile


def message(sequence: int, **fields: Any) -> bytes:
    attributes = pb.QueueMessageAttributes(Sequence=sequence, ReceiveCount=1)
    m = pb.QueueMessage(
        MessageID=f"m{sequence}", Channel="q", Attributes=attributes, **{"Body": b"x", **fields}
    )
    return bytes(m.SerializeToString())


def event(sequence: int, timestamp: int = 1) -> bytes:
    e = pb.EventReceive(
        EventID=f"e{sequence}", Channel="e", Body=b"x", Sequence=sequence, Timestamp=timestamp
    )
    return bytes(e.SerializeToString())


def run(
    server: HostileServer,
    plan: Plan,
    *words: str,
    stdin: bytes = b"",
    patience: float | None = None,
    printing: bool = False,
) -> Ended:
    server.plan = plan
    try:
        return inprocess.run(["--address", server.address, *words], stdin, patience, printing)
    finally:
        plan.end()


# --- text that is no UTF-8 ---

CAFE = b"caf\xe9 \xff\xfe"
SHOWN = r"caf\xe9 \xff\xfe"
# Of two values of a field the last one counts.
STRAY_MESSAGE = message(1, Body=CAFE) + tagged(4, LENGTH, CAFE)
STRAY_EVENT = event(1) + tagged(3, LENGTH, CAFE)


@pytest.mark.parametrize("words", [["receive", "q"], ["peek", "q"], ["tx", "q", "--ack"]])
def test_a_message_with_stray_bytes_in_its_text_arrives_and_this_is_said(
    server: HostileServer, words: list[str]
) -> None:
    ended = run(server, Plan({}, [STRAY_MESSAGE]), "queue", *words, "-o", "json")
    record = json.loads(ended.out)
    assert ended.code == 0
    assert record["metadata"] == SHOWN
    assert record["body_base64"] == "Y2Fm6SD//g=="
    assert ended.err.count("warning: the server sent text that is not UTF-8") == 1


def test_the_bytes_of_a_body_are_not_touched_by_stray_bytes_elsewhere(server: HostileServer) -> None:
    assert run(server, Plan({}, [STRAY_MESSAGE]), "queue", "receive", "q").out == CAFE


def test_stray_bytes_do_not_keep_later_messages_back(server: HostileServer) -> None:
    another = message(3, Body=CAFE) + tagged(4, LENGTH, CAFE)
    plan = Plan({}, [STRAY_MESSAGE, another, message(2)])
    ended = run(server, plan, "queue", "receive", "q", "--count", "3", "-o", "json")
    assert [json.loads(line)["id"] for line in ended.out.splitlines()] == ["m1", "m3", "m2"]
    assert ended.err.count("not UTF-8") == 1


def test_an_event_with_stray_bytes_arrives(server: HostileServer) -> None:
    ended = run(server, Plan({}, events=[STRAY_EVENT]), "events", "sub", "e", "--count", "1", "-o", "json")
    assert json.loads(ended.out)["metadata"] == SHOWN
    assert "not UTF-8" in ended.err


def test_stray_bytes_in_the_text_of_an_error_do_not_hide_it(server: HostileServer) -> None:
    refused = pb.SendQueueMessageResult(IsError=True).SerializeToString() + tagged(6, LENGTH, CAFE)
    ended = run(server, Plan({"SendQueueMessage": [Move("instead", refused)]}), "queue", "send", "q", "x")
    assert ended.code == 1
    assert f"error: {SHOWN}" in ended.err


def test_the_program_reads_stray_bytes_too(server: HostileServer, run: Program) -> None:
    server.plan = Plan({}, [STRAY_MESSAGE])
    result = run("queue", "receive", "q", "--format", "{metadata}", address=server.address)
    assert (result.code, result.text) == (0, SHOWN + "\n")
    assert result.err == "warning: the server sent text that is not UTF-8: invalid bytes are shown as \\xHH\n"


# --- answers that are none ---

UNREADABLE = [Move("instead", b"\xff\xff"), Move("cut", b"123"), Move("end")]


@pytest.mark.parametrize("move", UNREADABLE, ids=lambda move: move.kind)
def test_an_answer_that_is_none_is_an_error(server: HostileServer, move: Move) -> None:
    ended = run(server, Plan({"Ping": [move]}), "ping", "-o", "json")
    assert ended.code == 1
    assert json.loads(ended.err)["error"] == "invalid-response"


@pytest.mark.parametrize("move", UNREADABLE, ids=lambda move: move.kind)
def test_what_an_unreadable_answer_means_for_a_message_is_unknown(server: HostileServer, move: Move) -> None:
    ended = run(server, Plan({"SendQueueMessage": [move]}), "queue", "send", "q", "x", "-o", "json")
    assert ended.code == 1
    assert json.loads(ended.out)["error"] == "outcome-unknown"
    assert "it is unknown whether the server accepted it" in ended.err


def test_the_program_prints_no_traceback_for_an_answer_that_is_none(
    server: HostileServer, run: Program
) -> None:
    server.plan = Plan({"QueuesDownstream": [Move("instead", b"\xff")]})
    result = run("queue", "receive", "q", address=server.address)
    assert result.code == 1
    error = f"error: an answer of {server.address} cannot be read"
    assert result.err.splitlines() == [error, "hint: check that this is the gRPC port of a KubeMQ server"]


@pytest.mark.parametrize("status", [s for s in grpc.StatusCode if s is not grpc.StatusCode.OK])
def test_every_status_ends_with_a_documented_code(server: HostileServer, status: grpc.StatusCode) -> None:
    move = Move("status", status=status, details="\x1b[31mError 99999999999999999999: \u202e")
    ended = run(server, Plan({"QueuesInfo": [move]}), "queue", "list")
    assert ended.code in range(1, 9)


# --- numbers that no server has ---


@pytest.mark.parametrize("sequence", [2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize(
    "words", [["queue", "receive", "q"], ["store", "sub", "e", "--from", "first", "--idle", "5s"]]
)
def test_a_sequence_that_cannot_be_gone_on_from_is_an_error(
    server: HostileServer, sequence: int, words: list[str]
) -> None:
    plan = Plan({}, [message(sequence)], [event(sequence)])
    ended = run(server, plan, *words)
    assert ended.code == 1
    assert f"the server gave a message the sequence {sequence}" in ended.err


def test_an_event_without_a_place_in_its_store_is_an_error(server: HostileServer) -> None:
    newest = event(3)
    plan = Plan({"SubscribeToEvents": [Move("instead", newest)]}, events=[event(0), event(0)])
    ended = run(server, plan, "store", "sub", "e", "--from", "first", "--until", "now")
    assert ended.code == 1
    assert "the sequence 0, which no message can have" in ended.err


def test_a_store_whose_clock_is_beyond_all_time_can_be_asked(server: HostileServer) -> None:
    late = pb.PingResult(ServerStartTime=2**63 - 1, ServerUpTimeSeconds=2**63 - 1).SerializeToString()
    plan = Plan({"Ping": [Move("instead", late)]}, events=[event(1, 2**63 - 1), event(5, 2**63 - 1)])
    ended = run(server, plan, "store", "sub", "e", "--from", "1h", "--for", "200ms")
    assert ended.code in (0, 7)


# --- servers that answer at once, and for ever ---


def test_a_server_that_gives_nothing_at_once_for_ever_is_not_asked_for_ever(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_options, "LONGEST", 0.2)
    assert run(server, Plan({}), "queue", "receive", "q", "--wait", "100ms", "--", "true").code == 6


def test_a_move_from_a_server_that_gives_nothing_at_once_for_ever_ends(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_options, "LONGEST", 0.2)
    lacking = [Move("status", status=grpc.StatusCode.UNIMPLEMENTED)]
    assert run(server, Plan({"QueuesInfo": lacking}), "queue", "move", "q", "r", "--all").code == 0


def test_emptying_a_queue_that_is_never_empty_ends_and_says_so(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "MOST_ACK_ALLS", 3)
    affected = pb.AckAllQueueMessagesResponse(AffectedMessages=2).SerializeToString()
    lacking = [Move("status", status=grpc.StatusCode.UNIMPLEMENTED)]
    plan = Plan({"QueuesInfo": lacking, "AckAllQueueMessages": [Move("instead", affected)] * 9})
    ended = run(server, plan, "queue", "ack-all", "q", "--yes")
    assert ended.code == 7
    assert "6 acknowledged, and more messages keep arriving" in ended.err


# --- times that no machine counts to ---


@pytest.mark.parametrize(
    "words",
    [
        ["queue", "receive", "q", "--handler-timeout", CENTURY, "--grace", CENTURY, "--", "true"],
        ["queue", "tx", "q", "--handler-timeout", CENTURY, "--", "true"],
        ["ping", "--connect-timeout", CENTURY],
    ],
    ids=" ".join,
)
def test_a_century_is_a_duration_like_others(server: HostileServer, words: list[str]) -> None:
    assert run(server, Plan({}, [message(1)]), *words).code == 0


@pytest.mark.parametrize("words", [["queue", "send"], ["events", "pub"]], ids=" ".join)
def test_a_rate_of_one_in_an_aeon_waits_until_it_is_told_to_end(
    server: HostileServer, words: list[str]
) -> None:
    rate = ["--rate", "0.000000000000000000000000001/h"]
    ended = run(server, Plan({}), *words, "q", "--lines", *rate, stdin=b"1\n2\n", patience=0, printing=True)
    assert ended.code == 143
    assert "1 sent" in ended.err


# --- files ---


@pytest.mark.parametrize(
    "content",
    [b"[" * 20_000, b'{"channel":"c","sequence":%d,"id":"","timestamp":0}' % (2**63 - 1)],
    ids=["nested", "beyond all sequences"],
)
def test_a_checkpoint_that_cannot_be_one_is_refused(content: bytes) -> None:
    Path("checkpoint").write_bytes(content)
    with pytest.raises(ConfigError, match="not a checkpoint of kubemqctl"):
        Checkpoint("checkpoint", "c")


# --- handlers ---


def test_a_handler_that_cannot_be_looked_after_is_an_outcome_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: HandlerProcess, now: float) -> NoReturn:
        raise OverflowError("timeout is too large")

    monkeypatch.setattr(HandlerProcess, "keep_time", fail)
    with HandlerPool(find(["true"], os.environ), 1) as pool:
        pool.start(Task("key", b"", {}))
        assert pool.wait(10)
        (outcome,) = pool.ended()
    assert outcome.key == "key"
    assert outcome.error
    assert "timeout is too large" in outcome.error.message
