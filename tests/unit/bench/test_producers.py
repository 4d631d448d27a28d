"""Producers, before servers that refuse or stall."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import pytest

from kubemqctl.bench.producers import Producer, produce
from kubemqctl.bench.recorder import Recorder
from kubemqctl.bench.workload import Schedule, writer
from kubemqctl.client.connect import connect
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import (
    InvalidRequest,
    NotReady,
)
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import fake_server
from tests.unit.bench.sample_run import MS, RUN, workload


def load_of(address: str, stop: threading.Event, **changes: Any) -> tuple[Producer, list[int]]:
    """What a producer works with, for five messages, and a list of what the server took."""
    work = workload(total=5, duration=None, **changes)
    settings = resolve(Flags(addresses=(address,)), {})
    took: list[int] = []
    recorder = Recorder(RUN, 1, lambda count: None)
    plan = Schedule(work, 0, 0, stop)
    return Producer(connect(settings), work, plan, writer(RUN, 0, 64), recorder, took.append, stop), took


def refusing(
    text: str, after: int
) -> Callable[[pb.QueueMessagesBatchRequest], pb.QueueMessagesBatchResponse]:
    """Takes the first `after` of a batch and refuses the others with a text."""

    def answer(request: pb.QueueMessagesBatchRequest) -> pb.QueueMessagesBatchResponse:
        errors = chain(repeat("", after), repeat(text))
        results = [
            pb.SendQueueMessageResult(IsError=bool(error), Error=error)
            for error, _ in zip(errors, request.Messages, strict=False)
        ]
        return pb.QueueMessagesBatchResponse(Results=results)

    return answer


def test_what_a_server_that_is_not_ready_refuses_is_counted_and_the_run_goes_on() -> None:
    stop = threading.Event()
    with fake_server(
        SendQueueMessagesBatch=refusing("Error 302: connection not available, please retry", 1)
    ) as at:
        load, took = load_of(at, stop, batch=3)
        with load.client:
            produce(load)
    measured = load.recorder.tell()
    assert (measured.accepted, measured.errors, took) == (2, 3, [1, 1])
    assert isinstance(measured.error, NotReady)
    assert not stop.is_set()


def test_what_no_server_would_take_ends_the_run() -> None:
    stop = threading.Event()
    with fake_server(SendQueueMessagesBatch=refusing("Error 120: invalid queue name value", 0)) as at:
        load, _ = load_of(at, stop, batch=3)
        with load.client, pytest.raises(InvalidRequest):
            produce(load)
    assert stop.is_set()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda r: pb.Response(RequestID=r.RequestID, Executed=False, Error="not me"), "not me"),
        (lambda r: pb.Response(RequestID=r.RequestID, Executed=True, Body=b"else"), "not the expected one"),
    ],
)
def test_an_answer_that_is_none_is_an_error(answer: Callable[[pb.Request], pb.Response], says: str) -> None:
    with fake_server(SendRequest=answer) as at:
        load, _ = load_of(at, threading.Event(), pattern="query")
        with load.client:
            produce(load)
    measured = load.recorder.tell()
    assert (measured.accepted, measured.errors) == (0, 5)
    assert measured.error is not None
    assert says in measured.error.message


@pytest.mark.parametrize(("rate", "late"), [(200.0, range(25, 60)), (None, range(1, 4))])
def test_with_a_rate_a_stall_is_felt_by_all_whom_it_kept_waiting(rate: float | None, late: range) -> None:
    """A server that stalls once, for 200 ms: the forty that were to be sent meanwhile are late as well."""
    stalls = chain([0.0] * 5, [0.2], repeat(0.0))

    def answer(request: pb.Request) -> pb.Response:
        time.sleep(next(stalls))
        return pb.Response(RequestID=request.RequestID, Executed=True)

    with fake_server(SendRequest=answer) as at:
        load, _ = load_of(at, threading.Event(), pattern="cmd", rate=rate, in_flight=1)
        begin = time.monotonic_ns()
        plan = Schedule(load.work._replace(total=60), 0, begin, load.stop)
        with load.client:
            produce(load._replace(schedule=plan))
    latencies = load.recorder.tell().latencies
    assert sum(latencies.values()) == 60
    assert sum(count for latency, count in latencies.items() if latency > 25 * MS) in late
