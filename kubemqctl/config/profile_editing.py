"""Profiles as they are changed and shown, and the one that was in use before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from kubemqctl.config.config_file import KEYS, as_mapping
from kubemqctl.config.directories import make_private, state_home
from kubemqctl.config.files import refuse_dash, write_whole
from kubemqctl.config.profiles import Config, Profile, Tls, check_host, parse_addresses
from kubemqctl.config.settings import Settings
from kubemqctl.config.sources import CONNECT_TIMEOUT, Flags
from kubemqctl.config.token import Token, command_words, variable_in
from kubemqctl.model.channels import check_client_id
from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from kubemqctl.model.text import quoted, reason
from kubemqctl.model.values import OUTPUT_FORMS, format_duration


class ProfileRow(TypedDict):
    """What a list says of a profile."""

    name: str
    current: bool
    address: str
    tls: bool
    token: bool
    protected: bool
    read_only: bool


class ProfileFields(TypedDict, total=False):
    """What a profile may say, and a command use; each of the two below has some of these."""

    name: str
    address: str
    client_id: str
    token: str
    token_file: str
    token_command: str
    tls: dict[str, object]
    output: str
    protected: bool
    read_only: bool


class StoredProfile(ProfileFields):
    """A profile as its file has it."""

    current: bool


class UsedSettings(ProfileFields):
    """What a command would use."""

    connect_timeout: str
    connect_wait: str
    sources: dict[str, str]


def state_path(environ: Mapping[str, str]) -> str:
    """Where it is kept; empty without a home."""
    base = state_home(environ)
    return os.path.join(base, "kubemqctl", "previous-profile.json") if base else ""


def previous(environ: Mapping[str, str], config: str) -> str:
    """The name of the profile that was current before in the file `config`. Raises NotFound without one."""
    name = _known(state_path(environ)).get(os.path.realpath(config))
    if not name:
        raise NotFound(
            "there is no previous profile", hint="to set the current profile: kubemqctl profile use NAME"
        )
    return name


def remember(environ: Mapping[str, str], config: str, name: str) -> None:
    """Keep `name` as the one that was current. Raises ConfigError when that cannot be."""
    path = state_path(environ)
    if not path:
        raise ConfigError("there is no home directory to keep it in")
    known = {**_known(path), os.path.realpath(config): name}
    try:
        make_private(os.path.dirname(path))
        write_whole(path, json.dumps(known).encode(), 0o600)
    except OSError as e:
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


_EMPTY = Profile("")


def change(
    profile: Profile,
    flags: Flags,
    *,
    token_command: str | None,
    output: str | None,
    protected: bool | None,
    read_only: bool | None,
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
    if read_only is not None:
        profile = profile._replace(read_only=read_only)
    return profile._replace(tls=_changed_tls(profile.tls, flags))


def _refuse_unstorable(flags: Flags, token_command: str | None) -> None:
    if flags.profile is not None:
        raise UsageError("-p/--profile cannot be used here", hint="the profile to change is NAME")
    if flags.connect_timeout != CONNECT_TIMEOUT:
        raise UsageError("--connect-timeout cannot be stored in a profile")
    if flags.connect_wait:
        raise UsageError("--connect-wait cannot be stored in a profile")
    if flags.token_file is not None and token_command is not None:
        raise UsageError("--token-file and --token-command cannot be used together")


def _without(profile: Profile, key: str) -> Profile:
    if key not in KEYS:
        raise UsageError(f"--unset: there is no setting {quoted(key)}", hint=f"use one of {', '.join(KEYS)}")
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
        name = _filled("--tls-server-name", flags.tls_server_name)
        given["server_name"] = check_host(name, "--tls-server-name")
    if flags.tls is False and given:
        raise UsageError("--no-tls and the other TLS options contradict each other", hint="leave one out")
    tls = old._replace(**given)
    if bool(tls.cert) != bool(tls.key):
        raise UsageError(
            "a client certificate needs its key, and a key its certificate",
            hint="give --tls-cert and --tls-key",
        )
    enabled = True if given else flags.tls
    return tls if enabled is None else tls._replace(enabled=enabled)


def _path(option: str, path: str) -> str:
    refuse_dash(option, path)
    # The file may be used from any directory.
    return os.path.abspath(_filled(option, path))


def _filled(option: str, text: str) -> str:
    if not text:
        raise UsageError(f"{option} is empty", hint=f"to remove it from the profile: --unset {_key(option)}")
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
    if text not in OUTPUT_FORMS:
        raise UsageError(
            f"--default-output {text} is not an output format", hint=f"use one of {', '.join(OUTPUT_FORMS)}"
        )
    return text


Record = dict[str, object]
MASK = "***"


def row(config: Config, profile: Profile) -> ProfileRow:
    """A line of the list; the same fields for every profile, so that it makes a table."""
    return {
        "name": profile.name,
        "current": profile.name == config.current,
        "address": ",".join(profile.addresses),
        "tls": bool(profile.tls.enabled),
        "token": bool(profile.token or profile.token_file or profile.token_command),
        "protected": profile.protected,
        "read_only": profile.read_only,
    }


def stored(config: Config, profile: Profile) -> Record:
    """A StoredProfile: all that the file says of it, with its keys; addresses as one text, commas between."""
    said = as_mapping(profile)
    if profile.addresses:
        said["address"] = ",".join(profile.addresses)
    if profile.token and not variable_in(profile.token):
        said["token"] = MASK
    return {"name": profile.name, "current": profile.name == config.current, **said}


def effective(settings: Settings) -> Record:
    """UsedSettings: what a command would use, by the same keys, and in `sources` where each value is from."""
    tls = {key: value for key, value in settings.tls._asdict().items() if value}
    tls["enabled"] = bool(settings.tls.enabled)
    # The id of this run would be that of no other.
    is_random = settings.sources["client_id"] == "default"
    used: Record = {
        "name": settings.profile,
        "address": ",".join(settings.addresses),
        "client_id": "kubemqctl-<random>" if is_random else settings.client_id,
        **_token(settings.token),
        "tls": tls,
        "output": settings.output or "auto",
        "protected": settings.protected,
        "read_only": settings.read_only,
        "connect_timeout": format_duration(settings.connect_timeout),
        "connect_wait": format_duration(settings.connect_wait),
    }
    return {**used, "sources": _sources(settings, set(tls))}


def _token(token: Token) -> Record:
    if token.missing:
        return {"token": f"${{{token.missing}}}, which is not set"}
    if token.file:
        return {"token_file": token.file}
    if token.command:
        return {"token_command": token.command}
    return {"token": MASK if token.value else ""}


def _sources(settings: Settings, tls: set[str]) -> dict[str, str]:
    names = {"addresses": "address", "profile": "name"}
    unused = {f"tls_{key}" for key in ("ca", "cert", "key", "server_name") if key not in tls}
    return {
        names.get(field, field): where for field, where in settings.sources.items() if field not in unused
    }
