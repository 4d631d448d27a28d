"""Where this user's files lie: the home, and the XDG base directories.

Without a home (no HOME, and no entry for the user, as in a container with a random user id) there are none:
nothing is then read or written, above all not in a directory called `~` under the current one, which
whoever made the current directory could have filled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress


def home(environ: Mapping[str, str]) -> str:
    """The home directory, an absolute path; empty when there is none. A relative HOME counts as none."""
    if os.path.isabs(given := environ.get("HOME", "")):
        return given
    import pwd

    try:
        entry = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""
    return entry if os.path.isabs(entry) else ""


def _base(environ: Mapping[str, str], name: str, *below_home: str) -> str:
    """A base directory; the XDG specification wants a relative path to be ignored."""
    if os.path.isabs(given := environ.get(name, "")):
        return given
    start = home(environ)
    return os.path.join(start, *below_home) if start else ""


def config_home(environ: Mapping[str, str]) -> str:
    """$XDG_CONFIG_HOME, or its default; empty without a home, as with the others."""
    return _base(environ, "XDG_CONFIG_HOME", ".config")


def state_home(environ: Mapping[str, str]) -> str:
    """$XDG_STATE_HOME, or its default."""
    return _base(environ, "XDG_STATE_HOME", ".local", "state")


def cache_home(environ: Mapping[str, str]) -> str:
    """$XDG_CACHE_HOME, or its default."""
    return _base(environ, "XDG_CACHE_HOME", ".cache")


def data_home(environ: Mapping[str, str]) -> str:
    """$XDG_DATA_HOME, or its default."""
    return _base(environ, "XDG_DATA_HOME", ".local", "share")


def without_tilde(path: str, environ: Mapping[str, str]) -> str:
    """`path` with a leading `~` or `~USER` replaced by that home; empty when there is no such home."""
    first, _, rest = path.partition("/")
    if not first.startswith("~"):
        return path
    start = home(environ) if first == "~" else os.path.expanduser(first)
    return os.path.join(start, rest) if os.path.isabs(start) else ""


def make_private(directory: str) -> None:
    """Make `directory` and what is missing above it for this user alone, whatever the umask. Raises OSError.

    A umask of 177 would leave directories that their owner cannot enter, one of 0 some that all can fill.
    """
    above = os.path.dirname(directory)
    if above != directory and not os.path.isdir(above):
        make_private(above)
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)
        os.chmod(directory, 0o700)
