"""Addresses as they may be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import ConfigError, UsageError
from tests.unit.config.settings_of import failure, settings


@pytest.mark.parametrize(
    "text",
    [
        "localhost:1",
        "10.0.0.1:65535",
        "[::1]:50000",
        "my_host.example.com:080",
        "[fe80::1%eth0]:5",
        "rooted.:1",
    ],
)
def test_addresses_that_are_taken(text: str, tmp_path: Path) -> None:
    assert settings(tmp_path / "none", KUBEMQ_ADDRESS=text).addresses == (text,)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("localhost", "its port is missing: localhost:50000"),
        ("[::1]", "its port is missing: [::1]:50000"),
        ("::1", "an IPv6 address goes in brackets: [::1]:50000"),
        ("http://localhost:9090/x", "without http://: localhost:9090"),
        ("kubemq://prod", "without kubemq://: prod:50000"),
        ("unix:///tmp/socket", "without unix://: localhost:50000"),
        ("localhost:0", "a port is a number from 1 to 65535"),
        ("localhost:65536", "a port is a number from 1 to 65535"),
        ("localhost:-1", "a port is a number from 1 to 65535"),
        ("localhost:", "for instance localhost:50000 or [::1]:50000"),
        (":50000", "for instance localhost:50000 or [::1]:50000"),
        ("a b:1", "for instance localhost:50000 or [::1]:50000"),
        ("user@host:1", "addresses have no user: use a token or a client certificate"),
        ("a..b:1", "between its dots there are 1 to 63 characters, and 253 in all"),
        (".a:1", "between its dots there are 1 to 63 characters, and 253 in all"),
        (f"{'a' * 64}.b:1", "between its dots there are 1 to 63 characters, and 253 in all"),
        (f"{'a.' * 130}b:1", "between its dots there are 1 to 63 characters, and 253 in all"),
        ("unix:/tmp/x", "for instance localhost:50000 or [::1]:50000"),
        ("localhost:٣", "for instance localhost:50000 or [::1]:50000"),
        ("\x1b[31mhost:1", "for instance localhost:50000 or [::1]:50000"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_to_write(text: str, hint: str, tmp_path: Path) -> None:
    error = failure(UsageError, lambda: settings(tmp_path / "none", Flags(addresses=("ok:1", text))))
    assert error.hint == hint
    assert "\x1b" not in error.message
    assert type(error) is UsageError
    assert type(failure(ConfigError, lambda: settings(tmp_path / "none", KUBEMQ_ADDRESS=text))) is ConfigError


def test_empty_pieces_of_a_list_are_skipped_but_not_an_empty_list(tmp_path: Path) -> None:
    assert settings(tmp_path / "none", KUBEMQ_ADDRESS="a:1,,b:2,").addresses == ("a:1", "b:2")
    assert "is empty" in failure(ConfigError, lambda: settings(tmp_path / "none", KUBEMQ_ADDRESS=",")).message


@pytest.mark.parametrize("field", ["client_id", "token_file", "tls_ca"])
def test_an_empty_flag_is_refused(field: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {field: ""}
    flags = Flags(**given)
    error = failure(UsageError, lambda: settings(tmp_path / "none", flags))
    assert error.message == f"--{field.replace('_', '-')} is empty"
