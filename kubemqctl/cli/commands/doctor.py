"""`kubemqctl doctor`."""

from __future__ import annotations

import typer

from kubemqctl.cli import command_tree
from kubemqctl.model.reports import Check
from kubemqctl.runtime.invocation import Invocation


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "doctor", doctor)


def doctor(ctx: typer.Context) -> None:
    """Diagnose the connection to the server, step by step.

    Checks versions, configuration and its sources, file permissions, token and certificates; DNS, TCP,
    TLS, authentication and round-trip times; clocks, the server's version and the features it lacks.
    Nothing is changed on the server, and no token is shown. The exit code is 0 if nothing failed (warnings
    are no failure), otherwise that of a command that meets the first failure. Later steps are then skipped.

    Examples:
      kubemqctl doctor
      kubemqctl doctor -o json
      kubemqctl doctor --format '{status} {name}: {found}'
    """
    from kubemqctl.client.doctor.server_steps import EVERYTHING
    from kubemqctl.client.doctor.steps import diagnose

    run: Invocation = ctx.obj
    render = run.renderer(Check)
    diagnose(run.common.flags, run.environ, EVERYTHING, lambda check: run.write(render.one(check)))
