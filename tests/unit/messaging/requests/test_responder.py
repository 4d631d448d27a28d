"""The responder's loop: what waits, what is too late, what is too much."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubemqctl.messaging.handlers.options import HandlerOptions, find
from kubemqctl.messaging.requests import responder
from kubemqctl.messaging.requests.answers import ArrivedRequest, same
from kubemqctl.messaging.requests.responder import Responder, RespondOptions
from kubemqctl.model.errors import KubemqctlError, OutputError
from kubemqctl.model.messages import AnsweredRequest, Reply, Request
from kubemqctl.runtime.waiting import StopSignal
from tests.support.waiting import until

HANDLER = HandlerOptions(find(["sleep", "60"], os.environ), 1, None, "body", 0.0)


class Call:
    """A call that has ended well."""

    def done(self) -> bool:
        return True

    def result(self) -> None:
        return None


class Desk:
    """A responder with nothing behind it, and what came out of it."""

    def __init__(
        self,
        options: RespondOptions,
        show_error: KubemqctlError | None = None,
        stop: StopSignal | None = None,
    ) -> None:
        self.sent: list[Reply] = []
        self.shown: list[AnsweredRequest] = []
        self.said: list[str] = []
        self._show_error = show_error
        self.responder = Responder(
            options,
            os.environ,
            self._send,  # type: ignore[arg-type]
            self._show,
            self.said.append,
            stop or StopSignal(),
        )

    def _send(self, came: ArrivedRequest, reply: Reply, notify: Callable[[], None]) -> Call:
        self.sent.append(reply)
        notify()
        return Call()

    def _show(self, answered: AnsweredRequest) -> None:
        if self._show_error:
            raise self._show_error
        self.shown.append(answered)


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    with StopSignal() as caught:
        yield caught


def options(handler: HandlerOptions | None = HANDLER, most: int = 0) -> RespondOptions:
    rule = None if handler else same(Reply())
    return RespondOptions(rule, handler, "body", Reply(tags={"k": "v"}), most, stdout_is_body=True)


def came(id: str, ago: float = 0.0, timeout: float = 60.0, **fields: Any) -> ArrivedRequest:
    return ArrivedRequest(Request("c", id=id, timeout=timeout, **fields), time.monotonic() - ago)


def test_one_that_nobody_waits_for_any_more_is_neither_run_nor_answered(stop: StopSignal) -> None:
    desk = Desk(options())
    desk.responder.take([came("old", ago=61)])
    desk.responder.step()
    assert not desk.sent
    assert desk.said == ["old: no handler was free in time: not run"]
    assert [(a.id, a.executed, a.error) for a in desk.shown] == [
        ("old", False, "no handler was free in time")
    ]
    assert desk.responder.summary.summary() == "1 received, 0 executed, 1 expired before a handler was free"
    desk.responder.finish(stop, 0)


def test_one_with_too_little_time_left_for_any_work_is_not_begun(stop: StopSignal) -> None:
    desk = Desk(options())
    desk.responder.take([came("late", ago=0.75, timeout=1.0)])
    desk.responder.step()
    assert [reply.error for reply in desk.sent] == ["no handler was free in time"]
    desk.responder.finish(stop, 0)


def test_what_waits_is_refused_when_its_time_comes_though_no_handler_is_free(stop: StopSignal) -> None:
    desk = Desk(options())
    begun = time.monotonic()
    desk.responder.take([came("runs"), came("waits", timeout=0.5)])
    desk.responder.step()
    assert desk.responder.due
    assert begun + 0.25 < desk.responder.due < time.monotonic() + 0.35

    def refused() -> bool:
        desk.responder.step()
        return bool(desk.sent)

    until(refused, "a refusal")
    assert (desk.sent[0].error, desk.sent[0].tags) == ("no handler was free in time", {"k": "v"})
    desk.responder.finish(stop, 0)


def test_too_many_at_once_are_refused_at_once(stop: StopSignal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "MOST_WAITING", 2)
    desk = Desk(options())
    desk.responder.take([came("a"), came("b"), came("c")])
    assert [reply.error for reply in desk.sent] == ["the responder is busy: 2 requests are waiting"]
    desk.responder.finish(stop, 0)


@pytest.mark.parametrize(
    "large", [{"body": b"x" * 10_000}, {"metadata": "x" * 10_000}, {"tags": {"k": "x" * 10_000}}]
)
def test_too_many_bytes_at_once_are_refused_at_once(
    large: dict[str, Any], stop: StopSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "MOST_BYTES_WAITING", 10_000)
    desk = Desk(options())
    desk.responder.take([came("a", **large), came("b", body=b"x")])
    assert len(desk.sent) == 1
    desk.responder.finish(stop, 0)


def test_no_more_is_taken_while_large_answers_are_on_their_way(
    stop: StopSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "MOST_BYTES_WAITING", 10)
    desk = Desk(options(handler=None))
    desk.responder.take([came("a", body=b"x" * 100)])
    assert desk.responder.has_enough
    desk.responder.step()
    assert not desk.responder.has_enough
    desk.responder.finish(stop, 0)


def test_at_the_end_what_runs_is_stopped_and_what_waits_is_refused(stop: StopSignal) -> None:
    desk = Desk(options())
    desk.responder.take([came("runs"), came("waits")])
    desk.responder.step()
    desk.responder.finish(stop, 0.05)
    assert {a.id: a.error for a in desk.shown} == {
        "runs": "the handler was stopped, as the run had to end",
        "waits": "the responder has stopped",
    }
    assert desk.responder.summary.failed == 2


def test_at_the_end_what_waits_is_still_run_within_the_grace(stop: StopSignal) -> None:
    quick = HANDLER._replace(command=find(["true"], os.environ))
    desk = Desk(options(quick))
    desk.responder.take([came("a"), came("b"), came("c")])
    desk.responder.step()
    desk.responder.finish(stop, 20)
    assert [(a.id, a.executed) for a in desk.shown] == [("a", True), ("b", True), ("c", True)]


def test_output_that_fails_ends_the_run_but_loses_no_answer(stop: StopSignal) -> None:
    full = OutputError("cannot write to standard output: no space left on device")
    desk = Desk(options(handler=None), show_error=full)
    desk.responder.take([came("a"), came("b")])
    desk.responder.step()
    assert desk.responder.over
    desk.responder.finish(stop, 5)
    assert desk.responder.failure is full
    assert len(desk.sent) == 2
    assert desk.responder.summary.executed == 2


def test_those_over_the_count_are_left_alone(stop: StopSignal) -> None:
    desk = Desk(options(handler=None, most=2))
    desk.responder.take([came("a"), came("b"), came("c")])
    desk.responder.step()
    desk.responder.finish(stop, 5)
    assert [a.id for a in desk.shown] == ["a", "b"]


def test_of_many_failures_twenty_are_named_and_the_rest_counted(stop: StopSignal) -> None:
    desk = Desk(options())
    desk.responder.take([came(f"r{n}", ago=61) for n in range(25)])
    desk.responder.step()
    desk.responder.finish(stop, 5)
    assert len(desk.said) == 21
    assert desk.said[-1] == "5 more"
