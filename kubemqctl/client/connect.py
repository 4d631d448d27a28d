"""The door to grpc: everything behind `connect` may take 100 ms to import, so nothing else leads there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.config.settings import Settings


def connect(settings: Settings, warn: Callable[[str], None] = lambda text: None) -> Client:
    """A client of the first address of `settings` that takes a TCP connection; `warn` as in Client.

    Raises Unreachable when none does, ConfigError or NotFound for TLS files and tokens that cannot be read.
    """
    # grpc's core prints its own lines on stderr otherwise, and its fork handlers only cost us time.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from kubemqctl.client.connection import Client

    return Client(settings, warn)
