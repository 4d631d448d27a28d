"""`kubemqctl completion`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from kubemqctl.cli import command_tree, options
from kubemqctl.cli.description import SHELLS
from kubemqctl.config.directories import config_home, data_home, make_private
from kubemqctl.config.files import write_whole
from kubemqctl.model.errors import ConfigError, OutputError, UsageError
from kubemqctl.model.text import quoted, reason
from kubemqctl.runtime.invocation import Invocation

_WORDS = {
    "bash": "start a new shell to use it; without the package bash-completion, add to ~/.bashrc: . {path}",
    "zsh": "to use it, add to ~/.zshrc before compinit: fpath=({folder} $fpath)",
    "fish": "start a new shell to use it",
}


class Script(TypedDict):
    """What is printed where -o asks for a record."""

    script: str
    shell: str


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "completion", completion)


def _shell(text: str) -> str:
    if text not in SHELLS:
        raise UsageError(f"there is no completion for {quoted(text)}", hint=f"use one of {', '.join(SHELLS)}")
    return text


def completion(
    ctx: typer.Context,
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL",
            help="bash, zsh or fish.",
            show_default=False,
            parser=options.valued("SHELL", _shell),
        ),
    ],
    install: Annotated[bool, typer.Option("--install", help="Install the script for this user.")] = False,
) -> None:
    """Print or install the completion script of a shell.

    The script completes commands and options by itself. Names of channels are requested from the server
    (for up to a second, and at most once in ten seconds), names of profiles are read from the
    configuration file. --install prints where the script was written, and changes no other file.

    Examples:
      kubemqctl completion bash > kubemqctl.bash && . ./kubemqctl.bash
      kubemqctl completion zsh --install
      kubemqctl completion fish | source
    """
    from kubemqctl.cli.command_tree import build
    from kubemqctl.cli.commands.help import TOPICS
    from kubemqctl.cli.completion_scripts import script
    from kubemqctl.cli.description import describe

    run: Invocation = ctx.obj
    text = script(shell, describe(build()), TOPICS)
    if not install:
        run.show_document(text, Script(script=text, shell=shell), Script)
        return
    path = place(shell, run.environ)
    _write(path, text)
    run.note(f"wrote {path}")
    run.note(_WORDS[shell].format(path=path, folder=path.parent))


def place(shell: str, environ: Mapping[str, str]) -> Path:
    """The file in which `shell` looks for a user's own completion of this program."""
    own = environ.get("BASH_COMPLETION_USER_DIR", "")
    if shell == "bash" and os.path.isabs(own):
        return Path(own, "completions", "kubemqctl")
    base = config_home(environ) if shell == "fish" else data_home(environ)
    if not base:
        raise ConfigError(
            "there is no home directory to install it in", hint=f"print it: kubemqctl completion {shell}"
        )
    return Path(base, *_PLACES[shell])


_PLACES = {
    "bash": ("bash-completion", "completions", "kubemqctl"),
    "zsh": ("zsh", "site-functions", "_kubemqctl"),
    "fish": ("fish", "completions", "kubemqctl.fish"),
}


def _write(path: Path, text: str) -> None:
    try:
        make_private(str(path.parent))
        write_whole(str(path), text.encode())
    except OSError as e:
        raise OutputError(f"cannot write {path}: {reason(e)}") from e
