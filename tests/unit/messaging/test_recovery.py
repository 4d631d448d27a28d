"""How a move or a copy waits for a server that was lost."""

from __future__ import annotations

import pytest

from kubemqctl.messaging import recovery as module
from kubemqctl.messaging.recovery import Recovery, Say
from kubemqctl.model.errors import ConnectionLost
from kubemqctl.runtime.waiting import StopSignal


def test_a_server_that_takes_connections_alone_is_asked_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    stop = StopSignal()
    monkeypatch.setattr(stop, "wait", pauses.append)
    recovery = Recovery(stop, Say(lambda text: None))
    for _ in range(7):
        recovery.regain(ConnectionLost("the connection was lost"), lambda: None)
    assert len(pauses) == 7
    assert pauses[0] < 0.2
    assert min(pauses[5:]) > 0.9


@pytest.mark.parametrize("progress", [False, True])
def test_a_server_that_is_lost_again_at_once_ends_it_unless_something_arrived(
    monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    monkeypatch.setattr(module, "REGAIN", 0.0)
    stop = StopSignal()
    monkeypatch.setattr(stop, "wait", lambda seconds: None)
    recovery = Recovery(stop, Say(lambda text: None))
    lost = ConnectionLost("the connection was lost")
    recovery.regain(lost, lambda: None)
    if progress:
        recovery.went_well()
        recovery.regain(lost, lambda: None)
    else:
        with pytest.raises(ConnectionLost):
            recovery.regain(lost, lambda: None)
