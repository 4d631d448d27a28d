"""The command tree. Only the group that the first word names is imported and built.

36 commands cost 40 ms; help, typos and completion build all. Typer's classes are changed in small ways
here, so that usage lines and defaults show as people type them.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer
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


# The order of `kubemqctl --help`.
COMMANDS = (
    "queue",
    "events",
    "store",
    "cmd",
    "query",
    "channel",
    "top",
    "ping",
    "doctor",
    "bench",
    "profile",
    "broker",
    "schema",
    "completion",
    "help",
)


def build(names: Sequence[str] = COMMANDS, only: str = "") -> Any:
    """The command tree with these top-level commands; of a group, `only` this command where it has it."""
    from kubemqctl.cli.common_options import root as options

    root = typer.Typer(
        name="kubemqctl",
        cls=HelpGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    root.callback(epilog=_EPILOG)(options)
    for name in names:
        importlib.import_module(f"kubemqctl.cli.commands.{name}").register(root, only)
    tree: Any = typer.main.get_command(root)
    # Typer has single commands first and groups behind them.
    tree.commands = {name: tree.commands[name] for name in names}
    return tree


_EPILOG = """\b
Examples:
  kubemqctl broker exec -- sh -c 'kubemqctl queue send hello world && kubemqctl queue receive hello'
  kubemqctl ping --wait 30s
  kubemqctl queue send --help"""
F = TypeVar("F", bound=Callable[..., Any])
COMMON_HINT = "The common options (-p, -a, -o, --tls, …) are accepted here too: see `kubemqctl --help`."
TAKES_HANDLER: set[Callable[..., Any]] = set()


class CommandGroup:
    """The commands of a group, kept aside so that only the one that is called need be built (1 ms each)."""

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.commands: dict[str, Callable[..., Any]] = {}

    def command(self, name: str, *, handler: bool = False) -> Callable[[F], F]:
        """Add a function as `name`; with `handler` it takes a user's command behind `--`."""

        def add(function: F) -> F:
            self.commands[name] = function
            if handler:
                TAKES_HANDLER.add(function)
            return function

        return add

    def register(self, root: typer.Typer, only: str) -> None:
        """Add the group to the tree: with the command `only`, or with all when there is none of that name."""
        app = typer.Typer(cls=HelpGroup, help=self.help)
        for name in [only] if only in self.commands else self.commands:
            register(app, name, self.commands[name])
        root.add_typer(app, name=self.name)


def register(app: typer.Typer, name: str, function: Callable[..., Any]) -> None:
    """Add one command to the tree; its docstring is the help, its examples come last."""
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition("\nExamples:\n")
    epilog = f"{COMMON_HINT}\n\n\b\nExamples:\n{examples}" if examples else COMMON_HINT
    kind = HandlerCommand if function in TAKES_HANDLER else Command
    app.command(name, cls=kind, help=text, epilog=epilog)(function)
