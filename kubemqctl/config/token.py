"""The token: where it comes from, and how it is fetched, once something connects. Nothing here shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kubemqctl.config.files import read_file
from kubemqctl.model.errors import AuthError, ConfigError, NotFound
from kubemqctl.model.text import reason

LONGEST_COMMAND = 60.0
"""Seconds that a token_command has."""


class Token(NamedTuple):
    """Where the token comes from: at most one is set. `missing` is a variable that should have held it."""

    value: str = ""
    file: str = ""
    command: str = ""
    missing: str = ""

    def __repr__(self) -> str:
        return "Token(***)" if self.value else f"Token({self.file or self.command or self.missing!r})"


def variable_in(value: str) -> str:
    """NAME when a profile's token is `${NAME}`; empty when it is a literal."""
    name = value[2:-1]
    return name if value == f"${{{name}}}" and name.isidentifier() else ""


def expanded(token: Token, environ: Mapping[str, str]) -> Token:
    """A profile's token with its `${NAME}` replaced."""
    name = variable_in(token.value)
    if not name:
        return token
    return Token(value=environ[name]) if environ.get(name) else Token(missing=name)


def fetch(token: Token, where: str) -> str:
    """The token itself, or an empty string for none; `where` is for errors. Raises as settings.read_token."""
    if token.missing:
        raise ConfigError(
            f"{where}: the token is ${{{token.missing}}}, which is not set", hint=f"export {token.missing}"
        )
    if token.file:
        text = read_file(token.file, "token file").decode("utf-8", "replace")
        return _usable(text, f"the token file {token.file}")
    if token.command:
        return _usable(_output_of(token.command), f"what the token_command of {where} printed")
    return _usable(token.value, f"the token of {where}") if token.value else ""


def _usable(text: str, what: str) -> str:
    token = text.strip()
    if not token:
        raise ConfigError(f"{what} is empty")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"{what} is not a token: tokens are one line of printable ASCII")
    return token


def _output_of(command: str) -> str:
    """What `command` prints. No shell; its stdin is empty, because ours may be a message's body."""
    import subprocess

    argv = command_words(command)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LONGEST_COMMAND, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AuthError(
            f"the token_command {argv[0]} printed no token within {LONGEST_COMMAND:g} s",
            code="token-command-failed",
        ) from error
    except FileNotFoundError as error:
        raise NotFound(f"the token_command does not exist: {argv[0]}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"the token_command {argv[0]} cannot be run: {reason(error)}") from error
    if code := done.returncode:
        how = f"failed with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise AuthError(f"the token_command {argv[0]} {how}", code="token-command-failed")
    return done.stdout.decode("utf-8", "replace")


def command_words(command: str) -> list[str]:
    """A token_command as program and arguments, quoted as for a shell. Raises ConfigError."""
    import shlex

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"the token_command cannot be read: {reason(error)}") from error
    if not words:
        raise ConfigError("the token_command is empty")
    return words
