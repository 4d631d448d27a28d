"""What every test may ask for: a locked home, a real broker, the real program, raw gRPC.

home · broker · new_broker · channel · run · start · stub
"""

from __future__ import annotations

import contextlib
import os
import pwd
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.summary import pytest_runtest_logreport, pytest_terminal_summary  # noqa: F401
from tests.support.program import Argument, Run, Start
from tests.support.raw_grpc import Stub
from tests.support.server import LIKE, OTHER_SERVER, SILENT, Broker, start_broker

_XDG = {"XDG_CONFIG_HOME": ".config", "XDG_STATE_HOME": ".local/state", "XDG_CACHE_HOME": ".cache"}
_BROKERS: list[Broker] = []

NewBroker = Callable[..., Broker]


# The environment of the official SDK has no hypothesis; no property is run there.
with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    # The same examples in every run: one that fails belongs to the change at hand. `make fuzz` sets the
    # variable, and draws others.
    _TIMES = int(os.environ.get("KUBEMQ_TEST_FUZZ") or 1)
    settings.register_profile(
        "kubemqctl",
        derandomize=_TIMES == 1,
        database=None,
        max_examples=100 * _TIMES,
        # How long an example takes says how busy the machine is.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("kubemqctl")


def _real_places() -> list[Path]:
    """Where the program would keep things of the person who runs the tests, by every road to that home."""
    homes = {Path(pwd.getpwuid(os.getuid()).pw_dir), Path.home()}
    places = [home / folder for home in homes for folder in _XDG.values()]
    places += [Path(os.environ[name]) for name in _XDG if os.environ.get(name)]
    return [place / "kubemqctl" for place in places]


_REAL_PLACES = _real_places()


def _real_files() -> dict[Path, int]:
    files = [file for place in _REAL_PLACES for file in (place, *place.rglob("*")) if file.exists()]
    return {file: file.stat().st_mtime_ns for file in files}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SILENT:
        return
    other = f"KUBEMQ_TEST_ADDRESS is {OTHER_SERVER}" if OTHER_SERVER else f"KUBEMQ_TEST_LIKE is {LIKE}"
    for item in items:
        if item.get_closest_marker("builtin"):
            item.add_marker(pytest.mark.skip(f"shown by the built-in broker only; {other}"))


def _move_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    patch.setenv("HOME", str(home))
    for name, folder in _XDG.items():
        patch.setenv(name, str(home / folder))
    for name in [name for name in os.environ if name.startswith(("KUBEMQ_", "KUBEMQCTL_"))]:
        patch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _away_from_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What lives longer than a test, the broker above all, has no way to the real home either."""
    with pytest.MonkeyPatch.context() as patch:
        _move_home(patch, tmp_path_factory.mktemp("nobody"))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of the test's own, without any KUBEMQ_* variable; touching the real one fails."""
    before = _real_files()
    folder = tmp_path_factory.mktemp("home")
    _move_home(monkeypatch, folder)
    yield folder
    assert _real_files() == before, "the test changed files in the real home"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The server of this run: a built-in broker as a process, or the one at KUBEMQ_TEST_ADDRESS."""
    if OTHER_SERVER:
        yield Broker(OTHER_SERVER, None)
        return
    like = ("--ephemeral", "--like", LIKE) if LIKE else ()
    server = start_broker(tmp_path_factory.mktemp("broker"), *like)
    _BROKERS.append(server)
    try:
        yield server
        server.assert_alive()
        server.stop()
    finally:
        _BROKERS.remove(server)
        if server.process:
            server.process.kill()


@pytest.fixture(autouse=True)
def _the_broker_lives() -> Iterator[None]:
    """Blame the death of the shared broker on the test that saw it."""
    yield
    for server in _BROKERS:
        server.assert_alive()


@pytest.fixture
def new_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewBroker]:
    """new_broker("--data", DIR, …): a built-in broker of the test's own, ended after it if it still runs."""
    servers: list[Broker] = []

    def begin(*options: Argument, listen: str = "127.0.0.1:0") -> Broker:
        servers.append(start_broker(tmp_path_factory.mktemp("broker"), *options, listen=listen))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process:
            server.process.kill()


@pytest.fixture
def channel() -> str:
    """A channel that no other test has."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts the program and ends it with the test; see Start. The broker begins when first needed."""

    def address() -> str:
        server: Broker = request.getfixturevalue("broker")
        return server.address

    starter = Start(address, tmp_path)
    yield starter
    starter.close()


@pytest.fixture
def run(start: Start) -> Run:
    """Runs the program to its end; see Run."""
    return Run(start)


@pytest.fixture
def stub(broker: Broker) -> Iterator[Stub]:
    """Raw calls to the broker, over a connection of the test's own."""
    with Stub(broker.address, client="raw") as opened:
        yield opened
