"""Profiles as nouns, and the addresses they name. Raises ConfigError, or UsageError where a flag is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from kubemqctl.model.text import quoted


def parse_addresses(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """The addresses in `texts`, each one or several between commas, in their order.

    `where` says in an error who gave them: an option (`--address`), a variable, or a place in a file.
    Raises UsageError for an option and ConfigError otherwise.
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    found = tuple(parse_address(part, where) for part in parts if part)
    if not found:
        raise refusal(f"{where} is empty", where, "write HOST:PORT, for instance localhost:50000")
    return found


def parse_address(text: str, where: str, least: int = 1) -> str:
    """`text` when it is HOST:PORT or [IPV6]:PORT, with a port from `least` on; raises as parse_addresses."""
    host, _, port = text.rpartition(":")
    if _is_port(port, least):
        if re.fullmatch(r"[A-Za-z0-9_.-]+", host):
            return f"{check_host(host, where)}:{port}"
        if re.fullmatch(r"\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]", host):
            return text
    # Who writes NAME:PASSWORD@HOST, as in other programs' addresses, must not find it in a log.
    shown = re.sub(r"^([A-Za-z0-9+.-]+://)?.*@", r"\1***@", text, flags=re.DOTALL)
    raise refusal(f"{where}: {quoted(shown)} is not HOST:PORT", where, _what_to_write(text, least))


def refusal(message: str, where: str, hint: str = "") -> UsageError:
    """The error for a setting that cannot be used: of the command line, or of the configuration."""
    kind = UsageError if where.startswith("-") else ConfigError
    return kind(message, hint=hint)


def check_host(host: str, where: str) -> str:
    """`host` if a look-up and a certificate can be asked for it: Python ends with a UnicodeError otherwise.

    Raises as parse_addresses.
    """
    labels = host.removesuffix(".").split(".")
    if not (host.isascii() and host.isprintable()):
        hint = "write a name in other letters as it is in the certificate: xn--…"
    elif len(host) > 253 or not all(1 <= len(label) <= 63 for label in labels):
        hint = "between its dots there are 1 to 63 characters, and 253 in all"
    else:
        return host
    raise refusal(f"{where}: {quoted(host)} is not a valid host name", where, hint)


def _is_port(text: str, least: int = 1) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and least <= int(text) <= 65535


def _what_to_write(text: str, least: int) -> str:
    """The hint for an address that is none: what was probably meant."""
    if "@" in text:
        return "addresses have no user: use a token or a client certificate"
    if scheme := re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        host = quoted(text[scheme.end() :].partition("/")[0] or "localhost")
        return f"without {scheme.group()}: {host if _is_port(host.rpartition(':')[2]) else host + ':50000'}"
    if re.fullmatch(r"[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", text):
        return f"an IPv6 address goes in brackets: [{quoted(text)}]:50000"
    if re.fullmatch(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", text):
        return f"its port is missing: {quoted(text)}:50000"
    if re.fullmatch(r"[A-Za-z0-9_.-]+:[0-9-]+", text):
        return f"a port is a number from {least} to 65535"
    return "for instance localhost:50000 or [::1]:50000"


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
    read_only: bool = False

    def __repr__(self) -> str:
        return f"Profile(name={self.name!r}, addresses={self.addresses!r}, …)"


class Config(NamedTuple):
    """The configuration file. `lines` has the line of each key, as ("profiles", NAME, "tls", "ca")."""

    path: str
    current: str
    profiles: dict[str, Profile]
    lines: Mapping[tuple[str, ...], int] = NO_LINES


def find(config: Config, name: str) -> Profile:
    """The profile called `name`; raises NotFound with the nearest names."""
    if profile := config.profiles.get(name):
        return profile
    if name.isdecimal():  # -p is a port elsewhere
        raise NotFound(f"no profile {quoted(name)}", hint=f"if it is a port: -a HOST:{quoted(name)}")
    if not config.profiles:
        hint = "to create it: kubemqctl profile set NAME --address HOST:PORT"
        raise NotFound(f"no profile {quoted(name)}: there are no profiles", hint=hint)
    from difflib import get_close_matches

    near = get_close_matches(name, config.profiles)
    hint = f"did you mean {' or '.join(near)}?" if near else f"profiles: {', '.join(config.profiles)}"
    raise NotFound(f"no profile {quoted(name)} in {config.path}", hint=hint)
