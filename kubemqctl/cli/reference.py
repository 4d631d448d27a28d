"""The command reference as Markdown, generated from the command tree into reference.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubemqctl.cli.commands.schema import MEANING_OF_VARIABLE, MEANINGS, PRINTS
from kubemqctl.cli.description import Argument, Command, Option, Tree


def markdown(tree: Tree) -> str:
    """The whole of it."""
    return "\n".join(_lines(tree)) + "\n"


def _lines(tree: Tree) -> Iterator[str]:
    yield from ("# kubemqctl: all commands", "")
    yield from (
        "Generated from the command tree by `make completions`; `kubemqctl help reference` prints it.",
        "",
    )
    yield from ("| command | |", "| --- | --- |")
    for command in tree.commands:
        yield f"| [`{command.name}`](#kubemqctl-{'-'.join(command.path)}) | {_cell(command.help)} |"
    yield from (
        "",
        "## Common options",
        "",
        "Accepted before and after every command, anywhere before `--`.",
        "",
    )
    yield from _options(tree.common)
    for command in tree.commands:
        yield from _command(command)
    yield from ("## Exit codes", "", "| code | meaning |", "| --- | --- |")
    yield from (f"| {int(code)} | {_cell(meaning)} |" for code, meaning in MEANINGS.items())
    yield from ("", "## Environment variables", "", "| variable | meaning |", "| --- | --- |")
    yield from (f"| `{name}` | {_cell(meaning)} |" for name, meaning in MEANING_OF_VARIABLE.items())


def _command(command: Command) -> Iterator[str]:
    yield from (f"## kubemqctl {command.name}", "", f"    {command.usage}", "", command.help, "")
    if command.details:
        yield from (command.details.replace("\b\n", "").strip(), "")
    if command.arguments:
        yield from ("| argument | |", "| --- | --- |")
        yield from map(_argument, command.arguments)
        yield ""
    if command.options:
        yield from _options(command.options)
    printed = PRINTS[command.name]
    records = " or ".join(f"`{name}`" for name in printed.records)
    yield f"Record: {records or 'none'}. `raw` prints {printed.raw}."
    yield from ("", "```sh", *command.examples, "```", "")


def _argument(argument: Argument) -> str:
    needed = "" if argument.required else "optional"
    return f"| `{argument.metavar}` | {_cell(' '.join(filter(None, [argument.help, needed])))} |"


def _options(options: Iterable[Option]) -> Iterator[str]:
    yield from ("| option | meaning | default |", "| --- | --- | --- |")
    yield from map(_option, options)
    yield ""


def _option(option: Option) -> str:
    names = ", ".join((*option.names, *option.off)) + (f" {option.metavar}" if option.metavar else "")
    variable = f" (`{option.variable}`)" if option.variable else ""
    default = f"`{option.default}`" if option.default else ""
    repeatable = " Repeatable." if option.repeatable and "repeat" not in option.help else ""
    return f"| `{names}` | {_cell(option.help)}{repeatable}{variable} | {default} |"


def _cell(text: str) -> str:
    """As it stands in a cell. Only a `<` that could begin a tag is escaped: the page is read plain, too."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text.replace("|", "\\|").replace("*", "\\*"))
