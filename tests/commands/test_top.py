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
from tests.support.terminal.program import ENTERED, LEFT, Page
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


@pytest.mark.builtin
def test_in_a_pipe_it_prints_the_names_once_in_order(run: Run, loaded: Broker) -> None:
    result = run(*TOP, "--sort", "name", address=loaded.address)
    assert (result.code, result.text) == (0, "jobs\nnews\norders\n")
    assert result.err == "measuring the rates for 0.1 s\n"
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
def page(tmp_path: Path, loaded: Broker) -> Iterator[Page]:
    with Page(tmp_path, loaded.address, *TOP, "--sort", "waiting") as opened:
        opened.wait_for("OUT/S")
        yield opened


@pytest.mark.builtin
def test_the_table_stays_and_changes_until_q(page: Page, loaded: Broker) -> None:
    lines = page.wait_for(r"jobs +queues +0 +0 +70 ")
    assert lines[0].startswith(loaded.address)
    assert lines[0].endswith("3 channels")
    with Stub(loaded.address) as stub:
        stub.fill("orders", 100)
    page.wait_for(r"orders +queues +[1-9][0-9,]* +0 +105 ")
    page.type(b"q")
    assert page.end() == 0
    assert (page.written.count(ENTERED), page.written.count(LEFT)) == (1, 1)


@pytest.mark.builtin
def test_ctrl_c_is_130_and_sigterm_143_with_the_terminal_as_it_was(tmp_path: Path, loaded: Broker) -> None:
    with Page(tmp_path, loaded.address, *TOP) as page:
        page.wait_for("jobs")
        page.type(b"\x03")
        assert page.end() == 130
    with Page(tmp_path, loaded.address, *TOP) as page:
        page.wait_for("jobs")
        page.process.send_signal(signal.SIGTERM)
        assert page.end() == 143


@pytest.mark.builtin
def test_keys_change_the_order(page: Page) -> None:
    assert "WAITING ▼" in page.lines[1]
    page.type(b"r")
    lines = page.wait_for("WAITING ▲")
    assert [line.split()[0] for line in lines[2:5]] == ["news", "orders", "jobs"]
    page.type(b"S")
    page.wait_for("OUT/S ▼")
    page.type(b"\x1b[C")
    page.wait_for("WAITING ▼")


@pytest.mark.builtin
def test_a_filter_is_typed_at_the_foot(page: Page) -> None:
    page.type(b"/ord")
    lines = page.wait_for("^filter: ord_")
    assert [line.split()[0] for line in lines[2:] if line][:1] == ["orders"]
    assert not any("jobs" in line for line in lines)
    page.type(b"q\x7f\r")
    page.wait_for("1 channel with 'ord'")
    page.type(b"/\x15\r")
    page.wait_for("3 channels$")


@pytest.mark.builtin
@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 6), (20, 4), (9, 2), (1, 1)])
def test_it_fits_every_size_also_one_that_changes(size: tuple[int, int], page: Page) -> None:
    page.resize(*size)
    lines = until(lambda: page.lines if len(page.lines) == size[1] else [], f"a page of {size}")
    assert max(map(len, lines)) <= size[0]
    page.type(b"q")
    assert page.end() == 0


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    many = [pb.QueueInfo(Name=f"q{n:03}", Waiting=n) for n in range(50)]
    with (
        fake_server(QueuesInfo=queues(*many), SendRequest=nobody_answers) as address,
        Page(tmp_path, address, *TOP, "--sort", "waiting", size=(80, 10)) as page,
    ):
        lines = page.wait_for("more")
        assert [line.split()[0] for line in lines[2:8]] == [f"q{n:03}" for n in range(49, 43, -1)]
        assert lines[8] == "… 44 more"
        assert "queues only" in lines[0]


@pytest.mark.builtin
def test_a_lost_server_leaves_the_last_table_until_it_is_back(tmp_path: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral")
    with Stub(broker.address) as stub:
        stub.fill("before", 3)
    with Page(tmp_path, broker.address, *TOP) as page:
        page.wait_for("before +queues")
        broker.stop()
        lines = page.wait_for("trying again")
        assert any("before" in line for line in lines)
        again = new_broker("--ephemeral", listen=broker.address)
        with Stub(again.address) as stub:
            stub.fill("after", 3)
        lines = page.wait_for("after +queues")
        assert not any("trying again" in line or "before" in line for line in lines)
        page.type(b"q")
        assert page.end() == 0


@pytest.mark.builtin
def test_keys_are_answered_while_the_server_says_nothing(tmp_path: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral")
    assert broker.process
    with Page(tmp_path, broker.address, *TOP) as page:
        page.wait_for("0 channels")
        broker.process.send(signal.SIGSTOP)
        try:
            page.type(b"/x")
            page.wait_for("filter: x_")
            page.type(b"\rq")
            assert page.end() == 0
        finally:
            broker.process.send(signal.SIGCONT)


def test_names_from_a_hostile_server_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    evil = "a\x1b[2J\x07\u202e[red]b" + "x" * 300
    body = json.dumps([{"name": evil, "incoming": {"messages": 10**18}}]).encode()
    answers: dict[str, Any] = {"SendRequest": lambda request: pb.Response(Executed=True, Body=body)}
    with fake_server(**answers) as address, Page(tmp_path, address, *TOP) as page:
        page.wait_for(r"a\\x1b\[2J\\x07\\u202e\[red\]b")
        assert b"\x1b[2J" not in page.written
        assert b"\x07" not in page.written
        page.type(b"q")
        assert page.end() == 0


@pytest.mark.builtin
def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(page: Page) -> None:
    page.type(b"\x1a")

    def state() -> str:
        with open(f"/proc/{page.process.pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    until(lambda: state() == "T", "stopped")
    until(lambda: page.written.endswith(LEFT), "the screen left")
    os.kill(page.process.pid, signal.SIGCONT)
    until(lambda: page.written.count(ENTERED) == 2, "the screen entered again")
    page.type(b"s")
    page.wait_for("MESSAGES ▼")
    page.type(b"q")
    assert page.end() == 0


@pytest.mark.builtin
def test_with_no_input_keys_are_left_alone(tmp_path: Path, loaded: Broker) -> None:
    with Page(tmp_path, loaded.address, *TOP, "--no-input") as page:
        page.wait_for("jobs")
        page.type(b"qqq")
        count = page.written.count(b"\x1b[H")
        until(lambda: page.written.count(b"\x1b[H") > count + 3, "more pages")
        assert page.process.poll() is None
        page.type(b"\x03")
        assert page.end() == 130


@pytest.mark.builtin
def test_a_dumb_terminal_gets_the_table_once(tmp_path: Path, loaded: Broker) -> None:
    with Page(tmp_path, loaded.address, *TOP, env={"TERM": "dumb"}) as page:
        assert page.process.wait(20) == 0
        until(lambda: b"news" in page.written, "the table")
        assert b"\x1b" not in page.written
