"""How a move or a copy waits for a server that was lost."""

from __future__ import annotations

import pytest

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
