"""`kubemqctl profile check` and `profile use -`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from kubemqctl.config.config_file import load
from tests.conftest import NewBroker
from tests.support.certificates import Certificates, issue
from tests.support.fake_server import fake_server
from tests.support.program import Argument, Result, Run, Start

NAMES = ["configuration", "token", "certificates", "dns", "tcp", "tls", "authentication", "ping"]


@pytest.fixture
def profile(run: Run) -> Callable[..., Result]:
    """profile(ARG…): run `kubemqctl profile ARG…` with no address in the environment."""
    return lambda *args, **kwargs: run("profile", *args, **{"address": "", **kwargs})


def failure(result: Result, step: str) -> str:
    """What the step that failed found; it is the first, the others before it are ok, those behind skipped."""
    records = result.records()
    assert [record["name"] for record in records] == NAMES
    outcomes = [record["status"] for record in records]
    at = NAMES.index(step)
    assert outcomes[at] == "failed", result.text
    assert "failed" not in outcomes[:at]
    assert set(outcomes[at + 1 :]) <= {"skipped"}
    assert records[at].get("advice")
    assert json.loads(result.err)["message"] == f"{step}: {records[at]['found']}"
    found: str = records[at]["found"]
    return found


def by_name(address: str) -> str:
    return f"localhost:{address.rpartition(':')[2]}"


@pytest.fixture
def certs(tmp_path: Path) -> Certificates:
    return issue(tmp_path / "certificates")


# --- check ---


@pytest.mark.builtin
def test_a_good_profile_is_checked_to_the_ping(profile: Callable[..., Result], run: Run) -> None:
    with fake_server() as address:
        profile("set", "dev", "-a", address)
        for line in (["check"], ["check", "dev"], ["check", "-p", "dev"]):
            result = profile(*line, "-o", "json")
            assert (result.code, result.err) == (0, "")
            assert [record["name"] for record in result.records()] == NAMES
            assert {record["status"] for record in result.records()} == {"ok"}
        rows = [line.split("\t") for line in profile("check").text.splitlines()]
        assert [row[:2] for row in rows] == [["ok", name] for name in NAMES]


def test_it_is_the_profile_that_is_checked_and_not_an_address_in_the_environment(
    profile: Callable[..., Result],
) -> None:
    profile("set", "dead", "-a", "127.0.0.1:1")
    with fake_server() as address:
        for line in (["check"], ["check", "dead"]):
            assert profile(*line, "-o", "json", address=address).code == 5


def test_a_server_that_is_not_there_yet_is_waited_for_when_asked(
    profile: Callable[..., Result], run: Run, start: Start, new_broker: NewBroker
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    profile("set", "dev", "-a", address)
    assert profile("check", "--connect-wait", "100ms").code == 5
    waiting = start("profile", "check", "--connect-wait", "30s", address="")
    new_broker("--ephemeral", listen=address)
    assert waiting.wait().code == 0


def test_without_a_profile_there_is_nothing_to_check(profile: Callable[..., Result]) -> None:
    result = profile("check")
    assert result.code == 3
    assert "there is no current profile" in result.err


def test_an_unknown_profile_fails_at_the_configuration(profile: Callable[..., Result]) -> None:
    profile("set", "dev", "-a", "127.0.0.1:1")
    result = profile("check", "dve", "-o", "json")
    assert result.code == 3
    assert "dve" in failure(result, "configuration")
    assert "did you mean dev?" in json.loads(result.err)["hint"]


def test_a_broken_file_fails_at_the_configuration(profile: Callable[..., Result], home: Path) -> None:
    file = home / ".config" / "kubemqctl" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("profiles:\n  dev: {adress: a:1}\n")
    for line in (["check"], ["check", "dev"]):
        result = profile(*line, "-o", "json")
        assert result.code == 2
        assert "line 2" in failure(result, "configuration")


def test_a_token_that_cannot_be_had_fails_at_the_token(profile: Callable[..., Result]) -> None:
    profile("set", "dev", "-a", "127.0.0.1:1", "--token-command", "false")
    result = profile("check", "-o", "json")
    assert result.code == 4
    records = {record["name"]: record for record in result.records()}
    assert records["token"]["status"] == "failed"
    assert "token_command" in records["token"]["found"]


@pytest.mark.parametrize(
    ("address", "step", "says"),
    [("no-such-host.invalid:1", "dns", "no-such-host.invalid"), ("127.0.0.1:1", "tcp", "connection refused")],
)
def test_a_server_that_is_not_there_fails_at_its_name_or_its_port(
    address: str, step: str, says: str, profile: Callable[..., Result]
) -> None:
    profile("set", "dev", "-a", address)
    result = profile("check", "-o", "json")
    assert result.code == 5
    assert says in failure(result, step)


@pytest.mark.builtin
def test_every_way_for_tls_to_fail_is_told_apart(
    profile: Callable[..., Result], new_broker: NewBroker, certs: Certificates, tmp_path: Path
) -> None:
    def served(certs: Certificates, *more: Argument) -> str:
        broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key, *more)
        return by_name(broker.address)

    expired = issue(tmp_path / "expired", since=-30, until=-3)
    future = issue(tmp_path / "future", since=3, until=30)
    elsewhere = issue(tmp_path / "elsewhere", "broker.example.org")
    good = served(certs)
    plain = by_name(new_broker("--ephemeral").address)
    ways: list[tuple[str, list[Argument], str]] = [
        (good, ["--tls-ca", expired.ca], "signed by trustme"),
        (good, ["--tls"], "which gRPC does not know"),
        (good, [], "the server uses TLS, but TLS is off here"),
        (plain, ["--tls-ca", certs.ca], "the server does not use TLS"),
        (served(elsewhere), ["--tls-ca", elsewhere.ca], "is for broker.example.org, not for localhost"),
        (served(expired), ["--tls-ca", expired.ca], "expired 3d ago"),
        (served(future), ["--tls-ca", future.ca], "not valid before"),
        (
            served(certs, "--tls-ca", certs.ca),
            ["--tls-ca", certs.ca],
            "require a client certificate",
        ),
    ]
    for at, (address, options, says) in enumerate(ways):
        profile("set", f"p{at}", "-a", address, *options)
        result = profile("check", f"p{at}", "-o", "json")
        assert result.code == 5, says
        assert says in failure(result, "tls")
    profile("set", "fine", "-a", good, "--tls-ca", certs.ca)
    assert profile("check", "fine").code == 0


@pytest.mark.builtin
def test_mutual_tls_with_the_right_certificates_passes(
    profile: Callable[..., Result], new_broker: NewBroker, certs: Certificates
) -> None:
    options = ("--tls-cert", certs.cert, "--tls-key", certs.key, "--tls-ca", certs.ca)
    address = by_name(new_broker("--ephemeral", *options).address)
    mine = (
        "--tls-ca",
        certs.ca,
        "--tls-cert",
        certs.client_cert,
        "--tls-key",
        certs.client_key,
    )
    profile("set", "mine", "-a", address, *mine)
    result = profile("check", "mine")
    assert result.code == 0, result.err


@pytest.mark.builtin
def test_a_wrong_token_fails_at_the_authentication(
    profile: Callable[..., Result], new_broker: NewBroker, tmp_path: Path
) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(f"token-{name}")
        (tmp_path / name).chmod(0o600)
    broker = new_broker("--ephemeral", "--token-file", tmp_path / "right")
    profile("set", "right", "-a", broker.address, "--token-file", tmp_path / "right")
    profile("set", "wrong", "-a", broker.address, "--token-file", tmp_path / "wrong")
    assert profile("check", "right").code == 0
    result = profile("check", "wrong", "-o", "json")
    assert result.code == 4
    failure(result, "authentication")
    assert "token-wrong" not in result.text + result.err


# --- use - ---


def current(home: Path) -> str:
    return load(str(home / ".config" / "kubemqctl" / "config.yaml")).current


@pytest.fixture
def three(profile: Callable[..., Result]) -> None:
    for name in ("a", "b", "c"):
        profile("set", name, "-a", "127.0.0.1:1")


@pytest.mark.usefixtures("three")
def test_use_minus_goes_back_and_forth(profile: Callable[..., Result], home: Path) -> None:
    profile("use", "b")
    seen = []
    for _ in range(3):
        result = profile("use", "-")
        assert result.code == 0
        seen.append(current(home))
        assert result.err == f"profile {current(home)} is now the current one\n"
    assert seen == ["a", "b", "a"]


@pytest.mark.usefixtures("three")
def test_use_of_the_current_profile_does_not_forget_the_one_before(
    profile: Callable[..., Result], home: Path
) -> None:
    profile("use", "b")
    profile("use", "b")
    profile("use", "-")
    assert current(home) == "a"


@pytest.mark.usefixtures("three")
def test_set_current_counts_as_well(profile: Callable[..., Result], home: Path) -> None:
    profile("set", "d", "-a", "127.0.0.1:1", "--current")
    profile("use", "-")
    assert current(home) == "a"


@pytest.mark.usefixtures("three")
def test_without_a_previous_profile_it_is_exit_3(profile: Callable[..., Result]) -> None:
    result = profile("use", "-")
    assert result.code == 3
    assert "there is no previous profile" in result.err


@pytest.mark.usefixtures("three")
def test_a_previous_profile_that_is_gone_is_exit_3_by_its_name(
    profile: Callable[..., Result], home: Path
) -> None:
    profile("use", "b")
    profile("remove", "a", "--yes")
    result = profile("use", "-")
    assert result.code == 3
    assert "no profile a in" in result.err
    assert current(home) == "b"


@pytest.mark.usefixtures("three")
def test_another_configuration_has_a_previous_profile_of_its_own(
    profile: Callable[..., Result], home: Path
) -> None:
    profile("use", "b")
    other = {"KUBEMQCTL_CONFIG": str(home / "other.yaml")}
    profile("set", "x", "-a", "127.0.0.1:1", env=other)
    assert profile("use", "-", env=other).code == 3
    assert profile("use", "-").code == 0


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("junk", ["", "{", "[]", '{"a": 7}', "\x00", "[" * 100_000])
def test_a_state_file_that_is_not_ours_counts_as_none(
    junk: str, profile: Callable[..., Result], home: Path
) -> None:
    file = home / ".local" / "state" / "kubemqctl" / "previous-profile.json"
    file.parent.mkdir(parents=True)
    file.write_text(junk)
    assert profile("use", "-").code == 3
    assert profile("use", "b").code == 0
    assert profile("use", "-").code == 0


@pytest.mark.usefixtures("three")
def test_a_state_directory_that_cannot_be_written_is_a_warning(
    profile: Callable[..., Result], home: Path
) -> None:
    (home / ".local").write_text("a file in the way")
    result = profile("use", "b")
    assert result.code == 0
    assert "warning: `profile use -` will not remember profile a" in result.err
    assert current(home) == "b"
