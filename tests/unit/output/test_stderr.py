"""Colour where it is wanted and nowhere else, on real terminals and in pipes; the text of errors."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kubemqctl.model.errors import InvalidRequest, KubemqctlError, NotReady, Refused, UsageError
from kubemqctl.output.stderr import colour_wanted, error_json, error_text
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
        f"{ORANGE}warning:\x1b[0m the token is sent to no-such-host.invalid:1"
        in on_terminal("ping", "-q").written
    )


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "xterm-256color"}, True, True),
    ],
)
def test_colour_follows_the_environment_before_the_stream(
    environ: dict[str, str], terminal: bool, wanted: bool
) -> None:
    assert colour_wanted(environ, terminal) is wanted


# --- errors ---


def test_an_error_is_one_line_and_its_hint_another() -> None:
    assert error_text(UsageError("no such thing"), verbose=False) == "error: no such thing"
    assert error_text(UsageError("a\nb\x1b[0m", hint="c\r\nd"), verbose=False) == (
        "error: a\\nb\\x1b[0m\nhint: c\\r\\nd"
    )


def test_a_verbose_error_adds_what_the_server_said() -> None:
    error = NotReady("not ready", grpc_status="UNAVAILABLE", server_message="in shutdown\nmode")
    assert error_text(error, verbose=False) == "error: not ready"
    assert error_text(error, verbose=True) == "error: not ready [UNAVAILABLE: in shutdown\\nmode]"
    said = InvalidRequest("refused: Error 102", grpc_status="INTERNAL", server_message="Error 102")
    assert error_text(said, verbose=True) == "error: refused: Error 102 [INTERNAL]"


def test_an_error_as_json_always_has_all_its_keys() -> None:
    assert json.loads(error_json(KubemqctlError("oh"))) == {
        "error": "unexpected",
        "message": "oh",
        "hint": "",
        "exit_code": 1,
        "retryable": False,
        "grpc_status": "",
        "server_message": "",
    }
    line = error_json(Refused("no\n\x9b \udcff", hint="h", server_message="s", grpc_status="OK"))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == "no\n\x9b \udcff"
    assert json.loads(line)["exit_code"] == 9
