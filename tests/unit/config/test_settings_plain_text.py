"""A token over plain text to another machine: every command that sends one says so, once."""

from __future__ import annotations

import ast
import socket
from pathlib import Path

import pytest

from kubemqctl.config.settings import is_loopback, plain_text_warning, resolve
from kubemqctl.config.sources import Flags
from tests.conftest import NewBroker
from tests.project.test_architecture import modules
from tests.support.program import Run

WARNING = "warning: the token is sent to {} in plain text"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("10.0.0.1", False),
        ("fe80::1%lo", False),
        ("[fe80::1%lo]", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("addresses", "token", "tls", "named"),
    [
        (["example.org:1"], True, None, "example.org:1"),
        (["example.org:1"], True, False, "example.org:1"),
        (
            ["localhost:1", "example.org:1", "[::1]:1", "[fd00::7]:1"],
            True,
            None,
            "example.org:1 or [fd00::7]:1",
        ),
        (["example.org:1"], True, True, ""),
        (["example.org:1"], False, None, ""),
        (["localhost:1", "[::1]:1"], True, None, ""),
    ],
)
def test_what_is_exposed_is_a_token_in_plain_text_to_another_machine(
    addresses: list[str], token: bool, tls: bool | None, named: str
) -> None:
    flags = Flags(addresses=tuple(addresses), tls=tls, token_file="/a/token" if token else None)
    said = plain_text_warning(resolve(flags, {}))
    assert [f"warning: {text}".partition(" in plain text")[0] for text in said] == (
        [f"warning: the token is sent to {named}"] if named else []
    )


@pytest.fixture
def own_address() -> str:
    """An address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        host: str = probe.getsockname()[0]
    if is_loopback(host):
        pytest.skip("this machine has no address but loopback")
    return host


@pytest.mark.builtin
def test_every_kind_of_command_warns_once_on_stderr_and_goes_on(
    run: Run, new_broker: NewBroker, own_address: str, channel: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("let-me-in")
    token.chmod(0o600)
    broker = new_broker("--ephemeral", "--token-file", token, listen=f"{own_address}:0")
    assert broker.address.startswith(own_address)
    with_token = ("--token-file", token)
    lines = (
        ("queue", "send", channel, "hello"),
        ("ping", "--count", "2", "--interval", "1ms"),
        ("queue", "receive", channel, "-q"),
        ("events", "sub", channel, "--for", "10ms"),
        ("queue", "ack-all", channel, "--yes", "-o", "json"),
    )
    for line in lines:
        result = run(*line, *with_token, address=broker.address)
        assert result.code == 0, result
        assert result.err.count("warning") == 1, line
        assert WARNING.format(broker.address) in result.err
    assert "warning" not in run("ping", address=broker.address).err


def test_nothing_connects_without_looking_at_that_first() -> None:
    """`run.settings()` may be looked at; who connects with it asks for `run.connecting()`."""
    careless = [
        (name, ast.unparse(node))
        for name, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("connect", "reach", "Client")
        and any(".settings()" in ast.unparse(argument) for argument in node.args)
    ]
    assert not careless
