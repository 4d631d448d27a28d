"""Certificates for tests of the client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import Certificates, issue


@pytest.fixture
def certs(tmp_path: Path) -> Certificates:
    return issue(tmp_path / "certificates")
