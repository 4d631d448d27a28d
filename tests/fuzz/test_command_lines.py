"""Any command line, to a server that is not there."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.cli import completion_names
from kubemqctl.cli.arguments import SWITCHES, VALUED
from kubemqctl.cli.command_tree import COMMANDS
from kubemqctl.cli.description import Command, Option
from kubemqctl.config.config_file import KEYS
from kubemqctl.model.channels import TYPE_OF_WORD
from tests.fuzz.examples import examples
from tests.fuzz.inprocess import run
from tests.fuzz.texts import ARGUMENTS, NEARLY
from tests.support.command_tree import TREE

# Seconds: what goes on for ever on purpose, such as `ping --wait 36500d`, is told to end.
PATIENCE = 0.8

# A broker of this process would stand in the way of all that follow; tests/unit/broker starts real ones.
KNOWN = [c for c in TREE.commands if c.path[0] != "broker"]
COMMON = TREE.common

# Files that are there or not, and everything that some option takes; nothing that could harm if it was run.
_VALUES = r"""
- . missing present q a.b * > 0 1 -1 1025 99999999999999999999
0s 1ms 36500d 36501d 1.5s 12h -1s 10/s 0.0000000000000000000000000001/h
k=v =v k {body} {tags[a]} { {nothing} json yaml raw human auto after-output
reject stop resend=q resend= new first 2024-05-31T08:30:00Z now 5 kind=x tags[a]=b
localhost:0 127.0.0.1:1 [::1]:1 ::1 true
"""
VALUES = st.sampled_from([*_VALUES.split(), "", "a b", "\udcff", "\x1b[31m", "\u202e", "x" * 5000])
ANYTHING = st.one_of(VALUES, ARGUMENTS, NEARLY).map(lambda word: word.replace("\0", "").replace("/", ""))


def value_of(option: Option) -> st.SearchStrategy[str]:
    words = st.sampled_from(option.value.words) if option.value and option.value.words else VALUES
    return st.one_of(words, VALUES, ANYTHING)


def given_as(option: Option) -> st.SearchStrategy[list[str]]:
    names = st.sampled_from([*option.names, *option.off])
    if option.value is None:
        return names.map(lambda name: [name])
    value = value_of(option)
    return st.one_of(
        st.tuples(names, value).map(list),
        st.tuples(names, value).map(lambda both: [f"{both[0]}={both[1]}"]),
        names.map(lambda name: [name]),
    )


def line_of(command: Command) -> st.SearchStrategy[list[str]]:
    """The command with some of its options, some that all have, and some words."""
    options = [given_as(option) for option in (*command.options, *COMMON)]
    words = st.lists(ANYTHING, max_size=3)
    tail: st.SearchStrategy[list[str]] = st.just([]) | st.sampled_from(
        [["--"], ["--", "true"], ["--", "no-such-command", "-x"], ["--", ""]]
    )
    parts = st.lists(st.one_of(options), max_size=4).map(
        lambda lists: [word for part in lists for word in part]
    )
    return st.tuples(parts, words, tail, st.booleans()).map(
        lambda t: [*t[0], *command.path, *t[1], *t[2]] if t[3] else [*command.path, *t[1], *t[0], *t[2]]
    )


WORDS = st.sampled_from(
    [
        *[name for name in COMMANDS if name != "broker"],
        *VALUED,
        *SWITCHES,
        "send",
        "list",
        "--help",
        "-h",
        "--version",
        "--",
        "-",
        "-0",
        "-oq",
        "--output=",
        "-p=",
        "---",
    ]
)
JUMBLE = st.lists(WORDS | ANYTHING, max_size=6).filter(lambda words: "__complete" not in words)
LINES = st.one_of([line_of(command) for command in KNOWN])
INPUTS = st.one_of(st.binary(max_size=30), st.just(b'{"body":"x"}\n{"body":1}\n'), st.just(b"ack\nnext\n"))


@pytest.fixture(autouse=True)
def _nobody_listens(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("KUBEMQ_ADDRESS", f"127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setattr(completion_names, "_end_in_time", lambda: None)
        Path("present").write_bytes(b"content\n")
        yield


def tidied() -> None:
    """No line finds what not the expected one left."""
    shutil.rmtree(Path(os.environ["XDG_CONFIG_HOME"]), ignore_errors=True)
    for file in Path().iterdir():
        if file.name != "present" and not file.is_dir():
            file.unlink()


@examples(40)
@given(LINES, INPUTS)
def test_any_line_of_a_known_command_ends_as_documented(words: list[str], stdin: bytes) -> None:
    tidied()
    run(words, stdin, PATIENCE)


@examples(25)
@given(JUMBLE, INPUTS)
def test_any_words_end_as_documented(words: list[str], stdin: bytes) -> None:
    tidied()
    run(words, stdin, PATIENCE)


KINDS = st.sampled_from(["profiles", *TYPE_OF_WORD, ""])


@examples(25)
@given(KINDS | ANYTHING, ANYTHING, st.lists(WORDS | ANYTHING, max_size=5))
def test_completion_never_fails_and_says_nothing_but_names(kind: str, prefix: str, line: list[str]) -> None:
    ended = run(["__complete", kind, prefix, *line])
    assert (ended.code, ended.err) == (0, "")


YAML = st.one_of(
    st.binary(max_size=40),
    st.lists(
        st.builds(
            lambda key, value: f"    {key}: {value}\n",
            st.sampled_from(KEYS),
            st.sampled_from(
                [
                    "",
                    "a:1",
                    "127.0.0.1:1",
                    "true",
                    "${X}",
                    "[a:1]",
                    "{enabled: yes}",
                    "present",
                    "'\\x1b'",
                    "json",
                ]
            ),
        ),
        max_size=4,
    ).map(lambda lines: ("current: dev\nprofiles:\n  dev:\n" + "".join(lines)).encode()),
)
_READS_PROFILES = """
profile list
profile show
profile show --effective
profile check
profile set new --address a:1
profile use dev
profile use -
profile rename dev other
profile copy dev two
profile remove dev --yes
doctor
ping
queue list
__complete profiles d
"""
READS_PROFILES = [line.split() for line in _READS_PROFILES.strip().splitlines()]


@examples(40)
@given(
    st.sampled_from(READS_PROFILES),
    YAML.filter(lambda data: b"token_command" not in data),
    st.sampled_from(["json", "human", "yaml"]),
)
def test_any_configuration_file_lets_every_command_end_as_documented(
    words: list[str], data: bytes, form: str
) -> None:
    tidied()
    path = Path(os.environ["XDG_CONFIG_HOME"], "kubemqctl", "config.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    run([*words, "-o", form] if words[0] != "__complete" else words, b"", PATIENCE)
