"""Responders and a connection that breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewBroker
from tests.support.program import Start
from tests.support.proxy import Proxy
from tests.support.raw_grpc import COMMAND, QUERY, Stub, ask, asking
from tests.support.server import Broker

pytestmark = pytest.mark.builtin


def cut(broker: Broker) -> None:
    assert broker.process
    broker.process.kill()


def test_a_restarted_server_is_responded_to_again(start: Start, new_broker: NewBroker, channel: str) -> None:
    first = new_broker()
    started = start("query", "respond", channel, "--echo", address=first.address, ready=True)
    cut(first)
    started.wait_for_stderr("connecting again")
    second = new_broker("--ephemeral", listen=first.address)
    started.wait_for_stderr("connected again")
    with Stub(second.address) as stub:
        assert ask(stub, QUERY, channel, b"x").Body == b"x"
    result = started.stop()
    assert result.code == 143
    assert result.err.count("connecting again") == 1, "said once"


def test_without_reconnecting_a_lost_server_is_5(start: Start, new_broker: NewBroker, channel: str) -> None:
    broker = new_broker()
    words = ["--ok", "--no-reconnect"]
    started = start("cmd", "respond", channel, *words, address=broker.address, ready=True)
    cut(broker)
    result = started.wait()
    assert result.code == 5
    assert "0 received" in result.err


def test_an_answer_whose_asker_is_gone_with_the_server_is_counted_as_lost(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker()
    script = f"touch {tmp_path}/on; until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    words = ["--count", "1", "-o", "json", "--", "sh", "-c", script]
    started = start("cmd", "respond", channel, *words, address=broker.address, ready=True)
    with Stub(broker.address) as stub:
        waiting = asking(stub, COMMAND, channel, b"x", Timeout=2000)
        started.wait_for_file(tmp_path / "on")
        cut(broker)
        assert waiting.exception(10)
    (tmp_path / "go").touch()
    result = started.wait()
    (record,) = result.records()
    assert record["executed"] is False
    assert record["error"].startswith("its answer was lost: ")
    assert "1 whose answer was lost" in result.err


def test_an_answer_comes_through_though_its_connection_broke_while_the_handler_ran(
    start: Start, broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    script = f"touch {tmp_path}/on; until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo done"
    with Proxy(broker.address) as proxy:
        words = ["--", "sh", "-c", script]
        started = start("query", "respond", channel, *words, address=proxy.address, ready=True)
        waiting = asking(stub, QUERY, channel, b"x", Timeout=30_000)
        started.wait_for_file(tmp_path / "on")
        proxy.cut()
        (tmp_path / "go").touch()
        started.wait_for_stderr("connecting again")
        assert not waiting.done(), "it cannot have been answered"
        proxy.plug()
        assert waiting.result().Body == b"done\n"
        assert "1 received, 1 executed" in started.stop().err


def test_after_the_count_an_answer_still_comes_through_a_broken_connection(
    start: Start, broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    script = f"touch {tmp_path}/on; until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo done"
    with Proxy(broker.address) as proxy:
        words = ["--count", "1", "--", "sh", "-c", script]
        started = start("query", "respond", channel, *words, address=proxy.address, ready=True)
        waiting = asking(stub, QUERY, channel, b"x", Timeout=30_000)
        started.wait_for_file(tmp_path / "on")
        proxy.cut()
        (tmp_path / "go").touch()
        proxy.plug()
        assert waiting.result().Body == b"done\n"
        result = started.wait()
    assert (result.code, result.err) == (0, "1 received, 1 executed\n")
