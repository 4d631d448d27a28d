"""`kubemqctl doctor`."""

from __future__ import annotations

import typer

from kubemqctl.cli import command_tree
from kubemqctl.model.reports import Check
from kubemqctl.runtime.invocation import Invocation


def register(root: typer.Typer, only: str) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "doctor", doctor)


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
    from kubemqctl.client.doctor.server_steps import EVERYTHING
    from kubemqctl.client.doctor.steps import diagnose

    run: Invocation = ctx.obj
    render = run.renderer(Check, None)
    diagnose(run.common.flags, run.environ, EVERYTHING, lambda check: run.write(render.one(check)))
