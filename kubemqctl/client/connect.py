"""`connect`: the only way to the modules that import grpc, which takes up to 100 ms."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kubemqctl.model.errors import PASSING, Unreachable

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.credentials import Credentials
    from kubemqctl.config.settings import Settings
    from kubemqctl.model.reports import Pong

PAUSE = 0.1
"""Seconds between two tries to reach a server that is waited for."""
_SHORTEST = 0.05  # seconds that a try has, however little is left

Warn = Callable[[str], None]
Pause = Callable[[float], None]


def _silent(text: str) -> None:
    pass


def connect(settings: Settings, warn: Warn = _silent, pause: Pause = time.sleep) -> Client:
    """A client of the first address of `settings` that takes a TCP connection; see Client.

    With a `connect_wait`, one that answers: tried again for so long while there is none.
    Raises Unreachable when there is none, ConfigError or NotFound for TLS files and tokens that cannot be
    read, and what `pause` raises.
    """
    if settings.connect_wait:
        return wait_for_server(settings, settings.connect_wait, warn, pause)[0]
    return _client(settings, warn, pause, None)


def prepare_grpc() -> None:
    """Say what grpc reads from the environment; to be called before it is imported.

    Raises OSError when it could not open the files that it needs: it would abort the process.
    """
    _check_descriptors()
    # Its core prints its own lines on stderr otherwise, and its fork handlers only cost us time.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def _client(settings: Settings, warn: Warn, pause: Pause, credentials: Credentials | None) -> Client:
    prepare_grpc()
    from kubemqctl.client.connection import Client

    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    return Client(settings, warn, pause, credentials)


_NEEDED = 16  # files that grpc opens for one connection, and a few more


def _check_descriptors() -> None:
    """Raise OSError (EMFILE) when there are too few left for a connection."""
    opened = []
    try:
        for _ in range(_NEEDED):
            opened.append(os.dup(2))  # noqa: PERF401 -- those that were opened are closed when one fails
    finally:
        for fd in opened:
            os.close(fd)


def wait_for_server(
    settings: Settings, wait: float, warn: Warn = _silent, pause: Pause = time.sleep
) -> tuple[Client, Pong]:
    """A client of a server that answers a ping, and its answer; tried again for `wait` seconds.

    Raises Unreachable when none answers in that time (with no `wait`: what went wrong). What waiting does
    not mend is raised at once: a TLS connection that fails, a token that is refused.
    """
    prepare_grpc()
    from kubemqctl.client.credentials import Credentials

    credentials = Credentials(settings)  # a token_command runs once, not at every try
    until = time.monotonic() + wait
    while True:
        left = max(_SHORTEST, until - time.monotonic()) if wait else float("inf")
        try:
            return _answering(settings, left, warn, pause, credentials)
        except PASSING as e:
            if not wait or e.code == "tls-failed":
                raise
            if time.monotonic() >= until:
                raise Unreachable(
                    f"no server answered within {wait:g} s: {e.message}",
                    hint=e.hint,
                    grpc_status=e.grpc_status,
                    server_message=e.server_message,
                ) from e
        pause(min(PAUSE, max(0.0, until - time.monotonic())))


def _answering(
    settings: Settings, left: float, warn: Warn, pause: Pause, credentials: Credentials
) -> tuple[Client, Pong]:
    hurried = settings._replace(connect_timeout=min(left, settings.connect_timeout))
    client = _client(hurried, warn, pause, credentials)
    client.settings = settings  # the next connection has its whole time again
    from kubemqctl.client.connection import PING_TIMEOUT, ping

    try:
        return client, ping(client, min(left, PING_TIMEOUT))
    except BaseException:
        client.__exit__()
        raise
