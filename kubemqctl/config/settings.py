"""The settings of a run, out of all sources; and whether a token would be seen on its way.

The sources, first wins: flag; the profile named with -p; environment; the profile of KUBEMQCTL_PROFILE or
the current one; default. A profile's credentials and TLS settings travel with that profile's address only,
so that a KUBEMQ_ADDRESS left in a shell never receives a production token. The default address is the
profile's own when the profile names none and nothing else does.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping
from typing import Any, NamedTuple

from kubemqctl.config.config_file import config_path, load_current
from kubemqctl.config.files import changeable, readable_by_others
from kubemqctl.config.profiles import Config, Profile, Tls, check_host, find, refusal
from kubemqctl.config.sources import DEFAULTS, Flags, Source, of_environment, of_flags, of_profile
from kubemqctl.config.token import Token, expanded, fetch
from kubemqctl.model.channels import check_client_id
from kubemqctl.model.errors import ConfigError, KubemqctlError


class Settings(NamedTuple):
    """What holds for this run; `connect_timeout` and `connect_wait` in seconds.

    `profile` is empty when none applies. `output` is the profile's wish, for terminals only. `sources` says
    where each came from, by field name (TLS files as `tls_ca` and so on). `notes` are for stderr, once.
    """

    addresses: tuple[str, ...]
    client_id: str
    token: Token
    tls: Tls
    output: str
    protected: bool
    read_only: bool
    profile: str
    connect_timeout: float
    connect_wait: float
    sources: dict[str, str]
    notes: tuple[str, ...]


def resolve(flags: Flags, environ: Mapping[str, str]) -> Settings:
    """The settings of this run. What they name is not read yet: see read_token.

    Raises NotFound for an unknown profile, UsageError for an option, ConfigError for a variable or the file.
    """
    config = load_current(environ)
    profile, why = _chosen(config, flags, environ)
    said = of_profile(config, profile) if profile else {}
    exported = of_environment(environ)
    sources = (
        of_flags(flags),
        said if flags.profile is not None else {},
        exported,
        said if flags.profile is None else {},
        DEFAULTS,
    )
    withheld = _withhold(said, sources)
    kept = _keep_tls(said, exported, sources)
    found = ChainMap(*sources)
    token: Token = found["token"][0]
    if found["token"] is said.get("token"):  # only a profile's may be a reference
        token = expanded(token, environ)
    return Settings(
        addresses=found["addresses"][0],
        client_id=_client_id(found["client_id"][0]),
        token=token,
        tls=_tls(found),
        output=found["output"][0],
        protected=found["protected"][0],
        read_only=found["read_only"][0],
        profile=profile.name if profile else "",
        connect_timeout=found["connect_timeout"][0],
        connect_wait=found["connect_wait"][0],
        sources={**{field: found[field][1] for field in DEFAULTS}, "profile": why},
        notes=tuple(_notes(profile, token, withheld, kept, environ)),
    )


def _client_id(text: str) -> str:
    if not text:
        return random_client_id()
    check_client_id(text)
    return text


def wished_output(flags: Flags, environ: Mapping[str, str]) -> str:
    """The `output` of the profile that applies, or an empty string.

    Raises nothing: what is wrong with the file or the name is for resolve() to say, to those who connect.
    """
    profile = profile_in_force(flags, environ)
    return profile.output if profile else ""


def profile_in_force(flags: Flags, environ: Mapping[str, str]) -> Profile | None:
    """The profile that applies. Raises nothing either: None where that cannot be told."""
    try:
        return _chosen(load_current(environ), flags, environ)[0]
    except KubemqctlError:
        return None


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
            f"{config.path} line {line}: current is {config.current!r}, which is not a profile",
            hint="to set the current profile: kubemqctl profile use NAME",
        )
    return config.profiles[config.current], "current profile"


def _giver(field: str, sources: tuple[Source, ...]) -> Source:
    """The source whose value of `field` is in force."""
    return next(source for source in sources if field in source)


def _is_own(address: Source, said: Source) -> bool:
    """Whether the address that `address` gives is the one of the profile `said`."""
    return address is said or address is DEFAULTS


def _withhold(said: Source, sources: tuple[Source, ...]) -> str:
    """Take the credentials out of what the profile `said` when the address in force is not its own.

    The answer is what gave that address, if the profile's token would have been the one in force.
    """
    address = _giver("addresses", sources)
    if _is_own(address, said):
        return ""
    token = _giver("token", sources)
    # `said` is one of the sources that settings are looked up in: what it lacks, nobody finds.
    for field in ("token", "tls", "tls_ca", "tls_cert", "tls_key", "tls_server_name"):
        said.pop(field, None)
    return address["addresses"][1].removeprefix("flag ") if token is said else ""


def _keep_tls(said: Source, exported: Source, sources: tuple[Source, ...]) -> str:
    """Ignore a variable that turns TLS off under a token that comes from a profile; the answer names it.

    Whoever exported it meant another server: the token of this one would go out for all to read.
    """
    if _giver("tls", sources) is not exported:
        return ""
    on, where = exported["tls"]
    is_own = _is_own(_giver("addresses", sources), said)
    is_secret = _giver("token", sources) is said
    if on or not (is_own and is_secret and said.get("tls", (False,))[0]):
        return ""
    del exported["tls"]
    return where


def _tls(found: Mapping[str, tuple[Any, str]]) -> Tls:
    if not found["tls"][0]:
        return Tls(enabled=False)
    tls = Tls(True, *(found[f"tls_{field}"][0] for field in ("ca", "cert", "key", "server_name")))
    if tls.server_name:
        check_host(tls.server_name, found["tls_server_name"][1].removeprefix("flag "))
    if bool(tls.cert) != bool(tls.key):
        has, lacks = ("cert", "key") if tls.cert else ("key", "cert")
        where = found[f"tls_{has}"][1].removeprefix("flag ")
        raise refusal(f"{where}: a client {has} needs its {lacks} too", where, f"give --tls-{lacks} as well")
    return tls


def _notes(
    profile: Profile | None, token: Token, withheld: str, kept: str, environ: Mapping[str, str]
) -> list[str]:
    notes = []
    if profile and kept:
        notes.append(f"{kept} is ignored: without TLS the token of profile {profile.name} could be read")
    if profile and withheld:
        notes.append(
            f"the token of profile {profile.name} is withheld: it is only for that profile's address, "
            f"and {withheld} gives a different one"
        )
    if token.command:
        # Whoever can change the file has a command of theirs run by us.
        notes += [
            f"{weak}, and a token_command is run from there" for weak in changeable(config_path(environ))
        ]
    if readable_by_others(token.file):
        notes.append(f"others can read the token file {token.file}; to fix it: chmod 600 {token.file}")
    return notes


def plain_text_addresses(settings: Settings) -> list[str]:
    """The addresses that a token would go to in plain text, were they connected to."""
    token = settings.token
    if settings.tls.enabled or not (token.value or token.file or token.command):
        return []
    return [address for address in settings.addresses if not is_loopback(address.rpartition(":")[0])]


def plain_text_warning(settings: Settings) -> list[str]:
    """What to warn of, if anything."""
    found = plain_text_addresses(settings)
    if not found:
        return []
    where = " or ".join(found)
    return [f"the token is sent to {where} in plain text: use TLS (--tls)"]


def is_loopback(host: str) -> bool:
    """Whether `host`, an IPv6 address with or without brackets, is this machine as far as its name tells."""
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"
