"""`kubemqctl queue ack-all`, `list` and `info`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import fake_server, unimplemented
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.terminal.program import ProgramOnTerminal


def waiting(stub: Stub, channel: str) -> int:
    return sum(q.Waiting for q in stub.info(channel).Info.Queues)


# --- ack-all ---


def test_with_yes_it_empties_the_queue_and_prints_how_many(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 12)
    result = run("queue", "ack-all", channel, "--yes")
    assert (result.code, result.out, result.err) == (0, b"12\n", "")
    assert waiting(stub, channel) == 0


def test_an_empty_queue_is_no_failure(run: Run, channel: str) -> None:
    result = run("queue", "ack-all", channel, "--yes")
    assert (result.code, result.out) == (0, b"0\n")


def test_its_record_names_the_channel(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    result = run("queue", "ack-all", channel, "--yes", "-o", "json")
    assert result.records() == [{"channel": channel, "affected": 2}]


def test_what_others_hold_and_what_is_delayed_stays(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 5)
    stub.send(channel, "later", Policy=pb.QueueMessagePolicy(DelaySeconds=600))
    other = stub.downstream()
    assert len(other.get(channel, 2).Messages) == 2
    result = run("queue", "ack-all", channel, "--yes")
    assert (result.code, result.out) == (0, b"3\n")
    assert "the server counts 2 more messages and gives none" in result.err
    other.cancel()


def test_a_sender_that_never_stops_does_not_keep_it(start: Start, stub: Stub, channel: str) -> None:
    stub.fill(channel, 10)
    started = start("queue", "ack-all", channel, "--yes")
    deadline = time.monotonic() + 15
    while started.running:
        stub.send(channel, "more")
        assert time.monotonic() < deadline
    assert int(started.wait().out) >= 10


@pytest.mark.parametrize("options", [[], ["--no-input"]])
def test_where_nobody_can_be_asked_it_wants_yes_and_touches_nothing(
    run: Run, stub: Stub, channel: str, options: list[str]
) -> None:
    stub.fill(channel, 1)
    result = run("queue", "ack-all", channel, *options)
    assert (result.code, result.out) == (2, b"")
    assert "--yes" in result.err
    assert waiting(stub, channel) == 1


def test_a_confirmation_of_another_name_is_refused(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    assert run("queue", "ack-all", channel, "--confirm", f"{channel}x").code == 2
    assert waiting(stub, channel) == 1
    assert run("queue", "ack-all", channel, "--confirm", channel).out == b"1\n"


@pytest.fixture
def protected(home: Path, broker: Broker) -> str:
    """A protected profile of the broker."""
    folder = home / ".config" / "kubemqctl"
    folder.mkdir(parents=True)
    profile = {"address": broker.address, "protected": True}
    (folder / "config.yaml").write_text(json.dumps({"profiles": {"prod": profile}}))
    (folder / "config.yaml").chmod(0o600)
    return "prod"


def test_a_protected_profile_wants_the_channels_name(
    run: Run, stub: Stub, channel: str, protected: str
) -> None:
    stub.fill(channel, 2)
    result = run("queue", "ack-all", channel, "--yes", "-p", protected, address="")
    assert result.code == 2
    assert f"--confirm {channel}" in result.err
    assert waiting(stub, channel) == 2
    result = run("queue", "ack-all", channel, "--confirm", channel, "-p", protected, address="")
    assert (result.code, result.out) == (0, b"2\n")


@pytest.mark.parametrize(
    ("answer", "code", "rest"), [(b"y\n", 0, 0), (b"n\n", 2, 3), (b"\n", 2, 3), (b"y\x04\x04", 2, 3)]
)
def test_on_a_terminal_it_asks(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path, answer: bytes, code: int, rest: int
) -> None:
    stub.fill(channel, 3)
    with ProgramOnTerminal(tmp_path, broker.address, "queue", "ack-all", channel) as program:
        program.wait_for_text("? [y/N] ")
        assert channel.encode() in program.written
        assert waiting(stub, channel) == 3
        program.type(answer)
        assert program.end() == code
    assert waiting(stub, channel) == rest


def test_on_a_protected_profile_it_asks_for_the_name(
    broker: Broker, stub: Stub, channel: str, protected: str, tmp_path: Path
) -> None:
    stub.fill(channel, 3)
    words = ("queue", "ack-all", channel, "-p", protected)
    with ProgramOnTerminal(tmp_path, broker.address, *words) as program:
        program.wait_for_text("to go on: ")
        program.type(b"y\n")
        assert program.end() == 2
    with ProgramOnTerminal(tmp_path, broker.address, *words, "--yes") as program:
        program.wait_for_text("to go on: ")
        program.type(channel.encode() + b"\n")
        assert program.end() == 0
    assert waiting(stub, channel) == 0


def test_a_server_without_statistics_is_emptied_all_the_same(
    run: Run, stub: Stub, channel: str, broker: Broker
) -> None:
    stub.fill(channel, 4)
    with fake_server(broker.address, QueuesInfo=unimplemented) as address:
        assert run("queue", "ack-all", channel, "--yes", address=address).out == b"4\n"


# --- list and info ---


def test_the_list_has_every_queue_by_name(run: Run, stub: Stub, channel: str) -> None:
    for name in ("b", "a", "c"):
        stub.fill(f"{channel}.{name}", 2)
    result = run("queue", "list")
    assert result.code == 0
    ours = [line for line in result.text.splitlines() if line.startswith(channel)]
    assert [line.split("\t")[:4] for line in ours] == [
        [f"{channel}.{name}", "queues", "2", "2"] for name in ("a", "b", "c")
    ]
    names = [line.split("\t")[0] for line in result.text.splitlines()]
    assert names == sorted(names)


def test_a_record_has_the_servers_figures(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stub.receive(channel, 1)
    (record,) = run("queue", "info", channel, "-o", "json").records()
    assert (record["name"], record["type"]) == (channel, "queues")
    assert (record["messages"], record["waiting"]) == (3, 2)
    assert (record["first_sequence"], record["last_sequence"]) == (1, 3)
    assert record in run("queue", "list", "-o", "json").records()
    lines = [line.split("\t") for line in run("queue", "info", channel).text.splitlines()]
    assert lines[:4] == [["name", channel], ["type", "queues"], ["messages", "3"], ["bytes", lines[3][1]]]
    assert {len(line) for line in lines} == {2}
    assert run("queue", "info", channel, "--format", "{waiting}").out == b"2\n"


def test_people_get_a_table_and_a_page(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    table = run("queue", "list", "-o", "human").text
    assert "NAME" in table.splitlines()[0]
    assert channel in table
    assert "waiting" in run("queue", "info", channel, "-o", "human").text


def test_a_queue_that_is_not_there_is_3(run: Run, channel: str) -> None:
    result = run("queue", "info", channel)
    assert (result.code, result.out) == (3, b"")
    assert result.err.startswith(f"error: there is no queue {channel}\nhint: ")


def test_no_queue_at_all_is_an_empty_list(run: Run, broker: Broker) -> None:
    with fake_server(broker.address, QueuesInfo=lambda _: pb.QueuesInfoResponse()) as address:
        result = run("queue", "list", address=address)
        assert (result.code, result.out) == (0, b"")
        assert run("queue", "list", "-o", "json", address=address).out == b""


def test_a_server_without_statistics_is_2_and_says_so(run: Run, channel: str, broker: Broker) -> None:
    with fake_server(broker.address, QueuesInfo=unimplemented) as address:
        for command in (["list"], ["info", channel]):
            result = run("queue", *command, address=address)
            assert result.code == 2
            assert "lacks the feature" in result.err


def trimming(names: list[str]) -> Any:
    """QueuesInfo of server 2.4.0, which shows its names without `_QUES.` at both ends."""

    def answer(request: Any) -> Any:
        wanted = set(request.QueueName.split(";")) if request.QueueName else None
        shown = [(name.strip("_QUES."), n) for n, name in enumerate(names, start=1)]
        found = [
            pb.QueueInfo(Name=s, Waiting=n, LastSequence=n) for s, n in shown if wanted is None or s in wanted
        ]
        return pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=found))

    return answer


def test_a_trimmed_name_is_found_and_said_to_be_one(run: Run, broker: Broker) -> None:
    with fake_server(broker.address, QueuesInfo=trimming(["JOBS", "mail"])) as address:
        result = run("queue", "info", "JOBS", "-o", "json", address=address)
        assert result.code == 0
        assert result.records()[0]["name"] == "JOB"
        assert "shortens names" in result.err
        assert run("queue", "info", "mail", address=address).err == ""
        assert run("queue", "info", "mails", address=address).code == 3


def test_two_queues_under_one_trimmed_name_are_both_shown(run: Run, broker: Broker) -> None:
    with fake_server(broker.address, QueuesInfo=trimming(["JOBS", "JOB"])) as address:
        result = run("queue", "info", "JOB", "-o", "json", address=address)
        assert [record["waiting"] for record in result.records()] == [1, 2]
        assert "shortens names" in result.err


@pytest.mark.builtin
def test_where_names_are_whole_a_longer_one_is_not_taken_for_a_shorter(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 1)
    stub.fill(f"{channel}_QUES", 1)
    assert run("queue", "info", f"{channel}_SEQU").code == 3
    assert run("queue", "info", f"{channel}_QUES").code == 0


@pytest.mark.parametrize("command", [["list"], ["info", "x"], ["ack-all", "x", "--yes"]])
def test_without_a_server_it_is_5(run: Run, command: list[str]) -> None:
    assert run("queue", *command, address="127.0.0.1:1").code == 5
