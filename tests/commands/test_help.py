"""`help`: topics whose commands work, the help of commands, and what nobody has written about."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from kubemqctl.cli.commands.help import TOPICS, text
from kubemqctl.cli.commands.schema import MEANINGS
from kubemqctl.cli.main import main
from kubemqctl.model.errors import ExitCode
from tests.support.command_tree import BUILT
from tests.support.program import Run

ROOT = Path(__file__).parents[2]
# `broker exec` lets no profile apply, and the topics are about profiles, too.
OWN_FOLDER = "mkdir work; cd work; export KUBEMQCTL_CONFIG=$PWD/config.yaml; : > config.yaml\n"
WRITTEN = [topic for topic in TOPICS if topic != "reference"]


def commands(topic: str) -> str:
    """The shell lines of a topic: the indented blocks that begin with a program."""
    lines: list[str] = []
    for block in re.findall(r"(?:^ {2,}\S.*\n)+", text(topic), re.MULTILINE):
        if re.match(r" {2}(kubemqctl|printf|seq|echo|cat|test|rm) ", block):
            lines += [line[2:] for line in block.splitlines()]
    return "\n".join(lines)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which `kubemqctl` is this checkout's."""
    program = tmp_path / "bin" / "kubemqctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec "{sys.executable}" -m kubemqctl "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.builtin
@pytest.mark.parametrize("topic", WRITTEN)
def test_the_commands_of_a_topic_work_as_they_stand(topic: str, path: str, run: Run) -> None:
    script = commands(topic)
    assert "kubemqctl" in script
    words = ("broker", "exec", "--", "bash", "-euxc", OWN_FOLDER + script)
    done = run(*words, env={"PATH": path}, address="", timeout=110)
    assert done.code == 0, done.err


@pytest.mark.parametrize("topic", WRITTEN)
def test_a_topic_fits_on_a_terminal_and_begins_with_what_it_is_about(topic: str) -> None:
    lines = text(topic).splitlines()
    assert lines[0].endswith(".")
    assert lines[1] == ""
    assert max(map(len, lines)) <= 80
    assert text(topic).isprintable() or "\t" not in text(topic)


@pytest.mark.parametrize(
    "words", [[], *[[name] for name, command in BUILT.commands.items() if hasattr(command, "commands")]]
)
def test_no_summary_is_cut_on_a_terminal(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    listed = capfd.readouterr().out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


COMMANDS = [
    words
    for name, command in BUILT.commands.items()
    for words in ([name], *([name, inner] for inner in getattr(command, "commands", ())))
]


@pytest.mark.parametrize("words", [[], *COMMANDS], ids=" ".join)
def test_the_help_of_a_command_fits_on_a_terminal_and_breaks_no_word(
    words: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words, "--help"]) == 0
    text = capfd.readouterr().out.partition("\n  Examples:\n")[0]
    assert [line for line in text.splitlines() if len(line) > 80 or re.search(r"\w-$", line)] == []


@pytest.mark.parametrize(
    "words", ["", "queue", "queue send", "queue receive", "store sub", "profile set", "top"]
)
def test_help_fits_a_terminal_of_forty_columns(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert main([*words.split(), "--help"]) == 0
    said, _, _ = capfd.readouterr().out.partition("Examples:")
    assert [line for line in said.splitlines() if len(line) > 40] == []
    assert said.startswith("Usage: kubemqctl")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_example_has_a_comment_since_zsh_takes_it_for_words_of_the_command(words: list[str]) -> None:
    found = BUILT.commands[words[0]]
    for name in words[1:]:
        found = found.commands[name]
    assert " # " not in (found.epilog or "")


def test_help_alone_lists_the_topics(run: Run) -> None:
    result = run("help", address="")
    assert result.code == 0
    assert result.err == ""
    assert re.findall(r"^  ([a-z-]+)  ", result.text, re.MULTILINE) == list(TOPICS)
    assert max(map(len, result.text.splitlines())) <= 80


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_printed_as_it_is(run: Run, topic: str) -> None:
    result = run("help", topic, address="")
    assert (result.code, result.err) == (0, "")
    assert result.text == text(topic)


@pytest.mark.parametrize("words", [("queue", "send"), ("queue",), ("ping",), ("help",)])
def test_help_of_a_command_is_what_its_help_option_prints(run: Run, words: tuple[str, ...]) -> None:
    asked, option = run("help", *words, address=""), run(*words, "--help", address="")
    assert asked.code == option.code == 0
    assert asked.text == option.text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("recipe",), "recipes"),
        (("queue", "sned"), "send"),
        (("qeue", "send"), "queue"),
        (("xyzzy",), "kubemqctl help"),
        (("recipes", "pipes"), "recipes"),
    ],
)
def test_an_unknown_topic_is_exit_2_with_the_nearest(run: Run, words: tuple[str, ...], hint: str) -> None:
    result = run("help", *words, address="")
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith(f"error: there is no help topic or command {' '.join(words)}\nhint: ")
    assert hint in result.err.splitlines()[1]


def test_the_topic_on_exit_codes_has_all_with_the_meanings_of_the_schema() -> None:
    found = re.findall(r"^ {2,4}(\d+)  (.*(?:\n {7}.*)*)", text("exit-codes"), re.MULTILINE)
    told = {int(code): " ".join(meaning.split()) for code, meaning in found}
    assert told == {int(code): MEANINGS[code] for code in ExitCode}
