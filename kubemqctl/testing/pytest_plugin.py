"""Fixtures for pytest, registered with the package: a broker, its address, and a channel for each test.

The plugin is loaded wherever kubemqctl is installed beside pytest. It imports nothing of kubemqctl until a
fixture is used.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kubemqctl.testing.broker import Broker

_NO_WORD = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 40


@pytest.fixture(scope="session")
def kubemq_broker_options() -> dict[str, Any]:
    """What `kubemq_broker` gives to `kubemqctl.testing.Broker`; override it in a conftest.py.

    return {"ephemeral": True}
    """
    return {}


@pytest.fixture(scope="session")
def kubemq_broker(kubemq_broker_options: dict[str, Any]) -> Iterator[Broker]:
    """A running KubeMQ broker for all tests of the session; each worker of pytest-xdist has its own."""
    from kubemqctl.testing.broker import Broker

    with Broker(**kubemq_broker_options) as broker:
        yield broker


@pytest.fixture(scope="session")
def kubemq_address(kubemq_broker: Broker) -> str:
    """HOST:PORT of the session's KubeMQ broker."""
    return kubemq_broker.address


@pytest.fixture
def kubemq_channel(request: pytest.FixtureRequest) -> str:
    """The name of a KubeMQ channel that no other test uses; it begins with the test's name."""
    name = _NO_WORD.sub("-", request.node.name)[:_LONGEST_NAME].strip("-")
    return f"{name}-{secrets.token_hex(4)}"
