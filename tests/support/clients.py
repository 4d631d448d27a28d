"""Our client on its own, without a command around it."""

from __future__ import annotations

from kubemqctl.client.connect import connect
from kubemqctl.client.connection import Client
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags


def opened(address: str) -> Client:
    """A client of the server at `address`, with no environment and no profile."""
    return connect(resolve(Flags(addresses=(address,)), {}))
