"""`kill -9` on the broker under load: nothing that was acknowledged is lost or doubled, and senders end."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import NewBroker
from tests.support.program import Start
from tests.support.raw_grpc import Stub
from tests.support.server import Broker

pytestmark = pytest.mark.builtin

ROUNDS = 5


def pour(pipe: IO[bytes], numbers: Iterator[int]) -> None:
    """Numbered lines, as fast as they are taken, until nobody takes them any more."""
    # ValueError: the end of the process may close the pipe under us.
    with contextlib.suppress(BrokenPipeError, ValueError), pipe:
        while True:
            pipe.write(b"".join(b"%08d and some more to carry\n" % next(numbers) for _ in range(100)))


def killed_while_sending(
    start: Start, broker: Broker, channel: str, numbers: Iterator[int], unknown: Path
) -> list[str]:
    """The ids that a sender has printed whose broker was killed once it had taken some."""
    options = ["--lines", "--unknown", str(unknown), "--connect-timeout", "500ms"]
    sending = start("queue", "send", channel, *options, stdin=subprocess.PIPE, address=broker.address)
    feeder = threading.Thread(target=pour, args=(sending.stdin, numbers))
    feeder.start()
    sending.wait_for_stdout(b"\n")
    assert broker.process
    broker.process.kill()
    ended = sending.wait(20)
    feeder.join(20)
    assert ended.code == 7, ended.err
    assert f"cannot connect to {broker.address}" in ended.err
    assert "stopped after line" in ended.err
    return ended.text.split()


def taken_out(broker: Broker, channel: str) -> list[tuple[str, bytes]]:
    """Every message of the queue, its id and body, in order."""
    with Stub(broker.address) as stub:
        [info] = stub.info(channel).Info.Queues
        answer = stub.downstream().get(channel, info.Waiting)
        assert [m.Attributes.Sequence for m in answer.Messages] == list(range(1, info.Waiting + 1))
        return [(m.MessageID, m.Body) for m in answer.Messages]


def test_what_was_acknowledged_is_there_once_after_every_kill(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    data, numbers = tmp_path / "data", itertools.count()
    printed: list[str] = []
    doubtful: set[bytes] = set()
    broker = new_broker("--data", data)
    for number in range(ROUNDS):
        unknown = tmp_path / f"unknown-{number}"
        printed += killed_while_sending(start, broker, channel, numbers, unknown)
        doubtful |= {json.loads(line)["body"].encode() for line in unknown.read_text().splitlines()}
        broker = new_broker("--data", data, listen=broker.address)
    stored = taken_out(broker, channel)
    ids = Counter(id for id, _ in stored)
    bodies = Counter(body for _, body in stored)
    assert len(set(printed)) == len(printed)
    assert [id for id in printed if ids[id] != 1] == []
    assert [body for body, count in bodies.items() if count != 1] == []
    # What is there beyond the acknowledged was in doubt, and said so.
    assert {body for id, body in stored if id not in set(printed)} <= doubtful
    assert list(bodies) == sorted(bodies)


def test_a_sender_whose_broker_dies_before_it_took_any_ends_with_5(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    options = ["--lines", "--connect-timeout", "500ms"]
    sending = start("queue", "send", channel, *options, stdin=subprocess.PIPE, address=broker.address)
    sending.stdin.write(b"unfinished")
    sending.stdin.flush()
    with Stub(broker.address) as stub:
        stub.ping()
    assert broker.process
    broker.process.kill()
    sending.stdin.close()
    ended = sending.wait()
    assert (ended.code, ended.out) == (5, b"")
    assert f"cannot connect to {broker.address}" in ended.err
