"""The clock of a server, as far as a ping shows it."""

from __future__ import annotations

import pytest

from kubemqctl.client.connection import server_clock
from kubemqctl.model.limits import SECOND
from kubemqctl.model.reports import Pong


@pytest.mark.parametrize(
    ("local", "clock"),
    [(101.5, 101.5), (100.0, 100.0), (102.0, 102.0), (99.0, 100.0), (500.0, 102.0)],
)
def test_our_clock_is_believed_within_what_a_ping_shows(local: float, clock: float) -> None:
    pong = Pong("h", "v", started_at=40, uptime=60, round_trip=1)
    assert server_clock(pong, int(local * SECOND)) == int(clock * SECOND)
