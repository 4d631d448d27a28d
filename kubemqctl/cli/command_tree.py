"""The command tree. Only what the words name is imported and built: one costs 5 ms, all 140 ms.

The help of a group needs no more of its commands than their summaries, and so does an unknown word; the
schema, the reference and completion build everything. Typer's classes are changed in small ways here, so
that usage lines, options and defaults show as people type them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from kubemqctl.model.text import docstring


class HelpRequested(Exception):
    """Ends the parsing of a command line that asks for help; `text` is what to print."""

    def __init__(self, text: str) -> None:
        super().__init__("help")
        self.text = text


class Command(TyperCommand):
    """A command whose usage shows required arguments bare, and whose options stand under headings."""

    handler = ""
    """How a command of the user's behind `--` stands in the usage line, where it takes one."""
    prints_metrics = False

    def invoke(self, ctx: Any) -> Any:
        from kubemqctl.cli.read_only import refuse_changes

        ctx.obj.check_output(self.prints_metrics)
        refuse_changes(ctx.obj, tuple(ctx.command_path.split()[1:]), ctx.params)
        return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]
        return [*pieces, self.handler] if self.handler else pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)

    def help_text(self, ctx: Any) -> str:
        """What `--help` prints."""
        return _help_text(self, ctx)

    def get_help(self, ctx: Any) -> str:
        # Typer would print it by itself, and say nothing when it could not be written.
        raise HelpRequested(self.help_text(ctx))


class HandlerCommand(Command):
    """A command that takes a handler: a command of the user's behind `--`."""

    handler = "[-- COMMAND ARG…]"


class AroundCommand(Command):
    """A command that runs a command of the user's, and cannot do without."""

    handler = "-- COMMAND ARG…"


class MetricsCommand(Command):
    """A listing of channels, which -o prometheus prints as metrics."""

    prints_metrics = True


class HelpGroup(TyperGroup):
    """A group of commands, and the program as a whole."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        from kubemqctl.cli.help_page import table

        summaries = [(name, inner.get_short_help_str(1000)) for name, inner in self.commands.items()]
        formatter.write(f"\nCommands:\n{table(summaries, formatter.width)}")
        _write_options(self, ctx, formatter)

    def help_text(self, ctx: Any) -> str:
        """What `--help` prints."""
        return _help_text(self, ctx)

    def get_help(self, ctx: Any) -> str:
        raise HelpRequested(self.help_text(ctx))


def _help_text(found: Any, ctx: Any) -> str:
    """The help of a command. No line ends within a word: `--tls-` is no option."""
    from shutil import get_terminal_size

    from kubemqctl.cli.help_page import NARROW, restored, unbroken

    formatter = ctx.make_formatter()
    if (columns := get_terminal_size().columns) < NARROW + 2:
        formatter.width = max(columns - 2, 30)
    write = formatter.write_text
    formatter.write_text = lambda text: write(unbroken(text, "-"))
    found.format_help(ctx, formatter)
    return restored(formatter.getvalue()).rstrip("\n") + "\n"


def _write_options(found: Any, ctx: Any, formatter: Any) -> None:
    """The arguments that need a word, and the options under their headings."""
    from kubemqctl.cli.description import options_of
    from kubemqctl.cli.help_page import HELP, column, placeholders, rows, sections, table

    path = tuple(ctx.command_path.split()[1:])
    arguments = [(p.metavar, p.help) for p in found.params if p.param_type_name == "argument" and p.help]
    if arguments:
        formatter.write(f"\nArguments:\n{table(arguments, formatter.width)}")
    options = (*options_of(found, path), HELP)
    align = sum(len(option.names) > 1 for option in options) > 1
    left = column([name for name, _ in rows(options, align=align)], formatter.width)
    for section in sections(" ".join(path), options):
        listed = table(rows(section.options, align=align), formatter.width, left)
        formatter.write(f"\n{section.heading}:\n{listed}")
    if explained := placeholders(options):
        formatter.write("\n")
        with formatter.indentation():
            formatter.write_text(explained)


COMMANDS = {
    "queue": "Send, receive, inspect, move and delete queue messages.",
    "events": "Publish events to current subscribers, and subscribe to them.",
    "store": "Publish events that are stored, and read them from any position.",
    "cmd": "Send commands, and respond to them.",
    "query": "Send queries, and respond to them.",
    "expect": "Check that messages come, for tests and CI.",
    "channel": "List, create and delete channels.",
    "top": "Show message rates and backlogs of channels, live.",
    "ping": "Check that the server responds, and how fast.",
    "check": "Check a server and its queues against conditions.",
    "doctor": "Diagnose the connection to the server, step by step.",
    "bench": "Measure throughput and latency.",
    "profile": "Manage named connection settings.",
    "broker": "Run a built-in broker for development and tests.",
    "schema": "Print a machine-readable description of this program.",
    "completion": "Print or install the completion script of a shell.",
    "help": "Show help on a topic or a command.",
}
"""What each command or group does, in the order of `kubemqctl --help`."""


F = TypeVar("F", bound=Callable[..., Any])


def build(names: Sequence[str] = tuple(COMMANDS), only: str | None = None) -> Any:
    """The command tree with these top-level commands; of a group, `only` this command.

    A group that has no command `only` shows its commands' summaries, without arguments and options.
    """
    root = _root()
    for name in names:
        importlib.import_module(f"kubemqctl.cli.commands.{name}").register(root, only)
    tree: Any = typer.main.get_command(root)
    # Typer has single commands first and groups behind them.
    tree.commands = {name: tree.commands[name] for name in names}
    return tree


def outline() -> Any:
    """The program with the names and summaries of its commands: imports none of them."""
    root = _root()
    for name, summary in COMMANDS.items():
        root.command(name, help=summary)(_outlined)
    return typer.main.get_command(root)


def _root() -> typer.Typer:
    from kubemqctl.cli.common_options import root as options

    root = typer.Typer(
        name="kubemqctl",
        cls=HelpGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        suggest_commands=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    root.callback(help=docstring(options), epilog=_EPILOG)(options)
    return root


def _outlined() -> None:
    """The function of a command of which only the summary is needed; never called."""


_EPILOG = """\b
Examples:
  kubemqctl broker exec -- sh -c 'kubemqctl queue send hello world && kubemqctl queue receive hello'
  kubemqctl ping --wait 30s
  kubemqctl queue send --help

Topics, among them exit codes, records and recipes: `kubemqctl help`."""


COMMON_HINT = "For the common options (-p, -a, -o, --tls …) see `kubemqctl --help`."


class CommandGroup:
    """The commands of a group, kept aside so that only the one that is called need be built (1 ms each)."""

    def __init__(self, name: str, note: Callable[[], str] = str) -> None:
        """`note` gives what help has to say of this installation, such as a library that is missing."""
        self.name = name
        self.commands: dict[str, tuple[Callable[..., Any], type[Command]]] = {}
        self._note = note

    def command(self, name: str, kind: type[Command] = Command) -> Callable[[F], F]:
        """Add a function as the command `name`."""

        def add(function: F) -> F:
            self.commands[name] = function, kind
            return function

        return add

    def register(self, root: typer.Typer, only: str | None) -> None:
        """Add the group to the tree, as build() says."""
        note = self._note()
        more = f"See `kubemqctl {self.name} COMMAND --help` for options and examples."
        epilog = f"{note}\n\n{more}" if note else more
        app = typer.Typer(cls=HelpGroup, help=COMMANDS[self.name], epilog=epilog, suggest_commands=False)
        for name, (function, kind) in self.commands.items():
            if only in (None, name):
                register(app, name, function, note, kind)
            elif only not in self.commands:
                app.command(name, help=docstring(function).partition("\n\n")[0])(_outlined)
        root.add_typer(app, name=self.name)


def register(
    app: typer.Typer,
    name: str,
    function: Callable[..., Any],
    note: str = "",
    kind: type[TyperCommand] = Command,
) -> None:
    """Add one command to the tree; its docstring is the help, its examples come last."""
    text, _, examples = docstring(function).partition("\nExamples:\n")
    epilog = f"{note}\n\n{COMMON_HINT}" if note else COMMON_HINT
    if examples:
        epilog += f"\n\n\b\nExamples:\n{examples}"
    app.command(name, cls=kind, help=text, epilog=epilog)(function)
