"""Profiles as records: the row of a list, what is stored, what is in force. No token is ever in them."""

from __future__ import annotations

from kubemqctl.configfile import as_mapping
from kubemqctl.credential import Token, variable_in
from kubemqctl.model.values import format_duration
from kubemqctl.profile import Config, Profile, Settings, Tls

Record = dict[str, object]
MASK = "***"


def row(config: Config, profile: Profile) -> Record:
    """A line of the list; the same fields for every profile, so that it makes a table."""
    return {
        "name": profile.name,
        "current": profile.name == config.current,
        "address": ",".join(profile.addresses),
        "protected": profile.protected,
    }


def stored(config: Config, profile: Profile) -> Record:
    """All that the file says of a profile, with its keys; addresses as one text, commas between."""
    said = as_mapping(profile)
    if profile.addresses:
        said["address"] = ",".join(profile.addresses)
    if profile.token and not variable_in(profile.token):
        said["token"] = MASK
    return {"name": profile.name, "current": profile.name == config.current, **said}


def effective(settings: Settings) -> Record:
    """What a command would use, by the same keys, and in `sources` where each value comes from."""
    tls = _tls_fields(settings.tls)
    used: Record = {
        "name": settings.profile,
        "address": ",".join(settings.addresses),
        "client_id": _client_id(settings),
        **_token(settings.token),
        "tls": tls,
        "output": settings.output or "auto",
        "protected": settings.protected,
        "connect_timeout": format_duration(settings.connect_timeout),
    }
    return {**used, "sources": _sources(settings, set(tls))}


def _client_id(settings: Settings) -> str:
    """The id of this run would be that of no other."""
    return "kubemqctl-<random>" if settings.sources["client_id"] == "default" else settings.client_id


def _tls_fields(tls: Tls) -> dict[str, object]:
    said = {key: value for key, value in tls._asdict().items() if value}
    return {**said, "enabled": bool(tls.enabled)}


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
