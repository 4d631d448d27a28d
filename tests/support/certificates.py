"""Certificates for tests: an authority, a server's certificate of it, a client's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import trustme

from kubemqctl.config.profiles import Tls


class Certificates(NamedTuple):
    """Files: the authority's certificate; a server's and a client's, each with its key."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


def issue(
    folder: Path,
    *names: str,
    since: float | None = None,
    until: float | None = None,
    client_until: float | None = None,
) -> Certificates:
    """For a server of these names (localhost without), good from and until so many days from now."""
    folder.mkdir()
    ca = trustme.CA()
    server = ca.issue_cert(*(names or ("localhost",)), not_before=_day(since), not_after=_day(until))
    client = ca.issue_cert("client@example.org", not_after=_day(client_until))
    certs = Certificates(*(folder / f"{name}.pem" for name in Certificates._fields))
    ca.cert_pem.write_to_path(str(certs.ca))
    server.private_key_and_cert_chain_pem.write_to_path(str(certs.cert))
    server.private_key_pem.write_to_path(str(certs.key))
    client.private_key_and_cert_chain_pem.write_to_path(str(certs.client_cert))
    client.private_key_pem.write_to_path(str(certs.client_key))
    for key in (certs.key, certs.client_key):
        key.chmod(0o600)
    return certs


def _day(days: float | None) -> datetime | None:
    return None if days is None else datetime.now(timezone.utc) + timedelta(days=days)


def trusting(certs: Certificates, **more: str) -> Tls:
    """TLS that trusts the authority of these certificates; `more` are other fields."""
    return Tls(True, str(certs.ca), **more)
