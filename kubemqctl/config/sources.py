"""What each source says of the connection: command line, environment, a profile, the defaults.

A source maps a field to (its value, where it was given). Fields are those of Settings, TLS files apart:
addresses, client_id, token, tls (whether it is on), tls_ca, tls_cert, tls_key, tls_server_name, output,
protected, read_only, connect_timeout, connect_wait.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kubemqctl.config.files import refuse_dash
from kubemqctl.config.profiles import parse_addresses, refusal
from kubemqctl.config.token import Token
from kubemqctl.model.errors import ConfigError

if TYPE_CHECKING:
    from kubemqctl.config.profiles import Config, Profile


Source = dict[str, tuple[Any, str]]
DEFAULT_ADDRESS = "localhost:50000"
CONNECT_TIMEOUT = 5.0
"""In seconds."""
DEFAULTS: Source = {
    "addresses": ((DEFAULT_ADDRESS,), "default"),
    "client_id": ("", "default"),
    "token": (Token(), "default"),
    "tls": (False, "default"),
    "tls_ca": ("", "default"),
    "tls_cert": ("", "default"),
    "tls_key": ("", "default"),
    "tls_server_name": ("", "default"),
    "output": ("", "default"),
    "protected": (False, "default"),
    "read_only": (False, "default"),
    "connect_timeout": (CONNECT_TIMEOUT, "default"),
    "connect_wait": (0.0, "default"),
}


class Variable(NamedTuple):
    """An environment variable, what it says, and the setting and the option that say the same ("": none)."""

    name: str
    meaning: str
    field: str = ""
    option: str = ""


VARIABLES = (
    Variable(
        "KUBEMQ_ADDRESS",
        "address of the server, HOST:PORT; several, separated by commas, are tried in order",
        "addresses",
        "--address",
    ),
    Variable("KUBEMQ_CLIENT_ID", "client ID that the server sees", "client_id", "--client-id"),
    Variable("KUBEMQ_AUTH_TOKEN", "authentication token", "token"),
    Variable("KUBEMQ_TLS_ENABLED", "true or false: use TLS or not", "tls", "--tls"),
    Variable("KUBEMQ_TLS_CA", "CA certificate file; turns TLS on", "tls_ca", "--tls-ca"),
    Variable("KUBEMQ_TLS_CERT", "client certificate file; turns TLS on", "tls_cert", "--tls-cert"),
    Variable("KUBEMQ_TLS_KEY", "file of its private key; turns TLS on", "tls_key", "--tls-key"),
    Variable("KUBEMQCTL_PROFILE", "profile to use instead of the current one", option="--profile"),
    Variable("KUBEMQCTL_CONFIG", "path of the configuration file"),
)
_FILES = ("token_file", "tls_ca", "tls_cert", "tls_key")
_PLAIN_FLAGS = ("client_id", "token_file", "tls_ca", "tls_cert", "tls_key", "tls_server_name")


def of_flags(flags: Flags) -> Source:
    """What the command line says. Raises UsageError."""
    given: Source = {}
    if flags.addresses:
        given["addresses"] = parse_addresses(flags.addresses, "--address"), "flag --address"
    for field in _PLAIN_FLAGS:
        if (value := getattr(flags, field)) is not None:
            option = "--" + field.replace("_", "-")
            if not value:
                raise refusal(f"{option} is empty", option)
            if field in _FILES:
                refuse_dash(option, value)
            given[field] = value, f"flag {option}"
    if "token_file" in given:
        path, where = given.pop("token_file")
        given["token"] = Token(file=path), where
    if flags.connect_timeout != CONNECT_TIMEOUT:
        given["connect_timeout"] = flags.connect_timeout, "flag --connect-timeout"
    if flags.connect_wait:
        given["connect_wait"] = flags.connect_wait, "flag --connect-wait"
    return _tls_of_flags(flags, given)


def _tls_of_flags(flags: Flags, given: Source) -> Source:
    if flags.tls is not None:
        given["tls"] = flags.tls, "flag --tls" if flags.tls else "flag --no-tls"
    if flags.tls is False and (field := _tls_option(given)):
        other = given[field][1].removeprefix("flag ")
        raise refusal(f"--no-tls and {other} contradict each other", "--no-tls", "leave one of them out")
    return _turned_on(given)


def of_environment(environ: Mapping[str, str]) -> Source:
    """What the environment says; an empty variable counts as none. Raises ConfigError."""
    texts = {v.field: (environ[v.name], v.name) for v in VARIABLES if v.field and environ.get(v.name)}
    given: Source = dict(texts)
    if "addresses" in texts:
        text, name = texts["addresses"]
        given["addresses"] = parse_addresses([text], name), name
    if "token" in texts:
        text, name = texts["token"]
        given["token"] = Token(value=text), name
    if "tls" in texts:
        text, name = texts["tls"]
        given["tls"] = _on_or_off(text, name), name
    return _turned_on(given)


def _on_or_off(text: str, name: str) -> bool:
    word = text.strip().lower()
    if word not in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        raise ConfigError(f"{name} is {text!r}", hint="use true or false, 1 or 0, yes or no, on or off")
    return word in ("true", "1", "yes", "on")


def without_connection(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what it says of a connection or a profile."""
    said = {v.name for v in VARIABLES if v.field or v.option}
    return {name: value for name, value in environ.items() if name not in said}


def of_profile(config: Config, profile: Profile) -> Source:
    """What a profile says, as its file has it: a token of `${NAME}` is still one."""
    token = Token(profile.token, profile.token_file, profile.token_command)
    said: dict[str, Any] = {
        "addresses": profile.addresses,
        "client_id": profile.client_id,
        "token": token if any(token) else None,
        "tls_ca": profile.tls.ca,
        "tls_cert": profile.tls.cert,
        "tls_key": profile.tls.key,
        "tls_server_name": profile.tls.server_name,
        "output": profile.output,
        "protected": profile.protected,
        "read_only": profile.read_only,
    }
    given: Source = {field: (value, _place(config, profile, field)) for field, value in said.items() if value}
    if profile.tls.enabled is not None:
        given["tls"] = profile.tls.enabled, _place(config, profile, "tls_enabled")
    return _turned_on(given)


def _place(config: Config, profile: Profile, field: str) -> str:
    """`profile prod (config.yaml line 7)`: the line of the key that gave `field`, else the profile's."""
    above = ("profiles", profile.name)
    token = next((key for key in ("token", "token_file", "token_command") if getattr(profile, key)), "")
    key = {"addresses": "address", "token": token}.get(field, field)
    path = ("tls", key.removeprefix("tls_")) if key.startswith("tls_") else (key,)
    line = config.lines.get((*above, *path)) or config.lines.get(above, 1)
    return f"profile {profile.name} ({os.path.basename(config.path)} line {line})"


def _tls_option(given: Source) -> str:
    return next((field for field in given if field.startswith("tls_")), "")


def _turned_on(given: Source) -> Source:
    """Any TLS option turns TLS on, unless the same source turns it off in so many words."""
    if (field := _tls_option(given)) and "tls" not in given:
        given["tls"] = True, given[field][1]
    return given


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
    connect_wait: float = 0.0
