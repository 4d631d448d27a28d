"""TLS, mutual TLS and tokens, with real certificates against the real broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewBroker
from tests.support.certificates import Certificates, issue
from tests.support.program import Run

pytestmark = pytest.mark.builtin


@pytest.fixture
def certs(tmp_path: Path) -> Certificates:
    return issue(tmp_path / "certificates")


def by_name(address: str) -> str:
    """The address under the name that the certificate has."""
    return f"localhost:{address.rpartition(':')[2]}"


def test_a_trusted_server_is_spoken_to_and_messages_pass(
    run: Run, new_broker: NewBroker, certs: Certificates, channel: str
) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    trust = ("-a", by_name(broker.address), "--tls-ca", str(certs.ca))
    assert run("queue", "send", channel, "hello", *trust, address="").code == 0
    assert run("queue", "receive", channel, *trust, address="").out == b"hello"


def test_the_environment_can_say_all_of_tls(run: Run, new_broker: NewBroker, certs: Certificates) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    env = {"KUBEMQ_TLS_ENABLED": "true", "KUBEMQ_TLS_CA": str(certs.ca)}
    assert run("ping", address=by_name(broker.address), env=env).code == 0


def test_an_unknown_authority_is_refused_with_a_hint(
    run: Run, new_broker: NewBroker, certs: Certificates, tmp_path: Path
) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    other = issue(tmp_path / "other")
    result = run("ping", "-a", by_name(broker.address), "--tls-ca", other.ca, address="")
    assert result.code == 5
    assert "no TLS connection" in result.err
    assert f"which {other.ca} does not contain" in result.err
    assert "--tls-ca" in result.err


def test_a_certificate_that_has_expired_is_refused_with_a_hint(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    certs = issue(tmp_path / "expired", since=-30, until=-3)
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    result = run("queue", "send", "q", "x", "-a", by_name(broker.address), "--tls-ca", certs.ca, address="")
    assert (result.code, result.out) == (5, b"")
    assert "no TLS connection" in result.err
    assert "the certificate expired 3d ago" in result.err
    assert "hint: " in result.err


def test_a_wrong_server_name_is_refused_unless_it_is_the_one_expected(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    certs = issue(tmp_path / "elsewhere", "broker.example.org")
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    line = ("ping", "-a", by_name(broker.address), "--tls-ca", certs.ca)
    assert run(*line, address="").code == 5
    assert run(*line, "--tls-server-name", "broker.example.org", address="").code == 0


def test_a_plain_client_of_a_tls_server_ends_with_5_and_does_not_hang(
    run: Run, new_broker: NewBroker, certs: Certificates
) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    assert run("ping", address=by_name(broker.address)).code == 5


def test_a_tls_client_of_a_plain_server_ends_with_5_and_does_not_hang(
    run: Run, new_broker: NewBroker, certs: Certificates
) -> None:
    broker = new_broker("--ephemeral")
    assert run("ping", "--tls-ca", certs.ca, "-a", broker.address, address="").code == 5


def test_mutual_tls_lets_in_who_shows_a_certificate_and_nobody_else(
    run: Run, new_broker: NewBroker, certs: Certificates, tmp_path: Path
) -> None:
    options = ("--tls-cert", certs.cert, "--tls-key", certs.key, "--tls-ca", certs.ca)
    broker = new_broker("--ephemeral", *options)
    line = ("ping", "-a", by_name(broker.address), "--tls-ca", certs.ca)
    shown = ("--tls-cert", certs.client_cert, "--tls-key", certs.client_key)
    assert run(*line, *shown, address="").code == 0
    assert run(*line, address="").code == 5
    stranger = issue(tmp_path / "stranger")
    line_of_stranger = ("--tls-cert", stranger.client_cert, "--tls-key", stranger.client_key)
    assert run(*line, *line_of_stranger, address="").code == 5


def test_mutual_tls_refuses_a_client_whose_certificate_has_expired(
    run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    certs = issue(tmp_path / "late", client_until=-3)
    options = ("--tls-cert", certs.cert, "--tls-key", certs.key, "--tls-ca", certs.ca)
    address = by_name(new_broker("--ephemeral", *options).address)
    shown = (
        "--tls-ca",
        certs.ca,
        "--tls-cert",
        certs.client_cert,
        "--tls-key",
        certs.client_key,
    )
    result = run("ping", "-a", address, *shown, address="")
    assert result.code == 5
    assert "error: " in result.err


@pytest.mark.parametrize("option", ["--tls-ca", "--token-file"])
def test_a_file_that_is_not_there_is_exit_3_and_named(run: Run, option: str, tmp_path: Path) -> None:
    result = run("ping", option, tmp_path / "nothing.pem")
    assert result.code == 3
    assert "nothing.pem" in result.err


@pytest.mark.parametrize(
    ("option", "what"),
    [("--tls-ca", "CA certificate"), ("--tls-cert", "client certificate"), ("--tls-key", "client key")],
)
def test_a_file_that_is_not_pem_is_a_broken_configuration_and_named(
    run: Run, new_broker: NewBroker, certs: Certificates, tmp_path: Path, option: str, what: str
) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    junk = tmp_path / "junk.pem"
    junk.write_text("not a certificate")
    files = {
        "--tls-ca": certs.ca,
        "--tls-cert": certs.client_cert,
        "--tls-key": certs.client_key,
    }
    options = [word for pair in {**files, option: junk}.items() for word in pair]
    result = run("ping", "-a", by_name(broker.address), *options, address="")
    assert result.code == 2
    assert result.err.startswith(f"error: the {what} {junk} is not PEM")


def test_a_key_of_another_certificate_is_a_broken_configuration_and_nothing_is_tried(
    run: Run, new_broker: NewBroker, certs: Certificates
) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key)
    shown = (
        "--tls-ca",
        certs.ca,
        "--tls-cert",
        certs.client_cert,
        "--tls-key",
        certs.key,
    )
    line = ("queue", "send", "q", "--lines", "-a", by_name(broker.address), *shown)
    result = run(*line, stdin=b"one\ntwo\n", address="")
    assert (result.code, result.out) == (2, b"")
    assert result.err == f"error: the key {certs.key} is not that of the certificate {certs.client_cert}\n"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("let-me-in\n")
    path.chmod(0o600)
    return path


def test_the_right_token_passes_and_any_other_is_exit_4(
    run: Run, new_broker: NewBroker, token_file: Path, tmp_path: Path, channel: str
) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file)
    wrong = tmp_path / "wrong"
    wrong.write_text("let-me-out")
    wrong.chmod(0o600)
    line = ("queue", "send", channel, "hello")
    assert run(*line, "--token-file", token_file, address=broker.address).code == 0
    assert run(*line, address=broker.address, env={"KUBEMQ_AUTH_TOKEN": "let-me-in"}).code == 0
    for options in ((), ("--token-file", wrong)):
        result = run(*line, *options, address=broker.address)
        assert result.code == 4
        assert "token" in result.err


def test_over_tls_a_token_passes_without_a_warning_and_a_wrong_or_missing_one_is_exit_4(
    run: Run, new_broker: NewBroker, certs: Certificates, token_file: Path, channel: str
) -> None:
    options = ("--tls-cert", certs.cert, "--tls-key", certs.key, "--token-file", token_file)
    broker = new_broker("--ephemeral", *options)
    line = ("queue", "send", channel, "x", "-a", by_name(broker.address), "--tls-ca", certs.ca)
    good = run(*line, "--token-file", token_file, address="")
    assert (good.code, good.err) == (0, "")
    for env in ({}, {"KUBEMQ_AUTH_TOKEN": "wrong"}):
        assert run(*line, address="", env=env).code == 4


def test_ping_needs_no_token_but_refuses_a_wrong_one(
    run: Run, new_broker: NewBroker, token_file: Path
) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file)
    assert run("ping", address=broker.address).code == 0
    assert run("ping", address=broker.address, env={"KUBEMQ_AUTH_TOKEN": "wrong"}).code == 4


def test_no_word_of_ours_shows_the_token(
    run: Run, new_broker: NewBroker, token_file: Path, channel: str
) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file)
    for words in (("-v", "queue", "send", channel, "x"), ("-v", "-o", "json", "queue", "peek", channel)):
        result = run(*words, address=broker.address, env={"KUBEMQ_AUTH_TOKEN": "my-wrong-secret"})
        assert result.code == 4
        assert "my-wrong-secret" not in result.err + result.text
