"""kill -9, at any moment, of real processes: consumers, handlers and brokers."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.accounts import Account, bodies_in, rounds, settle
from tests.support.program import Start, Started
from tests.support.raw_grpc import Stub
from tests.support.server import Broker, start_broker
from tests.support.waiting import until

pytestmark = [pytest.mark.xdist_group("faults")]
Record = Callable[[str, object], None]

# One whose worker dies before it has the message reads nothing.
HANDLER = (
    'read n; test "$n" || exit 1; echo "$$" >> "$PIDS"; sleep 0.0$((n % 5)); echo "$n" >> "$LOG"; echo "$n"'
)


class Round:
    """A queue with numbered messages and a log of what was handled."""

    def __init__(self, address: str, seed: int, count: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.address = address
        self.channel = f"k-{uuid.uuid4().hex[:10]}-queue"
        self.names = [str(n) for n in range(1, count + 1)]
        self.log = folder / f"log-{seed}"
        self.pids = folder / f"pids-{seed}"
        self.out = folder / f"out-{seed}"
        for file in (self.log, self.pids, self.out):
            file.touch()
        with Stub(address) as stub:
            stub.fill(self.channel, count)

    def start(self, start: Start, *words: str) -> Started:
        """`kubemqctl queue WORDS…`, its output in a file."""
        env = {"LOG": str(self.log), "PIDS": str(self.pids)}
        with self.out.open("ab") as out:
            return start("queue", *words, env=env, stdout=out, address=self.address)

    def kill_in_the_middle(self, started: Started, begun: Path, within: float = 0.1) -> bool:
        """kill -9 a moment after it began to do something; whether it was still running then."""
        until(lambda: begun.stat().st_size or not started.running, "it has begun", timeout=30)
        time.sleep(self.rng.uniform(0, within))
        was_running = started.running
        started.send(signal.SIGKILL)
        started.process.wait()
        return was_running

    def orphans_gone(self) -> None:
        """Handlers outlive a killed worker: what they do still counts."""

        def gone() -> bool:
            return not any(Path(f"/proc/{pid}").exists() for pid in self.pids.read_text().split())

        until(gone, "the last handlers have ended")

    def found(self, place: str, file: Path, *channels: str) -> dict[str, list[str]]:
        lines = file.read_bytes().split(b"\n")[:-1]
        with Stub(self.address) as stub:
            return {place: [line.decode() for line in lines], **bodies_in(stub, self.channel, *channels)}


Many = Callable[[int, int], Round]


@pytest.fixture
def many(broker: Broker, tmp_path: Path) -> Many:
    """many(seed, count): a round on the shared broker."""
    return lambda seed, count: Round(broker.address, seed, count, tmp_path)


def test_a_worker_is_killed(many: Many, start: Start, record_property: Record) -> None:
    def play(seed: int) -> Account:
        r = many(seed, 30)
        concurrency = r.rng.randint(1, 3)
        words = ["--all", "--concurrency", str(concurrency), "--", "sh", "-c", HANDLER]
        killed = r.kill_in_the_middle(r.start(start, "receive", r.channel, *words), r.log)
        r.orphans_gone()
        account = settle(r.names, r.found("the handlers' log", r.log), broken=killed, may_double=killed)
        # What was in hand, and what was being settled.
        assert account.doubles <= 2 * concurrency
        return account

    rounds(6, play, record_property, reaches="the handlers' log")


def test_a_consumer_that_prints_is_killed(many: Many, start: Start, record_property: Record) -> None:
    def play(seed: int) -> Account:
        r = many(seed, 6000)
        words = ["receive", r.channel, "--all", "--format", "{body}"]
        killed = r.kill_in_the_middle(r.start(start, *words), r.out, within=0.02)
        return settle(r.names, r.found("the output", r.out), broken=killed, may_double=killed)

    rounds(8, play, record_property, reaches="the output")


def test_a_move_is_killed(many: Many, start: Start, record_property: Record) -> None:
    def play(seed: int) -> Account:
        r = many(seed, 300)
        target = f"{r.channel}-target"
        mover = r.start(start, "move", r.channel, target, "--all", "--rate", "1000/s")
        with Stub(r.address) as stub:
            until(
                lambda: stub.info(target).Info.Waiting or not mover.running, "something has moved", timeout=30
            )
        time.sleep(r.rng.uniform(0, 0.2))
        killed = mover.running
        mover.send(signal.SIGKILL)
        mover.process.wait()
        account = settle(r.names, r.found("the output", r.log, target), broken=killed, may_double=killed)
        assert account.doubles <= 100
        return account

    rounds(8, play, record_property, reaches="target")


def test_a_transaction_is_killed_with_its_handler_running(
    many: Many, start: Start, record_property: Record
) -> None:
    def play(seed: int) -> Account:
        r = many(seed, 1)
        killed = r.kill_in_the_middle(r.start(start, "tx", r.channel, "--", "sh", "-c", HANDLER), r.pids)
        r.orphans_gone()
        return settle(r.names, r.found("the handlers' log", r.log), broken=killed, may_double=killed)

    rounds(8, play, record_property, reaches="the handlers' log")


def test_handlers_are_killed(many: Many, start: Start, record_property: Record) -> None:
    def play(seed: int) -> Account:
        r = many(seed, 20)
        worker = r.start(start, "receive", r.channel, "--all", "--", "sh", "-c", HANDLER)
        hit = 0
        while worker.running:
            time.sleep(r.rng.uniform(0.005, 0.05))
            if pids := r.pids.read_text().split():
                hit += _killed(int(pids[-1]))
        assert worker.process.returncode in (0, 10)
        # One that is hit after it has done its work, and before it has ended, has failed all the same.
        account = settle(r.names, r.found("the handlers' log", r.log), broken=hit > 0, may_double=hit > 0)
        assert account.doubles <= hit
        return account

    rounds(4, play, record_property, reaches="the handlers' log")


# Says what it does before it answers; whoever kills it in between makes a double.
PERSISTENT = """
import json, os, sys, time
print('{"kubemqctl": 1}')
for line in sys.stdin:
    record = json.loads(line)
    print(os.getpid(), file=open(os.environ["PIDS"], "a"))
    time.sleep(int(record["body"]) % 5 / 100)
    print(record["body"], file=open(os.environ["LOG"], "a"))
    print(json.dumps({"sequence": record["sequence"]}))
"""


def test_a_persistent_handler_or_its_worker_is_killed(
    many: Many, start: Start, record_property: Record
) -> None:
    def play(seed: int) -> Account:
        r = many(seed, 30)
        concurrency = r.rng.randint(1, 3)
        words = ["--all", "--persistent", "--concurrency", str(concurrency)]
        worker = r.start(start, "receive", r.channel, *words, "--", sys.executable, "-c", PERSISTENT)
        if seed % 2:
            killed = r.kill_in_the_middle(worker, r.log)
            r.orphans_gone()
        else:
            until(lambda: r.log.stat().st_size or not worker.running, "it has begun", timeout=30)
            killed = bool(_killed(int(r.pids.read_text().split()[-1])))
            assert worker.wait(60).code in (0, 10)
        account = settle(r.names, r.found("the handlers' log", r.log), broken=killed, may_double=killed)
        assert account.doubles <= 2 * concurrency
        return account

    rounds(6, play, record_property, reaches="the handlers' log")


def _killed(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


@pytest.mark.builtin
def test_the_broker_is_killed_under_a_worker_that_follows(
    start: Start, tmp_path: Path, record_property: Record
) -> None:
    def play(seed: int) -> Account:
        folder = tmp_path / str(seed)
        folder.mkdir()
        broker = start_broker(folder, "--data", folder / "data")
        try:
            r = Round(broker.address, seed, 40, folder)
            worker = r.start(
                start, "receive", r.channel, "--follow", "--concurrency", "2", "--", "sh", "-c", HANDLER
            )
            until(lambda: r.log.stat().st_size, "it has begun", timeout=30)
            time.sleep(r.rng.uniform(0, 0.4))
            assert broker.process
            broker.process.kill()
            time.sleep(r.rng.uniform(0, 0.3))
            broker = start_broker(folder, "--data", folder / "data", listen=broker.address)
            with Stub(r.address) as stub:
                until(lambda: not stub.info(r.channel).Info.Waiting, "all are handled", timeout=60)
            assert worker.stop().code == 143
            # Each handler's work is known to the worker, however often the message comes.
            return settle(r.names, r.found("the handlers' log", r.log), broken=True, may_double=False)
        finally:
            if broker.process:
                broker.process.kill()

    rounds(3, play, record_property, reaches="the handlers' log")
