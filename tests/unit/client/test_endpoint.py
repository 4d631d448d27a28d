"""Where a server is: what is probed is what gRPC is given, and a look-up ends in time and at a signal."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from kubemqctl.cli.main import main
from kubemqctl.client.connect import connect
from kubemqctl.client.connection import ping
from kubemqctl.client.endpoint import Endpoint, down_hint, look_up, probe, reach, why
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import Stopped, Unreachable
from kubemqctl.runtime.waiting import StopSignal, pause
from tests.conftest import NewBroker
from tests.support.fake_server import Abort, fake_server, pong
from tests.support.program import Run, Start
from tests.support.server import Broker
from tests.support.waiting import until

Names = Callable[[str, list[str]], None]


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """names(HOST, NUMBERS): what the system's look-up says of a host."""
    known: dict[str, list[str]] = {}
    system = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known or kwargs.get("flags"):
            return system(host, port, *args, **kwargs)
        return [entry for number in known[host] for entry in system(number, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known.__setitem__


@pytest.fixture
def mute_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system whose look-up of names does not come back."""
    over = threading.Event()
    system = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if not kwargs.get("flags"):
            over.wait(20)
        return system(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    over.set()


# --- one resolver ---


@pytest.mark.builtin
@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost"])
def test_every_way_to_write_an_address_that_the_system_knows_reaches_the_server(
    host: str, run: Run, broker: Broker, channel: str, tmp_path: Path
) -> None:
    unknown = tmp_path / "unknown"
    address = f"{host}:{port_of(broker.address)}"
    assert run("queue", "send", channel, "x", "--unknown", unknown, address=address).code == 0
    assert unknown.read_bytes() == b""


@pytest.mark.builtin
def test_an_ipv6_address_reaches_the_server(run: Run, new_broker: NewBroker) -> None:
    try:
        address = new_broker("--ephemeral", listen="[::1]:0").address
    except AssertionError:
        pytest.skip("this machine has no IPv6")
    assert run("ping", address=address).code == 0


def test_an_ipv6_address_with_a_zone_is_handed_on_with_it() -> None:
    index = socket.if_nametoindex("lo")
    [found] = look_up("[fe80::1%lo]:1", 5.0, time.sleep)
    assert (found.host, found.target) == ("fe80::1%lo", f"ipv6:[fe80::1%25{index}]:1")


def test_every_address_of_a_name_is_tried(broker: Broker, names: Names) -> None:
    names("many.example", ["127.0.0.3", "127.0.0.2", "127.0.0.1"])
    flags = Flags(addresses=(f"many.example:{port_of(broker.address)}",))
    with connect(resolve(flags, {})) as client:
        assert ping(client)
        assert client.address == flags.addresses[0]


def test_an_address_that_does_not_answer_delays_the_next_one_only_a_little(names: Names) -> None:
    """A full backlog takes no more connections and refuses none: as a firewall that drops packets."""
    with closing(socket.create_server(("127.0.0.2", 0), backlog=0)) as silent:
        port = silent.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(("127.0.0.2", port))
        with closing(socket.create_server(("127.0.0.3", port))):
            names("two.example", ["127.0.0.2", "127.0.0.3"])
            found = reach([f"two.example:{port}"], 10.0, time.sleep)
        for one in waiting:
            one.close()
    assert found.number == "127.0.0.3"


def test_what_failed_is_told_of_each_address_of_a_name(names: Names) -> None:
    refused = Endpoint("h:1", socket.AF_INET, ("127.0.0.2", 1))
    with pytest.raises(ConnectionRefusedError):
        probe([refused, refused], 5.0, time.sleep)
    unroutable = Endpoint("h:1", socket.AF_INET, ("255.255.255.255", 1))
    with pytest.raises(OSError, match=r"127.0.0.2: connection refused, 255.255.255.255: ") as raised:
        probe([refused, unroutable], 5.0, time.sleep)
    assert why(raised.value, 5.0) == str(raised.value)


def test_a_name_that_leads_nowhere_is_no_question_of_a_running_server(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: Any, **kwargs: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert main(["ping", "-a", "typo.example:50000"]) == 5
    said = capfd.readouterr().err
    assert "typo.example:50000: no such host\n" in said
    assert "hint: check the name of the host" in said


@pytest.mark.parametrize("host", ["unix", "vsock", "dns", "ipv4", "ipv6", "xds", "unix-abstract"])
def test_a_host_that_is_called_like_a_scheme_of_grpc_is_a_host(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: Names, broker: Broker
) -> None:
    monkeypatch.chdir(tmp_path)
    port = port_of(broker.address)
    with socket.socket(socket.AF_UNIX) as trap:
        trap.bind(port)
        trap.listen()
        trap.setblocking(False)
        names(host, ["127.0.0.1"])
        with connect(resolve(Flags(addresses=(f"{host}:{port}",)), {})) as client:
            assert ping(client)
        with pytest.raises(BlockingIOError):
            trap.accept()


# --- limits ---


@pytest.mark.usefixtures("mute_name_server")
def test_a_name_server_that_is_mute_takes_no_longer_than_a_connection_may() -> None:
    with pytest.raises(Unreachable, match=r"a.example:1: no answer within 0.05 s; b.example:2: no answer"):
        reach(["a.example:1", "b.example:2"], 0.05, time.sleep)


@pytest.mark.usefixtures("mute_name_server")
def test_a_signal_ends_a_look_up_and_a_connection_that_does_not_come() -> None:
    with StopSignal() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped):
            look_up("a.example:1", 20.0, pause)
        with pytest.raises(Stopped):
            reach(["a.example:1"], 20.0, pause)
        assert stop.exit_code == 143


def test_a_peer_that_takes_connections_and_says_nothing_is_told_from_one_that_is_not_there(run: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        for tls in ((), ("--tls",)):
            result = run("queue", "send", "q", "x", "--connect-timeout", "200ms", *tls, "-a", address)
            assert result.code == 5
            assert "it takes connections, but did not answer in time" in result.err


@pytest.mark.parametrize("words", ["ping", "queue send c x", "events sub c --for 1ms"])
def test_an_address_that_takes_connections_and_serves_nobody_is_passed_over(
    words: str, run: Run, broker: Broker
) -> None:
    """As a server that hangs, or a balancer without servers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        line = (*words.split(), "--connect-timeout", "300ms", "-a", address, "-a", broker.address)
        assert run(*line, address="").code == 0
        alone = run(*line[:-2], "-a", "127.0.0.1:1", address="")
    assert alone.code == 5
    assert f"cannot connect to {address}: it takes connections, but did not answer in time" in alone.err


def test_a_signal_ends_the_wait_for_one_of_several_to_serve(broker: Broker) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf, StopSignal():
        flags = Flags(addresses=(f"127.0.0.1:{deaf.getsockname()[1]}", broker.address), connect_timeout=20.0)
        threading.Timer(0.1, signal.raise_signal, (signal.SIGTERM,)).start()
        with pytest.raises(Stopped):
            connect(resolve(flags, {}), pause=pause)


# --- --connect-wait ---


@pytest.mark.parametrize(
    "words",
    [
        ("queue", "send", "q", "x"),
        ("queue", "receive", "q", "--follow", "--idle", "1ms"),
        ("events", "sub", "e", "--for", "1ms"),
        ("queue", "list"),
        ("ping",),
        ("doctor",),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_connect_wait_waits_for_a_server_that_starts_later(
    words: tuple[str, ...], start: Start, new_broker: NewBroker
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    waiting = start(*words, "--connect-wait", "30s", address=address)
    new_broker("--ephemeral", listen=address)
    assert waiting.wait().code == 0


def test_connect_wait_waits_for_a_server_that_is_not_ready(run: Run) -> None:
    asked = []

    def not_ready(request: Any) -> Any:
        asked.append(request)
        if len(asked) < 3:
            raise Abort(grpc.StatusCode.UNAVAILABLE, "grpc server is not ready")
        return pong(request)

    with fake_server(Ping=not_ready) as address:
        assert run("ping", "--connect-wait", "20s", address=address).code == 0
    assert len(asked) == 3


def test_connect_wait_ends_with_5_when_no_server_comes(run: Run) -> None:
    result = run("queue", "list", "--connect-wait", "100ms", address="127.0.0.1:1")
    assert result.code == 5
    assert "no server answered within 0.1 s: cannot connect to 127.0.0.1:1: connection refused" in result.err


def test_connect_wait_does_not_wait_where_waiting_mends_nothing(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    address = new_broker("--ephemeral", "--token-file", token).address
    wrong = {"KUBEMQ_AUTH_TOKEN": "wrong"}
    assert run("queue", "list", "--connect-wait", "10min", address=address, env=wrong).code == 4
    assert run("queue", "list", "--connect-wait", "10min", "--tls", "-a", address, address="").code == 5
    assert run("queue", "list", "--connect-wait", "10min", "--tls-ca", "none", address=address).code == 3


def test_a_signal_ends_the_wait_for_a_server(start: Start) -> None:
    waiting = start("events", "sub", "e", "--connect-wait", "10min", address="127.0.0.1:1")
    until(lambda: _catches(waiting.pid, signal.SIGTERM), "the signal handler in place")
    waiting.send(signal.SIGTERM)
    assert waiting.wait().code == 143


def _catches(pid: int, signum: signal.Signals) -> bool:
    with open(f"/proc/{pid}/status") as status:
        caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt:"))
    return bool(caught & (1 << (signum - 1)))


def test_connect_wait_is_not_kept_in_a_profile(run: Run) -> None:
    result = run("profile", "set", "a", "-a", "h:1", "--connect-wait", "1s")
    assert result.code == 2
    assert "--connect-wait cannot be stored in a profile" in result.err


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:50000", "kubemqctl broker run"),
        ("[::1]:50000", "kubemqctl broker run"),
        ("localhost:50000", "kubemqctl broker run"),
        ("kubemq.example.org:50000", "firewalls"),
        ("192.0.2.7:50000", "firewalls"),
    ],
)
def test_a_broker_of_ones_own_is_offered_for_this_machine_only(address: str, said: str) -> None:
    assert said in down_hint(address)
