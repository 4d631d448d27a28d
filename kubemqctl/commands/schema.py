"""`kubemqctl schema`."""

from __future__ import annotations

import json

import typer

from kubemqctl import options
from kubemqctl.model.errors import UsageError
from kubemqctl.runtime.invocation import Invocation


def register(root: typer.Typer, only: str) -> None:
    """Add the command to the tree."""
    options.register(root, "schema", schema)


def schema(ctx: typer.Context) -> None:
    """Describe this program for programs, as one JSON document.

    It has all commands with their arguments, options, types, defaults and environment variables; the exit
    codes and error codes; and JSON Schemas of all records, with which command prints which. -o json puts
    it on one line.

    Examples:
      kubemqctl schema > kubemqctl.schema.json
      kubemqctl schema -o yaml | less
      kubemqctl schema | python3 -c 'import json, sys; print(*json.load(sys.stdin)["records"])'
    """
    from kubemqctl.cli import build
    from kubemqctl.schema import document
    from kubemqctl.tree import describe

    run: Invocation = ctx.obj
    if run.common.template is not None:
        raise UsageError("the schema is one document: --format has no place here", hint="leave it out")
    found = document(describe(build()))
    run.show_document(json.dumps(found, indent=2, ensure_ascii=False) + "\n", found)
