"""`kubemqctl.testing.Broker`: a real process, from its start to its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import kubemqctl.testing
from kubemqctl.testing import Broker, BrokerError
from tests.support.program import Run
from tests.support.waiting import until

pytestmark = pytest.mark.builtin


def is_listening(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0


def test_it_serves_as_long_as_it_is_entered(run: Run) -> None:
    with Broker(ephemeral=True) as broker:
        assert run("ping", address=broker.address).code == 0
        assert broker.running
        directory = broker._directory
        assert directory is not None
    assert not broker.running
    assert not is_listening(broker.address)
    assert not Path(directory).exists()


@pytest.mark.parametrize("kill", [False, True])
def test_a_restart_keeps_the_address_and_what_was_stored(run: Run, kill: bool) -> None:
    with Broker() as broker:
        before = broker.address
        assert run("queue", "send", "q", "kept", address=before).code == 0
        broker.restart(kill=kill)
        assert broker.address == before
        assert run("queue", "receive", "q", address=before).out == b"kept"


def test_an_ephemeral_one_forgets_at_a_restart(run: Run) -> None:
    with Broker(ephemeral=True) as broker:
        assert run("queue", "send", "q", "gone", address=broker.address).code == 0
        broker.restart()
        assert run("queue", "receive", "q", "--wait", "0s", address=broker.address).code == 6


def test_data_of_the_tests_own_stay(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        with Broker(data=tmp_path / "data") as broker:
            assert run("queue", "send", "q", "one", address=broker.address).code == 0
    with Broker(data=tmp_path / "data") as broker:
        assert run("queue", "peek", "q", "--all", address=broker.address).out == b"one\none\n"


def test_options_are_those_of_broker_run(run: Run, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    with Broker(ephemeral=True, options=["--token-file", str(token)]) as broker:
        assert run("queue", "send", "q", "x", address=broker.address).code == 4
        assert run("queue", "send", "q", "x", "--token-file", token, address=broker.address).code == 0


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    broker = Broker(options=["--no-such-option"])
    with pytest.raises(BrokerError, match=r"ended with exit code 2 at its start:\n.*no such option"):
        broker.start()
    broker.stop()
    with pytest.raises(BrokerError, match="not been started"):
        _ = broker.address
    with pytest.raises(ValueError, match="give one of the two"):
        Broker(ephemeral=True, data=tmp_path)


def test_one_that_is_not_ready_in_time_is_ended() -> None:
    broker = Broker(ephemeral=True, start_timeout=0)
    with pytest.raises(BrokerError, match="not ready within 0 s"):
        broker.start()
    assert not broker.running
    broker.stop()


def test_what_it_printed_can_be_read() -> None:
    with Broker(ephemeral=True) as broker:
        broker.restart()
        assert broker.log.count(f"listening on {broker.address}") == 2


def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    code = (
        "import time; from kubemqctl.testing import Broker\n"
        "broker = Broker(ephemeral=True); broker.start(); print(broker.address, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        address = owner.stdout.readline().strip()
    assert is_listening(address)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    until(lambda: not is_listening(address), "the broker has ended")


def test_the_working_directory_gives_it_no_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asyncio.py").write_text("raise RuntimeError('not the real one')")
    monkeypatch.chdir(tmp_path)
    with Broker(ephemeral=True) as broker:
        assert broker.running


def test_the_package_gives_what_it_lists_and_nothing_else() -> None:
    assert kubemqctl.testing.__all__ == ["Broker", "BrokerError"]
    with pytest.raises(AttributeError, match="no attribute 'Server'"):
        _ = kubemqctl.testing.Server
