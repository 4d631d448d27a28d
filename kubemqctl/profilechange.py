"""A profile with options stored into it, and keys taken out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kubemqctl.address import parse_addresses
from kubemqctl.configfile import KEYS, OUTPUTS
from kubemqctl.credential import command_words
from kubemqctl.model.channels import check_client_id
from kubemqctl.model.errors import ConfigError, UsageError
from kubemqctl.profile import Flags, Profile, Tls
from kubemqctl.sources import CONNECT_TIMEOUT

_EMPTY = Profile("")


def change(
    profile: Profile,
    flags: Flags,
    *,
    token_command: str | None,
    output: str | None,
    protected: bool | None,
    unset: Sequence[str],
) -> Profile:
    """`profile` without the keys of `unset`, and then with all that is given; None is "not given".

    A new source of the token takes the place of the old one. Raises UsageError for what cannot be stored.
    """
    _refuse_unstorable(flags, token_command)
    for key in unset:
        profile = _without(profile, key)
    if flags.addresses:
        profile = profile._replace(addresses=parse_addresses(flags.addresses, "--address"))
    if flags.client_id is not None:
        check_client_id(flags.client_id)
        profile = profile._replace(client_id=flags.client_id)
    if flags.token_file is not None:
        profile = _tokenless(profile)._replace(token_file=_path("--token-file", flags.token_file))
    if token_command is not None:
        profile = _tokenless(profile)._replace(token_command=_command(token_command))
    if output is not None:
        profile = profile._replace(output=_form(output))
    if protected is not None:
        profile = profile._replace(protected=protected)
    return profile._replace(tls=_changed_tls(profile.tls, flags))


def _refuse_unstorable(flags: Flags, token_command: str | None) -> None:
    if flags.profile is not None:
        raise UsageError("-p/--profile has no place here", hint="the profile to change is NAME")
    if flags.connect_timeout != CONNECT_TIMEOUT:
        raise UsageError("--connect-timeout cannot be stored in a profile", hint="leave it out")
    if flags.token_file is not None and token_command is not None:
        raise UsageError("--token-file and --token-command exclude each other", hint="give one of them")


def _without(profile: Profile, key: str) -> Profile:
    if key not in KEYS:
        raise UsageError(f"--unset {key}: there is no such key", hint=f"one of {', '.join(KEYS)}")
    field = "addresses" if key == "address" else key
    return profile._replace(**{field: getattr(_EMPTY, field)})


def _tokenless(profile: Profile) -> Profile:
    return profile._replace(token="", token_file="", token_command="")


def _changed_tls(old: Tls, flags: Flags) -> Tls:
    """`old` with the TLS options; any of them turns TLS on."""
    given: dict[str, Any] = {
        field: _path(f"--tls-{field}", path)
        for field in ("ca", "cert", "key")
        if (path := getattr(flags, f"tls_{field}")) is not None
    }
    if flags.tls_server_name is not None:
        given["server_name"] = _filled("--tls-server-name", flags.tls_server_name)
    if flags.tls is False and given:
        raise UsageError("--no-tls and the other TLS options contradict each other", hint="leave one out")
    tls = old._replace(**given)
    if bool(tls.cert) != bool(tls.key):
        raise UsageError("a client certificate and its key go together", hint="give --tls-cert and --tls-key")
    enabled = True if given else flags.tls
    return tls if enabled is None else tls._replace(enabled=enabled)


def _path(option: str, path: str) -> str:
    # The file may be used from any directory.
    return os.path.abspath(_filled(option, path))


def _filled(option: str, text: str) -> str:
    if not text:
        raise UsageError(f"{option} is empty", hint=f"to take it out of the profile: --unset {_key(option)}")
    return text


def _key(option: str) -> str:
    return "tls" if option.startswith("--tls") else option[2:].replace("-", "_")


def _command(text: str) -> str:
    try:
        command_words(_filled("--token-command", text))
    except ConfigError as error:
        raise UsageError(f"--token-command: {error.message}") from None
    return text


def _form(text: str) -> str:
    if text not in OUTPUTS:
        raise UsageError(f"--default-output {text} is no form", hint=f"one of {', '.join(OUTPUTS)}")
    return text
