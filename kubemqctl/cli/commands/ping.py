"""`kubemqctl ping`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli.options import count as count_option
from kubemqctl.cli.options import duration
from kubemqctl.model.errors import NotReady, TimedOut, Unreachable, UsageError
from kubemqctl.model.reports import Pong
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.config.settings import Settings


# Seconds between two tries to reach a server.
PAUSE = 0.1


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "ping", ping)


def ping(
    ctx: typer.Context,
    wait: Annotated[float, duration("--wait", "Keep trying for up to D until the server responds.")] = 0.0,
    count: Annotated[int, count_option("Send N pings.")] = 1,
    interval: Annotated[float | None, duration("--interval", "Time between pings.", "1s")] = None,
) -> int:
    """Check that the server responds, and how fast.

    Prints the server's host, version, start time and the round-trip time; in a pipe only the round-trip
    time in milliseconds. The exit code is 5 if the server does not respond.

    Examples:
      kubemqctl ping
      kubemqctl ping --wait 30s && echo ready
      kubemqctl ping --count 5 --interval 200ms -o json
    """
    if interval is not None and count == 1:
        raise UsageError("--interval needs --count N")
    run: Invocation = ctx.obj
    render = run.renderer(Pong)
    with StopSignal() as stop:
        client, pong = reach(run.connecting(), wait, stop)
        from kubemqctl.client import connection

        with client:
            run.write(render.one(pong))
            for _ in range(count - 1):
                stop.wait(1.0 if interval is None else interval)
                if stop:
                    break
                run.write(render.one(connection.ping(client)))
        return stop.exit_code


def reach(settings: Settings, wait: float, stop: StopSignal) -> tuple[Client, Pong]:
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
