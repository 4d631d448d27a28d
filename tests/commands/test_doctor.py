"""`kubemqctl doctor`: on healthy servers, on sick ones, and on none."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from kubemqctl import __version__
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.certificates import issue
from tests.support.fake_server import fake_server, nobody_answers, queues
from tests.support.program import Result, Run
from tests.support.server import SILENT, Broker

NAMES = [
    "versions",
    "configuration",
    "permissions",
    "token",
    "certificates",
    "dns",
    "tcp",
    "tls",
    "authentication",
    "ping",
    "clock",
    "server",
    "features",
]
# The community server answers no channel requests, which is a warning.
LACKING = {"features"} if SILENT else set()
SECRET = "my-own-secret"


def checks(result: Result) -> dict[str, dict[str, Any]]:
    """The records of a run by the name of the check, once they are all there, in order."""
    records = result.records()
    assert [record["name"] for record in records] == NAMES
    return {record["name"]: record for record in records}


def outcomes(result: Result) -> dict[str, str]:
    return {name: check["status"] for name, check in checks(result).items()}


def test_a_healthy_server_is_0_and_all_checks_are_ok(run: Run) -> None:
    result = run("doctor", "-o", "json")
    assert (result.code, result.err) == (0, "")
    assert {name for name, status in outcomes(result).items() if status != "ok"} == LACKING
    found = checks(result)
    assert f"kubemqctl {__version__}" in found["versions"]["found"]
    assert "KUBEMQ_ADDRESS" in found["configuration"]["found"]
    assert "5 round trips" in found["ping"]["found"]
    assert set(found["ping"]) == {"name", "status", "found", "min", "p50", "max"}
    assert found["ping"]["min"].endswith("ms")
    assert found["tcp"]["connect_time"].endswith("ms")
    assert found["server"]["started_at"].endswith("Z")
    assert abs(int(found["clock"]["clock_ahead"].removesuffix("s"))) <= 3
    assert run("doctor", "--format", "{name} {p50}").text.count("ms\n") == 1


def test_raw_is_a_row_a_check(run: Run) -> None:
    result = run("doctor")
    rows = [line.split("\t") for line in result.text.splitlines()]
    assert (result.code, {tuple(row[:2]) for row in rows if row[0] != "ok"}, {len(row) for row in rows}) == (
        0,
        {("warning", name) for name in LACKING},
        {3},
    )
    result = run("doctor", address="127.0.0.1:1")
    assert (result.code, "failed\ttcp\t" in result.text) == (5, True)


def test_the_page_for_people_has_a_line_for_each_check(run: Run) -> None:
    lines = run("doctor", "-o", "human").text.splitlines()
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == NAMES
    assert max(map(len, lines)) <= 80


def test_a_template_is_checked_against_the_fields_of_a_check(run: Run) -> None:
    assert run("doctor", "--format", "{name} {advise}").code == 2
    assert run("doctor", "--format", "{name}").text.split() == NAMES


def test_with_the_server_down_the_first_failure_is_the_exit_code_and_the_rest_is_skipped(run: Run) -> None:
    result = run("doctor", "-o", "json", address="127.0.0.1:1")
    assert result.code == 5
    found = outcomes(result)
    assert found["tcp"] == "failed"
    assert {found[name] for name in NAMES[NAMES.index("tcp") + 1 :]} == {"skipped"}
    error = json.loads(result.err)
    assert error["message"] == "tcp: 127.0.0.1:1: connection refused"
    assert (error["error"], error["exit_code"]) == ("cannot-connect", 5)


def test_a_host_that_is_not_known_fails_at_dns(run: Run) -> None:
    result = run("doctor", "-o", "json", address="no-such-host.invalid:50000")
    assert result.code == 5
    assert checks(result)["dns"]["status"] == "failed"
    assert "no-such-host.invalid" in checks(result)["dns"]["found"]


def test_of_several_addresses_one_is_enough_but_the_dead_one_is_a_warning(run: Run) -> None:
    with fake_server() as address:
        result = run("doctor", "-o", "json", address=f"127.0.0.1:1,{address}")
    assert result.code == 0
    tcp = checks(result)["tcp"]
    assert tcp["status"] == "warning"
    assert "127.0.0.1:1: connection refused" in tcp["found"]
    assert address in tcp["found"]


def test_a_broken_configuration_is_exit_2_with_its_line(run: Run, home: Path) -> None:
    file = home / ".config" / "kubemqctl" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("profiles:\n  dev: 7\n")
    result = run("doctor", "-o", "json")
    assert result.code == 2
    assert outcomes(result)["configuration"] == "failed"
    assert "line 2" in checks(result)["configuration"]["found"]


def test_the_sources_of_what_holds_are_told(run: Run, home: Path) -> None:
    run("profile", "set", "dev", "-a", "127.0.0.1:1", "--client-id", "me", address="")
    found = checks(run("doctor", "-o", "json", address=""))["configuration"]["found"]
    assert "; profile dev; " in found
    assert "address 127.0.0.1:1 from profile dev (config.yaml line 4)" in found
    assert "client id from profile dev (config.yaml line 5)" in found
    options = ("--connect-timeout", "1s", "-p", "dev", "--client-id", "you")
    found = checks(run("doctor", "-o", "json", *options, address=""))["configuration"]["found"]
    assert "client id from --client-id, connect timeout from --connect-timeout" in found


def test_a_configuration_that_others_can_change_is_a_warning(run: Run, home: Path) -> None:
    run("profile", "set", "dev", "-a", "127.0.0.1:1", address="")
    file = home / ".config" / "kubemqctl" / "config.yaml"
    file.chmod(0o666)
    check = checks(run("doctor", "-o", "json", address=""))["permissions"]
    assert check["status"] == "warning"
    assert check["advice"] == f"to fix it: chmod go-w {file}"


@pytest.mark.parametrize("mode", [0o620, 0o660, 0o602])
def test_a_file_of_ours_that_others_can_change_is_a_warning(mode: int, run: Run, home: Path) -> None:
    token = home / "token"
    token.write_text(SECRET)
    token.chmod(0o600)
    run("profile", "set", "dev", "-a", "127.0.0.1:1", "--token-file", token, address="")
    config = home / ".config" / "kubemqctl" / "config.yaml"
    for file in (config, token):
        file.chmod(mode)
        check = checks(run("doctor", "-o", "json", address=""))["permissions"]
        assert check["status"] == "warning"
        assert f"others can change {file}" in check["found"]
        assert f"chmod go-w {file}" in check["advice"]
        file.chmod(0o600)
    assert outcomes(run("doctor", "-o", "json", address=""))["permissions"] == "ok"


def test_a_directory_above_that_others_can_change_is_a_warning_unless_it_is_sticky(
    run: Run, home: Path
) -> None:
    run("profile", "set", "dev", "-a", "127.0.0.1:1", address="")
    (home / ".config").chmod(0o777)
    check = checks(run("doctor", "-o", "json", address=""))["permissions"]
    assert check["found"] == f"others can change {home / '.config'}"
    (home / ".config").chmod(0o1777)
    assert outcomes(run("doctor", "-o", "json", address=""))["permissions"] == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_belongs_to_somebody_else_is_a_warning(run: Run, home: Path) -> None:
    run("profile", "set", "dev", "-a", "127.0.0.1:1", address="")
    config = home / ".config" / "kubemqctl" / "config.yaml"
    os.chown(config, 54321, -1)
    check = checks(run("doctor", "-o", "json", address=""))["permissions"]
    assert check["found"] == f"{config} belongs to another user, 54321"


def test_a_link_is_followed_to_what_it_leads_to(run: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    ca = tmp_path / "open" / "ca.pem"
    ca.touch()
    (home / "ca.pem").symlink_to(ca)
    run("profile", "set", "dev", "-a", "127.0.0.1:1", "--tls-ca", home / "ca.pem", address="")
    check = checks(run("doctor", "-o", "json", address=""))["permissions"]
    assert check["found"] == f"others can change {tmp_path / 'open'}"


def test_a_token_command_that_others_can_change_runs_with_a_warning(run: Run, home: Path) -> None:
    run("profile", "set", "dev", "-a", "127.0.0.1:1", "--token-command", "echo t", address="")
    config = home / ".config" / "kubemqctl" / "config.yaml"
    assert "token_command" not in run("ping", address="").err
    config.chmod(0o666)
    said = run("ping", address="").err
    assert f"warning: others can change {config}, and a token_command is run from there\n" in said


def test_a_token_command_runs_once_to_be_looked_at_and_once_to_connect(
    run: Run, broker: Broker, home: Path
) -> None:
    runs = home / "runs"
    command = f"sh -c 'echo run >> {runs}; echo {SECRET}'"
    run("profile", "set", "dev", "-a", broker.address, "--token-command", command, address="")
    found = checks(run("doctor", "-o", "json", address=""))
    assert found["authentication"]["found"].endswith("this server checks none")
    assert runs.read_text() == "run\n" * 2


def test_a_token_withheld_is_a_warning(run: Run, home: Path) -> None:
    token = home / "token"
    token.write_text(SECRET)
    token.chmod(0o600)
    run("profile", "set", "prod", "-a", "127.0.0.1:1", "--token-file", token, address="")
    result = run("doctor", "-o", "json", address="127.0.0.1:2")
    assert checks(result)["configuration"]["status"] == "warning"
    assert "withheld" in checks(result)["configuration"]["advice"]


@pytest.mark.builtin
def test_tls_is_told_with_its_dates_and_one_that_ends_soon_is_a_warning(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    for days, outcome in ((5, "warning"), (15, "ok")):
        certificates = issue(tmp_path / f"{days}", since=-1, until=days + 0.5)
        broker = new_broker("--ephemeral", "--tls-cert", certificates.cert, "--tls-key", certificates.key)
        address = f"localhost:{broker.address.rpartition(':')[2]}"
        result = run("doctor", "-o", "json", "--tls-ca", certificates.ca, address=address)
        assert result.code == 0, result.err
        tls = checks(result)["tls"]
        assert tls["status"] == outcome
        assert f"({days}d 1" in tls["found"]


@pytest.mark.builtin
def test_a_key_that_others_can_read_is_a_warning(run: Run, new_broker: NewBroker, tmp_path: Path) -> None:
    certificates = issue(tmp_path / "certificates")
    certificates.client_key.chmod(0o644)
    options = ("--tls-cert", certificates.cert, "--tls-key", certificates.key, "--tls-ca", certificates.ca)
    broker = new_broker("--ephemeral", *options)
    address = f"localhost:{broker.address.rpartition(':')[2]}"
    line = (
        "--tls-ca",
        certificates.ca,
        "--tls-cert",
        certificates.client_cert,
        "--tls-key",
        certificates.client_key,
    )
    result = run("doctor", "-o", "json", *line, address=address)
    assert result.code == 0, result.err
    assert checks(result)["permissions"]["advice"] == f"to fix it: chmod 600 {certificates.client_key}"


@pytest.mark.builtin
def test_a_token_is_told_to_be_checked_or_not_and_is_never_shown(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    token.chmod(0o600)
    strict = new_broker("--ephemeral", "--token-file", token)
    for env, code, says in (
        ({"KUBEMQ_AUTH_TOKEN": SECRET}, 0, "the token is accepted, and calls without one are refused"),
        ({"KUBEMQ_AUTH_TOKEN": SECRET + "x"}, 4, "token"),
        ({}, 4, "token"),
    ):
        for form in ("json", "human", "yaml"):
            result = run("-v", "doctor", "-o", form, address=strict.address, env=env)
            assert result.code == code
            assert SECRET not in result.text + result.err
            assert says in " ".join(result.text.split())
    with fake_server(QueuesInfo=queues()) as address:
        result = run("doctor", "-o", "json", address=address, env={"KUBEMQ_AUTH_TOKEN": SECRET})
    assert "this server checks none" in checks(result)["authentication"]["found"]


def test_a_token_that_would_travel_in_plain_text_is_a_warning(run: Run) -> None:
    env = {"KUBEMQ_AUTH_TOKEN": SECRET}
    line = ("doctor", "-o", "json", "--connect-timeout", "50ms")
    check = checks(run(*line, address="192.0.2.1:50000", env=env))["token"]
    assert check["status"] == "warning"
    assert "plain text" in check["found"]
    for address, more in (("127.0.0.1:1", []), ("192.0.2.1:50000", ["--tls"])):
        assert checks(run(*line, *more, address=address, env=env))["token"]["status"] == "ok"


def test_a_token_file_that_is_not_there_is_exit_3_at_the_token(run: Run) -> None:
    result = run("doctor", "-o", "json", "--token-file", "/nowhere/token")
    assert result.code == 3
    assert outcomes(result)["token"] == "failed"


def test_what_a_community_server_lacks_is_a_warning_and_still_0(run: Run) -> None:
    with fake_server(SendRequest=nobody_answers, QueuesInfo=queues()) as address:
        result = run("doctor", "-o", "json", address=address)
    assert result.code == 0
    features = checks(result)["features"]
    assert features["status"] == "warning"
    assert features["found"] == "not supported: channel requests"
    assert "version not reported" in checks(result)["server"]["found"]


def test_a_server_without_queuesinfo_is_told_to_lack_it(run: Run) -> None:
    with fake_server() as address:
        result = run("doctor", "-o", "json", address=address)
    assert result.code == 0
    assert checks(result)["features"]["found"] == "not supported: QueuesInfo, channel requests"


def test_a_clock_that_is_off_is_a_warning(run: Run) -> None:
    def slow(_: pb.Empty) -> pb.PingResult:
        return pb.PingResult(Host="slow", ServerStartTime=int(time.time()) - 7260, ServerUpTimeSeconds=60)

    with fake_server(Ping=slow, QueuesInfo=queues()) as address:
        result = run("doctor", "-o", "json", address=address)
    clock = checks(result)["clock"]
    assert clock["status"] == "warning"
    assert "2h behind" in clock["found"] or "1h 59m behind" in clock["found"]


def test_what_a_hostile_server_says_of_itself_does_not_reach_the_terminal(run: Run) -> None:
    def hostile(_: pb.Empty) -> pb.PingResult:
        return pb.PingResult(
            Host="\x1b[2J\u202eevil", Version="\x07", ServerStartTime=-(2**62), ServerUpTimeSeconds=-(2**62)
        )

    with fake_server(Ping=hostile, QueuesInfo=queues()) as address:
        result = run("doctor", "-o", "human", address=address)
    assert result.code == 0
    assert b"\x1b" not in result.out
    assert r"\x1b[2J\u202eevil" in result.text


def test_the_queue_asked_for_is_nobody_s_and_nothing_else_is_sent(run: Run) -> None:
    asked: list[Any] = []

    def info(request: pb.QueuesInfoRequest) -> pb.QueuesInfoResponse:
        asked.append(request.QueueName)
        return pb.QueuesInfoResponse()

    def answer(request: pb.Request) -> pb.Response:
        asked.append(request.Metadata)
        return pb.Response(Executed=True, Body=b"[]")

    with fake_server(QueuesInfo=info, SendRequest=answer) as address:
        assert run("doctor", "--client-id", "doctor-test", address=address).code == 0
    assert asked == ["doctor-test", "list-channels"]
