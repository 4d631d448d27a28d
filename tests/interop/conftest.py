"""The official SDK on the other side: `sdk` asks it to do things in its own process."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import environment
from tests.support.server import Broker

_ROOT = Path(__file__).parents[2]
# Read before the fixtures clear every KUBEMQ_* variable.
_PYTHON = Path(os.environ.get("KUBEMQ_TEST_SDK_PYTHON") or _ROOT / ".venv-sdk" / "bin" / "python")
_PEER = Path(__file__).with_name("sdk_peer.py")
_PATIENCE = 30.0  # seconds for one request; the SDK's own time-outs are 10


class Sdk:
    """A process with the official SDK, connected to the broker."""

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(
            [_PYTHON, _PEER, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment("", {"PYTHONPATH": None}),
            text=True,
        )

    def __call__(self, do: str, **request: Any) -> Any:
        """Have it `do` something (a method of Peer in sdk_peer.py); what it raises fails the test."""
        assert self._process.stdin
        assert self._process.stdout
        watchdog = threading.Timer(_PATIENCE, self._process.kill)
        watchdog.start()
        try:
            print(json.dumps({"do": do, **request}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        assert line, f"the SDK's process ended, or gave no answer to {do} within {_PATIENCE:g} s"
        answer = json.loads(line)
        assert "raised" not in answer, answer["raised"]
        return answer["answer"]

    def close(self) -> None:
        """End the process."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="session")
def sdk(broker: Broker) -> Iterator[Sdk]:
    """The official SDK; skipped where its environment is not there."""
    if not _PYTHON.exists():
        pytest.skip(
            f"no official SDK: {_PYTHON} is not there; `make test` makes it (or KUBEMQ_TEST_SDK_PYTHON)"
        )
    peer = Sdk(broker.address)
    yield peer
    peer.close()


def encoded(body: bytes) -> str:
    """A body as the SDK's process takes it and gives it."""
    return base64.b64encode(body).decode()


# A project of its own, which test_pytest_example.py runs in the SDK's environment.
collect_ignore = ["example"]
