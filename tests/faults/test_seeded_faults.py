"""A worker with retries and dead letters on a broker that fails on purpose: nothing is lost.

`make fuzz` plays many more rounds, in which a thousand faults strike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.faults.accounts import Account, bodies_in, rounds, settle
from tests.support.program import Start
from tests.support.raw_grpc import Stub
from tests.support.server import start_broker

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.builtin]

ROUNDS, MESSAGES = (25, 60) if int(os.environ.get("KUBEMQ_TEST_FUZZ") or 1) > 1 else (1, 30)
# Every sixth fails always; the others fail never.
HANDLER = 'read n; test $((n % 6)) != 0 && echo "$n" >> "$LOG"'
FAULTS = (
    "error=4%@QueuesDownstream",
    "cut=2%@QueuesDownstream",
    "lose-answer=3%@QueuesDownstream",
    "redeliver=10%@QueuesDownstream",
    "latency=0ms..5ms@QueuesDownstream",
    "lose-answer=10%@SendQueueMessage",
    "lose-answer=10%@SendQueueMessagesBatch",
)


def test_a_worker_that_retries_loses_nothing_on_a_broker_that_fails(
    start: Start, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    def play(seed: int) -> Account:
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        options = [word for fault in FAULTS for word in ("--fault", fault)]
        broker = start_broker(folder, "--ephemeral", *options, "--fault-seed", str(seed))
        assert broker.process
        try:
            account = worked(broker.address, folder)
            err = broker.process.stop().err
        finally:
            broker.process.kill()
        struck = sum(int(n) for n in re.findall(r"^fault (?!latency).*: (\d+) of", err, re.MULTILINE))
        account.places["faults"] = struck
        return account._replace(broken=struck > 0)

    def worked(address: str, folder: Path) -> Account:
        names = [str(n) for n in range(1, MESSAGES + 1)]
        log = folder / "log"
        log.touch()
        with Stub(address) as stub:
            sent = [stub.message("f-queue", name) for name in names]
            stream = stub.upstream()
            assert not stream.ask(pb.QueuesUpstreamRequest(RequestID="1", Messages=sent)).IsError
            words = ["--follow", "--idle", "4s", "--connect-wait", "20s", "--concurrency", "2"]
            words += ["--on-fail", "retry=1s", "--max-attempts", "2", "--dead-letter", "f-dead"]
            command = ["queue", "receive", "f-queue", *words, "--", "sh", "-c", HANDLER]
            worker = start(*command, env={"LOG": str(log)}, address=address)
            assert worker.wait(100).code in (10, 5, 7), worker
            found = {"handled": log.read_text().split(), **bodies_in(stub, "f-queue", "f-dead")}
        failing = {name for name in names if int(name) % 6 == 0}
        assert set(found["dead"]) <= failing, "dead-lettered though it was handled"
        assert not failing & set(found["handled"])
        return settle(names, found, broken=True, may_double=True)

    # A fault may end the worker before anything is a dead letter: test_broken_networks.py has more rounds.
    rounds(ROUNDS, play, record_property, reaches="handled")
