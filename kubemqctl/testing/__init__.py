"""A KubeMQ broker for the tests of other programs: `Broker`, and fixtures for pytest.

Nothing but this file is imported until `Broker` is used, or one of the fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubemqctl.testing.broker import Broker, BrokerError

__all__ = ["Broker", "BrokerError"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kubemqctl.testing import broker

    return getattr(broker, name)
