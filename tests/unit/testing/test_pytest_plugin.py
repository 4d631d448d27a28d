"""The fixtures, in the tests of another project: pytest runs there as a process of its own."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import environment

pytestmark = pytest.mark.builtin


def run_tests(folder: Path, code: str, *options: str) -> str:
    """What pytest prints for a module of tests."""
    (folder / "test_it.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options, "."],
        cwd=folder,
        env=environment("", {"PYTHONPATH": None}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return ran.stdout + ran.stderr


def test_it_is_registered_with_the_package() -> None:
    plugins = importlib.metadata.entry_points(group="pytest11")
    assert plugins["kubemqctl"].value == "kubemqctl.testing.pytest_plugin"


def test_nothing_is_imported_until_a_fixture_is_used(tmp_path: Path) -> None:
    code = (
        "import sys\n\n\n"
        "def test_nothing():\n"
        "    ours = {name for name in sys.modules if name.startswith('kubemqctl')}\n"
        "    assert ours == {'kubemqctl', 'kubemqctl.testing', 'kubemqctl.testing.pytest_plugin'}\n"
        "    assert not {'grpc', 'typer', 'google.protobuf'} & sys.modules.keys()\n"
    )
    assert "1 passed" in run_tests(tmp_path, code)


def test_the_session_has_one_broker_and_each_test_a_channel(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n\n"
        "CHANNELS = set()\n\n\n"
        "def check(broker, address, channel):\n"
        "    assert broker.address == address and broker.running\n"
        "    CHANNELS.add(channel)\n"
        "    kubemqctl = [sys.executable, '-m', 'kubemqctl', '-a', address, 'queue']\n"
        "    subprocess.run([*kubemqctl, 'send', channel, 'x'], check=True, stdout=subprocess.DEVNULL)\n"
        "    assert subprocess.check_output([*kubemqctl, 'peek', channel, '--all']) == b'x\\n'\n\n\n"
        "def test_one(kubemq_broker, kubemq_address, kubemq_channel):\n"
        "    check(kubemq_broker, kubemq_address, kubemq_channel)\n\n\n"
        "def test_two(kubemq_broker, kubemq_address, kubemq_channel):\n"
        "    check(kubemq_broker, kubemq_address, kubemq_channel)\n"
        "    assert len(CHANNELS) == 2 and kubemq_channel.startswith('test_two-')\n"
    )
    assert "2 passed" in run_tests(tmp_path, code)


def test_a_conftest_can_give_the_broker_options(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n\n"
        "@pytest.fixture(scope='session')\n"
        "def kubemq_broker_options():\n"
        "    return {'ephemeral': True}\n"
    )
    # It says so just behind the moment at which it is ready.
    code = (
        "import time\n\n\n"
        "def test_it(kubemq_broker):\n"
        "    while 'keeping messages in memory only' not in kubemq_broker.log:\n"
        "        time.sleep(0.01)\n"
    )
    assert "1 passed" in run_tests(tmp_path, code)


def test_each_worker_of_xdist_has_a_broker_of_its_own(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n\n\n"
        "def test_it(kubemq_address, worker_id):\n"
        "    Path(worker_id).write_text(kubemq_address)\n"
    )
    assert "2 passed" in run_tests(tmp_path, code, "-n", "2", "--dist", "each")
    assert (tmp_path / "gw0").read_text() != (tmp_path / "gw1").read_text()


def test_a_broker_that_cannot_start_fails_the_test_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n\n"
        "@pytest.fixture(scope='session')\n"
        "def kubemq_broker_options():\n"
        "    return {'options': ['--no-such-option']}\n"
    )
    out = run_tests(tmp_path, "def test_it(kubemq_broker):\n    pass\n")
    assert "1 error" in out
    assert "no such option: --no-such-option" in out
