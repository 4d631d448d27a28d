"""The door to grpc: everything behind `connect` may take 100 ms to import, so nothing else leads there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kubemqctl.model.errors import NotReady, TimedOut, Unreachable

if TYPE_CHECKING:
    from kubemqctl.client.call import Client
    from kubemqctl.config.settings import Settings
    from kubemqctl.model.reports import Pong
    from kubemqctl.stop import Stop

# Seconds between two tries to reach a server.
PAUSE = 0.1


def connect(settings: Settings, warn: Callable[[str], None] = lambda text: None) -> Client:
    """A client of the first address of `settings` that takes a TCP connection; `warn` as in Client.

    Raises Unreachable when none does, ConfigError or NotFound for TLS files and tokens that cannot be read.
    """
    # grpc's core prints its own lines on stderr otherwise, and its fork handlers only cost us time.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from kubemqctl.client.call import Client

    return Client(settings, warn)


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
    client = connect(settings)
    from kubemqctl.client.queues import ping

    try:
        return client, ping(client)
    except BaseException:
        client.__exit__()
        raise
