"""Texts and documents on stdout: for people and pipes as they are, under -o json and yaml as one record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubemqctl.invocation import Invocation


def show(run: Invocation, text: str, record: dict[str, object]) -> None:
    """Print `text`, or `record` where a form was asked for that takes a record."""
    if run.form().name in ("human", "raw"):
        run.write(text.encode())
    else:
        run.write(run.renderer(dict).one(record))
