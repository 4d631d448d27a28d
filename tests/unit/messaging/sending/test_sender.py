"""Requests one after the other, and what the run comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kubemqctl.messaging.input.message_parsers import parse_bodies
from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.messaging.sending.retry import Link, PendingRequest, Reconnection
from kubemqctl.messaging.sending.sender import Sender, SendSummary
from kubemqctl.messaging.sending.unsent_files import UnsentFiles
from kubemqctl.model.errors import (
    AuthError,
    ConnectionLost,
    KubemqctlError,
    Partial,
    TimedOut,
    Unreachable,
)
from kubemqctl.model.messages import Message, SendResult
from kubemqctl.runtime.waiting import StopSignal

LOST, GONE, DENIED = ConnectionLost("lost"), Unreachable("gone"), AuthError("denied")


class Requests:
    """A link whose every step is written down; all messages are accepted."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def link(self) -> Link:
        return Link(self._build, Reconnection(lambda: None, 0))

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


def test_what_came_while_a_lost_server_was_waited_for_is_kept_too(tmp_path: Path) -> None:
    def gone(messages: Sequence[Message]) -> Callable[[], PendingRequest]:
        return lambda: raise_it(GONE)  # type: ignore[return-value]

    def again() -> None:
        raise GONE

    batches = [InputBatch([b"%d" % n], [n], idle=True) for n in range(1, 5)]
    behind = iter([True, False])
    with StopSignal() as stop, UnsentFiles(str(tmp_path / "failed"), None) as unsent:
        sender = Sender(
            Link(gone, Reconnection(again, 0)),
            lambda results: None,
            lambda error: None,
            stop,
            unsent,
            more_input=lambda: next(behind),
        )
        # The first is lost, the second is given up, the third was there by then.
        summary = sender.run(batches, parse_bodies(Message(channel="q")))
    assert (summary.failed, summary.last_line) == (3, 3)
    assert (tmp_path / "failed").read_text().count("\n") == 3


def raise_it(error: KubemqctlError) -> None:
    raise error


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
