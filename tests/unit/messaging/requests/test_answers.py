"""Answers on their way: sent again while somebody waits, settled once, never in silence."""

from __future__ import annotations

import time

from kubemqctl.messaging.requests.answers import AnswerSender, ArrivedRequest, PendingAnswer
from kubemqctl.model.errors import ConnectionLost, InvalidRequest, KubemqctlError, TooLarge
from kubemqctl.model.messages import Reply, Request
from tests.support.waiting import until


class Call:
    """A call that has ended, well or with `error`."""

    def __init__(self, error: KubemqctlError | None = None, finished: bool = True) -> None:
        self._error = error
        self._finished = finished

    def done(self) -> bool:
        return self._finished

    def result(self) -> None:
        if self._error:
            raise self._error


class Line:
    """A connection whose calls end as was said, one after the other."""

    def __init__(self, *calls: Call | KubemqctlError) -> None:
        self.calls = list(calls)
        self.sent: list[Reply] = []
        self.settled: list[tuple[PendingAnswer, KubemqctlError | None]] = []
        self.answer_sender = AnswerSender(
            self._send,  # type: ignore[arg-type]
            lambda pending, error: self.settled.append((pending, error)),
            lambda: None,
        )

    def _send(self, came: ArrivedRequest, reply: Reply, notify: object) -> Call:
        self.sent.append(reply)
        call = self.calls.pop(0)
        if isinstance(call, KubemqctlError):
            raise call
        return call

    def run(self) -> None:
        """Look until all is settled."""

        def settled() -> bool:
            self.answer_sender.look()
            return not self.answer_sender.under_way

        until(settled, "all settled")


def pending(timeout: float, reply: Reply = Reply(body=b"x")) -> PendingAnswer:  # noqa: B008
    return PendingAnswer(ArrivedRequest(Request("c", timeout=timeout), time.monotonic()), reply)


def test_an_answer_is_settled_once_the_server_has_it() -> None:
    line = Line(Call())
    line.answer_sender.begin(pending(10))
    assert line.answer_sender.under_way == 1
    line.run()
    assert [error for _, error in line.settled] == [None]


def test_one_that_is_lost_with_the_connection_is_sent_again() -> None:
    line = Line(Call(ConnectionLost("gone")), ConnectionLost("closed"), Call())
    line.answer_sender.begin(pending(10))
    line.run()
    assert len(line.sent) == 3
    assert [error for _, error in line.settled] == [None]


def test_it_is_given_up_when_nobody_waits_any_more() -> None:
    lost = ConnectionLost("gone")
    line = Line(Call(lost), Call(lost), Call(lost))
    line.answer_sender.begin(pending(0.3))
    line.run()
    assert len(line.sent) == 2
    assert [error for _, error in line.settled] == [lost]


def test_one_that_comes_too_late_is_not_sent_and_counts_as_lost() -> None:
    line = Line()
    line.answer_sender.begin(pending(0))
    ((_, error),) = line.settled
    assert (line.sent, line.answer_sender.under_way) == ([], 0)
    assert error is not None
    assert error.message == "it came after the request's time was over"


def test_one_that_the_server_refuses_is_not_sent_again() -> None:
    refused = InvalidRequest("Error 102: invalid channel value, cannot be empty")
    line = Line(Call(refused))
    line.answer_sender.begin(pending(10))
    line.run()
    assert [error for _, error in line.settled] == [refused]


def test_one_that_is_too_large_becomes_the_answer_that_says_so() -> None:
    line = Line(Call(TooLarge("too big")), Call())
    line.answer_sender.begin(pending(10))
    line.run()
    ((said, error),) = line.settled
    assert error is None
    assert (said.reply.executed, said.reply.body, said.reply.error) == (
        False, b"", "the reply is too large: too big",
    )  # fmt: skip


def test_a_slow_answer_holds_up_no_other() -> None:
    line = Line(Call(finished=False), Call())
    line.answer_sender.begin(pending(10, Reply(body=b"slow")))
    line.answer_sender.begin(pending(10, Reply(body=b"fast")))
    line.answer_sender.look()
    assert [said.reply.body for said, _ in line.settled] == [b"fast"]
    assert line.answer_sender.under_way == 1


def test_at_the_end_what_is_under_way_is_settled_as_lost() -> None:
    line = Line(Call(finished=False), Call(ConnectionLost("gone")))
    line.answer_sender.begin(pending(10))
    line.answer_sender.begin(pending(10))
    line.answer_sender.look()
    line.answer_sender.give_up()
    assert [type(error).__name__ for _, error in line.settled] == ["ConnectionLost", "TimedOut"]
    assert not line.answer_sender.under_way
