"""Tokens and certificates that are rotated under a run: it goes on with the new ones."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kubemqctl.client import credentials
from kubemqctl.client.connect import wait_for_server
from kubemqctl.client.credentials import RENEWED, Credentials
from kubemqctl.config.profiles import Tls
from kubemqctl.config.settings import Settings, resolve, wished_output
from kubemqctl.config.sources import Flags
from kubemqctl.config.token import Token
from kubemqctl.model.errors import AuthError, TimedOut, Unreachable
from tests.conftest import NewBroker
from tests.support.certificates import Certificates, issue
from tests.support.fake_server import Abort, fake_server, pong
from tests.support.program import Argument, Run, Start

REFUSED = AuthError("refused")


def secret(path: Path, text: str) -> Path:
    """A file for our eyes only, replaced as those who rotate secrets do it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)
    return path


def of(token: Token, tls: Tls = Tls(False)) -> Settings:  # noqa: B008
    return resolve(Flags(), {})._replace(token=token, tls=tls)


def sent(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", token),)


def counting(path: Path) -> str:
    """A command that prints another token each time, and those it prints first."""
    code = "import sys; f = open(sys.argv[1], 'r+'); n = len(f.read()); f.write('x'); print(f't{n}')"
    path.write_text("")
    return shlex.join([sys.executable, "-c", code, str(path)])


# --- what is read when ---


def test_a_token_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = secret(tmp_path / "token", "one")
    known = Credentials(of(Token(file=str(path))))
    assert known.metadata() == known.metadata() == sent("one")
    secret(path, "two")
    assert known.metadata() == sent("two")


def test_a_token_file_that_is_gone_or_empty_for_a_moment_leaves_the_token(tmp_path: Path) -> None:
    path = secret(tmp_path / "token", "one")
    known = Credentials(of(Token(file=str(path))))
    secret(path, "")
    assert known.metadata() == sent("one")
    path.unlink()
    assert known.metadata() == sent("one")
    secret(path, "two")
    assert known.metadata() == sent("two")


def test_a_refusal_of_a_token_that_has_been_replaced_is_worth_another_try(tmp_path: Path) -> None:
    path = secret(tmp_path / "token", "one")
    known = Credentials(of(Token(file=str(path))))
    before = known.metadata()
    assert known.judged(REFUSED, before) is REFUSED
    secret(path, "two")
    judged = known.judged(REFUSED, before)
    assert isinstance(judged, Unreachable)
    assert (judged.code, judged.exit_code, judged.retryable) == (RENEWED, 5, True)
    assert known.judged(REFUSED, known.metadata()) is REFUSED


def test_other_errors_and_calls_without_a_token_are_judged_as_they_are(tmp_path: Path) -> None:
    path = secret(tmp_path / "token", "one")
    known = Credentials(of(Token(file=str(path))))
    secret(path, "two")
    late = TimedOut("late")
    assert known.judged(late, sent("one")) is late
    assert known.judged(REFUSED, None) is REFUSED
    assert Credentials(of(Token(value="literal"))).judged(REFUSED, sent("literal")) is REFUSED


def test_a_refusal_says_whose_token_it_was_or_that_there_was_none(tmp_path: Path) -> None:
    path = secret(tmp_path / "token", "one")
    settings = resolve(Flags(token_file=str(path)), {})
    refused = Credentials(settings).judged(AuthError("refused"), sent("one"))
    assert isinstance(refused, AuthError)
    assert refused.message == "authentication failed: the server does not take this token"
    assert refused.hint == "it is that of --token-file: check that it is for this server, and has not expired"
    without = Credentials(of(Token())).judged(AuthError("refused", hint="give it"), None)
    assert isinstance(without, AuthError)
    assert (without.message, without.hint) == ("authentication failed: no token was sent", "give it")
    denied = AuthError("denied", code="permission-denied", hint="ask")
    assert Credentials(settings).judged(denied, sent("one")) is denied
    assert (denied.message, denied.hint) == ("denied", "ask")


def test_a_token_command_runs_once_and_again_after_a_refusal_but_not_at_every_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = of(Token(command=counting(tmp_path / "runs")))
    known = Credentials(settings)
    assert known.metadata() == known.metadata() == sent("t0")
    assert isinstance(known.judged(REFUSED, sent("t0")), Unreachable)
    assert known.metadata() == sent("t1")
    assert known.judged(REFUSED, sent("t1")) is REFUSED
    monkeypatch.setattr(credentials, "RENEWED_AT_MOST_EVERY", 0.0)
    assert isinstance(known.judged(REFUSED, sent("t1")), Unreachable)


def test_a_token_command_that_prints_the_same_or_fails_ends_with_the_refusal(tmp_path: Path) -> None:
    path = secret(tmp_path / "token", "one")
    known = Credentials(of(Token(command=f"cat {path}")))
    path.unlink()
    assert known.judged(REFUSED, sent("one")) is REFUSED
    assert known.metadata() == sent("one")


def test_certificates_are_read_again_for_the_next_connection_when_they_changed(tmp_path: Path) -> None:
    certs = issue(tmp_path / "certs")
    tls = Tls(True, str(certs.ca), str(certs.client_cert), str(certs.client_key))
    known = Credentials(of(Token(), tls))
    first = known.channel()
    assert known.channel() is first
    secret(certs.client_key, "half of a key")
    assert known.channel() is first
    new = issue(tmp_path / "new")
    secret(certs.client_cert, new.client_cert.read_text())
    secret(certs.client_key, new.client_key.read_text())
    assert known.channel() is not first


# --- in a run ---


class Rotation:
    """A server at one address, which comes back wanting other credentials, and what a client is given."""

    def __init__(self, new_broker: NewBroker, before: list[Argument], after: list[Argument]) -> None:
        self._new_broker = new_broker
        self._after = after
        self._broker = new_broker("--ephemeral", *before)
        self.address = self._broker.address

    def rotate(self) -> None:
        self._broker.stop()
        self._new_broker("--ephemeral", *self._after, listen=self.address)


@pytest.mark.builtin
@pytest.mark.parametrize("source", ["file", "command"])
@pytest.mark.parametrize(
    "words", [("events", "sub"), ("queue", "receive", "--follow")], ids=lambda words: words[0]
)
def test_a_long_run_goes_on_with_a_token_that_was_rotated(
    words: tuple[str, ...],
    source: str,
    start: Start,
    run: Run,
    new_broker: NewBroker,
    tmp_path: Path,
    home: Path,
) -> None:
    token = secret(tmp_path / "token", "one")
    rotation = Rotation(
        new_broker,
        ["--token-file", secret(tmp_path / "before", "one")],
        ["--token-file", secret(tmp_path / "after", "two")],
    )
    given = ("--token-file", str(token)) if source == "file" else ("--token-command", f"cat {token}")
    assert run("profile", "set", "p", "-a", rotation.address, *given, address="").code == 0
    group, verb, *options = words
    send = (group, "send" if group == "queue" else "pub", "c")
    running = start(group, verb, "c", "--count", "2", *options, ready=group == "events", address="")
    assert run(*send, "one", address="").code == 0
    running.wait_for_stdout(b"one")
    secret(token, "two")
    rotation.rotate()
    if group == "events":
        running.wait_for_stderr("reconnected")
    assert run(*send, "two", address="").code == 0
    result = running.wait()
    assert (result.code, result.out) == (0, b"one\ntwo\n"), result.err


@pytest.mark.builtin
def test_a_long_run_goes_on_with_certificates_that_were_rotated(
    start: Start, run: Run, new_broker: NewBroker, tmp_path: Path
) -> None:
    old, new = issue(tmp_path / "old", "127.0.0.1"), issue(tmp_path / "new", "127.0.0.1")
    ours = Certificates(
        *(secret(tmp_path / f"{name}.pem", getattr(old, name).read_text()) for name in old._fields)
    )
    rotation = Rotation(new_broker, server_of(old), server_of(new))
    shown = ("--tls-ca", ours.ca, "--tls-cert", ours.client_cert, "--tls-key", ours.client_key)
    line = ("-a", rotation.address, *shown)
    running = start("events", "sub", "c", "--count", "1", *line, ready=True, address="")
    for name in ("ca", "client_cert", "client_key"):
        secret(getattr(ours, name), getattr(new, name).read_text())
    rotation.rotate()
    running.wait_for_stderr("reconnected")
    assert run("events", "pub", "c", "hello", *line, address="").code == 0
    assert running.wait().out == b"hello"


def server_of(certs: Certificates) -> list[Argument]:
    return ["--tls-cert", certs.cert, "--tls-key", certs.key, "--tls-ca", certs.ca]


# --- what can be read only once ---


@pytest.fixture
def once(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """once(TEXT): the path of a pipe that gives TEXT to its first reader, as `<(…)` does, and no more."""
    feeders: list[threading.Thread] = []

    def piped(text: str) -> Path:
        path = tmp_path / f"pipe-{len(feeders)}"
        os.mkfifo(path)
        feeder = threading.Thread(target=path.write_text, args=(text,), daemon=True)
        feeder.start()
        feeders.append(feeder)
        return path

    yield piped
    for feeder in feeders:
        feeder.join(20)
        assert not feeder.is_alive(), "nobody has read it"


Once = Callable[[str], Path]


@pytest.mark.builtin
def test_certificates_and_keys_may_come_from_pipes(
    run: Run, new_broker: NewBroker, tmp_path: Path, once: Once
) -> None:
    certs = issue(tmp_path / "certs", "127.0.0.1")
    address = new_broker("--ephemeral", *server_of(certs)).address
    shown: list[Argument] = []
    for option, path in (("ca", certs.ca), ("cert", certs.client_cert), ("key", certs.client_key)):
        shown += [f"--tls-{option}", once(path.read_text())]
    assert run("ping", "-a", address, *shown, address="").code == 0


@pytest.mark.builtin
def test_a_token_may_come_from_a_pipe_also_where_the_server_is_waited_for(
    start: Start, new_broker: NewBroker, tmp_path: Path, once: Once
) -> None:
    token = secret(tmp_path / "token", "one")
    gone = new_broker("--ephemeral")
    gone.stop()
    waiting = start(
        "queue", "list", "-v", "--connect-wait", "30s", "--token-file", once("one"), address=gone.address
    )
    waiting.wait_for_stderr("address ")
    new_broker("--ephemeral", "--token-file", token, listen=gone.address)
    assert waiting.wait().code == 0


def test_a_configuration_may_come_from_a_pipe(once: Once) -> None:
    environ = {"KUBEMQCTL_CONFIG": str(once("current: a\nprofiles: {a: {address: 'h:1', output: json}}"))}
    assert wished_output(Flags(), environ) == "json"
    assert resolve(Flags(), environ).addresses == ("h:1",)


def test_a_token_command_runs_once_however_often_the_server_is_tried(tmp_path: Path) -> None:
    asked = []

    def not_ready(request: Any) -> Any:
        asked.append(request)
        if len(asked) < 3:
            raise Abort(grpc.StatusCode.UNAVAILABLE, "grpc server is not ready")
        return pong(request)

    with fake_server(Ping=not_ready) as address:
        settings = of(Token(command=counting(tmp_path / "runs")))._replace(addresses=(address,))
        client, _ = wait_for_server(settings, 20.0)
        with client:
            assert len(asked) == 3
    assert (tmp_path / "runs").read_text() == "x"
