"""Where a token comes from: as it is, a variable, a file, a command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from kubemqctl.config import token
from kubemqctl.config.settings import Settings, read_token
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import AuthError, ConfigError, KubemqctlError, NotFound
from tests.unit.config.settings_of import ELSEWHERE, Write, failure, settings


def with_token(write: Write, line: str) -> Settings:
    return settings(write(f"current: a\nprofiles:\n  a:\n    {line}\n"))


def test_a_literal_token_is_used_as_it_is(write: Write) -> None:
    assert read_token(with_token(write, "token: abc$def")) == "abc$def"


def test_a_variable_that_is_not_set_is_named(write: Write) -> None:
    found = with_token(write, "token: ${NOT_SET}")
    error = failure(ConfigError, lambda: read_token(found))
    assert "line 4" in error.message
    assert "${NOT_SET}" in error.message


def test_a_variable_is_not_needed_when_its_token_is_not(write: Write) -> None:
    path = write("current: a\nprofiles: {a: {address: 'a:1', token: '${NOT_SET}'}}")
    assert settings(path, KUBEMQ_AUTH_TOKEN="other").token.value == "other"
    assert settings(path, ELSEWHERE).token.value == ""


def test_the_token_of_the_environment_is_no_reference(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", KUBEMQ_AUTH_TOKEN="${PROD_TOKEN}")
    assert read_token(found) == "${PROD_TOKEN}"


@pytest.mark.parametrize("text", ["${}", "a${B}", "${A}${B}", "${A-B}", "${A"])
def test_half_a_reference_is_refused(text: str, write: Write) -> None:
    assert "line 4" in failure(ConfigError, lambda: with_token(write, f"token: '{text}'")).message


def test_a_token_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    file.chmod(0o600)
    found = settings(tmp_path / "none", Flags(token_file=str(file)))
    assert (read_token(found), found.notes) == ("abc", ())
    assert found.sources["token"] == "flag --token-file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_file_that_others_can_read_is_a_warning(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc")
    file.chmod(mode)
    found = settings(tmp_path / "none", Flags(token_file=str(file)))
    assert read_token(found) == "abc"
    assert f"chmod 600 {file}" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"a\nb\n", "one line"),
        (b"\xff\xfe", "ASCII"),
        ("ключ".encode(), "ASCII"),
    ],
)
def test_a_token_file_without_a_token_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    found = settings(tmp_path / "none", Flags(token_file=str(file)))
    error = failure(ConfigError, lambda: read_token(found))
    assert says in error.message
    assert str(file) in error.message


def test_a_token_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", Flags(token_file=str(tmp_path / "gone")))
    assert "no such token file" in failure(NotFound, lambda: read_token(found)).message


def test_a_directory_is_no_token_file(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", Flags(token_file=str(tmp_path)))
    assert "is a directory" in failure(ConfigError, lambda: read_token(found)).message


def test_a_token_file_in_the_file_starts_where_the_file_lies(
    write: Write, tmp_path: Path, home: Path
) -> None:
    assert with_token(write, "token_file: secrets/t").token.file == str(tmp_path / "secrets/t")
    assert with_token(write, "token_file: ~/t").token.file == str(home / "t")
    assert with_token(write, "token_file: /t").token.file == "/t"


def command(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_a_token_command_prints_the_token(write: Write) -> None:
    found = with_token(write, f"token_command: {command('print(chr(97) * 3)')!r}")
    assert read_token(found) == "aaa"


def test_a_token_command_gets_no_shell_and_no_stdin(write: Write) -> None:
    code = "import sys; print(sys.argv[1] + str(len(sys.stdin.read())))"
    found = with_token(write, f"token_command: |\n      {command(code)} '$HOME;x|y'")
    assert read_token(found) == "$HOME;x|y0"


def test_a_token_command_that_does_not_end_is_given_up(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token, "LONGEST_COMMAND", 0.1)
    found = with_token(write, "token_command: sleep 60")
    assert "sleep printed no token within 0.1 s" in failure(AuthError, lambda: read_token(found)).message


def test_a_token_command_is_not_run_before_the_token_is_needed(write: Write, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    found = with_token(write, f"token_command: touch {trace}")
    assert not trace.exists()
    assert "printed is empty" in failure(ConfigError, lambda: read_token(found)).message
    assert trace.exists()


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ("sh -c 'echo s3cret; exit 3'", AuthError, "exit code 3"),
        ("sh -c 'kill -9 $$'", AuthError, "signal 9"),
        ("/no/such/command", NotFound, "/no/such/command"),
        ("/", ConfigError, "permission denied"),
        ("'unclosed", ConfigError, "no closing quotation"),
        ("sh -c 'printf \"s3cret\\nmore\"'", ConfigError, "one line"),
    ],
)
def test_a_token_command_that_fails_says_how(
    line: str, kind: type[KubemqctlError], says: str, write: Write
) -> None:
    found = with_token(write, f"token_command: |\n      {line}")
    error = failure(kind, lambda: read_token(found))
    assert type(error) is kind
    assert says in error.message
    assert "s3cret" not in error.message + error.hint
