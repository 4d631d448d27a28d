"""What Typer refuses, in our words, with a hint that says what to write."""

from __future__ import annotations

import re
from typing import Any

from kubemqctl.cli import did_you_mean
from kubemqctl.cli.arguments import (
    DASH_HINT,
    SWITCHES,
    VALUED,
    OptionArity,
    command_path,
    plain_words,
    takes_handler,
)
from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import quoted


def refusal(e: Any, words: list[str], tree: Any) -> UsageError:
    """Typer's refusal in our words, with a hint that says what to write."""
    ctx = getattr(e, "ctx", None)
    message = e.format_message().strip().partition(" (Possible options")[0].rstrip(".")
    if ctx is None:
        return _value_refused(getattr(e, "option_name", ""), message, command_path(words, tree))
    hint = _hint(e, ctx, message, words)
    if message.startswith("No such option"):
        message = f"no such option: {quoted(_as_typed(e.option_name, words))}"
    elif message.startswith("No such command"):
        message = f"no such command: {quoted(_unknown_words(ctx.command_path, words)[0])}"
    elif message.startswith("Invalid value"):
        message = _number_refused(message)
    elif extra := _EXTRA.fullmatch(message):
        message = f"unexpected argument: {quoted(extra[1])}"
    return UsageError(_lowered(message), hint=hint)


_EXTRA = re.compile(r"Got unexpected extra argument\S* \((.*)\)", re.DOTALL)


def _value_refused(option: str, message: str, path: str) -> UsageError:
    """`option` stands without its value, or with one that it does not take."""
    see = f"see `{path} --help`"
    if message.endswith("requires an argument"):
        return UsageError(f"option {option} needs a value", hint=f"{see}; {DASH_HINT}")
    if message.endswith("does not take a value"):
        message = f"option {option} takes no value"
    return UsageError(_lowered(message), hint=see)


def _number_refused(message: str) -> str:
    """What Typer says of an option that takes a whole number, in the words of our other options."""
    found = re.fullmatch(
        r"Invalid value for (.*'(?P<option>.+)'): '?(?P<value>.*?)'? is not "
        r"(a valid int( range)?|in the range (?P<least>[0-9]+)?.*?x.*?=(?P<last>[0-9]+))",
        message,
        re.DOTALL,
    )
    if not found:
        return message
    said = f"{found['option']}: {quoted(found['value'])} is"
    if not found["last"]:
        return f"{said} not a whole number"
    if found["least"]:
        return f"{said} out of range: the range is {found['least']} to {found['last']}"
    return f"{said} too small: the minimum is {found['last']}"


def _as_typed(name: str, words: list[str]) -> str:
    """An unknown option as it stands in the words: of a cluster the parser tells one letter alone."""
    clusters = (word for word in words if re.match("-[^-].", word) and name[-1] in word)
    return name if name in words else next(clusters, name)


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _hint(e: Any, ctx: Any, message: str, words: list[str]) -> str:
    path, found = ctx.command_path, ctx.command
    see = f"see `{path} --help`"
    commands = getattr(found, "commands", {})
    if message.startswith("No such command"):
        meant = did_you_mean.command(_below(path), _unknown_words(path, words), commands)
        return meant or f"one of {', '.join(commands)}; {see}"
    if message.startswith("Missing command"):
        return f"one of {', '.join(commands)}; {see}"
    if message.startswith("No such option"):
        return _option_hint(e.option_name, _as_typed(e.option_name, words), found, path) or see
    if message.startswith("Missing argument") and words[-1].startswith("-"):
        return _dash_hint(found, path) or see
    if extra := _EXTRA.fullmatch(message):
        return _extra_hint(extra[1], found, path, see)
    return see


def _option_hint(name: str, typed: str, found: Any, path: str) -> str:
    """A hint for the unknown option `name`, perhaps a letter of the word `typed`."""
    own = [name for p in found.params if p.param_type_name == "option" for name in p.opts]
    common = {*VALUED, *SWITCHES}
    common -= _CONNECTING if path.startswith("kubemqctl broker") else set()
    known = list(dict.fromkeys([*own, *sorted(common), "--help"]))
    arguments = [*_arguments(found), "--"] if takes_handler(found) else _arguments(found)
    whole = f"-{typed.partition('=')[0]}"
    if typed != name and whole in known:  # `-count 3`, as programs in Go have it
        return f"did you mean {whole}?"
    foreign = did_you_mean.foreign_option(name, _below(path), known, arguments)
    if not foreign and _below(path) == "broker exec":
        return "the command goes after `--`: kubemqctl broker exec -- COMMAND"
    if foreign is not None:
        return foreign
    meant = did_you_mean.misspelt_option(name, known)
    dash = _dash_hint(found, path)  # a body that is near to an option is data all the same
    if meant:
        return f"{meant} {dash[:1].upper()}{dash[1:]}".strip()
    return f"see `{path} --help`; {dash}" if dash and name.startswith("--") else dash


_CONNECTING = {"-a", "--address", "-p", "--profile", "--client-id", "--connect-timeout", "--connect-wait"}
"""Common options that mean nothing to a broker: it listens."""


def _extra_hint(extra: str, found: Any, path: str, see: str) -> str:
    """What may have been meant by arguments of which there are too many."""
    if extra.startswith("-"):
        return f"options go before `--`; {see}"
    known = [name for p in found.params if p.param_type_name == "option" for name in p.opts]
    if meant := did_you_mean.argument(extra, _below(path), known):
        return meant
    if takes_handler(found):
        return f"a handler command goes after `--`; {see}"
    if any(p.name == "body" for p in found.params):
        return f"put quotes around a body that has spaces; {see}"
    return see


def _below(path: str) -> str:
    """The command's path without the program's name."""
    return path.partition(" ")[2]


def _unknown_words(path: str, words: list[str]) -> list[str]:
    """The words behind those of `path`, the program's name included."""
    return list(plain_words(words, OptionArity({})))[len(path.split()) - 1 :]


def _arguments(found: Any) -> list[str]:
    return [p.metavar.strip("[]…").split()[-1] for p in found.params if p.param_type_name == "argument"]


def _dash_hint(found: Any, path: str) -> str:
    """What to do with a word that begins with a dash and is meant as an argument."""
    told = " or ".join(f"a {name}" for name in _arguments(found) if name in _FREE)
    return f"{told} that begins with a dash goes after `--`: {path} … -- -x" if told else ""


_FREE = ("CHANNEL", "BODY", "SOURCE", "TARGET", "NAME")
"""Arguments that may begin with a dash; the others take one of some known words."""
