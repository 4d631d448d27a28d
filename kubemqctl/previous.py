"""The profile that was current before, for `profile use -`. It is no configuration, and so not kept there.

A file in the state directory has, for each configuration file, the name in JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from kubemqctl.credential import reason
from kubemqctl.model.errors import ConfigError, NotFound


def state_path(environ: Mapping[str, str]) -> str:
    """Where it is kept."""
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: a relative path is to be ignored
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kubemqctl", "previous-profile.json")


def previous(environ: Mapping[str, str], config: str) -> str:
    """The name of the profile that was current before in the file `config`. Raises NotFound without one."""
    name = _known(state_path(environ)).get(os.path.realpath(config))
    if not name:
        raise NotFound("no profile was current before", hint="choose one with: kubemqctl profile use NAME")
    return name


def remember(environ: Mapping[str, str], config: str, name: str) -> None:
    """Keep `name` as the one that was current. Raises ConfigError when that cannot be."""
    path = state_path(environ)
    known = {**_known(path), os.path.realpath(config): name}
    beside = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(known, file)
        os.replace(beside, path)
    except OSError as e:
        with suppress(OSError):
            os.unlink(beside)
        raise ConfigError(f"cannot write {path}: {reason(e)}") from e


def _known(path: str) -> dict[str, str]:
    """What is kept; nothing of a file that is not there or is not ours."""
    try:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {config: name for config, name in known.items() if isinstance(name, str)}
