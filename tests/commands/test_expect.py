"""`expect`: what is so is 0, what is not is 11 and shown, and what was not seen is never 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.cli import main
from kubemqctl.client import connection
from kubemqctl.messaging.expect.expectation import Expectation
from kubemqctl.messaging.expect.watch import LAST_PING
from kubemqctl.model.messages import Event
from tests.support.program import Run, Start, Started
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub, publish
from tests.support.server import Broker
from tests.support.waiting import until

# Says when it runs, and ends when it is told to, with the exit code that it is told.
COMMAND = ("--", "sh", "-c", "echo running; read code; exit $code")


def begin(start: Start, *words: str | Path, address: str | None = None) -> Started:
    """`expect` with a command that is running."""
    started = start("expect", *words, *COMMAND, stdin=subprocess.PIPE, address=address)
    started.wait_for_stderr("running")
    return started


def end(started: Started, code: int = 0) -> int:
    """Let the command end with `code`; returns the exit code of `expect`."""
    started.stdin.write(f"{code}\n".encode())
    started.stdin.close()
    return started.wait().code


def test_at_the_end_it_is_asked_again_whether_more_comes_as_long_as_something_does(
    broker: Broker, stub: Stub, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = 0
    see = Expectation.see

    def counted(self: Expectation[Event], event: Event) -> None:
        nonlocal came
        see(self, event)
        came += 1

    class Overtaken:
        """A ping that is answered behind one event and before the next."""

        def __init__(self, is_another: bool) -> None:
            self._until = came + is_another
            if is_another:
                publish(stub, channel, "late")

        def done(self) -> bool:
            return came >= self._until

        def result(self) -> None:
            pass

    last: list[Overtaken] = []
    begin_ping = connection.begin_ping

    def begun(client: connection.Client, patience: float, notify: Callable[[], None]) -> Any:
        if patience != LAST_PING:
            return begin_ping(client, patience, notify)
        last.append(Overtaken(is_another=len(last) < 2))
        notify()
        return last[-1]

    monkeypatch.setattr(Expectation, "see", counted)
    monkeypatch.setattr(connection, "begin_ping", begun)
    words = ["expect", "events", channel, "--exactly", "2", "--within", "100ms", "-a", broker.address]
    assert main.main(words) == 0
    assert len(last) == 3


SENDING = {"queue": ("queue", "send"), "events": ("events", "pub"), "store": ("store", "pub")}


@pytest.mark.parametrize("kind", SENDING)
def test_a_ready_file_says_that_what_comes_now_is_seen(
    run: Run, start: Start, channel: str, kind: str
) -> None:
    watching = start("expect", kind, channel, "--within", "30s", ready=True)
    assert watching.ready == "live"
    assert run(*SENDING[kind], channel, "x").code == 0
    ended = watching.wait()
    assert (ended.code, ended.out) == (0, b"x")


def test_a_ready_file_is_written_before_the_command_starts_and_an_old_one_is_taken_away(
    run: Run, channel: str, tmp_path: Path
) -> None:
    file = tmp_path / "ready"
    file.write_text("old\n")
    line = ("expect", "events", channel, "--none", "--within", "0s", "--ready-file", file)
    assert run(*line, "--", "grep", "live", file).code == 0
    assert run(*line, address="127.0.0.1:1").code == 5
    assert not file.exists()
    assert run(*line[:-1], tmp_path / "none" / "ready", address="127.0.0.1:1").code == 3


# --- queues ---


def test_what_waits_is_seen_and_stays(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    result = run("expect", "queue", channel, "--exactly", "2", "--within", "50ms", "-o", "json")
    assert result.code == 0
    assert [record["sequence"] for record in result.records()] == [1, 2]
    assert result.err == "as expected: 2 came\n"
    assert run("queue", "info", channel, "--format", "{waiting}").text == "2\n"


def test_a_pipe_gets_the_exact_bytes_of_the_one_message_that_is_asked_for(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, b"\0\xff\n")
    stub.send(channel, b"second")
    assert run("expect", "queue", channel).out == b"\0\xff\n"
    assert run("expect", "queue", channel, "--count", "2").out == b"\0\xff\n\nsecond\n"


def test_what_is_missing_is_11_and_the_nearest_are_shown_with_what_they_lack(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, b'{"id": 1, "state": "new"}')
    stub.send(channel, b'{"id": 2, "state": "paid"}')
    line = ("expect", "queue", channel, "--where", "body.id=1", "--where", "body.state=paid")
    result = run(*line, "--within", "50ms")
    assert (result.code, result.out) == (11, b"")
    assert result.err.splitlines() == [
        "the nearest that came, and what each of them is not:",
        "  #1  body.state=paid: it is new",
        "  #2  body.id=1: it is 2",
        f"error: 0 of 1 expected came to {channel}, 2 others did not match",
    ]
    *misses, error = run(*line, "--within", "50ms", "--json").err.splitlines()
    assert [json.loads(miss)["failed"] for miss in misses] == [["body.state=paid"], ["body.id=1"]]
    assert json.loads(misses[0])["body"] == '{"id": 1, "state": "new"}'
    assert json.loads(error)["error"] == "expectation-failed"


def test_a_message_without_what_a_condition_looks_at_says_that_it_is_missing(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, b"no JSON \x1b[31m")
    result = run("expect", "queue", channel, "--where", "body.id=1", "--where", "body~^x", "--within", "50ms")
    assert "  #1  body.id=1: missing\n      body~^x: it is no JSON \\x1b[31m\n" in result.err


def test_a_condition_that_never_ends_is_cut_in_what_is_said_of_it(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, b"x" * 500)
    missed = run("expect", "queue", channel, "--where", f"body={'y' * 500}", "--within", "50ms").err
    assert ("y" * 190 in missed, "y" * 200 in missed) == (True, False)
    came = run("expect", "queue", channel, "--never", f"body={'x' * 500}", "--within", "50ms").err
    assert ("x" * 190 in came, "x" * 200 in came) == (True, False)


def test_none_and_exactly_are_kept_to_the_end(run: Run, stub: Stub, channel: str) -> None:
    assert run("expect", "queue", channel, "--none", "--within", "50ms").code == 0
    stub.fill(channel, 2)
    result = run("expect", "queue", channel, "--none", "--within", "10m")
    assert (result.code, result.err) == (11, f"error: 2 messages came to {channel}, none was expected\n")
    result = run("expect", "queue", channel, "--exactly", "1", "--within", "10m")
    assert (result.code, result.err) == (11, f"error: 2 messages came to {channel}, 1 was expected\n")
    assert run("expect", "queue", channel, "--exactly", "3", "--within", "50ms").code == 11


def test_never_names_what_must_not_come(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, b"good")
    stub.send(channel, b"bad")
    result = run("expect", "queue", channel, "--never", "body=bad")
    assert (result.code, result.out) == (11, b"")
    assert result.err.splitlines() == [
        "  #2  matches body=bad",
        f"error: #2 came to {channel}, and must not: body=bad",
    ]
    result = run("expect", "queue", channel, "--never", "body=worse", "--within", "50ms")
    assert (result.code, result.err) == (0, "as expected: nothing that must not came, 2 others\n")
    assert run("expect", "queue", channel, "--where", "body=good", "--never", "body=worse").code == 0
    assert run("expect", "queue", channel, "--where", "body=good", "--never", "body=bad").code == 11


def test_only_what_the_command_brought_counts(run: Run, start: Start, stub: Stub, channel: str) -> None:
    stub.send(channel, b"old")
    started = begin(start, "queue", channel)
    stub.send(channel, b"new")
    assert end(started) == 0
    assert started.out == b"new"
    started = begin(start, "queue", channel, "--within", "50ms")
    assert end(started) == 11


def test_take_acknowledges_what_matched_when_all_holds(run: Run, stub: Stub, channel: str) -> None:
    for body in (b"a", b"b", b"a"):
        stub.send(channel, body)
    line = ("expect", "queue", channel, "--where", "body=a", "--take")
    assert run(*line, "--count", "3", "--within", "50ms").code == 11
    assert run("queue", "peek", channel, "--all").text == "a\nb\na\n"
    result = run(*line, "--exactly", "2", "--within", "50ms")
    assert (result.code, result.text) == (0, "a\na\n")
    assert run("queue", "peek", channel, "--all", "--format", "{sequence} {body}").text == "2 b\n"


@pytest.mark.builtin
def test_take_of_what_others_have_taken_meanwhile_is_7(
    run: Run, start: Start, stub: Stub, channel: str
) -> None:
    stub.send(channel, b"x")
    started = begin(start, "queue", channel, "--exactly", "1", "--within", "1s", "--take")
    stub.send(channel, b"y")
    started.wait_for_stdout(b"y")
    stub.receive(channel, 2)
    assert end(started) == 7
    assert "1 message of 1 that matched could not be taken" in started.err


def test_more_than_can_be_looked_at_is_7(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1025)
    result = run("expect", "queue", channel, "--none", "--where", "body=nothing")
    assert result.code == 7
    assert f"1,025 messages wait in {channel}, and 1,024 at most can be looked at" in result.err


# The community server leaves with the holder what was peeked at beside it: more is hidden from look to look.
@pytest.mark.builtin
def test_what_others_hold_is_not_taken_for_nothing(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stub.downstream().get(channel, 2)
    line = ("expect", "queue", channel, "--within", "50ms")
    for nothing in (["--none", "--where", "body=1"], ["--never", "body=1"], ["--exactly", "1"]):
        result = run(*line, *nothing)
        assert result.code == 7, result.err
        assert "the server counts 2 more messages and gives none" in result.err
        assert f"not all of {channel} could be looked at" in result.err
    result = run(*line, "--count", "2")
    assert result.code == 11
    assert "the server counts 2 more messages and gives none" in result.err
    # What has come is there, whatever else there may be.
    assert run(*line).code == 0
    assert run(*line, "--none").code == 11


def test_what_others_held_when_the_command_began_is_not_its_doing(
    start: Start, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 1)
    holder = stub.downstream()
    holder.get(channel)
    started = begin(start, "queue", channel, "--none", "--within", "50ms")
    assert end(started) == 0
    started = begin(start, "queue", channel, "--exactly", "1", "--within", "50ms")
    holder.cancel()
    stub.send(channel, b"new")
    assert end(started) == 0
    assert started.out == b"new"


# --- events ---


def test_the_subscription_is_live_before_the_command_runs(start: Start, stub: Stub, channel: str) -> None:
    started = begin(start, "events", channel, "--where", "body=b", "-o", "json")
    publish(stub, channel, b"a")
    publish(stub, channel, b"b")
    assert end(started) == 0
    assert [json.loads(line)["body"] for line in started.out.splitlines()] == ["b"]
    assert "as expected: 1 came" in started.err


def test_events_that_do_not_come_are_11_and_those_that_must_not_too(
    start: Start, stub: Stub, channel: str
) -> None:
    started = begin(start, "events", channel, "--within", "50ms")
    assert end(started) == 11
    started = begin(start, "events", channel, "--none", "--within", "10m")
    publish(stub, channel, b"a")
    assert end(started) == 11


def test_stored_events_count_from_where_it_begins(run: Run, start: Start, stub: Stub, channel: str) -> None:
    publish(stub, channel, b"1", store=True)
    assert run("expect", "store", channel, "--from", "first").out == b"1"
    assert run("expect", "store", channel, "--within", "50ms").code == 11
    started = begin(start, "store", channel, "--count", "2")
    publish(stub, channel, b"2", store=True)
    publish(stub, channel, b"3", store=True)
    assert end(started) == 0
    assert started.out == b"2\n3\n"


# --- the command ---


@pytest.mark.parametrize("pattern", ["queue", "events", "store"])
def test_a_command_that_fails_is_10_whatever_came(
    start: Start, stub: Stub, channel: str, pattern: str
) -> None:
    started = begin(start, pattern, channel, "--within", "10m")
    if pattern == "queue":
        stub.send(channel, b"x")
    else:
        publish(stub, channel, b"x", store=pattern == "store")
    assert end(started, 7) == 10
    assert started.err.splitlines()[-1] == "error: the command sh ended with 7"


def test_a_command_that_is_not_there_is_3_before_anything_is_asked(run: Run, channel: str) -> None:
    result = run("expect", "events", channel, "--", "no-such-command", address="127.0.0.1:1")
    assert (result.code, "no-such-command" in result.err) == (3, True)


def test_the_command_finds_the_address_and_its_stdout_is_not_ours(
    run: Run, channel: str, broker: Broker
) -> None:
    result = run(
        "expect", "queue", channel, "--none", "--within", "0s", "--", "sh", "-c", "echo $KUBEMQ_ADDRESS"
    )
    assert (result.code, result.out) == (0, b"")
    assert result.err.splitlines()[0] == broker.address


def test_a_stop_reaches_the_command_and_all_that_it_started(
    start: Start, channel: str, tmp_path: Path
) -> None:
    code = f"sleep 60 & echo $! > {tmp_path}/pid; echo running; wait"
    started = start("expect", "events", channel, "--", "sh", "-c", code)
    started.wait_for_stderr("running")
    os.kill(started.pid, signal.SIGTERM)
    assert started.wait().code == 143
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists(), "its background job is gone")


def test_a_command_goes_when_the_watch_cannot_go_on(start: Start, broker: Broker, channel: str) -> None:
    with Proxy(broker.address) as proxy:
        started = begin(start, "events", channel, "--within", "10m", address=proxy.address)
        proxy.cut()
        assert started.wait().code == 5


# --- never 0 when nothing was seen ---


def test_a_server_that_is_silent_at_the_end_is_5(start: Start, broker: Broker, channel: str) -> None:
    with Proxy(broker.address) as proxy:
        started = begin(start, "events", channel, "--none", "--within", "50ms", address=proxy.address)
        proxy.freeze()
        assert end(started) == 5
        assert "as expected" not in started.err


# --- the command line ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--count", "1", "--none"), "--count and --none cannot be used together"),
        (("--exactly", "1", "--none"), "--exactly and --none cannot be used together"),
        (("--where", "nothing=1"), "--where nothing=1"),
        (("--never", "body.x"), "--never takes FIELD OP VALUE"),
        (("--within", "5"), "--within"),
    ],
)
def test_what_cannot_be_meant_is_2_before_anything_is_asked(
    run: Run, options: tuple[str, ...], said: str
) -> None:
    result = run("expect", "queue", "q", *options, address="127.0.0.1:1")
    assert result.code == 2
    assert said in result.err
