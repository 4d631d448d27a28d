"""What a run comes to: accounts of all that was sent and received, and assertions about it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.bench.recorder import Latencies, Recorder
from kubemqctl.bench.result import compute_result, hold, parse
from kubemqctl.bench.workload import MEASURED as COUNTS
from kubemqctl.bench.workload import SMALLEST, WARM, Due, writer
from kubemqctl.model.errors import (
    ExpectationFailed,
    UsageError,
)
from kubemqctl.model.limits import SECOND
from tests.unit.bench.sample_run import RUN, consumer, measured, producer, result, workload


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
    with pytest.raises(ExpectationFailed, match=r".*") as caught:
        hold(parse([text]), found, latencies.at)
    assert says in caught.value.message
    assert caught.value.code == "assertion-failed"
    hold(parse(["loss<34%"]), found, latencies.at)


def test_what_was_not_measured_holds_nothing() -> None:
    nothing = compute_result(measured([], []), workload(), Latencies())
    with pytest.raises(ExpectationFailed, match="it was not measured"):
        hold(parse(["p99<1h"]), nothing, Latencies().at)


@given(
    st.text(max_size=12) | st.from_regex(r"[a-z0-9_.]{1,5} ?[<>=!]{0,2} ?[0-9.a-z%/]{0,8}", fullmatch=True)
)
def test_whatever_is_written_is_an_assertion_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        for assertion in parse([text]):
            assert assertion.bound >= 0
