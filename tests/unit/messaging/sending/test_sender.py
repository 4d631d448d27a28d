"""What no run of the program shows exactly: the arithmetic of a limiter, and what insisting comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kubemqctl.messaging.input.message_parsers import MessageBatch, parse_bodies
from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.messaging.sending.retry import Link, PendingRequest, in_doubt, is_unknown, retry_request
from kubemqctl.messaging.sending.sender import Sender, SendSummary
from kubemqctl.messaging.sending.unsent_files import UnsentFiles
from kubemqctl.model.errors import (
    AuthError,
    ConnectionLost,
    KubemqctlError,
    NotReady,
    Partial,
    TimedOut,
    Unreachable,
    UsageError,
)
from kubemqctl.model.messages import Message, SendResult
from kubemqctl.runtime.waiting import RateLimiter, StopSignal


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += max(0.0, seconds)


def test_portions_go_at_their_times() -> None:
    clock = Clock()
    limiter = RateLimiter(50, clock.wait, clock.now)
    assert limiter.portion == 5
    times = []
    for _ in range(4):
        limiter(limiter.portion)
        times.append(round(clock.time - 100, 6))
    assert times == [0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("rate", "portion", "second"), [(0.5, 1, 2.0), (3, 1, 1 / 3), (100_000, 10_000, 0.1)]
)
def test_a_portion_is_a_tenth_of_a_second_but_a_message_at_least(
    rate: float, portion: int, second: float
) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, clock.wait, clock.now)
    limiter(limiter.portion)
    limiter(limiter.portion)
    assert limiter.portion == portion
    assert clock.time - 100 == pytest.approx(second)


def test_time_that_was_lost_is_not_made_up_for() -> None:
    clock = Clock()
    limiter = RateLimiter(10, clock.wait, clock.now)
    limiter(1)
    clock.time += 60
    limiter(1)
    assert clock.time == 160
    limiter(1)
    assert clock.time == pytest.approx(160.1)


def test_portions_keep_messages_and_their_lines_together() -> None:
    job = MessageBatch([Message(b"%d" % n) for n in range(5)], [2, 3, 5, 8, 9])
    assert [(len(part.messages), list(part.lines)) for part in job.portions(2)] == [
        (2, [2, 3]),
        (2, [5, 8]),
        (1, [9]),
    ]


class Requests:
    """A link whose every step is written down; all messages are accepted."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def link(self) -> Link:
        return Link(self._build, lambda: None, 0)

    def _build(self, messages: Sequence[Message]) -> Callable[[], PendingRequest]:
        name = "+".join(message.body.decode() for message in messages)
        self.steps.append(f"build {name}")
        return lambda: self._started(name, messages)

    def _started(self, name: str, messages: Sequence[Message]) -> PendingRequest:
        self.steps.append(f"send {name}")
        return Answer(self, name, messages)


class Answer:
    """A request under way."""

    def __init__(self, requests: Requests, name: str, messages: Sequence[Message]) -> None:
        self._requests = requests
        self._name = name
        self._messages = messages

    def results(self) -> list[SendResult]:
        self._requests.steps.append(f"answer {self._name}")
        return [SendResult(message.body.decode(), "q") for message in self._messages]

    def known(self) -> list[SendResult]:
        return []


def test_one_request_is_under_way_while_the_next_is_built() -> None:
    requests = Requests()
    batches = [
        InputBatch([b"a", b"b"], [1, 2]),
        InputBatch([b"c"], [3]),
        InputBatch([b"d"], [4], idle=True),
        InputBatch([b"e"], [5]),
    ]
    with StopSignal() as stop, UnsentFiles(None, None) as unsent:
        printed: list[str] = []
        sender = Sender(
            requests.link(), lambda results: printed.extend(r.id for r in results), raise_it, stop, unsent
        )
        summary = sender.run(batches, parse_bodies(Message(channel="q")))
    assert requests.steps == [
        *("build a+b", "send a+b"),
        *("build c", "answer a+b", "send c"),
        *("build d", "answer c", "send d", "answer d"),
        *("build e", "send e", "answer e"),
    ]
    assert printed == ["a", "b", "c", "d", "e"]
    assert (summary.accepted, summary.last_line) == (5, 5)


def raise_it(error: KubemqctlError) -> None:
    raise error


def tries(*outcomes: KubemqctlError | str) -> Callable[[], str]:
    left = iter(outcomes)

    def again() -> str:
        outcome = next(left)
        if isinstance(outcome, KubemqctlError):
            raise outcome
        return outcome

    return again


def no_request() -> PendingRequest:
    raise AssertionError("insist makes no request of its own")


def link(*failures: Unreachable) -> Link:
    left = list(failures)

    def reconnect() -> None:
        if left:
            raise left.pop(0)

    return Link(lambda messages: no_request, reconnect, 0)


LOST, GONE, BUSY, DENIED = ConnectionLost("lost"), Unreachable("gone"), NotReady("busy"), AuthError("denied")


@pytest.mark.parametrize(
    ("first", "retry", "then", "outcome"),
    [
        (LOST, 0, [], LOST),
        (LOST, 1, ["done"], "done"),
        (LOST, 2, [LOST, "done"], "done"),
        (LOST, 2, [BUSY, DENIED], LOST),
        (BUSY, 0, [], BUSY),
        (BUSY, 1, [LOST], LOST),
        (BUSY, 5, [DENIED], DENIED),
        (DENIED, 5, [], DENIED),
        (GONE, 0, ["done"], "done"),
        (GONE, 0, [GONE], GONE),
        (GONE, 1, [GONE, "done"], "done"),
    ],
)
def test_insisting_ends_with_an_answer_or_the_worst_that_is_known(
    first: KubemqctlError, retry: int, then: list[KubemqctlError | str], outcome: KubemqctlError | str
) -> None:
    with StopSignal() as stop:
        if isinstance(outcome, str):
            assert retry_request(tries(*then), first, retry, link(), stop) == outcome
        else:
            with pytest.raises(type(outcome)) as raised:
                retry_request(tries(*then), first, retry, link(), stop)
            assert raised.value is outcome


def test_a_server_that_does_not_come_back_counts_as_a_try() -> None:
    with StopSignal() as stop, pytest.raises(ConnectionLost):
        retry_request(tries(), LOST, 1, link(GONE, GONE), stop)


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (ConnectionLost("x"), True),
        (TimedOut("x"), True),
        (KubemqctlError("status INTERNAL"), True),
        (Unreachable("x"), False),
        (NotReady("x"), False),
        (AuthError("x"), False),
        (UsageError("x"), False),
    ],
)
def test_only_a_clear_refusal_leaves_no_doubt(error: KubemqctlError, unknown: bool) -> None:
    assert is_unknown(error) is unknown


def test_doubt_is_worded_for_one_and_for_many() -> None:
    assert in_doubt(LOST, 1).message == "lost; whether the server took it is unknown"
    assert in_doubt(LOST, 2).message == "lost; whether the server took them is unknown"
    assert LOST.message == "lost"


def summary(gave_up: KubemqctlError | None = None, **counts: int) -> SendSummary:
    made = SendSummary()
    made.gave_up = gave_up
    for name, count in counts.items():
        setattr(made, name, count)
    return made


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (summary(accepted=3, skipped=2), None),
        (summary(), None),
        (summary(accepted=3, failed=1), 7),
        (summary(accepted=3, unknown=1), 7),
        (summary(accepted=3, bad=1), 7),
        (summary(failed=1), 7),
        (summary(unknown=1), 7),
        (summary(bad=1), 2),
        (summary(bad=1, failed=1), 7),
        (summary(GONE, failed=1), 5),
        (summary(GONE, failed=1, bad=1), 5),
        (summary(LOST, unknown=1), 5),
        (summary(LOST, unknown=1, accepted=1), 7),
        (summary(TimedOut("x"), unknown=1), 7),
        (summary(DENIED, failed=1), 4),
        (summary(DENIED, failed=1, accepted=1), 7),
    ],
)
def test_the_exit_code_is_the_contracts(made: SendSummary, code: int | None) -> None:
    error = made.ending()
    assert (error and error.exit_code) == code
    assert code != 7 or isinstance(error, Partial)


def test_the_summary_counts_what_is_there_to_count() -> None:
    assert summary(accepted=3).summary() == "3 sent"
    assert summary(accepted=0, skipped=1).summary() == "0 sent, 1 empty piece skipped"
    every = summary(accepted=1, failed=2, bad=3, unknown=4, skipped=5)
    assert every.summary() == "1 sent, 5 failed, 4 with unknown outcome, 5 empty pieces skipped"
