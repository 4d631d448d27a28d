"""Start-up does without looking for garbage; whoever runs longer looks for it again."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator

import pytest

from kubemqctl.broker.server import BrokerConfig, serve
from kubemqctl.client.connect import connect
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from tests.support.fake_server import fake_server


@pytest.fixture(autouse=True)
def _as_at_the_start() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_a_client_collects_garbage() -> None:
    with fake_server() as address, connect(resolve(Flags(addresses=(address,)), os.environ)):
        assert gc.isenabled()


def test_a_broker_collects_garbage() -> None:
    async def main() -> None:
        stop = asyncio.Event()
        await serve(BrokerConfig("127.0.0.1:0"), lambda address: stop.set(), stop)

    asyncio.run(main())
    assert gc.isenabled()
