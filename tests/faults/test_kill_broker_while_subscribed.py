"""`kill -9` on the broker under `store sub` and a publisher: every event is printed once and in order."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import NewBroker
from tests.support.program import Argument, Start, Started
from tests.support.server import Broker
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

ROUNDS = 5
EVENTS = 500


def restarted(new_broker: NewBroker, broker: Broker, data: Path) -> Broker:
    """Kill the broker, and have it back on the same address with the same data."""
    assert broker.process
    broker.process.kill()
    return new_broker("--data", data, listen=broker.address)


def feed(pub: Started, first: int, end: int) -> None:
    """Numbers as lines, one at a time: each may go out alone."""
    for number in range(first, end):
        pub.stdin.write(b"%d\n" % number)
        pub.stdin.flush()


def until_published(pub: Started, count: int) -> None:
    until(lambda: len(pub.out.splitlines()) >= count, f"{count} events published", 30)


def until_back(sub: Started, times: int) -> None:
    until(lambda: sub.err.count("connected again") == times, f"the subscriber is back {times} times", 30)


def until_holds(file: Path, text: str) -> None:
    until(lambda: file.exists() and text in file.read_text(), f"{text} in {file.name}", 30)


def test_no_event_is_lost_or_doubled_over_five_kills(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    broker = new_broker("--data", data)
    address = broker.address
    sub = start("store", "sub", channel, "-o", "json", ready=True, address=address)
    pub = start("store", "pub", channel, "--lines", "--retry", "200", stdin=subprocess.PIPE, address=address)
    for number in range(1, ROUNDS + 1):
        half = number * 100 - 50
        feed(pub, half - 50, half)
        until_published(pub, half - 30)
        broker = restarted(new_broker, broker, data)
        feed(pub, half, half + 50)
        until_published(pub, half + 50)
        until_back(sub, number)
    pub.stdin.close()
    assert pub.wait().code == 0
    # What was tried again may be stored twice: the publisher was told to risk that.
    until(lambda: b'"body":"%d"' % (EVENTS - 1) in sub.out, "the last event", 30)
    ended = sub.stop()
    records = ended.records()
    sequences = [record["sequence"] for record in records]
    assert sequences == list(range(1, len(records) + 1))
    bodies = list(dict.fromkeys(int(record["body"]) for record in records))
    assert bodies == list(range(EVENTS))
    assert len(records) < EVENTS + ROUNDS * 100
    assert ended.err.count("connecting again") == ended.err.count("connected again") == ROUNDS
    assert f"{len(records)} received, connection lost {ROUNDS} times" in ended.err


def test_a_checkpoint_goes_on_over_kills_of_broker_and_subscriber(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    data, position, out = tmp_path / "data", tmp_path / "position", tmp_path / "out"
    broker = new_broker("--data", data)
    address = broker.address
    options: list[Argument] = ["--from", "first", "--checkpoint", position, "-o", "json"]
    for number in range(3):
        with out.open("ab") as file:
            sub = start("store", "sub", channel, *options, stdout=file, address=address)
            pub = start("store", "pub", channel, "--lines", stdin=subprocess.PIPE, address=address)
            pub.stdin.write(b"".join(b"%d\n" % n for n in range(100)))
            pub.stdin.close()
            assert pub.wait().code == 0
            until_holds(out, f'"sequence":{number * 100 + 50}}}')
            broker = restarted(new_broker, broker, data)
            until_holds(out, f'"sequence":{number * 100 + 100}}}')
            until_holds(position, f'"sequence": {number * 100 + 100},')
            sub.kill()
    sequences = [json.loads(line)["sequence"] for line in out.read_text().splitlines()]
    assert sequences == list(range(1, 301))


def test_events_come_again_after_a_restart_and_the_gap_is_said(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "data")
    address = broker.address
    sub = start("events", "sub", channel, ready=True, address=address)
    assert start("events", "pub", channel, "before", address=address).wait().code == 0
    sub.wait_for_stdout(b"before\n")
    broker = restarted(new_broker, broker, tmp_path / "data")
    sub.wait_for_stderr("reconnected; events published in the meantime were not received")
    assert start("events", "pub", channel, "after", address=address).wait().code == 0
    sub.wait_for_stdout(b"after\n")
    ended = sub.stop()
    assert ended.text == "before\nafter\n"
    assert ended.err.count("was lost; connecting again") == 1


def test_without_reconnecting_a_lost_connection_ends_the_run(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    sub = start("store", "sub", channel, "--no-reconnect", ready=True, address=broker.address)
    assert broker.process
    broker.process.kill()
    ended = sub.wait()
    assert ended.code == 5
    assert f"error: the connection to {broker.address} was lost" in ended.err


def test_a_server_that_comes_back_empty_is_noticed_and_nothing_is_skipped(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "one")
    address = broker.address
    sub = start("store", "sub", channel, "-o", "json", ready=True, address=address)
    for number in range(1, 4):
        start("store", "pub", channel, f"old {number}", address=address).wait()
    sub.wait_for_stdout(b"old 3")
    restarted(new_broker, broker, tmp_path / "two")
    sub.wait_for_stderr("its sequences start over")
    for number in range(1, 3):
        start("store", "pub", channel, f"new {number}", address=address).wait()
    sub.wait_for_stdout(b"new 2")
    bodies = [(record["sequence"], record["body"]) for record in sub.stop().records()]
    assert bodies == [(1, "old 1"), (2, "old 2"), (3, "old 3"), (1, "new 1"), (2, "new 2")]


def test_a_server_with_other_events_than_before_is_noticed(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    """It is refilled beyond where it was before the subscriber is back."""
    broker = new_broker("--data", tmp_path / "one")
    address = broker.address
    sub = start("store", "sub", channel, ready=True, address=address)
    start("store", "pub", channel, "old", address=address).wait()
    sub.wait_for_stdout(b"old\n")
    sub.send(signal.SIGSTOP)
    restarted(new_broker, broker, tmp_path / "two")
    pub = start("store", "pub", channel, "--lines", stdin=subprocess.PIPE, address=address)
    pub.stdin.write(b"new 1\nnew 2\nnew 3\n")
    pub.stdin.close()
    assert pub.wait().code == 0
    sub.send(signal.SIGCONT)
    sub.wait_for_stdout(b"new 3\n")
    ended = sub.stop()
    assert ended.text == "old\nnew 1\nnew 2\nnew 3\n"
    assert "its sequences start over" in ended.err
