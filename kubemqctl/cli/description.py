"""The command tree as plain nouns: what completion, the schema and the reference are generated from.

Typer's objects go in, once; what each value is (a file, a channel, one of few words) is found by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kubemqctl.config.sources import VARIABLES
from kubemqctl.model.channels import CHANNEL_TYPES, TYPE_OF_GROUP
from kubemqctl.model.values import OUTPUT_FORMS

SHELLS = ("bash", "zsh", "fish")
COMMUNITY = "community-2.4"
_OPEN = ("--on-fail", "--unset", "--fault")  # options whose words are beginnings, or not all there are
_FAULTS = ("latency=", "error=", "cut=", "lose-answer=", "redeliver=")
_VARIABLES = {variable.option: variable.name for variable in VARIABLES}


class Value(NamedTuple):
    """What an option or an argument takes.

    `words` are the values that can be named: all there are when `closed`, else the ones worth knowing; of
    channels, the words that stand before them.
    `of` is the type of a channel; "@" when the argument before it says that.
    """

    kind: str = "text"
    words: tuple[str, ...] = ()
    closed: bool = False
    of: str = ""


class Option(NamedTuple):
    """`value` is None for a switch; `off` are the names that switch it off. `default` is as one types it."""

    names: tuple[str, ...]
    off: tuple[str, ...]
    help: str
    metavar: str
    value: Value | None
    default: str
    repeatable: bool
    variable: str

    @property
    def name(self) -> str:
        """Its long name."""
        return self.names[-1]


class Argument(NamedTuple):
    """A word that has its place; `repeatable` when all that follow are its."""

    metavar: str
    help: str
    required: bool
    repeatable: bool
    value: Value


class Command(NamedTuple):
    """`path` is how it is called: ("queue", "send"). `handler` is how a command behind `--` stands in its
    usage line, if it takes one."""

    path: tuple[str, ...]
    help: str
    details: str
    examples: tuple[str, ...]
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    handler: str

    @property
    def name(self) -> str:
        """As it is typed: `queue send`."""
        return " ".join(self.path)

    @property
    def usage(self) -> str:
        """The line that shows its form."""
        words = ["kubemqctl", *self.path, "[OPTIONS]" if self.options else ""]
        words += [
            argument.metavar + ("…" if argument.repeatable and "…" not in argument.metavar else "")
            for argument in self.arguments
        ]
        return " ".join(filter(None, [*words, self.handler]))


class Tree(NamedTuple):
    """The whole program; `groups` has the help of each group by its name."""

    common: tuple[Option, ...]
    groups: dict[str, str]
    commands: tuple[Command, ...]


def describe(root: Any) -> Tree:
    """The tree that `command_tree.build()` made, in the order in which the program knows its commands."""
    groups = {name: inner.help for name, inner in root.commands.items() if hasattr(inner, "commands")}
    return Tree(options_of(root, ()), groups, tuple(_commands(root, ())))


def _commands(found: Any, path: tuple[str, ...]) -> Iterator[Command]:
    for name, inner in found.commands.items():
        if hasattr(inner, "commands"):
            yield from _commands(inner, (*path, name))
        else:
            yield _command(inner, (*path, name))


def _command(found: Any, path: tuple[str, ...]) -> Command:
    summary, _, details = found.help.partition("\n\n")
    _, _, examples = (found.epilog or "").partition("Examples:\n")
    return Command(
        path,
        " ".join(summary.split()),
        details.strip(),
        tuple(line.strip() for line in examples.splitlines() if line.strip()),
        tuple(_argument(p, path) for p in found.params if p.param_type_name == "argument"),
        options_of(found, path),
        found.handler,
    )


def _argument(p: Any, path: tuple[str, ...]) -> Argument:
    metavar = p.metavar or p.name.upper()
    return Argument(metavar, p.help or "", p.required, p.nargs < 0, _value(path, "", metavar, p))


def options_of(found: Any, path: tuple[str, ...]) -> tuple[Option, ...]:
    """The options of one of Typer's commands, less `--help`."""
    own = [p for p in found.params if p.param_type_name == "option" and "--help" not in p.opts]
    return tuple(_option(p, path) for p in own)


def _option(p: Any, path: tuple[str, ...]) -> Option:
    name = p.opts[-1]
    return Option(
        tuple(p.opts),
        tuple(p.secondary_opts),
        " ".join((p.help or "").split()),
        "" if p.is_flag else p.metavar or p.name.upper(),
        None if p.is_flag else _value(path, name, p.metavar or "", p),
        _default(p),
        p.multiple,
        _VARIABLES.get(name, "") if not path else "",
    )


def _default(p: Any) -> str:
    if isinstance(p.show_default, str):
        return p.show_default
    if p.is_flag or p.default is None or p.default in ("", 0, ()) or p.show_default is False:
        return ""
    return str(p.default)


# ---- what a value is ----

_BY_METAVAR = {
    "PATH": Value("file"),
    "FILE": Value("file"),
    "DIR": Value("directory"),
    "D": Value("duration"),
    "N": Value("integer"),
    "N/s": Value("rate"),
    "SIZE": Value("size"),
    "K=V": Value("tag"),
    "HOST:PORT": Value("address"),
    "START": Value("position", ("new", "first", "last")),
    "END": Value("position", ("now",)),
    "WHEN": Value("word", ("after-output", "auto"), True),
}
_CHANNELS = ("CHANNEL", "SOURCE", "TARGET")
_HANDLER_FORMS = ("--handler-input", "--handler-output")


def _value(path: tuple[str, ...], option: str, metavar: str, p: Any) -> Value:
    name = metavar.strip("[]….")
    if words := _words(path, option, name):
        return Value("word", words, closed=metavar != "EXPR" and option not in _OPEN)
    if name in _CHANNELS:
        return Value("channel", of=TYPE_OF_GROUP.get(_pattern(path), ""))
    if option in ("--profile", "--to-profile") or (
        not option and path[:1] == ("profile",) and name == "NAME"
    ):
        return Value("profile")
    if path[:1] == ("channel",) and name == "NAME" and not option:
        return Value("channel", of="@") if path[1] == "delete" else Value()
    if path == ("help",):
        return Value("topic")
    if path == ("check",) and not option:
        return Value("channel", ("queue",), of="queues")
    number = Value("integer") if re.match("int", p.type.name) else Value()
    return _BY_METAVAR.get(name, number)


def _pattern(path: tuple[str, ...]) -> str:
    """The group that tells of which pattern a command is."""
    if path[:1] in (("expect",), ("bench",)):
        return path[1] if len(path) > 1 else ""
    return path[0] if path else ""


def _words(path: tuple[str, ...], option: str, metavar: str) -> tuple[str, ...]:
    from kubemqctl.output.forms import METRICS

    if option in _HANDLER_FORMS:
        return ("body", "json")
    if metavar == "EXPR":
        return _condition_beginnings(path, option)
    if metavar == "ENCODING":
        from kubemqctl.messaging.encodings import PACKED, PROTOBUF

        return PACKED if option == "--encode" else (*PACKED, PROTOBUF)
    if metavar == "FORMAT":
        return OUTPUT_FORMS if path else (*OUTPUT_FORMS, METRICS)
    if option == "--on-fail":
        return ("reject", "stop", "resend=", *(["retry="] if path == ("queue", "receive") else []))
    if metavar == "SPEC":
        return _FAULTS
    if metavar == "SERVER":
        return (COMMUNITY,)
    if metavar == "SHELL":
        return SHELLS
    if metavar == "KEY" and path[:1] == ("profile",):
        from kubemqctl.config.config_file import KEYS

        return KEYS
    if metavar == "COLUMN":
        from kubemqctl.messaging.channel_rates import SORTS

        return SORTS
    if metavar == "TYPE" and path[:1] == ("channel",):
        return CHANNEL_TYPES
    return ()


def _condition_beginnings(path: tuple[str, ...], option: str) -> tuple[str, ...]:
    """What a condition can begin with, by the records that the command looks at."""
    from kubemqctl.messaging.channel_checks import QUEUE_FIGURES
    from kubemqctl.model.messages import Event, Received
    from kubemqctl.model.paths import SIZE
    from kubemqctl.model.records import fields

    if option in ("--warn", "--critical"):
        return tuple(f"{name}>" for name in QUEUE_FIGURES)
    if option not in ("--where", "--never"):
        return ()
    known = fields(Event if _pattern(path) in ("events", "store") else Received)
    deeper = {"body": ("body=", "body."), "tags": ("tags.",), "policy": ("policy.",)}
    return tuple(word for name in (*known, SIZE) for word in deeper.get(name, (f"{name}=",)))
