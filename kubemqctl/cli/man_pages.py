"""The manual pages in man/, generated from the command tree: kubemqctl(1), and one for each group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kubemqctl import __version__
from kubemqctl.cli.commands.schema import MEANING_OF_VARIABLE, MEANINGS, PRINTS
from kubemqctl.cli.description import Command, Option, Tree
from kubemqctl.cli.help_page import explanation, placeholders, sections

PROGRAM = "kubemqctl"
SUMMARY = "work with KubeMQ from a shell, a CI job or a pipe"


def pages(tree: Tree, about: str) -> dict[str, str]:
    """The source of each page, by its file name; `about` is what the program says of itself."""
    found = {f"{PROGRAM}.1": _page(PROGRAM, SUMMARY, _program(tree, about))}
    for group, summary in tree.groups.items():
        name = f"{PROGRAM}-{group}"
        found[f"{name}.1"] = _page(name, _lowered(summary), _group(tree, group))
    return found


def _page(name: str, summary: str, body: Iterator[str]) -> str:
    # Words are not hyphenated, nor lines justified: options and names stay as one types them.
    head = (".nr HY 0", f'.TH {name.upper()} 1 "" "{PROGRAM} {__version__}"', ".ad l", ".SH NAME")
    return "\n".join((*head, rf"{_text(name)} \- {_text(summary)}", *body)) + "\n"


def _program(tree: Tree, about: str) -> Iterator[str]:
    yield from (".SH SYNOPSIS", ".SY kubemqctl", r"[\fIOPTIONS\fR] \fICOMMAND\fR \[u2026]", ".YS")
    yield ".SH DESCRIPTION"
    yield from _paragraphs(about)
    yield ".SH COMMANDS"
    for group, summary in tree.groups.items():
        yield from _tagged(rf"\fB{PROGRAM} {group}\fR \[u2026]", f"{summary} See {PROGRAM}-{group}(1).")
    for command in tree.commands:
        if len(command.path) == 1:
            yield from _command(command)
    yield from (
        ".SH COMMON OPTIONS",
        "They are accepted before and after every command, anywhere before \\-\\-.",
    )
    yield from _options("", tree.common)
    yield ".SH ENVIRONMENT"
    for variable, meaning in MEANING_OF_VARIABLE.items():
        yield from _tagged(rf"\fB{_text(variable)}\fR", meaning)
    yield ".SH EXIT STATUS"
    for code, meaning in MEANINGS.items():
        yield from _tagged(rf"\fB{int(code)}\fR", meaning)
    yield from _see_also(f"{PROGRAM}-{group}" for group in tree.groups)


def _group(tree: Tree, group: str) -> Iterator[str]:
    commands = [command for command in tree.commands if command.path[0] == group]
    yield from (".SH SYNOPSIS", f".SY {PROGRAM}", rf"{group} \fICOMMAND\fR [\fIOPTIONS\fR] \[u2026]", ".YS")
    yield ".SH COMMANDS"
    for command in commands:
        yield from _command(command)
    yield from _see_also([PROGRAM])


def _see_also(names: Iterable[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    yield ",\n".join(rf"\fB{_text(name)}\fR(1)" for name in names)
    yield from (".PP", f"Topics, among them records, exit codes and recipes: {_text(f'{PROGRAM} help')}.")


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_text(f'{PROGRAM} {command.name}')}"
    yield from (rf"\fB{_text(command.usage)}\fR", ".PP", _text(command.help))
    yield from _paragraphs(command.details)
    for argument in command.arguments:
        if argument.help:
            yield from _tagged(rf"\fI{_text(argument.metavar)}\fR", argument.help)
    yield from _options(command.name, command.options)
    printed = PRINTS[command.name]
    records = " or ".join(printed.records) or "none"
    yield from (".PP", _text(f"Record: {records}. With -o raw it prints {printed.raw}."))
    if command.examples:
        yield from (".PP", "Examples:", ".PP", ".in +4n", ".nf")
        yield from map(_text, command.examples)
        yield from (".fi", ".in")


def _options(name: str, options: Iterable[Option]) -> Iterator[str]:
    listed = list(options)
    for section in sections(name, listed):
        yield from (".PP", rf"\fI{_text(section.heading)}\fR")
        for option in section.options:
            names = ", ".join(rf"\fB{_text(word)}\fR" for word in (*option.names, *option.off))
            typed = rf"{names} \fI{_text(option.metavar)}\fR" if option.metavar else names
            variable = f" [variable: {option.variable}]" if option.variable else ""
            yield from _tagged(typed, explanation(option) + variable)
    if explained := placeholders(listed):
        yield from (".PP", _text(explained))


# ---- roff ----


def _tagged(tag: str, text: str) -> Iterator[str]:
    """A paragraph with a tag, which is roff already."""
    yield from (".TP", tag, _text(text))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of a help; one that begins with `\\b` keeps its lines."""
    for paragraph in filter(None, text.split("\n\n")):
        if paragraph.startswith("\b\n"):
            yield from (".PP", ".nf", *map(_text, paragraph.splitlines()[1:]), ".fi")
        else:
            yield from (".PP", _text(" ".join(paragraph.split())))


def _text(text: str) -> str:
    """Plain text as roff: nothing in it is an escape or a request, and each dash is the one of ASCII."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = re.sub(r"(?<!\S)(?=\\-)", r"\\%", text)
    text = text.replace("^", "\\(ha").replace("~", "\\(ti")
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", text)
    return f"\\&{text}" if text.startswith(".") else text


def _lowered(summary: str) -> str:
    return summary[:1].lower() + summary[1:].removesuffix(".")
