"""Certificates for tests: an authority, a server's certificate of it, a client's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import trustme


class Papers(NamedTuple):
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
) -> Papers:
    """Papers for a server of these names (localhost without), good from and until so many days from now."""
    folder.mkdir()
    ca = trustme.CA()
    server = ca.issue_cert(*(names or ("localhost",)), not_before=_day(since), not_after=_day(until))
    client = ca.issue_cert("client@example.org", not_after=_day(client_until))
    papers = Papers(*(folder / f"{name}.pem" for name in Papers._fields))
    ca.cert_pem.write_to_path(str(papers.ca))
    server.private_key_and_cert_chain_pem.write_to_path(str(papers.cert))
    server.private_key_pem.write_to_path(str(papers.key))
    client.private_key_and_cert_chain_pem.write_to_path(str(papers.client_cert))
    client.private_key_pem.write_to_path(str(papers.client_key))
    for key in (papers.key, papers.client_key):
        key.chmod(0o600)
    return papers


def _day(days: float | None) -> datetime | None:
    return None if days is None else datetime.now(timezone.utc) + timedelta(days=days)
