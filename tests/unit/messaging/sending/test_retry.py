"""What sending again comes to: an answer, or the worst that is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubemqctl.messaging.sending.retry import Reconnection, in_doubt, is_unknown, retry_request
from kubemqctl.model.errors import (
    AuthError,
    ConnectionLost,
    KubemqctlError,
    NotReady,
    TimedOut,
    Unreachable,
    UsageError,
)
from kubemqctl.runtime.waiting import StopSignal


def tries(*outcomes: KubemqctlError | str) -> Callable[[], str]:
    left = iter(outcomes)

    def again() -> str:
        outcome = next(left)
        if isinstance(outcome, KubemqctlError):
            raise outcome
        return outcome

    return again


def reconnection(*failures: Unreachable) -> Reconnection:
    left = list(failures)

    def reconnect() -> None:
        if left:
            raise left.pop(0)

    return Reconnection(reconnect, 0)


MUTE = Unreachable("mute", code="no-answer")
LOST, GONE, BUSY, DENIED = ConnectionLost("lost"), Unreachable("gone"), NotReady("busy"), AuthError("denied")


@pytest.mark.parametrize(
    ("first", "retry", "then", "outcome"),
    [
        (LOST, 0, [], LOST),
        (MUTE, 0, [], MUTE),  # it has had its whole time: another would double what was asked for
        (MUTE, 1, ["done"], "done"),
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
            assert retry_request(tries(*then), first, retry, reconnection(), stop) == outcome
        else:
            with pytest.raises(type(outcome)) as raised:
                retry_request(tries(*then), first, retry, reconnection(), stop)
            assert raised.value is outcome


def test_a_server_that_does_not_come_back_counts_as_a_try() -> None:
    with StopSignal() as stop, pytest.raises(ConnectionLost):
        retry_request(tries(), LOST, 1, reconnection(GONE, GONE), stop)


def test_a_request_that_does_not_get_out_to_a_server_that_was_there_is_made_until_patience_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StopSignal, "wait", lambda stop, seconds: None)
    patient = Reconnection(lambda: None, 60)
    with StopSignal() as stop:
        again = tries(*[GONE] * 50, "done")
        assert retry_request(again, GONE, 0, patient, stop, was_there=True) == "done"
        with pytest.raises(ConnectionLost):
            retry_request(tries(GONE, LOST), GONE, 0, patient, stop, was_there=True)
        with pytest.raises(Unreachable, match="mute"):
            retry_request(tries(GONE, MUTE), GONE, 0, patient, stop, was_there=True)
        with pytest.raises(Unreachable):
            retry_request(tries(GONE), GONE, 0, patient, stop)


def test_a_busy_server_is_asked_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(StopSignal, "wait", lambda stop, seconds: waits.append(seconds))
    with StopSignal() as stop, pytest.raises(NotReady):
        retry_request(tries(*[BUSY] * 6), BUSY, 6, reconnection(), stop)
    # Each of them is from half to one and a half of 0.1 s, doubled each time.
    assert len(waits) == 6
    assert waits[5] > 1.5 > 0.15 >= waits[0]


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (ConnectionLost("x"), True),
        (TimedOut("x"), True),
        (KubemqctlError("status INTERNAL"), True),
        (KubemqctlError("said of the message itself", grpc_status="OK"), False),
        (Unreachable("x"), False),
        (NotReady("x"), False),
        (AuthError("x"), False),
        (UsageError("x"), False),
    ],
)
def test_only_a_clear_refusal_leaves_no_doubt(error: KubemqctlError, unknown: bool) -> None:
    assert is_unknown(error) is unknown


def test_doubt_is_worded_for_one_and_for_many() -> None:
    assert in_doubt(LOST, 1).message == "lost; it is unknown whether the server accepted it"
    assert in_doubt(LOST, 2).message == "lost; it is unknown whether the server accepted them"
    assert LOST.message == "lost"
