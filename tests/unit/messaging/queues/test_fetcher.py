"""How much is asked for at once, and how long for more."""

from __future__ import annotations

import time

import pytest

from kubemqctl.cli.main import main
from kubemqctl.client import queues
from kubemqctl.messaging.queues.fetcher import LinkBudget
from kubemqctl.messaging.queues.patience import Patience
from kubemqctl.messaging.queues.receive_options import BYTES_AT_ONCE, ReceiveOptions
from kubemqctl.model.messages import NO_POLICY, NO_TAGS, Received
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub
from tests.support.server import Broker


def messages(count: int, size: int) -> list[Received]:
    body = b"x" * size
    return [Received("q", "", "", "", body, NO_TAGS, 0, n, 1, "", 0, 0, NO_POLICY) for n in range(count)]


# --- the link ---


@pytest.mark.parametrize(("seconds", "most"), [(0.1, LinkBudget.ENOUGH), (0.22, BYTES_AT_ONCE)])
def test_a_quick_link_is_asked_for_more_and_more_where_that_gains_something(
    seconds: float, most: int
) -> None:
    link = LinkBudget()
    asked = [link.count(1000)]
    for _ in range(5):
        link.saw(messages(asked[-1], 1000), asked[-1], seconds)
        asked.append(link.count(1000))
    assert asked == sorted(asked)
    assert asked[-1] == most // 1000


@pytest.mark.parametrize("rate", [20_000, 200_000])
def test_a_slow_link_is_asked_for_what_it_delivers_in_a_second(rate: int) -> None:
    link = LinkBudget()
    for _ in range(6):
        count = link.count(1000)
        link.saw(messages(count, 1000), count, 0.4 + count * 1000 / rate)
    assert link.count(1000) * 1000 <= rate


def test_messages_greater_than_the_server_s_mean_are_reckoned_with() -> None:
    link = LinkBudget()
    link.saw(messages(10, 100_000), 10, 0.1)
    assert link.count(10) * 100_000 <= BYTES_AT_ONCE


def test_an_answer_that_was_waited_for_says_nothing_of_the_link() -> None:
    link = LinkBudget()
    before = link.count(1000)
    link.saw(messages(1, 1000), 50, 1.0)
    assert link.count(1000) == before


@pytest.mark.parametrize("options", [["--all"], ["--follow", "--for", "1s"], ["--all", "--ack", "auto"]])
def test_more_than_a_link_delivers_in_the_time_of_an_answer_is_received(
    broker: Broker,
    stub: Stub,
    channel: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    options: list[str],
) -> None:
    body = b"x" * 50_000
    stub.batch([stub.message(channel, body) for _ in range(30)])
    monkeypatch.setattr(queues, "CALL_TIMEOUT", 0.3)
    # Whole, it takes two seconds: more than an answer may after its wait of one.
    with Proxy(broker.address, rate=750_000) as proxy:
        code = main(["-a", proxy.address, "queue", "receive", channel, *options])
    told = capfdbinary.readouterr()
    if "--all" in options:
        assert (code, told.out) == (0, (body + b"\n") * 30), told.err
    else:
        assert (code, told.out[: len(body)]) == (0, body), told.err
    assert b"trying again" not in told.err


# --- patience ---


class Clock:
    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.mark.parametrize("wait", [0.0, 0.05, 1.0, 30.0])
def test_silence_is_what_the_server_was_asked_in_vain(clock: Clock, wait: float) -> None:
    patience = Patience(ReceiveOptions("q", wait=wait))
    clock.now += 500  # connecting and counting
    assert not patience.is_exhausted
    asked = 0
    while not patience.is_exhausted:
        patience.asks()
        clock.now += 1
        patience.was_empty(1.0)
        asked += 1
    assert asked == max(1, wait)


def test_after_a_message_idle_counts_from_anew(clock: Clock) -> None:
    patience = Patience(ReceiveOptions("q", wait=1.0, idle=3.0))
    patience.asks()
    patience.came()
    clock.now += 500  # a slow reader
    assert not patience.is_exhausted
    patience.was_empty(2.0)
    assert not patience.is_exhausted
    patience.was_empty(1.0)
    assert patience.is_exhausted
    assert not patience.is_beyond
    patience.was_empty(1.0)
    assert patience.is_beyond


def test_the_time_in_all_begins_with_the_first_question_and_one_is_always_answered(clock: Clock) -> None:
    patience = Patience(ReceiveOptions("q", wait=None, idle=None, lasting=2.0))
    clock.now += 500
    assert (patience.left, patience.time_is_up) == (2.0, False)
    patience.asks()
    clock.now += 5
    assert (patience.left, patience.time_is_up) == (0.0, False)
    patience.came()
    assert patience.time_is_up
