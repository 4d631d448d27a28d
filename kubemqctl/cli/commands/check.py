"""`kubemqctl check`: a server and its queues held against conditions, for monitoring and CI."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import (
    ExpectationFailed,
    KubemqctlError,
    OutputError,
    ReaderGone,
    TimedOut,
    Unreachable,
    UsageError,
)
from kubemqctl.model.reports import HealthCheck
from kubemqctl.model.text import count_text, quoted
from kubemqctl.runtime.invocation import Invocation


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "check", check)


def check(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[queue NAME…]", help="The queues to look at.", show_default=False),
    ] = None,
    warn: Annotated[
        list[str] | None, typer.Option("--warn", metavar="EXPR", help="Warn when EXPR holds; repeatable.")
    ] = None,
    critical: Annotated[
        list[str] | None,
        typer.Option("--critical", metavar="EXPR", help="Report a failure when EXPR holds; repeatable."),
    ] = None,
    nagios: Annotated[
        bool, typer.Option("--nagios", help="Print one line and end with 0 to 3, as a plugin of Nagios does.")
    ] = False,
) -> int:
    """Check that a server answers, and how much waits in its queues.

    Without a name the server alone is looked at. EXPR is a condition, such as 'waiting>100' or
    'oldest>=10m', on waiting, messages, bytes, subscribers, oldest (the age of the first message) and
    round_trip. The exit code is 11 if one holds or cannot be judged, and if a queue does not exist.
    Servers count the last consumer of a queue among its subscribers after it has gone: that nobody reads
    is seen by 'oldest', for which the first message is looked at as `queue peek` does it.

    Examples:
      kubemqctl check --critical 'round_trip>500ms'
      kubemqctl check queue orders mails --warn 'waiting>100' --critical 'oldest>1h'
      kubemqctl check queue orders --critical 'oldest>10m' --nagios
    """
    from kubemqctl.messaging import channel_checks as checks

    names = _names(words or [])
    run: Invocation = ctx.obj
    if nagios and (run.common.output or run.common.template is not None):
        raise UsageError("--nagios prints a line of its own: leave out -o and --format")
    limits = checks.parse_limits(warn or [], critical or [], queues=bool(names))
    render = run.renderer(HealthCheck)
    with run.client() as client:
        found = [checks.check_queue(client, name, limits) for name in names]
        found = found or [checks.check_server(client, limits)]
    if nagios:
        run.write(checks.nagios_line(found).encode("utf-8", "backslashreplace") + b"\n")
        return checks.NAGIOS_CODES[checks.worst(found)]
    run.write(render.all(found))
    bad = [health for health in found if health.status != "ok"]
    if bad:
        many = f"{count_text(len(bad), 'check')} failed: " if len(found) > 1 else ""
        raise ExpectationFailed(f"{many}{bad[0].name}: {bad[0].reason}", code="check-failed")
    return 0


def _names(words: list[str]) -> list[str]:
    if not words:
        return []
    if words[0] != "queue":
        raise UsageError(
            f"check does not know {quoted(words[0])}", hint="write: check queue NAME…, or check alone"
        )
    if len(words) == 1:
        raise UsageError("check queue needs the name of a queue", hint="check alone looks at the server")
    for name in words[1:]:
        check_channel(name)
    return words[1:]


def nagios_error(error: KubemqctlError, run: Invocation) -> int:
    """Print the line of --nagios for an error that kept it from checking anything; returns the exit code.

    Where stdout does not take the line, the code still tells the monitor, and stderr says why.
    """
    from kubemqctl.messaging.channel_checks import NAGIOS_CODES, nagios_text
    from kubemqctl.model.reports import HealthStatus

    # No server is what a monitor is there for; anything else says nothing of the server.
    status: HealthStatus = "critical" if isinstance(error, Unreachable | TimedOut) else "unknown"
    try:
        run.write(nagios_text(status, error.message).encode("utf-8", "backslashreplace") + b"\n")
    except (OutputError, ReaderGone):
        run.report(error)
    return NAGIOS_CODES[status]
