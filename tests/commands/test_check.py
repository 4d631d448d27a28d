"""`check`: what holds is ok, what does not is said with 11, and a monitoring system gets its one line."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import fake_server
from tests.support.program import Run
from tests.support.raw_grpc import Stub
from tests.support.server import Broker

NOBODY = "127.0.0.1:1"


def test_a_server_that_answers_is_ok(run: Run) -> None:
    result = run("check", "--critical", "round_trip>1h", "-o", "json")
    (record,) = result.records()
    assert (result.code, record["status"]) == (0, "ok")
    assert re.fullmatch(r"\d+\.\d{3}ms", record["round_trip"])
    assert set(record) == {"name", "status", "round_trip"}


def test_queues_are_held_against_conditions_and_critical_goes_before_warning(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 3)
    stub.fill(f"{channel}.b", 1)
    line = ("check", "queue", channel, f"{channel}.b", "--warn", "waiting>2", "--critical", "waiting>5")
    result = run(*line)
    assert result.code == 11
    assert result.text.splitlines() == [
        f"warning\t{channel}\twaiting is 3: waiting>2",
        f"ok\t{channel}.b\t",
    ]
    assert result.err == f"error: 1 check failed: {channel}: waiting is 3: waiting>2\n"
    assert (
        "critical\t" in run("check", "queue", channel, "--warn", "waiting>0", "--critical", "waiting>=3").text
    )
    assert run("check", "queue", channel, "--critical", "waiting>3", "--warn", "bytes>1MiB").code == 0


def test_the_age_of_the_first_message_is_looked_at_where_it_is_asked_for(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 1)
    (record,) = run("check", "queue", channel, "--critical", "oldest>1h", "--json").records()
    assert record["status"] == "ok"
    assert re.fullmatch(r"\d+\.\d{3}s", record["oldest"])
    assert run("check", "queue", channel, "--critical", "oldest>=0s").code == 11
    assert "oldest" not in run("check", "queue", channel, "--json").records()[0]
    assert run("queue", "info", channel, "--format", "{waiting}").text == "1\n", "it was only looked at"


def test_a_figure_that_is_not_there_makes_its_condition_unknown(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    stub.receive(channel)
    result = run("check", "queue", channel, "--critical", "oldest>1h")
    assert (result.code, result.text.split("\t")[0]) == (11, "unknown")
    assert "oldest is not known: oldest>1h cannot be judged" in result.err


def test_a_queue_that_is_not_there_is_critical(run: Run, channel: str) -> None:
    result = run("check", "queue", f"{channel}.none")
    assert (result.code, result.text) == (11, f"critical\t{channel}.none\tthere is no such queue\n")
    assert result.err == f"error: {channel}.none: there is no such queue\n", "one name, and once"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["queue"], "needs the name of a queue"),
        (["topic", "x"], "does not know topic"),
        (["--warn", "waiting>1"], "there is no field waiting here; use round_trip\nhint: queues have it"),
        (["--warn", "slow"], "takes FIELD OP VALUE, not slow\nhint: as in 'round_trip>500ms'"),
        (["queue", "q", "--critical", "long"], "takes FIELD OP VALUE, not long\nhint: as in 'waiting>100'"),
        (["queue", "q", "--critical", "depth>1"], "there is no field depth"),
        (["queue", "q", "--critical", "waiting>many"], "waiting is a number and never compares to a text"),
        (["queue", "q", "--warn", "oldest>300"], "oldest is a duration and never compares to a number"),
        (["--critical", "round_trip>=0.5"], "round_trip is a duration and never compares to a number"),
        (["queue", "q", "--warn", "waiting>5s"], "waiting is a number and never compares to a duration"),
        (["queue", "q", "--warn", "oldest<2026-01-01"], "oldest is a duration and never compares to a time"),
        (["queue", "q", "--warn", "bytes>2026-01-01"], "bytes is a number and never compares to a time"),
        (["queue", "q", "--warn", "oldest>4KiB"], "oldest is a duration and never compares to a size"),
        (["queue", "a b"], "white space"),
        (["--nagios", "-o", "json"], "leave out -o"),
    ],
)
def test_what_cannot_be_checked_is_refused_before_anything_is_asked(
    run: Run, words: list[str], why: str
) -> None:
    result = run("check", *words, address=NOBODY)
    if "--nagios" in words:
        assert (result.code, why in result.text) == (3, True)
    else:
        assert (result.code, why in result.err) == (2, True)


def test_no_server_is_5(run: Run) -> None:
    assert run("check", address=NOBODY).code == 5


PERFORMANCE = r"'waiting'=3 'messages'=3 'bytes'=\d+B 'subscribers'=\d+ 'round_trip'=\d+\.\d{6}s\n"


def test_nagios_gets_one_line_with_figures_and_0_to_3(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    line = ("check", "queue", channel, "--nagios")
    result = run(*line)
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(rf"KUBEMQ OK - {channel}: ok \| {PERFORMANCE}", result.text)
    assert run(*line, "--warn", "waiting>2").code == 1
    result = run(*line, "--critical", "waiting>2")
    assert re.fullmatch(
        rf"KUBEMQ CRITICAL - {channel}: waiting is 3: waiting>2 \| {PERFORMANCE}", result.text
    )
    assert result.code == 2
    assert run(*line, "--critical", "nothing>2").code == 3
    assert run(*line, "--bogus").text.startswith("KUBEMQ UNKNOWN - ")
    result = run("check", "--nagios", address=NOBODY)
    assert (result.code, result.err) == (2, "")
    assert result.text.startswith("KUBEMQ CRITICAL - cannot connect")


@pytest.mark.parametrize("closed", [False, True], ids=["full", "closed"])
def test_a_line_that_cannot_be_printed_leaves_nagios_the_code_and_an_error(
    broker: Broker, closed: bool
) -> None:
    into = ">&-" if closed else ">/dev/full"
    lost = "error: standard output is closed" if closed else "error: cannot write to standard output"
    ends = {
        f"--address {broker.address}": (3, lost),
        f"--address {NOBODY}": (2, "error: cannot connect to"),
        "--bogus": (3, "error: no such option"),
    }
    for words, (code, said) in ends.items():
        script = f"{sys.executable} -m kubemqctl check --nagios {words} {into}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith(said)
        assert len(done.stderr.splitlines()) <= 2, "an error and its hint"


def test_only_check_answers_as_a_plugin(run: Run) -> None:
    result = run("queue", "list", "--nagios")
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("error: no such option: --nagios")


def test_several_queues_are_one_line_whose_labels_tell_them_apart(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    result = run("check", "queue", channel, f"{channel}.none", "--nagios")
    assert result.code == 2
    assert result.text.startswith(
        f"KUBEMQ CRITICAL - {channel}: ok; {channel}.none: there is no such queue | "
    )
    assert f"'{channel} waiting'=1" in result.text
    assert result.text.count("\n") == 1


def test_a_name_cannot_forge_a_line_or_a_figure(run: Run) -> None:
    name = "q'|x=1"
    queue = pb.QueueInfo(Name=name, Messages=1, Waiting=1)
    info = pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=[queue]))
    with fake_server(QueuesInfo=lambda request: info) as address:
        result = run("check", "queue", name, name, "--nagios", address=address)
    assert result.code == 0
    assert result.text.count("|") == 1
    assert "'q''\\x7cx\\x3d1 waiting'=1" in result.text


@pytest.mark.builtin
def test_a_peek_that_is_not_answered_in_time_leaves_the_age_unknown(run: Run, channel: str) -> None:
    import time

    def hang(request: pb.ReceiveQueueMessagesRequest) -> pb.ReceiveQueueMessagesResponse:
        time.sleep(4)
        return pb.ReceiveQueueMessagesResponse()

    info = pb.QueuesInfoResponse(Info=pb.QueuesInfo(Queues=[pb.QueueInfo(Name=channel, Waiting=1)]))
    with fake_server(QueuesInfo=lambda request: info, ReceiveQueueMessages=hang) as address:
        result = run("check", "queue", channel, "--warn", "oldest>1s", "--nagios", address=address)
    assert (result.code, result.text.startswith("KUBEMQ UNKNOWN")) == (3, True)
