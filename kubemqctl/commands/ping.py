"""`kubemqctl ping`."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl import options
from kubemqctl.model.errors import UsageError
from kubemqctl.model.reports import Pong
from kubemqctl.options import duration
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import Stop


def register(root: typer.Typer, only: str) -> None:
    """Add the command to the tree."""
    options.register(root, "ping", ping)


def ping(
    ctx: typer.Context,
    wait: Annotated[float, duration("--wait", "Try for so long until the server answers.")] = 0.0,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Ping so many times.")] = 1,
    interval: Annotated[float | None, duration("--interval", "Pause so long between pings.", "1s")] = None,
) -> int:
    """Ask the server whether it is there, and how fast it answers.

    Prints the server's host, version, start and the round trip; into a pipe the milliseconds of the
    round trip alone. Ends with 5 when no server answers.

    Examples:
      kubemqctl ping
      kubemqctl ping --wait 30s && echo ready
      kubemqctl ping --count 5 --interval 200ms -o json
    """
    if interval is not None and count == 1:
        raise UsageError("--interval is a pause between pings: say how many with --count N")
    run: Invocation = ctx.obj
    render = run.renderer(Pong)
    with Stop() as stop:
        from kubemqctl.connect import reach

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
