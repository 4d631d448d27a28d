"""Hints for words that are no command or option of this program: what other tools call it, and typos.

A wrong hint is worse than none: who gets none reads the list of what there is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from kubemqctl.cli.foreign_commands import AT_THE_TOP, GROUPS, IN_A_GROUP, OWN, UNLIKE
from kubemqctl.model.text import closest, quoted

# Of each of these only one letter may be wrong: `redrive` is two letters from `receive`.
CHANGING = ("receive", "tx", "ack-all", "move", "create", "delete", "remove", "set", "run", "exec")

# ---- commands ----


def command(group: str, words: Collection[str], known: Collection[str]) -> str:
    """A hint for the first of `words`, none of the commands `known` of `group` ("" for the top level), or
    nothing. Words behind it are looked at where two make a command: `stream ls`, `declare queue`."""
    word, following = [*(word.lower() for word in words), "", ""][:2]
    meant = _in_group(group, word) if group else _at_the_top(word, following)
    if not meant and word not in UNLIKE:
        near = nearest_command(word, known)
        meant = f"{group} {near}".strip() if near else ""
    return f"did you mean {either(map(_as_typed, meant.split('|')))}?" if meant else ""


def _at_the_top(word: str, following: str) -> str:
    if meant := AT_THE_TOP.get(f"{word} {following}", "") or (
        AT_THE_TOP.get(word, "") if "-" in word else ""
    ):
        return meant
    if (group := GROUPS.get(word, "")) and following:  # `stream ls`
        found = _in_group(group, following)
    elif group := GROUPS.get(following, "") or (following if following in OWN else ""):  # `declare queue`
        found = _in_group(group, word)
    else:  # `list-queues`, of AWS
        first, _, noun = word.partition("-")
        found = _in_group(GROUPS[noun], first) if noun in GROUPS else ""
    return found or AT_THE_TOP.get(word.removesuffix("s"), "") or AT_THE_TOP.get(word, "")


def _in_group(group: str, word: str) -> str:
    """The commands that do in `group` what `word` does elsewhere; a command of its own is one."""
    if word in OWN.get(group, ()):
        return f"{group} {word}"
    words = IN_A_GROUP.get(group, {})
    return words.get(word.removesuffix("s"), "") or words.get(word, "")


def _as_typed(meant: str) -> str:
    words, _, remark = meant.partition(" (")
    return f"`kubemqctl {words}`" + (f" ({remark}" if remark else "")


def nearest_command(word: str, known: Iterable[str]) -> str:
    """The command that was probably misspelt; one that changes something only for a near miss."""
    word = word[:60].lower()
    return closest(word, [name for name in known if name not in CHANGING]) or closest(word, known, 1)


# ---- options ----


def foreign_option(name: str, path: str, known: Collection[str], arguments: Collection[str]) -> str | None:
    """A hint for an option of other tools that the command of `path` does not have; empty where it can do
    nothing of the kind, None for a word of no other tool.

    `known` are the options that it has, `arguments` the words of its usage line; a `--` among them stands for
    a handler.
    """
    from kubemqctl.cli.foreign_options import OF_COMMAND, OPTIONS

    for paths, words in OF_COMMAND.items():
        if path in paths and name in words:
            return words[name]
    if name not in OPTIONS:
        return None
    for meant in OPTIONS[name].split("|"):
        first = meant.partition(" ")[0].rstrip(",")
        needed = meant.split()[2].rstrip(",") if first == "the" else first
        if meant and ((not needed.startswith("-") and first != "the") or needed in (*known, *arguments)):
            return f"did you mean {meant}?"
    return ""


def misspelt_option(name: str, known: Collection[str]) -> str:
    """A hint for an option that may be one of `known` misspelt or cut; or nothing."""
    near = _abbreviated(name, known) or [closest(name, known)]
    return f"did you mean {either(near[:3])}?" if near[0] else ""


def _abbreviated(name: str, known: Iterable[str]) -> list[str]:
    """The options that begin with `name`, or with whose whole words it begins: `--dead-letter-queue`."""
    if len(name) < len("--abc"):
        return []
    return [one for one in known if one.startswith(name) or (len(one) > 5 and name.startswith(f"{one}-"))]


# ---- arguments ----

_ADDRESS = re.compile(r"([a-z]+://)?(?P<address>[\w.-]*:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5})/?")


def argument(word: str, path: str, known: Collection[str]) -> str:
    """A hint for one argument too many: what it was probably meant as; or nothing."""
    if path == "broker exec":
        return f"the command goes after `--`: kubemqctl broker exec -- {quoted(word)}"
    if " " in word:  # several
        return ""
    address = _ADDRESS.fullmatch(word)
    if path == "broker run" and (address or word.isdecimal()):
        port = word.rpartition(":")[2]
        host = "127.0.0.1" if word in (port, f":{port}") else word.rpartition(":")[0]
        return f"did you mean --listen {quoted(f'{host}:{port}')}?"
    if address and "broker" not in path:
        return f"did you mean -a {quoted(address['address'])}?"
    if word.isdecimal() and "--count" in known and "BODY" not in path:
        return f"did you mean --count {quoted(word)}?"
    if path == "queue list":
        return f"did you mean `kubemqctl queue info {quoted(word)}`?"
    return f"did you mean --filter {quoted(word)}?" if "--filter" in known else ""


def either(choices: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last
