"""`kubemqctl help`: the topics, a file each in topics/, whose first line says what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from kubemqctl.cli import command_tree, did_you_mean
from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import closest, quoted
from kubemqctl.runtime.invocation import Invocation


class HelpText(TypedDict, total=False):
    """What is printed where -o asks for a record."""

    text: str
    topic: str
    topics: list[str]


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "help", help_)


def help_(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC]", help="A topic, or a command.", show_default=False),
    ] = None,
) -> int:
    """Show help on a topic or a command.

    Without TOPIC, lists the topics. `help queue send` is the same as `queue send --help`.

    Examples:
      kubemqctl help
      kubemqctl help exit-codes
      kubemqctl help recipes | less
      kubemqctl help queue send
    """
    run: Invocation = ctx.obj
    if not words:
        _list(run)
    elif words[0] in TOPICS and len(words) == 1:
        _show(run, text(words[0]), words)
    else:
        _show(run, _command_help(ctx, words), words)
    return 0


def _show(run: Invocation, said: str, words: list[str]) -> None:
    run.show_document(said, HelpText(text=said, topic=" ".join(words)), HelpText)


def _list(run: Invocation) -> None:
    width = max(map(len, TOPICS))
    said = ["Topics (see `kubemqctl help TOPIC`):", ""]
    said += [f"  {topic:{width}}  {about(topic)}" for topic in TOPICS]
    said += ["", "For a command see `kubemqctl help COMMAND`, for all commands `kubemqctl --help`.", ""]
    listed = "\n".join(said)
    run.show_document(listed, HelpText(text=listed, topics=list(TOPICS)), HelpText)


def _command_help(ctx: typer.Context, words: list[str]) -> str:
    """What `kubemqctl WORDS --help` prints."""
    from kubemqctl.cli.command_tree import build

    found = build()
    at = ctx.find_root()
    for word in words:
        inner = getattr(found, "commands", {})
        if word not in inner:
            raise _unknown(words, at.command_path, word, inner)
        found = inner[word]
        at = typer.Context(found, parent=at, info_name=word)
    return str(found.help_text(at))


def _unknown(words: list[str], path: str, word: str, known: Iterable[str]) -> UsageError:
    """What to say of `word`, which is none of the commands `known` behind `path`, nor a topic."""
    group = path.partition(" ")[2]
    topic = "" if group else _TOPIC_OF.get(word.lower(), "") or closest(word, TOPICS)
    hint = f"did you mean `kubemqctl help {topic}`?" if topic else ""
    hint = hint or did_you_mean.command(group, words[len(group.split()) :], list(known))
    hint = hint or "to list topics: kubemqctl help; to list commands: kubemqctl --help"
    return UsageError(f"there is no help topic or command {quoted(' '.join(words))}", hint=hint)


TOPICS = (
    "patterns",
    "streams",
    "records",
    "exit-codes",
    "connections",
    "positions",
    "handlers",
    "transactions",
    "conditions",
    "expect",
    "copying",
    "recipes",
    "reference",
)
"""In the order in which one would read them."""
_TOPIC_OF = {
    **dict.fromkeys(("tls", "auth", "token", "env", "environment", "config", "profiles"), "connections"),
    **dict.fromkeys(("exit", "exit-code", "exitcodes", "codes", "errors", "error"), "exit-codes"),
    **dict.fromkeys(("where", "filter", "filters", "expr", "expressions"), "conditions"),
    **dict.fromkeys(("format", "json", "template", "templates"), "records"),
    **dict.fromkeys(("output", "stdin", "stdout", "pipe", "pipes"), "streams"),
    **dict.fromkeys(("worker", "workers", "handler", "retry", "retries", "on-fail"), "handlers"),
    **dict.fromkeys(("dlq", "dead-letter", "dead-letters", "tx"), "transactions"),
    **dict.fromkeys(("from", "start", "until", "offset", "offsets", "replay"), "positions"),
    **dict.fromkeys(("examples", "example", "cookbook"), "recipes"),
    **dict.fromkeys(("move", "copy", "mirror"), "copying"),
    **dict.fromkeys(("queues", "channels", "intro", "concepts"), "patterns"),
}
"""Words under which one may look for a topic."""
_REFERENCE = "All commands and options, as Markdown."


def text(topic: str) -> str:
    """The text of a topic."""
    here = Path(__file__).parents[1]
    path = here / "reference.md" if topic == "reference" else here / "topics" / f"{topic}.txt"
    return path.read_text(encoding="utf-8")


def about(topic: str) -> str:
    """The first line of a topic, which says what it is about."""
    return _REFERENCE if topic == "reference" else text(topic).partition("\n")[0]
