"""Finding a user's command as a shell does, and saying why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kubemqctl.model.errors import NotFound
from kubemqctl.model.text import escaped


class Command(NamedTuple):
    """A handler that was found: the words as given, and the file that the first of them means."""

    words: tuple[str, ...]
    path: str


def find(words: Sequence[str], environ: Mapping[str, str]) -> Command:
    """The file that `words` mean, looked for as a shell does. NotFound when there is none that can be run."""
    candidates = list(_candidates(words[0], environ))
    files = [path for path in candidates if os.path.isfile(path)]
    for path in files:
        if os.access(path, os.X_OK):
            return Command(tuple(words), path)
    name = escaped(words[0])
    if files:
        raise NotFound(f"the handler {name} is not executable", hint=f"chmod +x {escaped(files[0])}")
    if "/" in name and os.path.isdir(words[0]):
        raise NotFound(f"the handler {name} is a directory")
    if "/" in name:
        raise NotFound(f"there is no handler {name}")
    near = f"; write ./{name} for the file here" if name and os.path.isfile(words[0]) else ""
    raise NotFound(f"there is no command {name or repr(name)} in PATH to run as handler{near}")


def _candidates(name: str, environ: Mapping[str, str]) -> list[str]:
    if "/" in name:
        return [name]
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return [os.path.join(folder or ".", name) for folder in folders] if name else []
