"""The community server, or the double that stands for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import OTHER_SERVER, start_broker

LIKE = ("--ephemeral", "--like", "community-2.4")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if OTHER_SERVER:
        yield OTHER_SERVER
        return
    server = start_broker(tmp_path_factory.mktemp("broker"), *LIKE)
    yield server.address
    server.stop()
