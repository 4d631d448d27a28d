"""What a benchmark is made of: its schedule, its accounts, the reckoning, assertions and the drawing."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.bench import coordinator as running
from kubemqctl.bench.bench_channel import BenchChannel
from kubemqctl.bench.coordinator import BenchRun, Measured, ProgressLine, Stage, picture
from kubemqctl.bench.processes import Heard, WorkerProcesses
from kubemqctl.bench.producers import Producer, produce
from kubemqctl.bench.recorder import Latencies, Measurements, Recorder, rounded
from kubemqctl.bench.result import compute_result, hold, parse
from kubemqctl.bench.worker import (
    ACCEPTED,
    CLAIMED,
    HEARD,
    MEASURED,
    Order,
    Scoreboard,
    WorkerReport,
    scoreboard,
)
from kubemqctl.bench.workload import MEASURED as COUNTS
from kubemqctl.bench.workload import SMALLEST, WARM, Due, Pattern, Schedule, Workload, writer
from kubemqctl.cli.main import main
from kubemqctl.client.connect import connect
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.channels import ChannelType
from kubemqctl.model.errors import (
    ConnectionLost,
    InvalidRequest,
    KubemqctlError,
    NotReady,
    Partial,
    TimedOut,
    UsageError,
)
from kubemqctl.model.limits import SECOND
from kubemqctl.model.reports import BenchResult
from kubemqctl.model.text import latency_text
from kubemqctl.output.human.benchmark import draw_bench
from kubemqctl.output.stderr import DIM, ORANGE, RED, ViewOptions
from kubemqctl.runtime.waiting import StopSignal
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import fake_server, nobody_answers, queues

RUN = b"the run!"
MS = 1_000_000


def workload(pattern: Pattern = "queue", **changes: Any) -> Workload:
    plain = Workload(pattern, "c", 1, 1, 64, None, 1.0, None, 0.0, batch=10, in_flight=2, timeout=1.0)
    return plain._replace(**changes)


# --- when messages are due ---


class Clock:
    """Nanoseconds that pass when somebody waits, as an event that is never set."""

    def __init__(self) -> None:
        self.now = 0
        self.is_stopped = False

    def __call__(self) -> int:
        return self.now

    def is_set(self) -> bool:
        return self.is_stopped

    def wait(self, seconds: float) -> bool:
        self.now += max(1, round(seconds * SECOND))
        return False


def schedule(clock: Clock, producer: int = 0, **changes: Any) -> Schedule:
    event: Any = clock
    return Schedule(workload(**changes), producer, 0, event, clock)


def test_with_a_rate_messages_are_due_at_even_intervals_between_all_producers() -> None:
    clocks = [Clock(), Clock()]
    plans = [schedule(clock, at, producers=2, rate=10.0, total=6) for at, clock in enumerate(clocks)]
    found = [[plan.due(5)[0].at // MS for _ in range(3)] for plan in plans]
    assert found == [[0, 200, 400], [100, 300, 500]]
    assert [plan.due(5) for plan in plans] == [[], []]


def test_what_is_late_keeps_the_time_at_which_it_was_due() -> None:
    clock = Clock()
    plan = schedule(clock, rate=100.0)
    assert [due.at // MS for due in plan.due(5)] == [0]
    clock.now = 35 * MS
    assert [due.at // MS for due in plan.due(2)] == [10, 20]
    assert [due.at // MS for due in plan.due(9)] == [30]


def test_without_a_rate_a_message_is_due_when_it_is_asked_for() -> None:
    clock = Clock()
    plan = schedule(clock)
    clock.now = 7
    assert plan.due(2) == [Due(COUNTS, 0, 7), Due(COUNTS, 1, 7)]
    clock.now = SECOND
    assert plan.due(2) == []


def test_what_is_sent_to_warm_up_has_numbers_of_its_own_and_is_not_counted() -> None:
    clock = Clock()
    plan = schedule(clock, warm_up=0.02, rate=100.0, total=2, duration=None)
    found = list(chain.from_iterable(iter(lambda: plan.due(1), [])))
    assert [(due.phase, due.number) for due in found] == [(WARM, 0), (WARM, 1), (COUNTS, 0), (COUNTS, 1)]


def test_a_stop_ends_the_schedule() -> None:
    clock = Clock()
    plan = schedule(clock, rate=1.0, duration=None, total=5)
    assert plan.due(1)
    clock.is_stopped = True
    assert plan.due(1) == []


def test_a_count_is_shared_evenly() -> None:
    work = workload(producers=3, total=8, duration=None)
    assert [work.share(producer) for producer in range(3)] == [3, 3, 2]


# --- accounts ---


def consumer(numbers: Sequence[int], producers: int = 1, took: int = 5 * MS) -> Measurements:
    """What a consumer tells that got these numbers of producer 0, each so long after it was sent."""
    recorder = Recorder(RUN, producers, lambda count: None)
    body = writer(RUN, 0, 64)
    for at, number in enumerate(numbers, start=1):
        recorder.take([body(Due(COUNTS, number, at * MS))], at * MS + took)
    return recorder.tell()


def producer(count: int, errors: int = 0) -> Measurements:
    recorder = Recorder(RUN, 1, lambda count: None)
    recorder.began()
    recorder.accepted([Due(COUNTS, number, 0) for number in range(count)])
    if errors:
        recorder.failed(errors, NotReady("busy"))
    return recorder.tell()._replace(last=100 * MS)


def measured(
    producers: Sequence[Measurements], consumers: Sequence[Measurements], **changes: Any
) -> Measured:
    return Measured(1, producers, consumers, None, 0, True, None)._replace(**changes)


def result(count: int = 4, got: Sequence[int] = range(4), **changes: Any) -> BenchResult:
    return compute_result(measured([producer(count)], [consumer(got)]), workload(**changes), Latencies())


def test_all_that_came_once_and_in_order_is_without_a_flaw() -> None:
    found = result()
    assert (found.sent, found.received, found.loss, found.doubles, found.disorder) == (4, 4, 0, 0, 0)


def test_loss_doubles_and_disorder_are_told_apart() -> None:
    found = result(6, [0, 2, 1, 2, 2, 5])
    assert (found.received, found.loss, found.doubles, found.disorder) == (6, 2, 2, 1)


def test_what_two_consumers_of_a_queue_both_got_is_a_double() -> None:
    work = workload(consumers=2)
    shared = compute_result(
        measured([producer(4)], [consumer([0, 1]), consumer([1, 2, 3])]), work, Latencies()
    )
    assert (shared.loss, shared.doubles, shared.disorder) == (0, 1, 0)


def test_every_consumer_of_events_is_to_get_every_one() -> None:
    work = workload("events", consumers=2)
    both = compute_result(measured([producer(3)], [consumer(range(3)), consumer([0, 2])]), work, Latencies())
    assert (both.sent, both.received, both.loss, both.doubles) == (3, 5, 1, 0)


def test_messages_of_others_and_those_to_warm_up_do_not_count() -> None:
    recorder = Recorder(RUN, 1, lambda count: None)
    mine, other = writer(RUN, 0, 64), writer(b"somebody", 0, 64)
    assert not recorder.take([b"short", other(Due(COUNTS, 0, 1)), b"x" * SMALLEST], 2)
    assert recorder.take([mine(Due(WARM, 0, 1))], 2)
    assert not recorder.take([writer(RUN, 7, 64)(Due(COUNTS, 0, 1))[:-40]], 2)
    assert recorder.tell().received == 0
    assert recorder.take([mine(Due(COUNTS, 0, 1))], 3)
    assert not recorder.take([b"x" * SMALLEST], 10 * SECOND)
    assert (recorder.tell().received, recorder.tell().last) == (1, 3)


def test_a_run_that_was_broken_off_does_not_know_what_was_lost() -> None:
    lost = measured([producer(9)], [consumer([0])], drained=False, signum=2)
    found = compute_result(lost, workload(), Latencies())
    assert (found.loss, found.stopped) == (None, "SIGINT")


@pytest.mark.parametrize(
    ("changes", "busy", "machine", "limit"),
    [
        ({"rate": 4.0}, 0.99, 0.99, "rate"),
        ({"rate": 1e9}, 0.9, 0.5, "tool"),
        ({}, 0.5, 0.97, "machine"),
        ({}, 0.5, 0.5, "server"),
        ({}, 0.5, None, "server"),
        ({}, 0.0, 0.5, ""),
    ],
)
def test_what_the_limit_was_is_told(
    changes: dict[str, Any], busy: float, machine: float | None, limit: str
) -> None:
    got = consumer(range(4))._replace(first=0, last=SECOND, busy=round(busy * SECOND))
    run = measured([producer(4)], [got], machine=machine)
    assert compute_result(run, workload(**changes), Latencies()).limit == limit


# --- latencies ---


def test_percentiles_are_right_to_a_thousandth() -> None:
    exact = sorted(round(1000 * 1.0007**n) for n in range(20_000))
    latencies = Latencies()
    latencies.add((rounded(value), 1) for value in exact)
    for percentile in (50.0, 90.0, 99.0, 99.9):
        found = latencies.at(percentile)
        assert found == pytest.approx(exact[round(percentile / 100 * len(exact)) - 1], rel=0.002)
    assert latencies.at(100) == pytest.approx(exact[-1], rel=0.001)
    assert sum(count for _, count in latencies.bars()) == len(exact)


def test_nothing_measured_has_no_latencies_and_no_bars() -> None:
    empty = Latencies()
    assert (empty.at(50), empty.mean(), empty.bars()) == (None, None, ())


def test_a_latency_that_no_histogram_holds_is_its_greatest() -> None:
    latencies = Latencies()
    latencies.add([(10**18, 1)])
    assert latencies.count == 1


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (412_000, "412 µs"),
        (999_600, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (1_240 * MS, "1.24 s"),
        (90 * SECOND, "90.0 s"),
        (4_000 * SECOND, "4,000 s"),
        (900, "0.90 µs"),
    ],
)
def test_a_latency_has_three_figures(nanoseconds: int, text: str) -> None:
    assert latency_text(nanoseconds) == text


def test_without_the_library_it_is_exit_2_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    assert main(["bench", "queue", "-a", "127.0.0.1:1"]) == 2
    error, hint = capfd.readouterr().err.splitlines()
    assert "hdrhistogram" in error
    assert "pip install hdrhistogram" in hint


# --- assertions ---


@pytest.mark.parametrize(
    "text",
    [
        "p99<20ms",
        "p50<=5.1ms, p99.9 < 6ms",
        "p999<6ms",
        "min>=4ms,max<6ms,mean!=1s",
        "throughput>1/s,rate>1/m,send_rate>1/s",
        "bandwidth>10B/s",
        "sent=4,received==4",
        "loss=0,doubles=0,disorder=0,errors<0.1%",
        "loss<=0%",
    ],
)
def test_an_assertion_that_holds_says_nothing(text: str) -> None:
    latencies = Latencies()
    found = compute_result(measured([producer(4)], [consumer(range(4))]), workload(), latencies)
    hold(parse([text]), found, latencies.at)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p99<1ms", "p99<1ms does not hold: it was 5.0"),
        ("throughput>1000000/s", "does not hold: it was "),
        ("bandwidth>1TB/s", "B/s"),
        ("loss=0", "loss=0 does not hold: it was 2 of 6"),
        ("loss<33%", "it was 2 of 6"),
        ("doubles<1", "it was 1 of 5"),
        ("disorder=0", "it was 1 of 5"),
        ("received>5", "it was 5"),
        ("loss=0,doubles=0", "; doubles=0 does not hold"),
    ],
)
def test_an_assertion_that_does_not_hold_is_named_with_what_it_was(text: str, says: str) -> None:
    latencies = Latencies()
    found = compute_result(measured([producer(6)], [consumer([0, 2, 1, 1, 3])]), workload(), latencies)
    with pytest.raises(Partial, match=r".*") as caught:
        hold(parse([text]), found, latencies.at)
    assert says in caught.value.message
    assert caught.value.code == "assertion-failed"
    hold(parse(["loss<34%"]), found, latencies.at)


def test_what_was_not_measured_holds_nothing() -> None:
    nothing = compute_result(measured([], []), workload(), Latencies())
    with pytest.raises(Partial, match="it was not measured"):
        hold(parse(["p99<1h"]), nothing, Latencies().at)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--assert p99", "'p99<20ms'"),
        ("--assert p99<20", "unit"),
        ("--assert p101<1s", "nothing that is measured"),
        ("--assert p0<1s", "nothing that is measured"),
        ("--assert thruput>5/s", "did you mean throughput?"),
        ("--assert throughput>5", "5/s"),
        ("--assert bandwidth>5MB", "10MB/s"),
        ("--assert loss=x", "no count"),
        ("--assert sent<5%", "no count"),
        ("--assert errors<x%", "no number"),
        ("--assert p99<1s,", "is no assertion"),
        ("--size 31B", "32B"),
        ("--size 1", "unit"),
        ("--size 64MiB --batch 2", "100 MiB"),
        ("--count 5 --duration 5s", "exclude"),
        ("--count 1 --producers 2", "2 producers"),
        ("--duration 1ms", "10ms"),
        ("--rate 5", "5/s"),
        ("--channel a/b", "has /"),
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


@given(
    st.text(max_size=12) | st.from_regex(r"[a-z0-9_.]{1,5} ?[<>=!]{0,2} ?[0-9.a-z%/]{0,8}", fullmatch=True)
)
def test_whatever_is_written_is_an_assertion_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        for assertion in parse([text]):
            assert assertion.bound >= 0


def test_what_asking_has_not_cannot_be_asserted_of_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "cmd", "--assert", "loss=0", "-a", "127.0.0.1:1"]) == 2
    assert "errors=0" in capfd.readouterr().err
    assert main(["bench", "query", "--timeout", "0s", "-a", "127.0.0.1:1"]) == 2
    assert main(["bench", "store", "--in-flight", "9999", "--size", "1MiB", "-a", "127.0.0.1:1"]) == 2


def test_without_a_server_it_is_exit_5(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "events", "-a", "127.0.0.1:1"]) == 5
    assert "cannot connect" in capfd.readouterr().err


# --- the scoreboard ---


def test_consumers_of_a_queue_ask_for_what_is_there_and_nobody_else_asked_for() -> None:
    with scoreboard(3) as board:
        others = Scoreboard(board.fd, 3)
        board.add(0, ACCEPTED, 12)
        assert others.claim(1, 10) == 10
        assert board.claim(2, 10) == 2
        assert board.claim(1, 10) == 1, "one is waited for"
        board.add(0, ACCEPTED, 5)
        assert board.claim(2, 10) == 4, "one of the five is for whoever waits"
        assert others.total(CLAIMED) == 17


# --- sending ---


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
        (lambda r: pb.Response(RequestID=r.RequestID, Executed=True, Body=b"else"), "another one"),
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


# --- its channel ---


@pytest.mark.parametrize(
    ("kind", "waiting", "was_there"), [("queues", 3, False), ("queues", 0, True), ("events_store", 0, False)]
)
def test_where_no_channel_can_be_deleted_it_is_left_empty_and_that_is_said(
    kind: ChannelType, waiting: int, was_there: bool
) -> None:
    notes: list[str] = []
    emptied: list[str] = []

    def ack_all(request: pb.AckAllQueueMessagesRequest) -> pb.AckAllQueueMessagesResponse:
        emptied.append(request.Channel)
        return pb.AckAllQueueMessagesResponse(AffectedMessages=waiting)

    found = queues(pb.QueueInfo(Name="c", Messages=3, Waiting=waiting, LastSequence=3))
    with (
        fake_server(QueuesInfo=found, SendRequest=nobody_answers, AckAllQueueMessages=ack_all) as at,
        connect(resolve(Flags(addresses=(at,)), {})) as client,
        BenchChannel(client, kind, "c", was_there, notes.append),
    ):
        assert notes == []
    assert emptied == (["c"] if waiting else [])
    assert notes == ([] if was_there else ["this server cannot delete channels: c stays until it expires"])


def test_a_channel_that_could_not_be_cleaned_up_is_named() -> None:
    notes: list[str] = []
    with fake_server() as at, connect(resolve(Flags(addresses=(at,)), {})) as client:
        bench_channel = BenchChannel(client, "queues", "mine", False, notes.append)
    with bench_channel:
        pass
    assert [note.partition(":")[0] for note in notes] == ["mine may be left behind"]


# --- a run, with workers that say what a test tells them ---


class Troupe:
    """Worker processes of words: `script` is what is heard one after the other, then nothing more."""

    def __init__(self, *script: Heard) -> None:
        self.script = list(script)
        self.told: list[str] = []

    def hear(self) -> Heard | None:
        return self.script.pop(0) if self.script else None

    def tell(self, line: str, role: str | None = None) -> None:
        self.told.append(line.split()[0])


READY = [Heard(row, WorkerReport("ready")) for row in (0, 1)]


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    with scoreboard(2) as opened:
        opened.put(1, HEARD, 1)
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READY", "HEAR", "AGAIN", "QUIET", "STALLED"):
        monkeypatch.setattr(running, name, 0.02)


def ran(
    board: Scoreboard, *script: Heard, probe: Callable[[], None] = lambda: None, **changes: Any
) -> Measured:
    workers: Any = Troupe(*script)
    with StopSignal() as stop:
        found = BenchRun(workers, board, workload(timeout=0.0, **changes), stop, lambda stage: None).run(
            probe
        )
    assert workers.told[-1] == "stop"
    return found


def test_a_run_of_which_all_came_is_whole(board: Scoreboard) -> None:
    board.put(1, MEASURED, 4)
    ends = [Heard(0, WorkerReport("done", producer(4))), Heard(1, WorkerReport("done", consumer(range(4))))]
    found = ran(board, *READY, *ends)
    assert (found.failure, found.drained, len(found.producers), len(found.consumers)) == (None, True, 1, 1)


@pytest.mark.usefixtures("impatient")
def test_what_does_not_come_is_lost_after_a_silence(board: Scoreboard) -> None:
    ends = [Heard(0, WorkerReport("done", producer(4))), Heard(1, WorkerReport("done", consumer([0])))]
    late = [ends[0], *[None] * 3, ends[1]]
    found = ran(board, *READY, *late)  # type: ignore[arg-type]
    assert found.drained
    assert compute_result(found, workload(), Latencies()).loss == 3


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_fails_ends_the_run_at_once(board: Scoreboard) -> None:
    lost = WorkerReport("done", producer(4), ConnectionLost("gone"))
    found = ran(board, *READY, Heard(0, lost), Heard(1, WorkerReport("done", consumer([0]))))
    assert found.failure is not None
    assert found.failure.message == "gone"
    assert not found.drained


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ((), "not ready"),
        (READY, "nothing was sent or received"),
        ((*READY, Heard(0, WorkerReport("done", producer(0)))), "did not end"),
    ],
)
def test_silence_is_an_error_and_never_a_hang(script: Sequence[Heard], says: str, board: Scoreboard) -> None:
    found = ran(board, *script)
    assert isinstance(found.failure, TimedOut)
    assert says in found.failure.message


def test_many_responders_are_all_heard_though_each_request_is_for_one_of_them() -> None:
    with scoreboard(65) as board:
        chosen = iter(range(5 * 64))  # as many as it takes when they are drawn by lot

        def probe() -> None:
            if (at := next(chosen)) >= 4 * 64:
                board.put(1 + at % 64, HEARD, 1)

        began = time.monotonic()
        rows = [Heard(row, WorkerReport("ready")) for row in range(65)]
        ends = [
            Heard(0, WorkerReport("done", producer(4))),
            *(Heard(row, WorkerReport("done")) for row in range(1, 65)),
        ]
        found = ran(board, *rows, *[None] * 10, *ends, probe=probe, pattern="cmd", consumers=64)  # type: ignore[arg-type]
        assert found.failure is None
        assert time.monotonic() - began < running.HEAR / 2


@pytest.mark.usefixtures("impatient")
def test_subscribers_who_hear_nothing_are_an_error(board: Scoreboard) -> None:
    board.put(1, HEARD, 0)
    found = ran(board, *READY, pattern="events")
    assert isinstance(found.failure, TimedOut)
    assert "not heard" in found.failure.message


def test_processes_that_cannot_be_started_are_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch, board: Scoreboard
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    order = Order(resolve(Flags(), {}), workload(), "producer", 0, 0, RUN, board.fd)
    with pytest.raises(KubemqctlError, match="cannot be started: no such file"), WorkerProcesses([order]):
        raise AssertionError("started")


# --- for people ---


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("pattern", ["queue", "cmd"])
def test_no_line_of_the_drawing_is_wider_than_the_page(width: int, pattern: Pattern) -> None:
    latencies = Latencies()
    latencies.add((round(10**5 * 1.01**n), 10**7 * (n % 7)) for n in range(900))
    found = result()._replace(
        pattern=pattern,
        histogram=latencies.bars(),
        received=123_456_789,
        sent=123_456_789,
        rate=98_765.4,
        send_rate=98_765.4,
        limit="server",
        stopped="SIGINT",
    )
    lines = draw_bench(found, ViewOptions(False, width, lambda: 0)).splitlines()
    assert max(map(len, lines)) <= max(width, 34)
    assert any("█" in line for line in lines) is (width > 20)


def test_what_went_wrong_is_painted_and_what_did_not_is_faint() -> None:
    page = ViewOptions(True, 80, lambda: 0)
    text = draw_bench(result(6, [0, 2, 1, 2]), page)
    assert page.paint("lost 3", RED) in text
    assert page.paint("doubles 1", ORANGE) in text
    assert page.paint("errors 0", DIM) in text


def test_the_line_of_progress_ends_where_the_terminal_does() -> None:
    stage = Stage("measuring", 0.5, 1234)
    assert picture(stage, 80).endswith(f"{'━' * 15}{'╌' * 15}  50%  1,234 messages")
    assert [len(picture(stage, width)) for width in (1, 10, 40)] == [0, 9, 39]


def test_the_line_is_drawn_now_and_then_and_taken_away() -> None:
    reader, terminal = os.pipe()
    with ProgressLine(terminal) as line:
        for _ in range(1000):
            line.watch(Stage("measuring", 0.5, 1))
    os.close(terminal)
    with open(reader, "rb") as file:
        written = file.read().decode()
    assert written.count("measuring") < 10
    assert written.endswith("\r\x1b[K")
    with ProgressLine(None) as nobody:
        nobody.watch(Stage("measuring", 0.5, 1))
