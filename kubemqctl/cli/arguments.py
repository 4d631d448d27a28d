"""The words of a command line before Typer sees them: split at `--`, common options moved to the front.

Common options are declared once, on the root, and accepted everywhere. Completion imports this module, so
it imports nothing that takes time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import quoted

if TYPE_CHECKING:
    from kubemqctl.runtime.invocation import Invocation


VALUED = {
    "-p", "--profile", "-a", "--address", "--client-id", "--token-file", "--tls-ca", "--tls-cert",
    "--tls-key", "--tls-server-name", "--connect-timeout", "--connect-wait", "-o", "--output", "--format",
}  # fmt: skip
DASH_HINT = "an argument that begins with a dash goes after `--`"
SWITCHES = {"--tls", "--no-tls", "--json", "-q", "--quiet", "-v", "--verbose", "--no-input"}


def split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """The words before the first `--`, and those behind it; None for these when there is no `--`."""
    if "--" not in argv:
        return argv, None
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


# ---- common options, wherever they stand ----


class OptionArity(NamedTuple):
    """Whether an option takes a value, by its name."""

    own: dict[str, bool]

    def common(self, word: str) -> str:
        """The common option that `word` gives; empty for none, or when the command declares it itself."""
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        if name in self.own:
            return ""
        return name if name in VALUED or (name in SWITCHES and name == word) else ""

    def takes_next(self, word: str) -> bool:
        """Whether the word behind `word`, an option or a cluster of short ones, is its value."""
        last = self.apart(word)[-1]
        return self.own.get(last, last in VALUED)

    def apart(self, word: str) -> list[str]:
        """A cluster of short options as an option each: `-0qo` is `-0`, `-q` and `-o`; `-ojson` stays whole.

        A word with a letter that nobody knows is left for the parser to refuse.
        """
        if len(word) < 3 or word[0] != "-" or word[1] == "-":
            return [word]
        options: list[str] = []
        for at, letter in enumerate(word[1:], start=1):
            name = f"-{letter}"
            if self.own.get(name, name in VALUED):
                return [*options, name + word[at + 1 :]]
            if name not in self.own and name not in SWITCHES:
                return [word]
            options.append(name)
        return options


def plain_words(words: list[str], known: OptionArity) -> Iterable[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            skip = known.takes_next(word)
        else:
            yield word


def move_common_options_first(words: list[str], known: OptionArity) -> list[str]:
    """`words` with the common options moved to the front, each with its value; UsageError without one."""
    front: list[str] = []
    rest: list[str] = []
    i = 0
    while i < len(words):
        *switches, last = known.apart(words[i])
        for switch in switches:
            (front if known.common(switch) else rest).append(switch)
        wide = 2 if last.startswith("-") and known.takes_next(last) else 1
        if known.common(last) and i + wide > len(words):
            raise UsageError(f"option {last} needs a value", hint=f"see `kubemqctl --help`; {DASH_HINT}")
        (front if known.common(last) else rest).extend([last, *words[i + 1 : i + wide]])
        i += wide
    return front + rest


def arguments_for_typer(words: list[str], tree: Any, run: Invocation) -> list[str]:
    """The words as Typer shall see them, the part behind `--` included where no handler takes it."""
    found, depth = _command(words, tree)
    own = {
        name: not p.is_flag
        for p in found.params
        if p.param_type_name == "option"
        for name in _option_names(p)
    }
    known = OptionArity(own)
    for text in given_twice(words, [*tree.params, *found.params], known):
        run.warn(text)
    arguments = move_common_options_first(words, known)
    if run.words is None:
        return arguments
    if not takes_handler(found):
        tail, run.words = run.words, None
        return [*arguments, "--", *tail]
    name = _dashed_argument(found, len(list(plain_words(words, known))) - depth, run)
    if run.words == []:
        raise UsageError(
            "the command after -- is missing", hint="write it like: -- ./handle --its-own options"
        )
    return [*arguments, "--", name] if name else arguments


def given_twice(words: list[str], params: Iterable[Any], known: OptionArity) -> Iterator[str]:
    """What to warn of: an option that takes one value, or a switch and its opposite, given several times."""
    of = {name: p for p in params if p.param_type_name == "option" for name in _option_names(p)}
    said: dict[str, list[str]] = {}
    left = iter(words)
    for word in left:
        for option in known.apart(word) if word.startswith("-") else ():
            name, _, value = (
                option.partition("=") if option.startswith("--") else (option[:2], "", option[2:])
            )
            p = of.get(name)
            if p is None or p.multiple:
                continue
            if not p.is_flag:
                value = value or (next(left, "") if known.takes_next(option) else "")
            said.setdefault(p.opts[-1], []).append(name if p.is_flag else value)
    for name, values in said.items():
        if len(set(values)) > 1:
            yield f"{name} is given {len(values)} times: the last one counts, {quoted(values[-1])}"


def _dashed_argument(found: Any, given: int, run: Invocation) -> str:
    """A CHANNEL that begins with a dash, as in `queue receive -- -x -- ./handle`, taken off `run.words`.

    Where all arguments stand before the `--` (`given` of them do), all behind it is the handler. Empty for
    none.
    """
    required = [p for p in found.params if p.param_type_name == "argument" and p.required]
    if not run.words or not re.match("-.", run.words[0]) or len(required) != given + 1:
        return ""
    name, *rest = run.words
    if rest and rest[0] != "--":
        return ""
    run.words = rest[1:] if rest else None
    return name


def _option_names(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts]


def takes_handler(found: Any) -> bool:
    """Whether a command of the user's may stand behind its `--`."""
    return bool(getattr(found, "handler", ""))


def _command(words: list[str], tree: Any) -> tuple[Any, int]:
    """The command that the words name, as far as they do, and how many of them; the root is none."""
    found, depth = tree, 0
    for word in plain_words(words, OptionArity({})):
        inner = getattr(found, "commands", {}).get(word)
        if inner is None:
            break
        found, depth = inner, depth + 1
    return (found, depth) if depth else (_NoCommand, 0)


def command_path(words: list[str], tree: Any) -> str:
    """The program's name with those of the words that name a command."""
    depth = _command(words, tree)[1]
    return " ".join(["kubemqctl", *list(plain_words(words, OptionArity({})))[:depth]])


class _NoCommand:
    params: tuple[Any, ...] = ()


def wanted_form(words: list[str]) -> str | None:
    """The output format that the words ask for, also where they cannot be parsed as a whole."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        last = OptionArity({}).apart(word)[-1]
        if last in ("-o", "--output"):
            return following
        if last == "--json":
            return "json"
        if last.startswith(("--output=", "-o")):
            return last.removeprefix("--output=").removeprefix("-o")
    return None
