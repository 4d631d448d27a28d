"""`kubemqctl doctor`, and what `profile check` has of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kubemqctl import options
from kubemqctl.errors import KubemqctlError
from kubemqctl.invocation import Invocation
from kubemqctl.message import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubemqctl.case import Step
    from kubemqctl.profile import Flags


def register(root: typer.Typer, only: str) -> None:
    """Add the command to the tree."""
    options.register(root, "doctor", doctor)


def doctor(ctx: typer.Context) -> None:
    """Check everything between this machine and the server.

    Versions, configuration with its sources, permissions, token, certificates; DNS, TCP, TLS,
    authentication, round trips; clocks, the server's version and what it does not support. Nothing is
    changed on the server, and no token is shown. Ends with 0 when all is well, warnings included, else
    as a command would end that meets the first failure; what comes behind that is skipped.

    Examples:
      kubemqctl doctor
      kubemqctl doctor -o json
      kubemqctl doctor --format '{outcome} {name}: {found}'
    """
    from kubemqctl.diagnosis import EVERYTHING

    run: Invocation = ctx.obj
    look_at(run, run.common.flags, EVERYTHING)


def look_at(run: Invocation, flags: Flags, steps: Sequence[Step]) -> None:
    """Take the steps, and print each as it comes. Raises the error of the one that failed."""
    from kubemqctl.case import Case, examine

    render = run.renderer(Check, None)
    failed = None
    with Case(flags, run.environ) as case:
        for check in examine(case, steps):
            run.write(render.one(check))
            failed = failed or (check if check.outcome == "failed" else None)
    if failed and isinstance(failed.error, KubemqctlError):
        failed.error.message = f"{failed.name}: {failed.error.message}"
        raise failed.error
