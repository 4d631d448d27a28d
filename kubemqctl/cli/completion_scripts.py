"""Static completion scripts, generated from the command tree: shells/ has their machinery, this the tables.

A script knows every word and option by itself; only names of channels and profiles make it call the program
(see completion_names.py). In its tables a *kind* says what a value is: `file`, `directory`, `profiles`,
`channels:TYPE` (`@`: the type is the argument before), `words:a,b`, `topics:a,b`, and `-` for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kubemqctl.cli.arguments import SWITCHES, VALUED
from kubemqctl.cli.description import Argument, Command, Option, Tree, Value
from kubemqctl.cli.help_page import HELP

FILES = {"bash": "kubemqctl.bash", "zsh": "_kubemqctl", "fish": "kubemqctl.fish"}
"""The file that a shell's script is in, by the shell's name."""


class ScriptOption(NamedTuple):
    """An option of a script: its names, the kind of its value (empty for a switch), its help."""

    names: tuple[str, ...]
    kind: str
    help: str


class ScriptLevel(NamedTuple):
    """What one level of the tree offers. `commands` are (word, help), `arguments` kinds.

    `rest` is the kind of all words behind those; empty when there are none.
    """

    path: str
    commands: tuple[tuple[str, str], ...]
    options: tuple[ScriptOption, ...]
    arguments: tuple[str, ...]
    handler: bool
    rest: str = ""


def script(shell: str, tree: Tree, topics: Iterable[str]) -> str:
    """The completion script for `bash`, `zsh` or `fish`."""
    machinery = (Path(__file__).with_name("shells") / FILES[shell]).read_text(encoding="utf-8")
    common = [_row(option, topics) for option in (*filter(_everywhere, tree.common), HELP)]
    parts = _WRITERS[shell](list(tables(tree, topics)), common)
    for name, text in parts.items():
        machinery = machinery.replace(f"#{name}#", text)
    return machinery


def _everywhere(option: Option) -> bool:
    """Whether a common option is taken behind a command, too; `--version` is not."""
    return option.name in VALUED or option.name in SWITCHES


def tables(tree: Tree, topics: Iterable[str]) -> Iterator[ScriptLevel]:
    """The tables of all levels: the root, the groups, the commands."""
    alone = {command.path[0]: command.help for command in tree.commands if len(command.path) == 1}
    inner = {**tree.groups, **alone}
    names = dict.fromkeys(command.path[0] for command in tree.commands)
    first = tuple(_row(option, topics) for option in tree.common if not _everywhere(option))
    yield ScriptLevel("", tuple((name, inner[name]) for name in names), first, (), False)
    for group in tree.groups:
        commands = tuple((c.path[1], c.help) for c in tree.commands if c.path[0] == group)
        yield ScriptLevel(group, commands, (), (), False)
    for command in tree.commands:
        yield _table(command, topics)


def _table(command: Command, topics: Iterable[str]) -> ScriptLevel:
    return ScriptLevel(
        command.name,
        (),
        tuple(_row(option, topics) for option in command.options),
        tuple(_kind(argument.value, topics) for argument in command.arguments),
        bool(command.handler),
        _rest(command.arguments),
    )


def _rest(arguments: Iterable[Argument]) -> str:
    return next((f"channels:{a.value.of}" for a in arguments if a.repeatable and a.value.of), "")


def _row(option: Option, topics: Iterable[str]) -> ScriptOption:
    kind = _kind(option.value, topics) if option.value else ""
    return ScriptOption((*option.names, *option.off), kind, option.help.replace("|", "/"))


def _kind(value: Value, topics: Iterable[str]) -> str:
    if value.words:
        return f"words:{','.join(value.words)}"
    if value.kind == "topic":
        return f"topics:{','.join(topics)}"
    if value.kind == "channel":
        return f"channels:{value.of}" if value.of else "-"
    return {"file": "file", "directory": "directory", "profile": "profiles"}.get(value.kind, "-")


# ---- as each shell writes it ----

Parts = dict[str, str]


def _bash(tables: list[ScriptLevel], common: list[ScriptOption]) -> Parts:
    lines = []
    for table in tables:
        said = {
            "commands": " ".join(word for word, _ in table.commands),
            "options": _names(table.options),
            "values": _values(table.options),
            "arguments": " ".join(table.arguments),
            "rest": table.rest,
            "handler": "--" if table.handler else "",
        }
        lines.append(f"        {_quoted(table.path)})")
        lines += [f"            {name}={_quoted(text)}" for name, text in said.items() if text]
        lines.append("            ;;")
    return {"TABLE": "\n".join(lines), "COMMON": _names(common), "COMMON_VALUES": _values(common)}


def _names(rows: Iterable[ScriptOption]) -> str:
    return " ".join(name for row in rows for name in row.names)


def _values(rows: Iterable[ScriptOption]) -> str:
    return " ".join(f"{name}={row.kind}" for row in rows if row.kind for name in row.names)


def _zsh(tables: list[ScriptLevel], common: list[ScriptOption]) -> Parts:
    lines = []
    for table in tables:
        lines.append(f"        ({_quoted(table.path)})")
        said = {
            "subcommands": [f"{word}:{help}" for word, help in table.commands],
            "flags": [_joined(row) for row in table.options],
            "kinds": list(table.arguments),
        }
        for name, rows in said.items():
            if rows:
                inner = "\n".join(f"                {_quoted(row)}" for row in rows)
                lines.append(f"            {name}=(\n{inner}\n            )")
        if table.rest:
            lines.append(f"            rest={table.rest}")
        lines += ["            handler=--"] * table.handler
        lines.append("            ;;")
    return {
        "TABLE": "\n".join(lines),
        "COMMON": "\n".join(f"        {_quoted(_joined(row))}" for row in common),
    }


def _fish(tables: list[ScriptLevel], common: list[ScriptOption]) -> Parts:
    def rows(table: ScriptLevel) -> list[str]:
        return [
            *(f"command|{word}|{help}" for word, help in table.commands),
            *(f"argument|{kind}" for kind in table.arguments),
            *([f"rest|{table.rest}"] if table.rest else []),
            *["handler"] * table.handler,
            *(f"option|{_joined(row)}" for row in table.options),
        ]

    def lines(rows: Iterable[str], indent: str) -> str:
        return " \\\n".join(indent + _fish_quoted(row) for row in rows)

    cases = [
        f"        case {_fish_quoted(table.path)}\n            printf '%s\\n' \\\n{lines(found, ' ' * 16)}"
        for table in tables
        if (found := rows(table))
    ]
    common_rows = [f"option|{_joined(row)}" for row in common]
    return {"TABLE": "\n".join(cases), "COMMON": lines(common_rows, " " * 8)}


def _joined(row: ScriptOption) -> str:
    return "|".join((" ".join(row.names), row.kind, row.help))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_WRITERS: dict[str, Callable[[list[ScriptLevel], list[ScriptOption]], Parts]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
