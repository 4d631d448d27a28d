"""A worker's loop in this process, with a real broker: what it has in hand."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from kubemqctl.messaging.handlers import outcomes
from kubemqctl.messaging.handlers.options import HandlerOptions, find
from kubemqctl.messaging.queues import budget, worker
from kubemqctl.messaging.queues.budget import ReceiveBudget
from kubemqctl.messaging.queues.decisions import Settlement
from kubemqctl.messaging.queues.failing import OnFail
from kubemqctl.messaging.queues.held_messages import worker_calls
from kubemqctl.messaging.queues.receive_options import ReceiveOptions
from kubemqctl.messaging.queues.worker import Worker
from kubemqctl.model.errors import NotReady, Unreachable
from kubemqctl.output.stdout import Stdout
from kubemqctl.runtime.waiting import StopSignal, Wakeup
from kubemqctl.wire import kubemq_pb2 as pb
from tests.faults.consumers import Quiet, connected
from tests.support.fake_server import Abort, fake_server
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.waiting import until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for fd in (read_end, write_end):
        os.close(fd)


@contextmanager
def working(
    broker: Broker, channel: str, command: list[str], concurrency: int, fd: int, stop: StopSignal
) -> Iterator[tuple[Worker, Wakeup]]:
    """A worker under way on all of a channel, printing to `fd`; at the end its end is waited for."""
    run, handles = Quiet(dict(os.environ)), find(command, os.environ)
    wish = ReceiveOptions(channel, most=None, everything=True)
    handler = HandlerOptions(handles, concurrency, None, "body", 1.0)
    with Proxy(broker.address) as proxy, connected(proxy) as client, closing(Wakeup()) as wakeup:
        calls = worker_calls(client, channel, wakeup.notify)
        works = Worker(run, wish, handler, OnFail(Settlement("reject")), calls, Stdout(fd), stop, wakeup)
        thread = threading.Thread(target=works.run)
        thread.start()
        yield works, wakeup
        thread.join(20)


@pytest.fixture
def null() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_WRONLY)
    yield fd
    os.close(fd)


def test_what_is_in_hand_is_bounded_while_nobody_reads_the_output(
    broker: Broker,
    stub: Stub,
    channel: str,
    pipe: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "MOST_IN_HAND", 6)
    monkeypatch.setattr(budget, "MOST_IN_HAND", 6)
    stub.fill(channel, 20)
    read_end, write_end = pipe
    with working(broker, channel, ["echo", "x"], 2, write_end, StopSignal()) as (works, _):
        until(lambda: works.judge.handled >= 6, "as many are handled as may be in hand")
        time.sleep(0.2)
        assert works.judge.handled <= 8
        read = 0
        while read < 40:
            read += len(os.read(read_end, 100))
    assert works.judge.handled == 20
    assert not sum(q.Waiting for q in stub.info(channel).Info.Queues)


def test_a_server_that_answers_pings_alone_is_asked_less_and_less_often(null: int) -> None:
    asked: list[float] = []

    def refuse(requests: Iterator[pb.QueuesDownstreamRequest]) -> Iterator[pb.QueuesDownstreamResponse]:
        asked.append(time.monotonic())
        raise Abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        yield pb.QueuesDownstreamResponse()

    run, stop = Quiet(dict(os.environ)), StopSignal()
    wish = ReceiveOptions("q", most=None, follow=True, wait=None, idle=None, lasting=1.5)
    handler = HandlerOptions(find(["true"], os.environ), 1, None, "body", 1.0)
    with (
        fake_server(QueuesDownstream=refuse) as address,
        Proxy(address) as proxy,
        connected(proxy) as client,
        closing(Wakeup()) as wakeup,
        suppress(Unreachable, NotReady),
    ):
        calls = worker_calls(client, "q", wakeup.notify)
        Worker(run, wish, handler, OnFail(Settlement("reject")), calls, Stdout(null), stop, wakeup).run()
    assert 2 <= len(asked) <= 8
    assert len([text for text in run.said if "trying again" in text]) == 1


def test_what_went_well_is_acknowledged_while_a_failure_beside_it_is_not_believed_yet(
    broker: Broker, stub: Stub, channel: str, null: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "BELIEVED_AFTER", 60.0)
    monkeypatch.setattr(ReceiveBudget, "want", lambda self, concurrency, running: 6)
    stub.fill(channel, 6)
    stop = StopSignal()
    with working(broker, channel, ["grep", "-v", "1"], 2, null, stop) as (works, wakeup):
        until(lambda: stub.info(channel).Info.Queues[0].Waiting == 1, "all but the first are acknowledged")
        assert works.judge.failed == 0
        stop.signum = signal.SIGTERM
        wakeup.notify()
    assert works.settlements.outcomes["acked"] == 5
    assert works.settlements.outcomes["returned"] == 1


# The community server keeps it for whoever asks next, until that settles: here this worker.
@pytest.mark.builtin
def test_what_is_in_hand_when_handlers_become_slow_is_left_to_others(
    broker: Broker, stub: Stub, channel: str, null: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def want(self: ReceiveBudget, concurrency: int, running: int) -> int:
        asked.append(1 if asked else 20)
        return asked[-1]

    monkeypatch.setattr(ReceiveBudget, "want", want)
    monkeypatch.setattr(budget, "SLOW", 0.0)
    stub.fill(channel, 20)
    go_on = tmp_path / "go-on"
    script = f"read n; touch {tmp_path}/$n; [ $n = 1 ] || while ! [ -e {go_on} ]; do sleep 0.05; done"
    with working(broker, channel, ["sh", "-c", script], 1, null, StopSignal()) as (works, _):
        until((tmp_path / "2").exists, "the second one is worked on")
        other = stub.downstream()
        got = other.get(channel, 18, wait=15_000)
        assert [m.Body for m in got.Messages] == [b"%d" % n for n in range(3, 21)]
        other.settle(pb.CloseByClient, got.TransactionId)
        go_on.touch()
    assert works.settlements.outcomes["acked"] == works.judge.handled == 20
    assert not works.settlements.outcomes["returned"]
