"""Section 2: Ping."""

from __future__ import annotations

import time

from tests.support.raw_grpc import Stub


def test_the_host_has_a_name(stub: Stub) -> None:
    assert stub.ping().Host


def test_start_and_uptime_are_seconds(stub: Stub) -> None:
    pong = stub.ping()
    assert pong.ServerUpTimeSeconds >= 0
    assert abs(pong.ServerStartTime + pong.ServerUpTimeSeconds - time.time()) < 60


def test_the_start_does_not_move(stub: Stub) -> None:
    assert stub.ping().ServerStartTime == stub.ping().ServerStartTime
