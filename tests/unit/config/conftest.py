"""A configuration file of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.settings_of import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(TEXT, mode=0o600): the configuration file with that text."""

    def written(text: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return written
