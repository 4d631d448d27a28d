"""The npm client kubemq-js beside our broker, or another: another gRPC stack, grpc-js, and other habits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewBroker
from tests.support.program import environment
from tests.support.server import Broker

_ROOT = Path(__file__).parents[2]
# Read before the fixtures clear every KUBEMQ_* variable.
_MODULES = Path(os.environ.get("KUBEMQ_TEST_NODE_MODULES") or _ROOT / ".venv-node" / "node_modules")
_PEER = Path(__file__).with_name("kubemq_js_peer.js")
_NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(not _NODE, reason="there is no node"),
    pytest.mark.skipif(
        not (_MODULES / "kubemq-js").is_dir(), reason=f"no kubemq-js in {_MODULES}: make .venv-node/made"
    ),
]

Ask = Callable[..., Any]


@pytest.fixture
def ask(broker: Broker, channel: str) -> Ask:
    """ask(SCENARIO): what a scenario of the peer saw, on a channel of the test's own."""

    def run(scenario: str, address: str = "") -> Any:
        assert _NODE
        env = environment("", {"NODE_PATH": str(_MODULES)})
        command = [_NODE, str(_PEER), address or broker.address, scenario, channel]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_queue_messages_are_sent_peeked_pulled_and_acknowledged(ask: Ask) -> None:
    assert ask("queues") == {
        "errors": [False, False, False],
        "peeked": ["one", "2", "3"],
        "pulled": ["one"],
        "acked": 2,
    }


def test_a_held_message_is_rejected_and_sent_on(ask: Ask) -> None:
    assert ask("transaction") == {"seen": [["held", 1], ["held", 2]], "next": ["held"]}


def test_events_arrive(ask: Ask) -> None:
    assert ask("events") == {"body": "now"}


def test_stored_events_arrive_from_the_first(ask: Ask) -> None:
    assert ask("store") == {"seen": [[1, "a"], [2, "b"]]}


def test_a_command_is_executed_or_refused(ask: Ask) -> None:
    assert ask("command") == {"answers": [[True, ""], [False, "no"]]}


def test_a_query_is_answered(ask: Ask) -> None:
    assert ask("query") == {"executed": True, "body": "ASK", "metadata": "m"}


@pytest.mark.builtin
def test_a_wrong_token_is_refused_with_a_text(ask: Ask, new_broker: NewBroker, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("right")
    (tmp_path / "token").chmod(0o600)
    broker = new_broker("--ephemeral", "--token-file", tmp_path / "token")
    refused = ask("wrong_token", broker.address)
    assert refused == {"code": 16, "details": "Error 421: authentication verification failed"}
