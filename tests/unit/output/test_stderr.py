"""Colour on real terminals and in pipes: where it is wanted, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_server import fake_server
from tests.support.program import Run
from tests.support.terminal.in_process import on_terminal

BOLD, RED, ORANGE = "\x1b[1m", "\x1b[1;38;5;196m", "\x1b[1;38;5;166m"


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with fake_server() as address:
        monkeypatch.setenv("KUBEMQ_ADDRESS", address)
        yield address


def test_a_terminal_has_colour_on_both_streams_and_no_other_form_has_any() -> None:
    assert BOLD in on_terminal("ping").written
    assert f"{RED}error:\x1b[0m" in on_terminal("nonsense").written
    for form in ("json", "yaml", "raw"):
        assert "\x1b" not in on_terminal("ping", "-o", form).written
    assert "\x1b" not in on_terminal("ping", "--format", "{host}").written


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("FORCE_COLOR", "0")])
def test_whoever_wants_none_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    for line in ("ping", "nonsense", "doctor", "queue info q"):
        assert "\x1b" not in on_terminal(*line.split()).written


def test_a_pipe_gets_none_unless_it_is_forced(run: Run, address: str) -> None:
    line = ("ping", "-o", "human")
    assert b"\x1b" not in run(*line, address=address).out
    assert BOLD.encode() in run(*line, address=address, env={"FORCE_COLOR": "1"}).out
    assert b"\x1b" not in run(*line[:1], "-o", "json", address=address, env={"FORCE_COLOR": "1"}).out


def test_a_warning_is_orange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEMQ_AUTH_TOKEN", "t")
    monkeypatch.setenv("KUBEMQ_ADDRESS", "no-such-host.invalid:1")
    assert (
        f"{ORANGE}warning:\x1b[0m the token goes to no-such-host.invalid:1"
        in on_terminal("ping", "-q").written
    )
