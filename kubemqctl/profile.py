"""Where a command connects to, and as whom: profiles, and the settings that come out of all sources.

The sources, first wins: flag; the profile named with -p; environment; the profile of KUBEMQCTL_PROFILE
or the current one; default. A profile's credentials and TLS settings travel with that profile's address
only, so that a KUBEMQ_ADDRESS left in a shell never receives a production token. The default address is
the profile's own when the profile names none and nothing else does.

Every command loads this module, so it imports next to nothing: the file's reader and writer, and with
them yaml (23 ms), are in configfile.py and come only when there is a file.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from kubemqctl.address import refusal
from kubemqctl.credential import Token, expanded, fetch, readable_by_others
from kubemqctl.model.errors import ConfigError, KubemqctlError, NotFound
from kubemqctl.sources import CONNECT_TIMEOUT, DEFAULTS, Source, of_environment, of_flags, of_profile

NO_LINES: Mapping[tuple[str, ...], int] = MappingProxyType({})


class Tls(NamedTuple):
    """TLS settings; paths are of PEM files. `enabled` is None only in a profile that does not say."""

    enabled: bool | None = None
    ca: str = ""
    cert: str = ""
    key: str = ""
    server_name: str = ""


class Profile(NamedTuple):
    """One profile as its file has it; empty is "not said". `token` may be `${NAME}`, of a variable."""

    name: str
    addresses: tuple[str, ...] = ()
    client_id: str = ""
    token: str = ""
    token_file: str = ""
    token_command: str = ""
    tls: Tls = Tls()
    output: str = ""
    protected: bool = False

    def __repr__(self) -> str:
        return f"Profile(name={self.name!r}, addresses={self.addresses!r}, …)"


class Config(NamedTuple):
    """The configuration file. `lines` has the line of each key, as ("profiles", NAME, "tls", "ca")."""

    path: str
    current: str
    profiles: dict[str, Profile]
    lines: Mapping[tuple[str, ...], int] = NO_LINES


class Flags(NamedTuple):
    """The connection options of the command line; None, or no address, where one was not given."""

    profile: str | None = None
    addresses: tuple[str, ...] = ()
    client_id: str | None = None
    token_file: str | None = None
    tls: bool | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_server_name: str | None = None
    connect_timeout: float = CONNECT_TIMEOUT


class Settings(NamedTuple):
    """What holds for this run; `connect_timeout` in seconds.

    `profile` is empty when none applies. `output` is the profile's wish, for terminals only. `sources` says
    where each came from, by field name (TLS files as `tls_ca` and so on). `notes` are for stderr, once.
    """

    addresses: tuple[str, ...]
    client_id: str
    token: Token
    tls: Tls
    output: str
    protected: bool
    profile: str
    connect_timeout: float
    sources: dict[str, str]
    notes: tuple[str, ...]


def config_path(environ: Mapping[str, str]) -> str:
    """The configuration file's path, whether it exists or not."""
    if chosen := environ.get("KUBEMQCTL_CONFIG"):
        return chosen
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # the XDG specification: a relative path is to be ignored
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(base, "kubemqctl", "config.yaml")


def load(path: str) -> Config:
    """The file at `path`; an empty Config when there is none.

    Raises ConfigError for a file that is broken, unreadable, or holds a token that others can read.
    """
    if not os.path.lexists(path):
        return Config(path, "", {})
    from kubemqctl.configfile import read

    return read(path)


def save(config: Config) -> None:
    """Write the file whole or not at all, for its owner's eyes only. Raises ConfigError when it cannot be."""
    from kubemqctl.configfile import write

    write(config)


def find(config: Config, name: str) -> Profile:
    """The profile called `name`; raises NotFound with the nearest names."""
    if profile := config.profiles.get(name):
        return profile
    if not config.profiles:
        hint = "make it with: kubemqctl profile set NAME --address HOST:PORT"
        raise NotFound(f"no profile {name!r}: there is none yet", hint=hint)
    from difflib import get_close_matches

    near = get_close_matches(name, config.profiles)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there is: {', '.join(config.profiles)}"
    raise NotFound(f"no profile {name!r} in {config.path}", hint=hint)


def resolve(flags: Flags, environ: Mapping[str, str]) -> Settings:
    """The settings of this run. What they name is not read yet: see read_token.

    Raises NotFound for an unknown profile, UsageError for an option, ConfigError for a variable or the file.
    """
    config = load(config_path(environ))
    profile, why = _chosen(config, flags, environ)
    said = of_profile(config, profile) if profile else {}
    sources = (
        of_flags(flags),
        said if flags.profile is not None else {},
        of_environment(environ),
        said if flags.profile is None else {},
        DEFAULTS,
    )
    withheld = _withhold(said, sources)
    found = ChainMap(*sources)
    token = _token(found, said, environ)
    notes = tuple(_notes(profile, token, withheld))
    return _settings(found, token, profile, why, notes)


def _settings(
    found: Mapping[str, tuple[Any, str]],
    token: Token,
    profile: Profile | None,
    why: str,
    notes: tuple[str, ...],
) -> Settings:
    return Settings(
        addresses=found["addresses"][0],
        client_id=found["client_id"][0] or random_client_id(),
        token=token,
        tls=_tls(found),
        output=found["output"][0],
        protected=found["protected"][0],
        profile=profile.name if profile else "",
        connect_timeout=found["connect_timeout"][0],
        sources={**{field: found[field][1] for field in DEFAULTS}, "profile": why},
        notes=notes,
    )


def _token(found: Mapping[str, tuple[Any, str]], said: Source, environ: Mapping[str, str]) -> Token:
    """The token in force; only a profile's may be a reference."""
    token: Token = found["token"][0]
    return expanded(token, environ) if found["token"] is said.get("token") else token


def wished_output(flags: Flags, environ: Mapping[str, str]) -> str:
    """The `output` of the profile that applies, or an empty string.

    Raises nothing: what is wrong with the file or the name is for resolve() to say, to those who connect.
    """
    try:
        profile, _ = _chosen(load(config_path(environ)), flags, environ)
    except KubemqctlError:
        return ""
    return profile.output if profile else ""


def read_token(settings: Settings) -> str:
    """The token to send, or an empty string; reads the file or runs the command that has it.

    Raises NotFound for a file or command that is not there, AuthError when the command fails, ConfigError
    for a token that cannot be used. No error shows the token.
    """
    return fetch(settings.token, settings.sources["token"])


def random_client_id() -> str:
    """`kubemqctl-` and 12 random characters."""
    return "kubemqctl-" + "".join(
        "abcdefghijklmnopqrstuvwxyz0123456789"[byte % 36] for byte in os.urandom(12)
    )


def _chosen(config: Config, flags: Flags, environ: Mapping[str, str]) -> tuple[Profile | None, str]:
    """The profile that applies, and what chose it."""
    if flags.profile is not None:
        return find(config, flags.profile), "flag --profile"
    if name := environ.get("KUBEMQCTL_PROFILE"):
        return find(config, name), "KUBEMQCTL_PROFILE"
    if not config.current:
        return None, "default"
    if config.current not in config.profiles:
        line = config.lines.get(("current",), 1)
        raise ConfigError(
            f"{config.path} line {line}: current is {config.current!r}, which is none of the profiles",
            hint="choose one with: kubemqctl profile use NAME",
        )
    return config.profiles[config.current], "current profile"


def _withhold(said: Source, sources: tuple[Source, ...]) -> str:
    """Take the credentials out of what the profile `said` when the address in force is not its own.

    The answer is what gave that address, if the profile's token would have been the one in force.
    """
    address = next(source for source in sources if "addresses" in source)
    if address is said or address is DEFAULTS:
        return ""
    token = next(source for source in sources if "token" in source)
    for field in ("token", "tls", "tls_ca", "tls_cert", "tls_key", "tls_server_name"):
        said.pop(field, None)
    return address["addresses"][1].removeprefix("flag ") if token is said else ""


def _tls(found: Mapping[str, tuple[Any, str]]) -> Tls:
    if not found["tls"][0]:
        return Tls(enabled=False)
    tls = Tls(True, *(found[f"tls_{field}"][0] for field in ("ca", "cert", "key", "server_name")))
    if bool(tls.cert) != bool(tls.key):
        has, lacks = ("cert", "key") if tls.cert else ("key", "cert")
        where = found[f"tls_{has}"][1].removeprefix("flag ")
        raise refusal(f"{where}: a client {has} needs its {lacks} too", where, f"give --tls-{lacks} as well")
    return tls


def _notes(profile: Profile | None, token: Token, withheld: str) -> list[str]:
    notes = []
    if profile and withheld:
        notes.append(
            f"the token of profile {profile.name} is withheld: it is for that profile's address, "
            f"and {withheld} gives another"
        )
    if readable_by_others(token.file):
        notes.append(f"others can read the token file {token.file}; mend it with: chmod 600 {token.file}")
    return notes
