"""`kubemqctl ping`, and with it the connection: addresses in order, waiting, dead and deaf servers."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from kubemqctl.cli.main import main
from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.server import Broker
from tests.support.waiting import until

NOBODY = "127.0.0.1:1"


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of something that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def test_in_a_pipe_it_prints_the_round_trip_in_milliseconds(run: Run) -> None:
    result = run("ping")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\n", result.text)


def test_json_tells_host_version_start_and_round_trip(run: Run) -> None:
    [record] = run("ping", "-o", "json").records()
    assert {"host", "started_at", "uptime", "round_trip"} <= record.keys()
    assert record["round_trip"].endswith("s")


def test_it_pings_as_often_as_asked(run: Run) -> None:
    assert len(run("ping", "--count", "3", "--interval", "1ms").text.splitlines()) == 3


def test_a_pause_between_pings_wants_more_than_one(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ping", "--interval", "1s", "-a", NOBODY]) == 2
    assert "--interval needs --count N" in capfd.readouterr().err


def test_nobody_there_is_exit_5_with_a_hint(run: Run) -> None:
    result = run("ping", address=NOBODY)
    assert (result.code, result.out) == (5, b"")
    assert f"cannot connect to {NOBODY}: connection refused" in result.err
    assert "hint: " in result.err


def test_a_host_that_does_not_exist_is_exit_5(run: Run) -> None:
    result = run("ping", address="no-such-host.invalid:50000")
    assert result.code == 5
    assert "no such host" in result.err


def test_the_addresses_are_tried_in_order(run: Run, broker: Broker) -> None:
    assert run("ping", "-a", NOBODY, "-a", broker.address, address="").code == 0
    assert run("ping", address=f"{NOBODY},{broker.address}").code == 0
    result = run("ping", "-a", NOBODY, "-a", "127.0.0.1:2", address="")
    assert result.code == 5
    assert "127.0.0.1:1: connection refused; 127.0.0.1:2: connection refused" in result.err


def test_wait_answers_as_soon_as_the_server_does(start: Start, new_broker: NewBroker) -> None:
    port = free_port()
    waiting = start("ping", "--wait", "30s", address=f"127.0.0.1:{port}")
    new_broker("--ephemeral", listen=f"127.0.0.1:{port}")
    assert waiting.wait().code == 0


def test_wait_ends_with_5_when_no_server_ever_answers(run: Run, deaf: str) -> None:
    for address in (NOBODY, deaf):
        result = run("ping", "--wait", "300ms", address=address)
        assert result.code == 5
        assert "no server answered within 0.3 s" in result.err


def test_a_signal_ends_the_waiting_at_once(start: Start) -> None:
    waiting = start("ping", "--wait", "60s", address=NOBODY)
    until(lambda: _ignores_nothing(waiting.pid), "the signal handler in place")
    waiting.send(signal.SIGTERM)
    assert waiting.wait().code == 143


def _ignores_nothing(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as status:
        caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt:"))
    return bool(caught & (1 << (signal.SIGTERM - 1)))


def test_a_server_that_takes_the_call_and_never_answers_does_not_hold_us(run: Run, deaf: str) -> None:
    began = time.monotonic()
    result = run("ping", "--wait", "200ms", "-o", "json", address=deaf)
    assert result.code == 5
    assert json.loads(result.err)["exit_code"] == 5
    assert time.monotonic() - began < 25


@pytest.mark.builtin
def test_v_says_what_runs_and_where_each_value_comes_from(run: Run, broker: Broker) -> None:
    result = run("ping", "-v", env={"KUBEMQ_AUTH_TOKEN": "let-me-in"})
    assert result.code == 0
    versions, configuration = result.err.splitlines()
    assert versions.startswith("kubemqctl ")
    assert f"address {broker.address} from " in configuration
    assert "token from KUBEMQ_AUTH_TOKEN" in configuration
    assert "let-me-in" not in result.err
