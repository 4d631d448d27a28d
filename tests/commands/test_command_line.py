"""The command line as a whole: common options anywhere, errors of every form, exit codes, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubemqctl.cli import main
from kubemqctl.cli.arguments import (
    SWITCHES,
    VALUED,
    OptionArity,
    given_twice,
    move_common_options_first,
    split,
)
from kubemqctl.cli.command_tree import COMMANDS, build
from tests.support.command_tree import BUILT
from tests.support.program import Run, environment
from tests.support.raw_grpc import Stub
from tests.support.server import Broker

NOBODY = "127.0.0.1:1"


def test_the_common_options_of_the_table_are_those_that_the_tree_declares() -> None:
    declared = {
        name: not p.is_flag for p in build([]).params for name in (*p.opts, *p.secondary_opts) if name
    }
    for own in ("--version", "-h", "--help"):
        declared.pop(own, None)
    assert declared == dict.fromkeys(VALUED, True) | dict.fromkeys(SWITCHES, False)


@pytest.mark.parametrize(
    ("words", "hoisted"),
    [
        (["queue", "send", "c", "-o", "json"], ["-o", "json", "queue", "send", "c"]),
        (["queue", "--output=json", "send", "c"], ["--output=json", "queue", "send", "c"]),
        (["queue", "send", "-ojson", "c", "-q"], ["-ojson", "-q", "queue", "send", "c"]),
        (["queue", "send", "c", "--metadata", "-q"], ["queue", "send", "c", "--metadata", "-q"]),
        (
            ["queue", "send", "c", "--metadata", "--tls", "-v"],
            ["-v", "queue", "send", "c", "--metadata", "--tls"],
        ),
        (["queue", "send", "c", "-"], ["queue", "send", "c", "-"]),
        (["queue", "send", "c", "-qv"], ["-q", "-v", "queue", "send", "c"]),
        (["queue", "peek", "c", "-qo", "json"], ["-q", "-o", "json", "queue", "peek", "c"]),
        (["queue", "peek", "c", "-vpdev"], ["-v", "-pdev", "queue", "peek", "c"]),
        (["queue", "peek", "c", "-0o", "json"], ["-o", "json", "queue", "peek", "c", "-0"]),
        (["queue", "peek", "c", "-q0"], ["-q", "queue", "peek", "c", "-0"]),
        (["queue", "peek", "c", "-qn2"], ["-q", "queue", "peek", "c", "-n2"]),
        (["queue", "peek", "c", "-qz"], ["queue", "peek", "c", "-qz"]),
        (["-a", "h:1", "queue", "send", "-a", "h:2", "c"], ["-a", "h:1", "-a", "h:2", "queue", "send", "c"]),
    ],
)
def test_common_options_are_moved_to_the_front_with_their_values(
    words: list[str], hoisted: list[str]
) -> None:
    own = {"--metadata": True, "--lines": False, "-0": False, "-n": True}
    assert move_common_options_first(words, OptionArity(own)) == hoisted


@pytest.mark.parametrize("cluster", [["-0o", "json"], ["-qo", "json"], ["-q0ojson"], ["-0q", "--json"]])
def test_short_options_may_stand_together_behind_a_command(
    run: Run, stub: Stub, channel: str, cluster: list[str]
) -> None:
    stub.fill(channel, 1)
    (record,) = run("queue", "peek", channel, *cluster).records()
    assert record["channel"] == channel


def test_json_is_a_word_for_the_output_and_excludes_another(run: Run) -> None:
    assert run("profile", "path", "--json").records() == run("profile", "path", "-o", "json").records()
    result = run("ping", "--json", "-o", "yaml")
    assert (result.code, "--json and -o yaml cannot be used together" in result.err) == (2, True)
    assert '"exit_code": 2' in run("pong", "--json").err


def test_an_option_that_the_command_declares_itself_stays_where_it_is() -> None:
    words = ["profile", "set", "x", "--address", "h:1", "-o", "json"]
    assert move_common_options_first(words, OptionArity({"--address": True})) == ["-o", "json", *words[:5]]


def test_the_line_is_split_at_its_first_double_dash() -> None:
    assert split(["a", "--", "b", "--", "c"]) == (["a"], ["b", "--", "c"])
    assert split(["a"]) == (["a"], None)
    assert split(["a", "--"]) == (["a"], [])


@pytest.mark.parametrize("place", range(4))
def test_common_options_are_accepted_at_every_place(run: Run, place: int) -> None:
    words: list[str] = ["queue", "peek", "c"]
    words[place:place] = ["-a", NOBODY, "-o", "json"]
    result = run(*words, address="")
    assert result.code == 5
    assert json.loads(result.err)["error"] == "cannot-connect"


def test_a_body_behind_a_double_dash_may_look_like_an_option(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "--", "-o").code == 0
    assert run("queue", "receive", channel).out == b"-o"


def test_what_stands_behind_the_double_dash_is_no_common_option(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "--", "-q").code == 0
    assert run("queue", "receive", channel).out == b"-q"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("quue",), "queue"),
        (("queue", "sned"), "send"),
        (("queue", "send"), "CHANNEL"),
        (("queue", "peek", "c", "--nope"), "--nope"),
        (("queue", "peek", "c", "--count", "x"), "--count"),
        (("queue", "peek", "c", "--wait", "30"), "30s"),
        (("queue", "peek", "c", "-o", "xml"), "xml"),
        (("queue", "peek", "c", "-o", "yaml", "--format", "{id}"), "--format"),
        (("queue", "peek", "c", "--format", "{nope}"), "nope"),
        (("queue", "peek", "c", "-o"), "-o needs a value"),
        (("ping", "--connect-timeout", "5"), "5s"),
        (("ping", "-a", "http://h:1"), "http://"),
    ],
)
def test_a_wrong_line_is_exit_2_with_an_error_and_at_most_a_hint(
    run: Run, words: tuple[str, ...], said: str
) -> None:
    result = run(*words, address=NOBODY)
    assert result.code == 2
    assert result.out == b""
    lines = result.err.splitlines()
    assert lines[0].startswith("error: ")
    assert said.lower() in result.err.lower()
    assert [line[:6] for line in lines[1:]] in ([], ["hint: "])


def test_errors_are_one_json_object_when_json_was_asked_for(run: Run) -> None:
    for words in (("queue", "peek", "c", "-o", "json"), ("-ojson", "queue", "peek", "c")):
        result = run(*words, address=NOBODY)
        error = json.loads(result.err)
        assert result.code == error["exit_code"] == 5
        assert error["retryable"] is True
        assert set(error) == {
            "error", "message", "hint", "exit_code", "retryable", "grpc_status", "server_message"
        }  # fmt: skip


def test_a_line_that_cannot_be_parsed_still_answers_in_json(run: Run) -> None:
    result = run("queue", "peek", "c", "--nope", "--output=json")
    assert result.code == 2
    assert json.loads(result.err)["error"] == "usage"


def test_the_version_is_printed_wherever_it_is_asked_for(run: Run) -> None:
    plain, mixed = run("--version"), run("-q", "--version")
    assert plain.code == mixed.code == 0
    assert plain.out == mixed.out
    assert plain.out.startswith(b"kubemqctl ")


@pytest.mark.parametrize(
    "words", [["--version"], ["-q", "--version"], ["--help"], ["queue", "send", "-h"]], ids=" ".join
)
def test_a_version_or_a_help_that_nobody_can_read_is_a_failure(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kubemqctl", *words], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: cannot write to standard output")


def _leaves(command: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [(path, command)]
    return [leaf for name, c in inner.items() for leaf in _leaves(c, (*path, name))]


LEAVES = _leaves(BUILT)


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=" ".join)
def test_every_help_is_a_sentence_that_ends_with_examples_of_that_command(
    run: Run, path: tuple[str, ...]
) -> None:
    result = run(*path, "--help")
    assert (result.code, result.err) == (0, "")
    paragraphs = result.text.split("\n\n")
    assert paragraphs[1].strip().endswith(".")
    assert max(map(len, result.text.splitlines())) <= 110
    examples = paragraphs[-1].strip().splitlines()
    assert examples[0] == "Examples:"
    assert all(f"kubemqctl {' '.join(path)}" in line for line in examples[1:2])


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=" ".join)
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command = dict(LEAVES)[path]
    for p in command.params:  # type: ignore[attr-defined]
        assert p.param_type_name == "argument" or p.help, p.name


def test_the_command_that_is_called_alone_is_built_like_the_whole_tree() -> None:
    alone = build(["queue"], "send").commands["queue"].commands
    whole = build().commands["queue"].commands
    assert list(alone) == ["send"]
    assert [p.opts for p in alone["send"].params] == [p.opts for p in whole["send"].params]


def test_a_bug_is_one_line_and_v_shows_where(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError("secret of nobody")

    monkeypatch.setattr(main, "_run", broken)
    assert main.main(["ping"]) == 1
    quiet = capfd.readouterr().err
    assert quiet.startswith("error: this is a bug in kubemqctl: ZeroDivisionError")
    assert "Traceback" not in quiet


def test_the_program_reads_no_configuration_for_its_help(run: Run, home: Path) -> None:
    broken = home / ".config" / "kubemqctl" / "config.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    assert run("--help").code == 0
    assert run("queue", "send", "--help").code == 0
    assert run("ping").code == 2


def test_every_top_level_command_has_a_module_of_its_name() -> None:
    folder = Path(main.__file__).parent / "commands"
    # A group's larger commands have modules of their own, named GROUP_COMMAND.
    assert {f.stem.partition("_")[0] for f in folder.glob("[!_]*.py")} == set(COMMANDS)


def test_control_c_before_anything_runs_is_130_without_a_word() -> None:
    code = "import sys; from kubemqctl.cli import main as cli\n" + (
        "def stopped(*_): raise KeyboardInterrupt\ncli._run = stopped\nsys.exit(cli.main(['ping']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(""))
    assert (done.returncode, done.stderr) == (130, b"")


def test_an_argument_that_is_not_utf8_does_no_harm(run: Run) -> None:
    result = run("queue", "peek", os.fsdecode(b"a\xffb"), address=NOBODY)
    assert result.code == 2
    assert "\\xff" in result.err


@pytest.mark.parametrize(("redirection", "code"), [("<&-", 2), (">&-", 1), ("2>&-", 0)])
def test_a_closed_standard_stream_is_never_taken_over_by_another_file(
    run: Run, channel: str, broker: Broker, redirection: str, code: int
) -> None:
    line = f'exec "$0" -m kubemqctl queue send {channel} --lines {redirection}'
    data = b"" if redirection == "<&-" else b"one\n"
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],
        input=data,
        capture_output=True,
        env=environment(broker.address),
        timeout=30,
    )
    assert done.returncode == code


def test_a_package_that_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\")")
    env = environment("", {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(main.__file__).parents[1]}"})
    done = subprocess.run([sys.executable, "-m", "kubemqctl", "ping"], capture_output=True, env=env)
    assert done.returncode == 1
    assert (
        done.stderr.decode().splitlines()[0]
        == "error: the installation of kubemqctl is incomplete: No module named 'typer'"
    )


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("queue send", "[OPTIONS] [CHANNEL] [BODY]"),
        ("queue receive", "[OPTIONS] CHANNEL [-- COMMAND ARG…]"),
        ("queue list", "[OPTIONS]"),
    ],
)
def test_the_usage_shows_what_a_command_takes(
    words: str, usage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*words.split(), "--help"]) == 0
    assert capfd.readouterr().out.splitlines()[0] == f"Usage: kubemqctl {words} {usage}"


@pytest.mark.parametrize("words", [(), ("store",), ("-q", "queue"), ("queue", "-p", "x")], ids=" ".join)
def test_without_a_command_the_help_is_shown_on_stderr(run: Run, words: tuple[str, ...]) -> None:
    bare, asked = run(*words, address=""), run(*words, "--help", address="")
    assert (bare.code, bare.out) == (2, b"")
    assert bare.err == asked.text


def test_without_a_command_programs_get_an_error(run: Run) -> None:
    result = run("store", "-o", "json", address="")
    assert result.code == 2
    assert json.loads(result.err)["hint"].startswith("one of pub, sub, copy; see")


def test_a_handler_without_its_dashes_is_told_where_it_belongs(capfd: pytest.CaptureFixture[str]) -> None:
    assert main.main(["queue", "receive", "orders", "cat"]) == 2
    assert "a handler command goes after `--`" in capfd.readouterr().err
    assert main.main(["queue", "peek", "orders", "cat"]) == 2
    assert "`--`" not in capfd.readouterr().err


def test_the_help_lists_the_commands_by_use_and_defaults_as_they_are_typed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["--help"]) == 0
    shown = capfd.readouterr().out
    listed = shown.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)
    assert "[default: 5s]" in shown


def test_inside_broker_exec_a_profile_that_cannot_be_kept_is_explained(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEMQCTL_CONFIG", "/dev/null")  # as `broker exec` sets it
    assert main.main(["profile", "set", "local", "--address", "localhost:1"]) == 2
    assert "inside `broker exec` no profile applies" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words", ["--help", "queue send -h", "--version", "help", "schema", "completion bash"]
)
def test_a_help_that_goes_nowhere_is_a_failure(words: str) -> None:
    line = f'exec "$0" -m kubemqctl {words} >&-'
    done = subprocess.run(["sh", "-c", line, sys.executable], capture_output=True, env=environment(""))
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: standard output is closed\n")


def test_the_help_is_the_same_where_python_leaves_docstrings_out() -> None:
    # The schema has the help of every command, and what is said of every record.
    schemas = [
        subprocess.run(
            [sys.executable, "-m", "kubemqctl", "schema"],
            capture_output=True,
            env=environment("", {"PYTHONOPTIMIZE": level}),
        ).stdout
        for level in ("0", "2")
    ]
    assert schemas[0]
    assert schemas[0] == schemas[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-p", "a", "-p", "b"], "--profile is given 2 times: the last one counts, b"),
        (["-p", "a", "--profile=b"], "--profile is given 2 times: the last one counts, b"),
        (["-pa", "-qpb"], "--profile is given 2 times: the last one counts, b"),
        (["--tls", "--no-tls"], "--tls is given 2 times: the last one counts, --no-tls"),
        (["--wait", "1s", "--wait", "2s", "--wait=3s"], "--wait is given 3 times: the last one counts, 3s"),
        (["-n", "1", "--count", "2"], "--count is given 2 times: the last one counts, 2"),
    ],
)
def test_an_option_that_is_given_twice_is_said(words: list[str], said: str) -> None:
    tree = build(["queue"], "peek")
    peek = tree.commands["queue"].commands["peek"]
    own = {name: not p.is_flag for p in peek.params if p.param_type_name == "option" for name in p.opts}
    (found,) = given_twice(["queue", "peek", *words, "c"], [*tree.params, *peek.params], OptionArity(own))
    assert found.startswith(said)


@pytest.mark.parametrize(
    "words",
    [
        ["-a", "h:1", "-a", "h:2"],
        ["--where", "a=1", "--where", "b=2"],
        ["-q", "-q"],
        ["-p", "a", "-pa"],
        ["--format", "-p", "-p", "a"],
    ],
)
def test_what_may_be_repeated_and_what_says_the_same_is_not(words: list[str]) -> None:
    tree = build(["queue"], "peek")
    peek = tree.commands["queue"].commands["peek"]
    own = {name: not p.is_flag for p in peek.params if p.param_type_name == "option" for name in p.opts}
    assert not [*given_twice(["queue", "peek", *words, "c"], [*tree.params, *peek.params], OptionArity(own))]


def test_a_profile_that_is_named_twice_is_said_on_stderr(run: Run) -> None:
    result = run("queue", "peek", "c", "-p", "a", "-p", "b", address="")
    assert result.err.startswith("warning: --profile is given 2 times: the last one counts, b\n")
    assert result.code == 3
