"""connect."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kubemqctl.model.errors import NotReady, TimedOut, Unreachable

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.config.settings import Settings
    from kubemqctl.model.reports import Pong
    from kubemqctl.runtime.waiting import Stop


# Seconds between two tries to reach a server.
PAUSE = 0.1


def reach(settings: Settings, wait: float, stop: Stop) -> tuple[Client, Pong]:
    """A server that answers, and its first answer; tried again for `wait` seconds.

    Raises Unreachable when none does in that time (with no `wait`: what went wrong), Stopped on a signal.
    """
    until = time.monotonic() + wait
    while True:
        left = max(0.05, until - time.monotonic()) if wait else settings.connect_timeout
        try:
            return _answering(settings._replace(connect_timeout=min(left, settings.connect_timeout)))
        except (Unreachable, NotReady, TimedOut) as e:
            stop.check()
            if not wait:
                raise
            if time.monotonic() >= until:
                raise Unreachable(
                    f"no server answered within {wait:g} s: {e.message}",
                    hint=e.hint,
                    grpc_status=e.grpc_status,
                ) from e
        stop.wait(PAUSE)


def _answering(settings: Settings) -> tuple[Client, Pong]:
    from kubemqctl.client.connect import connect
    from kubemqctl.client.connection import ping

    client = connect(settings)

    try:
        return client, ping(client)
    except BaseException:
        client.__exit__()
        raise
