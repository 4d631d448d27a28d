"""`kubemqctl completion`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from kubemqctl.cli import command_tree, options
from kubemqctl.model.errors import OutputError, UsageError
from kubemqctl.model.text import escaped
from kubemqctl.runtime.invocation import Invocation

SHELLS = ("bash", "zsh", "fish")
_WORDS = {
    "bash": "start a new shell to use it; without the package bash-completion, add to ~/.bashrc: . {path}",
    "zsh": "to use it, add to ~/.zshrc before compinit: fpath=({folder} $fpath)",
    "fish": "start a new shell to use it",
}


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "completion", completion)


def _shell(text: str) -> str:
    if text not in SHELLS:
        raise UsageError(
            f"there is no completion for {escaped(text)}", hint=f"use one of {', '.join(SHELLS)}"
        )
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
        run.show_document(text, {"script": text, "shell": shell})
        return
    path = place(shell, run.environ)
    _write(path, text)
    run.note(f"wrote {path}")
    run.note(_WORDS[shell].format(path=path, folder=path.parent))


def place(shell: str, environ: Mapping[str, str]) -> Path:
    """The file in which `shell` looks for a user's own completion of this program."""
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    data = _base(environ, "XDG_DATA_HOME", home / ".local" / "share")
    if shell == "bash":
        own = environ.get("BASH_COMPLETION_USER_DIR")
        return (Path(own) if own else data / "bash-completion") / "completions" / "kubemqctl"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_kubemqctl"
    return _base(environ, "XDG_CONFIG_HOME", home / ".config") / "fish" / "completions" / "kubemqctl.fish"


def _base(environ: Mapping[str, str], name: str, otherwise: Path) -> Path:
    # The XDG specification: a relative path is to be ignored.
    given = environ.get(name, "")
    return Path(given) if os.path.isabs(given) else otherwise


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as e:
        with suppress(OSError):
            beside.unlink()
        raise OutputError(f"cannot write {path}: {e.strerror}") from e
