"""How commands show themselves: Typer's classes, with usage lines and defaults as people type them."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

# Typer brackets a default that is given as text: [default: (5s)].
_DEFAULT = re.compile(r"(\[default:\s+)\(([^()]*)\)")


def _plain(help: str) -> str:
    return _DEFAULT.sub(r"\1\2", help)


class Command(TyperCommand):
    """A command whose usage shows required arguments bare."""

    behind = ""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]
        return [*pieces, self.behind] if self.behind else pieces

    def get_help(self, ctx: Any) -> str:
        return _plain(super().get_help(ctx))


class HandlerCommand(Command):
    """A command behind whose `--` stands a command of the user's."""

    behind = "[-- COMMAND ARG…]"


class HelpGroup(TyperGroup):
    """A group, and the root of them all."""

    def get_help(self, ctx: Any) -> str:
        return _plain(super().get_help(ctx))
