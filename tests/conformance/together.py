"""Facts that take a server's wait to show, shown at the same time.

Half of what server-facts.md says is "it waits the whole second". One after the other that is a minute of
doing nothing; so the facts of a file that are marked `@together` all begin with the first of them, each on
its own connection and channel, and each test takes the outcome of its own. They are one group for xdist
(`--dist loadgroup`), so that one worker runs them once.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.raw_grpc import Stub
from tests.support.server import SILENT, Broker

Fact = Callable[..., None]

# Enough for one file to take one wait, and few enough that two cores keep "at once" true.
_AT_A_TIME = 24


class Together:
    """The facts of one file. As a decorator it makes a test of a function of `stub` and `channel`."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self._outcomes: dict[str, Future[None]] = {}

    def __call__(self, fact: Fact) -> Callable[[pytest.FixtureRequest, Broker], None]:
        name = fact.__name__
        self._facts[name] = fact

        def test(request: pytest.FixtureRequest, broker: Broker) -> None:
            if not self._outcomes:
                self._begin(request, broker.address)
            self._outcomes[name].result(timeout=90)

        test.__name__, test.__doc__, test.__module__ = name, fact.__doc__, fact.__module__
        test.__dict__.update(fact.__dict__)
        return pytest.mark.xdist_group(fact.__module__)(test)

    def _begin(self, request: pytest.FixtureRequest, address: str) -> None:
        chosen = {item.name for item in request.session.items if item.path == request.path}
        pool = ThreadPoolExecutor(_AT_A_TIME)
        for name, fact in self._facts.items():
            if name in chosen and not (SILENT and _builtin(fact)):
                self._outcomes[name] = pool.submit(_show, fact, address)
        pool.shutdown(wait=False)


def _builtin(fact: Fact) -> bool:
    marks: list[Any] = getattr(fact, "pytestmark", [])
    return any(mark.name == "builtin" for mark in marks)


def _show(fact: Fact, address: str) -> None:
    with Stub(address, client=f"c-{uuid.uuid4().hex[:8]}") as stub:
        given = {"stub": stub, "channel": f"t-{uuid.uuid4().hex[:12]}"}
        fact(**{name: given[name] for name in inspect.signature(fact).parameters})
