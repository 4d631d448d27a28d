"""HTTP/2 pings of clients: how many are too many. The limits are minutes, so they are shortened here."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing

import pytest

from kubemqctl.broker import server
from kubemqctl.broker.server import BrokerConfig

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # and empty settings
_PING = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"pingpong"
_GOAWAY, _TOO_MANY = 7, b"too_many_pings"


def told_to_go(address: str, interval: float) -> bool:
    """Whether a client that sends six pings and nothing else is sent away."""
    host, _, port = address.rpartition(":")
    with closing(socket.create_connection((host, int(port)))) as connection:
        connection.sendall(_PREFACE)
        came = b""
        for _ in range(6):
            connection.settimeout(interval)
            connection.sendall(_PING)
            deadline = time.monotonic() + interval
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                try:
                    came += connection.recv(4096)
                except TimeoutError:
                    break
                if _TOO_MANY in came:
                    return True
        return False


@pytest.mark.parametrize(("community", "sent_away"), [(False, False), (True, True)])
def test_pings_as_sdks_send_them_are_taken_but_by_the_community_server(
    community: bool, sent_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortened = [(name, 50 if value == 4_000 else value) for name, value in server._PINGS_TAKEN]
    assert shortened != server._PINGS_TAKEN
    monkeypatch.setattr(server, "_PINGS_TAKEN", shortened)

    async def main() -> bool:
        stop = asyncio.Event()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        config = BrokerConfig(community=community)
        serving = asyncio.create_task(server.serve(config, ready.set_result, stop))
        found = await asyncio.to_thread(told_to_go, await ready, 0.1)
        stop.set()
        await serving
        return found

    assert asyncio.run(main()) == sent_away
