"""`kubemqctl bench` as its users run it. What every pattern prints is held by project/test_schema.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kubemqctl.cli.main import main
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.fake_server import fake_server
from tests.support.program import Result, Run, Start, Started
from tests.support.raw_grpc import Stub, responder
from tests.support.server import SILENT, Broker
from tests.support.waiting import until

# The community server deletes no channel on request.
STAYS = SILENT
BRIEF = ("--warm-up", "0s", "--size", "32B")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in listed.stdout.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that ended and was not waited for counts as ended."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def listed(run: Run, broker: Broker) -> str:
    return run("channel", "list", address=broker.address).text


def sent(stub: Stub, name: str) -> int:
    """How many messages a queue has had."""
    answer = stub.call("QueuesInfo", pb.QueuesInfoRequest(QueueName=name))
    return sum(queue.LastSequence for queue in answer.Info.Queues)


def at_work(start: Start, broker: Broker, *options: str) -> tuple[Started, str, list[int]]:
    """A benchmark of 20 s that has begun to send: the process, its channel, and its workers."""
    bench = start(
        "bench", "queue", "--duration", "20s", "-o", "json", *BRIEF, *options, address=broker.address
    )
    name = bench.wait_for_stderr(": 20 s").partition(" on ")[2].partition(":")[0]
    workers = until(lambda: found if len(found := children(bench.pid)) == 2 else [], "two workers")
    return bench, name, workers


def test_a_pipe_gets_the_rate_alone_and_an_assertion_that_does_not_hold_is_exit_11(
    run: Run, broker: Broker
) -> None:
    result = run(
        "bench", "events", "--count", "60", "--consumers", "2", *BRIEF, "--assert", "p99<1h,loss=0,min>1h"
    )
    assert result.code == 11
    assert float(result.text) > 0
    assert result.out.count(b"\n") == 1
    assert result.err.splitlines()[-1].startswith("error: min>1h does not hold: it was ")
    assert STAYS or "kubemqctl-bench-" not in listed(run, broker)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_was_measured_and_nothing_stays(
    signum: signal.Signals, run: Run, start: Start, stub: Stub, broker: Broker
) -> None:
    bench, name, workers = at_work(start, broker)
    until(lambda: sent(stub, name) >= 200, "messages sent")
    bench.send(signum)
    ended = bench.wait()
    assert ended.code == 128 + signum
    (record,) = ended.records()
    assert record["stopped"] == signum.name
    assert record["rate"] > 0
    assert not any(map(is_running, workers))
    assert STAYS or name not in listed(run, broker)


@pytest.mark.builtin
def test_a_server_that_dies_in_the_middle_is_exit_5(start: Start, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral")
    assert broker.process is not None
    bench, name, workers = at_work(start, broker)
    broker.process.kill()
    ended = bench.wait()
    assert ended.code == 5
    error = json.loads(ended.err.splitlines()[-1])
    assert error["error"] in ("connection-lost", "cannot-connect")
    assert f"{name} may still exist" in ended.err
    assert not any(map(is_running, workers))


def test_workers_do_not_outlive_a_benchmark_that_is_killed(start: Start, broker: Broker) -> None:
    bench, _, workers = at_work(start, broker)
    os.kill(bench.pid, signal.SIGKILL)
    until(lambda: not any(map(is_running, workers)), "the workers gone")
    assert bench.wait().code == 137


def test_a_channel_in_which_something_is_is_left_alone(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "mine").code == 0
    assert run("store", "pub", channel, "mine").code == 0
    for pattern in ("queue", "store"):
        refused = run("bench", pattern, "--channel", channel, "--count", "1")
        assert (refused.code, refused.out) == (2, b"")
        assert "--channel" in refused.err
    assert run("queue", "receive", channel).out == b"mine"


def test_an_empty_channel_of_a_user_is_used_and_stays(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "x").code == 0
    assert run("queue", "ack-all", channel, "--yes").out == b"1\n"
    done = run("bench", "queue", "--channel", channel, "--count", "5", *BRIEF, "--format", "{channel} {sent}")
    assert (done.code, done.text) == (0, f"{channel} 5\n")
    assert run("queue", "info", channel, "--format", "{name} {waiting}").text == f"{channel} 0\n"


def test_a_server_that_lacks_the_calls_says_so_at_once(run: Run) -> None:
    with fake_server(SendEvent=lambda request: pb.Result(EventID=request.EventID, Sent=True)) as address:
        result: Result = run("bench", "events", "--count", "5", address=address)
    assert (result.code, result.out) == (2, b"")
    assert "lacks the feature" in result.err


@pytest.mark.builtin
def test_a_token_reaches_the_workers_and_no_command_line(
    tmp_path: Path, run: Run, start: Start, new_broker: NewBroker
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret-token")
    token.chmod(0o600)
    broker = new_broker("--ephemeral", "--token-file", token)
    bench, _, workers = at_work(start, broker, "--token-file", str(token))
    for pid in workers:
        shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=True)
        assert b"s3cret" not in shown.stdout
    bench.send(signal.SIGINT)
    assert bench.wait().code == 130
    refused = run("bench", "queue", "--count", "5", address=broker.address)
    assert (refused.code, "left behind" in refused.err) == (4, False)


# --- refused before anything is sent ---


def test_without_the_library_it_is_exit_2_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    assert main(["bench", "queue", "-a", "127.0.0.1:1"]) == 2
    error, hint = capfd.readouterr().err.splitlines()
    assert error == "error: bench needs the library hdrhistogram, which is not installed"
    assert "pip install hdrhistogram" in hint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--assert p99", "'p99<20ms'"),
        ("--assert p99<20", "unit"),
        ("--assert p101<1s", "there is no measurement"),
        ("--assert p0<1s", "there is no measurement"),
        ("--assert thruput>5/s", "did you mean throughput?"),
        ("--assert throughput>5", "5/s"),
        ("--assert bandwidth>5MB", "10MB/s"),
        ("--assert loss=x", "not a count"),
        ("--assert sent<5%", "not a count"),
        ("--assert errors<x%", "not a number"),
        ("--assert p99<1s,", "is not an assertion"),
        ("--size 31B", "32B"),
        ("--size 1", "unit"),
        ("--size 64MiB --batch 2", "100 MiB"),
        ("--count 5 --duration 5s", "cannot be used together"),
        ("--count 1 --producers 2", "number of --producers, 2"),
        ("--duration 1ms", "10ms"),
        ("--rate 5", "5/s"),
        ("--channel a/b", "contains /"),
        ("--format {nope}", "nope"),
    ],
)
def test_a_wrong_option_is_exit_2_before_anything_is_connected(
    options: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "queue", *options.split(), "-a", "127.0.0.1:1"]) == 2
    streams = capfd.readouterr()
    assert says in streams.err
    assert streams.out == ""


def test_what_asking_has_not_cannot_be_asserted_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "cmd", "--assert", "loss=0", "-a", "127.0.0.1:1"]) == 2
    assert "errors=0" in capfd.readouterr().err
    assert main(["bench", "query", "--timeout", "0s", "-a", "127.0.0.1:1"]) == 2
    assert main(["bench", "store", "--in-flight", "9999", "--size", "1MiB", "-a", "127.0.0.1:1"]) == 2


def test_without_a_server_it_is_exit_5(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "events", "-a", "127.0.0.1:1"]) == 5
    assert "cannot connect" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "kind"), [("query", pb.Subscribe.Queries), ("cmd", pb.Subscribe.Commands)]
)
def test_a_responder_that_is_there_is_measured_and_left_there(
    run: Run, stub: Stub, channel: str, pattern: str, kind: pb.Subscribe.SubscribeType
) -> None:
    with responder(stub, kind, channel, lambda _: pb.Response(Executed=True, Body=b"its own")) as got:
        words = ("bench", pattern, "--existing", channel, "--count", "5", *BRIEF, "--assert", "errors=0")
        done = run(*words, "-o", "json")
        assert (done.code, len(got)) == (0, 5)
        (result,) = done.records()
        assert (result["channel"], result["received"], result.get("consumers")) == (channel, 5, None)
        assert run("query" if pattern == "query" else "cmd", "send", channel, "still there").code == 0


def test_nobody_on_an_existing_channel_is_6_and_own_responders_contradict_it(run: Run, channel: str) -> None:
    words = ("bench", "query", "--existing", channel, *BRIEF)
    done = run(*words, "--count", "1", "--timeout", "50ms")
    assert (done.code, "nobody answered" in done.err) == (6, True)
    for more in (["--consumers", "1"], ["--channel", "c"]):
        assert run(*words, *more, address="127.0.0.1:1").code == 2
