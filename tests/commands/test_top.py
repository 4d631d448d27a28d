"""`kubemqctl top`: live on a terminal, once elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.fake_server import fake_server, nobody_answers, queues
from tests.support.program import Run, environment
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.terminal.program import ENTERED, LEFT, TopOnTerminal
from tests.support.waiting import until

TOP = ("top", "--interval", "100ms")


@pytest.fixture
def loaded(new_broker: NewBroker) -> Broker:
    """A broker with `orders`, in which 5 wait, `jobs`, in which 70 do, and the events `news`."""
    broker = new_broker("--ephemeral")
    with Stub(broker.address) as stub:
        stub.fill("orders", 5)
        stub.fill("jobs", 70)
        tags = {"channel_type": "events", "channel": "news"}
        request = pb.Request(
            RequestTypeData=pb.Request.Query,
            ClientID="test",
            Channel="kubemq.cluster.internal.requests",
            Metadata="create-channel",
            Tags=tags,
            Timeout=1000,
        )
        assert stub.call("SendRequest", request).Executed
    return broker


# --- once ---


def test_the_queues_of_any_server_are_shown(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 5)
    result = run(*TOP, "--filter", channel)
    (row,) = [line.split("\t") for line in result.text.splitlines()]
    assert (result.code, row[:3], len(row)) == (0, [channel, "queues", "5"], 9)


@pytest.mark.builtin
def test_in_a_pipe_it_prints_the_names_once_in_order(run: Run, loaded: Broker) -> None:
    result = run(*TOP, "--sort", "name", address=loaded.address)
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert (result.code, [row[:3] for row in rows]) == (
        0,
        [["jobs", "queues", "70"], ["news", "events", ""], ["orders", "queues", "5"]],
    )
    assert {len(row) for row in rows} == {9}, "the rates come last"
    assert result.err == "measuring rates for 0.1 s\n"
    assert run(*TOP, "--sort", "waiting", "-q", address=loaded.address).err == ""


@pytest.mark.builtin
def test_json_has_the_records_of_a_channel_list_and_the_rates(run: Run, loaded: Broker) -> None:
    top = run(*TOP, "--sort", "name", "-o", "json", address=loaded.address).records()
    listed = run("channel", "list", "-o", "json", address=loaded.address).records()
    assert {(record.pop("rate_in"), record.pop("rate_out")) for record in top} == {(0.0, 0.0)}
    assert sorted(top, key=str) == sorted(listed, key=str)


@pytest.mark.builtin
def test_for_people_the_table_has_rates(run: Run, loaded: Broker) -> None:
    result = run(*TOP, "--sort", "waiting", "-o", "human", address=loaded.address)
    heading, *rows = [line.split() for line in result.text.splitlines()]
    assert heading[:6] == ["NAME", "TYPE", "IN/S", "OUT/S", "WAITING", "▼"]
    assert [row[:5] for row in rows[:2]] == [
        ["jobs", "queues", "0", "0", "70"],
        ["orders", "queues", "0", "0", "5"],
    ]


def test_rates_are_of_the_interval(run: Run) -> None:
    asked = iter(range(100))

    def moving(request: pb.QueuesInfoRequest) -> pb.QueuesInfoResponse:
        n = next(asked)
        q = pb.QueueInfo(Name="q", FirstSequence=1, LastSequence=1000 * n, Messages=1000 * n, Waiting=400 * n)
        return pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=[q]))

    with fake_server(SendRequest=nobody_answers, QueuesInfo=moving) as address:
        result = run("top", "--interval", "1s", "-o", "human", address=address)
    into, out = [int(cell.replace(",", "")) for cell in result.text.splitlines()[1].split()[2:4]]
    assert 100 <= into <= 1000
    assert into * 0.55 <= out <= into * 0.65
    assert "only its queues are shown" in result.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--sort waitng", "did you mean waiting?"),
        ("--interval 99ms", "100ms"),
        ("--interval 1", "unit"),
        ("--format {rate}", "rate"),
    ],
)
def test_a_wrong_option_is_exit_2(line: str, says: str, run: Run) -> None:
    result = run("top", *line.split(), address="127.0.0.1:1")
    assert result.code == 2
    assert says in result.err


def test_without_a_server_it_is_exit_5(run: Run) -> None:
    assert run(*TOP, address="127.0.0.1:1").code == 5


def test_it_never_reads_what_is_on_stdin(tmp_path: Path) -> None:
    with fake_server(QueuesInfo=queues(), SendRequest=nobody_answers) as address:
        line = f"{sys.executable} -m kubemqctl top --interval 100ms && cat"
        done = subprocess.run(
            ["sh", "-c", line],
            input=b"mine",
            capture_output=True,
            env=environment(address, {}),
            cwd=tmp_path,
            check=False,
        )
    assert done.stdout == b"mine"


# --- live ---


@pytest.fixture
def top(tmp_path: Path, loaded: Broker) -> Iterator[TopOnTerminal]:
    with TopOnTerminal(tmp_path, loaded.address, *TOP, "--sort", "waiting") as opened:
        opened.wait_for_line("OUT/S")
        yield opened


def test_the_queues_of_any_server_are_shown_live(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 5)
    with TopOnTerminal(tmp_path, broker.address, *TOP) as top:
        top.wait_for_line("OUT/S")
        top.type(f"/{channel}\r".encode())
        top.wait_for_line(f"{channel} +queues +0 +0 +5 ")
        stub.fill(channel, 100)
        top.wait_for_line(f"{channel} +queues +[1-9][0-9,]* +0 +105 ")
        top.type(b"q")
        assert top.end() == 0


@pytest.mark.builtin
def test_the_table_stays_and_changes_until_q(top: TopOnTerminal, loaded: Broker) -> None:
    lines = top.wait_for_line(r"jobs +queues +0 +0 +70 ")
    assert lines[0].startswith(loaded.address)
    assert lines[0].endswith("3 channels")
    with Stub(loaded.address) as stub:
        stub.fill("orders", 100)
    top.wait_for_line(r"orders +queues +[1-9][0-9,]* +0 +105 ")
    top.type(b"q")
    assert top.end() == 0
    assert (top.written.count(ENTERED), top.written.count(LEFT)) == (1, 1)


@pytest.mark.builtin
def test_ctrl_c_is_130_and_sigterm_143_with_the_terminal_as_it_was(tmp_path: Path, loaded: Broker) -> None:
    with TopOnTerminal(tmp_path, loaded.address, *TOP) as top:
        top.wait_for_line("jobs")
        top.type(b"\x03")
        assert top.end() == 130
    with TopOnTerminal(tmp_path, loaded.address, *TOP) as top:
        top.wait_for_line("jobs")
        top.process.send_signal(signal.SIGTERM)
        assert top.end() == 143


@pytest.mark.builtin
def test_keys_change_the_order(top: TopOnTerminal) -> None:
    assert "WAITING ▼" in top.lines[1]
    top.type(b"r")
    lines = top.wait_for_line("WAITING ▲")
    assert [line.split()[0] for line in lines[2:5]] == ["news", "orders", "jobs"]
    top.type(b"S")
    top.wait_for_line("OUT/S ▼")
    top.type(b"\x1b[C")
    top.wait_for_line("WAITING ▼")


@pytest.mark.builtin
def test_a_filter_is_typed_at_the_foot(top: TopOnTerminal) -> None:
    top.type(b"/ord")
    lines = top.wait_for_line("^filter: ord_")
    assert [line.split()[0] for line in lines[2:] if line][:1] == ["orders"]
    assert not any("jobs" in line for line in lines)
    top.type(b"q\x7f\r")
    top.wait_for_line("1 channel with 'ord'")
    top.type(b"/\x15\r")
    top.wait_for_line("3 channels$")


@pytest.mark.builtin
@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 6), (20, 4), (9, 2), (1, 1)])
def test_it_fits_every_size_also_one_that_changes(size: tuple[int, int], top: TopOnTerminal) -> None:
    top.resize(*size)
    lines = until(lambda: top.lines if len(top.lines) == size[1] else [], f"a page of {size}")
    assert max(map(len, lines)) <= size[0]
    top.type(b"q")
    assert top.end() == 0


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    many = [pb.QueueInfo(Name=f"q{n:03}", Waiting=n) for n in range(50)]
    with (
        fake_server(QueuesInfo=queues(*many), SendRequest=nobody_answers) as address,
        TopOnTerminal(tmp_path, address, *TOP, "--sort", "waiting", size=(80, 10)) as top,
    ):
        lines = top.wait_for_line("more")
        assert [line.split()[0] for line in lines[2:8]] == [f"q{n:03}" for n in range(49, 43, -1)]
        assert lines[8] == "… 44 more"
        assert "queues only" in lines[0]


@pytest.mark.builtin
def test_a_lost_server_leaves_the_last_table_until_it_is_back(tmp_path: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral")
    with Stub(broker.address) as stub:
        stub.fill("before", 3)
    with TopOnTerminal(tmp_path, broker.address, *TOP) as top:
        top.wait_for_line("before +queues")
        broker.stop()
        lines = top.wait_for_line("trying again")
        assert any("before" in line for line in lines)
        again = new_broker("--ephemeral", listen=broker.address)
        with Stub(again.address) as stub:
            stub.fill("after", 3)
        lines = top.wait_for_line("after +queues")
        assert not any("trying again" in line or "before" in line for line in lines)
        top.type(b"q")
        assert top.end() == 0


@pytest.mark.builtin
def test_keys_are_answered_while_the_server_says_nothing(tmp_path: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral")
    assert broker.process
    with TopOnTerminal(tmp_path, broker.address, *TOP) as top:
        top.wait_for_line("0 channels")
        broker.process.send(signal.SIGSTOP)
        try:
            top.type(b"/x")
            top.wait_for_line("filter: x_")
            top.type(b"\rq")
            assert top.end() == 0
        finally:
            broker.process.send(signal.SIGCONT)


def test_names_from_a_hostile_server_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    evil = "a\x1b[2J\x07\u202e[red]b" + "x" * 300
    body = json.dumps([{"name": evil, "incoming": {"messages": 10**18}}]).encode()
    answers: dict[str, Any] = {"SendRequest": lambda request: pb.Response(Executed=True, Body=body)}
    with fake_server(**answers) as address, TopOnTerminal(tmp_path, address, *TOP) as top:
        top.wait_for_line(r"a\\x1b\[2J\\x07\\u202e\[red\]b")
        assert b"\x1b[2J" not in top.written
        assert b"\x07" not in top.written
        top.type(b"q")
        assert top.end() == 0


@pytest.mark.builtin
def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(top: TopOnTerminal) -> None:
    top.type(b"\x1a")

    def state() -> str:
        with open(f"/proc/{top.process.pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    until(lambda: state() == "T", "stopped")
    until(lambda: top.written.endswith(LEFT), "the screen left")
    os.kill(top.process.pid, signal.SIGCONT)
    until(lambda: top.written.count(ENTERED) == 2, "the screen entered again")
    top.type(b"s")
    top.wait_for_line("MESSAGES ▼")
    top.type(b"q")
    assert top.end() == 0


@pytest.mark.builtin
def test_with_no_input_keys_are_left_alone(tmp_path: Path, loaded: Broker) -> None:
    with TopOnTerminal(tmp_path, loaded.address, *TOP, "--no-input") as top:
        top.wait_for_line("jobs")
        top.type(b"qqq")
        count = top.written.count(b"\x1b[H")
        until(lambda: top.written.count(b"\x1b[H") > count + 3, "more pages")
        assert top.process.poll() is None
        top.type(b"\x03")
        assert top.end() == 130


@pytest.mark.builtin
def test_a_dumb_terminal_gets_the_table_once(tmp_path: Path, loaded: Broker) -> None:
    with TopOnTerminal(tmp_path, loaded.address, *TOP, env={"TERM": "dumb"}) as top:
        assert top.process.wait(20) == 0
        until(lambda: b"news" in top.written, "the table")
        assert b"\x1b" not in top.written
