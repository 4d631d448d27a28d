"""`kubemqctl ping`."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli.options import count as count_option
from kubemqctl.cli.options import duration
from kubemqctl.model.errors import UsageError
from kubemqctl.model.reports import Pong
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal, pause


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
    from kubemqctl.client.connect import wait_for_server

    with StopSignal() as stop:
        settings = run.connecting()
        client, pong = wait_for_server(settings, max(wait, settings.connect_wait), run.warn, pause)
        from kubemqctl.client import connection

        with client:
            run.write(render.one(pong))
            for _ in range(count - 1):
                stop.wait(1.0 if interval is None else interval)
                if stop:
                    break
                run.write(render.one(connection.ping(client)))
        return stop.exit_code
