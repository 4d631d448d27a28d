"""What completion asks for while somebody types: names of channels and profiles.

The names of a server are kept for a moment, so that the next TAB does not ask again.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kubemqctl.cli.arguments import VALUED, split
from kubemqctl.config.config_file import load_current
from kubemqctl.config.directories import cache_home, make_private
from kubemqctl.config.settings import plain_text_warning, resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import UsageError

if TYPE_CHECKING:
    from kubemqctl.config.settings import Settings
    from kubemqctl.model.channels import ChannelType


LIMIT = 0.7
"""Seconds that a server has to answer, connecting included."""
QUICK = 0.2
"""Seconds; a failure that came sooner cost nothing, so the next key may ask again."""
KEPT = 10.0
"""Seconds for which names are believed."""


def answer(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Print the names that begin with PREFIX; always 0.

    One that begins with a dash would be an option, chosen by whoever named a channel so: `-aHOST:PORT` would
    send the token there at the next TAB. It is offered only behind `--`.
    """
    kind, prefix, *line = [*words, "", ""][: max(2, len(words))]
    # Completion has nobody to tell: whatever is wrong, the command itself will say.
    with suppress(Exception):
        found = profiles(environ) if kind == "profiles" else channels(kind, line, environ)
        fitting = (name for name in found if name.startswith(prefix))
        text = "".join(f"{name}\n" for name in fitting if "--" in line or not name.startswith("-"))
        os.write(1, text.encode())
    return 0


def _end_in_time() -> None:
    threading.Event().wait(LIMIT)
    os._exit(0)


def profiles(environ: Mapping[str, str]) -> list[str]:
    """The names in the configuration file."""
    return sorted(load_current(environ).profiles)


def channels(kind: str, line: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The names of channels of a type, from the server that `line` and the environment name.

    A token_command is not run: it may ask for a password on the terminal that is being typed on. Where a
    token would be sent over plain text, which a command says and a TAB cannot, nothing is asked.
    """
    from kubemqctl.model.channels import TYPE_OF_WORD

    if kind not in TYPE_OF_WORD:
        return []
    settings = resolve(flags(line), environ)
    if plain_text_warning(settings):
        return []
    cache = NameCache(
        environ, (TYPE_OF_WORD[kind], settings.profile, settings.tls, *settings.addresses), KEPT
    )
    names = cache.read()
    if names is None and not settings.token.command:
        names = _asked(settings, TYPE_OF_WORD[kind], cache)
    return names or []


def _asked(settings: Settings, kind: ChannelType, cache: NameCache) -> list[str]:
    """What the server says, kept. One that takes its time and fails is not asked again for a while."""
    from kubemqctl.client.connect import connect, prepare_grpc

    prepare_grpc()
    # Before the clock runs: importing grpc is not the server's time.
    from kubemqctl.client import channels

    threading.Thread(target=_end_in_time, daemon=True).start()
    cache.write([])
    begun = time.monotonic()
    try:
        with connect(settings._replace(connect_timeout=min(LIMIT, settings.connect_timeout))) as client:
            names = usable(channels.names(client, kind, LIMIT))
    except Exception:
        if time.monotonic() - begun < QUICK:
            cache.forget()
        raise
    cache.write(names)
    return names


def usable(names: Iterable[str]) -> list[str]:
    """Those that can be typed and shown, sorted."""
    return sorted({name for name in names if _is_usable(name)})


def _is_usable(name: str) -> bool:
    from kubemqctl.model.channels import check_channel
    from kubemqctl.model.text import escaped

    try:
        check_channel(name, "events")
        name.encode()
    except (UsageError, UnicodeEncodeError):
        return False
    return escaped(name) == name and not any(map(str.isspace, name))


# ---- the connection options of a line that is still being typed ----


def flags(line: Sequence[str]) -> Flags:
    """The connection options among these words, as far as they can be told from others."""
    found: dict[str, str] = {}
    addresses: list[str] = []
    tls = None
    words = iter(split(list(line))[0])
    for word in words:
        is_long = word.startswith("--")
        name, is_joined, value = word.partition("=") if is_long else (word[:2], word[2:], word[2:])
        if name in ("--tls", "--no-tls"):
            tls = name == "--tls"
        elif name in VALUED:
            value = value if is_joined else next(words, "")
            if name in ("-a", "--address"):
                addresses.append(value)
            else:
                found[name] = value
    return Flags(
        profile=found.get("-p", found.get("--profile")),
        addresses=tuple(addresses),
        client_id=found.get("--client-id"),
        token_file=found.get("--token-file"),
        tls=tls,
        tls_ca=found.get("--tls-ca"),
        tls_cert=found.get("--tls-cert"),
        tls_key=found.get("--tls-key"),
        tls_server_name=found.get("--tls-server-name"),
    )


class NameCache:
    """The names under one key. A file of it is for its owner's eyes only, and its name tells nothing."""

    def __init__(self, environ: Mapping[str, str], key: tuple[object, ...], lasting: float) -> None:
        """`lasting` is how many seconds names are good for."""
        from hashlib import sha256

        base = cache_home(environ)
        name = f"names-{sha256(repr(key).encode('utf-8', 'replace')).hexdigest()[:32]}.json"
        self.path = os.path.join(base, "kubemqctl", name) if base else ""
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
        if not self.path:
            return
        beside = f"{self.path}.{os.getpid()}"
        with suppress(OSError):
            make_private(os.path.dirname(self.path))
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(names, file)
            os.replace(beside, self.path)

    def forget(self) -> None:
        """Ask again next time."""
        with suppress(OSError):
            os.unlink(self.path)
