"""Names that were asked for a moment ago, kept in a file for the next key that is pressed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress


class NameCache:
    """The names under one key. A file of it is for its owner's eyes only, and its name tells nothing."""

    def __init__(self, environ: Mapping[str, str], key: tuple[object, ...], lasting: float) -> None:
        """`lasting` is how many seconds names are good for."""
        from hashlib import sha256

        self.path = os.path.join(
            _directory(environ), f"names-{sha256(repr(key).encode('utf-8', 'replace')).hexdigest()[:32]}.json"
        )
        self._lasting = lasting

    def read(self) -> list[str] | None:
        """The names; None when there are none, or none that are fresh."""
        try:
            with open(self.path, encoding="utf-8") as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                names = json.load(file)
        except (OSError, ValueError, RecursionError):
            return None
        if not 0 <= age < self._lasting or not isinstance(names, list):
            return None
        return [name for name in names if isinstance(name, str)]

    def write(self, names: Sequence[str]) -> None:
        """Keep these; when that cannot be, they are asked for again."""
        beside = f"{self.path}.{os.getpid()}"
        with suppress(OSError):
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(names, file)
            os.replace(beside, self.path)

    def forget(self) -> None:
        """Ask again next time."""
        with suppress(OSError):
            os.unlink(self.path)


def _directory(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: a relative path is to be ignored
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.path.join(base, "kubemqctl")
