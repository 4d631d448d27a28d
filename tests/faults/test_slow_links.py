"""A link of 300 ms a round trip, and a server that pauses for longer than anybody waits for a message."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.conftest import NewBroker
from tests.support.program import Start
from tests.support.proxy import Plan, Proxy
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

pytestmark = pytest.mark.xdist_group("faults")
COUNT = 40
LINES = [f"{n} {'x' * 2000}" for n in range(COUNT)]
OUTPUT = "".join(f"{line}\n" for line in LINES).encode()
COMMANDS = {
    "received": ["queue", "receive", "received", "--all", "--wait", "50ms"],
    "followed": ["queue", "receive", "followed", "--follow", "--count", str(COUNT), "--idle", "0s"],
    "handled": ["queue", "receive", "handled", "--all", "--wait", "50ms", "--", "cat"],
    "seen": ["queue", "peek", "seen", "--all", "--wait", "50ms"],
    "moved": ["queue", "move", "moved", "target", "--all"],
    "sent": ["queue", "send", "sent", "--lines"],
}


@pytest.mark.builtin
def test_a_slow_link_and_a_server_that_pauses_cost_no_message(
    start: Start, new_broker: NewBroker, tmp_path: Path
) -> None:
    broker = new_broker()
    lines = tmp_path / "lines"
    lines.write_bytes(OUTPUT)
    assert broker.process
    with Stub(broker.address) as stub, Proxy(broker.address, Plan(delay=0.15)) as proxy:
        for name in COMMANDS:
            if name != "sent":
                stub.batch([stub.message(name, line) for line in LINES])
        with lines.open("rb") as given:
            runs = {
                name: start(*words, address=proxy.address, stdin=given) for name, words in COMMANDS.items()
            }
        until(lambda: len(proxy._open) >= 2 * len(COMMANDS), "all have connected")
        broker.process.send(signal.SIGSTOP)
        time.sleep(1.3)  # no message is waited for as long
        broker.process.send(signal.SIGCONT)
        results = {name: run.wait(60) for name, run in runs.items()}
        assert {name: result.code for name, result in results.items()} == dict.fromkeys(COMMANDS, 0), results
        for name in ("received", "followed", "seen"):
            assert results[name].out == OUTPUT
        assert results["handled"].out == OUTPUT.replace(b"\n", b"")
        assert results["moved"].out == b"%d\n" % COUNT
        for name in ("target", "sent", "seen"):
            assert [m.Body.decode() for m in stub.receive(name, 2 * COUNT).Messages] == LINES
        waiting = {q.Name: q.Waiting for q in stub.info().Info.Queues}
        assert not sum(waiting.values()), waiting
