"""A token that others can read on its way: it is sent, without TLS, to a host that is not this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubemqctl.profile import Settings


def exposed(settings: Settings) -> list[str]:
    """The addresses that a token would go to in plain text, were they connected to."""
    token = settings.token
    if settings.tls.enabled or not (token.value or token.file or token.command):
        return []
    return [address for address in settings.addresses if not is_loopback(address.rpartition(":")[0])]


def exposure(settings: Settings) -> list[str]:
    """What to warn of, if anything."""
    found = exposed(settings)
    if not found:
        return []
    where = " or ".join(found)
    return [f"the token goes to {where} in plain text, for all on the way to read: speak TLS (--tls)"]


def is_loopback(host: str) -> bool:
    """Whether `host`, an IPv6 address with or without brackets, is this machine as far as its name tells."""
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"
