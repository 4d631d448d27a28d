"""The first moments of the process: signals, and variables that are meant for other programs."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.program import Run, environment
from tests.support.server import Broker

# Sends the process a signal when it imports a module.
INTERRUPTED = """
import os, sys
import kubemqctl.__main__ as program
module, signum = sys.argv[1], int(sys.argv[2])
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signum)
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = sys.argv[3:]
program.entry()
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "module",
    ["kubemqctl.cli.main", "typer", "kubemqctl.runtime.invocation", "grpc", "kubemqctl.wire.convert"],
)
def test_a_signal_ends_the_program_without_a_word_wherever_it_starts(
    module: str, signum: signal.Signals, broker: Broker
) -> None:
    line = [sys.executable, "-c", INTERRUPTED, module, str(int(signum)), "queue", "list"]
    done = subprocess.run(line, env=environment(broker.address), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signum, "", "")


def test_a_signal_that_the_parent_ignores_is_ignored(broker: Broker) -> None:
    line = [
        "sh",
        "-c",
        'trap "" INT; exec "$@"',
        "sh",
        sys.executable,
        "-c",
        INTERRUPTED,
        "typer",
        "2",
        "ping",
    ]
    done = subprocess.run(line, env=environment(broker.address), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "cpp"),
        ("GRPC_POLL_STRATEGY", "bogus"),
        ("GRPC_EXPERIMENTS", "bogus"),
        ("GRPC_TRACE", "all"),
        ("GRPC_ENABLE_FORK_SUPPORT", "1"),
    ],
)
def test_a_variable_for_the_libraries_of_other_programs_does_no_harm(
    name: str, value: str, broker: Broker
) -> None:
    line = [sys.executable, "-m", "kubemqctl", "ping"]
    env = environment(broker.address, {name: value})
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_handler_still_gets_such_a_variable(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "x").code == 0
    line = ("queue", "receive", channel, "--", "sh", "-c", "echo $GRPC_POLL_STRATEGY")
    assert run(*line, env={"GRPC_POLL_STRATEGY": "poll"}).out == b"poll\n"


# --- a dash for a file ---


def test_a_body_file_called_dash_is_stdin(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "--file", "-", stdin=b"body\n").code == 0
    assert run("queue", "receive", channel).out == b"body\n"
    assert run("queue", "send", channel, "--lines", "--file", "-", stdin=b"a\nb\n").code == 0
    assert run("queue", "receive", channel, "--all").out == b"a\nb\n"


def test_a_dash_is_one_of_several_body_files_but_only_once(run: Run, channel: str) -> None:
    line = ("queue", "send", channel, "--file", "/etc/hostname", "--file", "-")
    assert run(*line, stdin=b"from stdin").code == 0
    assert run("queue", "receive", channel, "--all").out.endswith(b"from stdin\n")
    twice = run(*line, "--file", "-", stdin=b"x")
    assert twice.code == 2
    assert "--file - is given twice" in twice.err


@pytest.mark.parametrize(
    "words",
    [
        "ping --token-file -",
        "ping --tls-ca -",
        "ping --tls-cert - --tls-key k",
        "profile set p -a h:1 --token-file -",
        "profile set p -a h:1 --tls-ca -",
        "queue send q --lines --failed -",
        "queue send q --lines --unknown -",
        "events sub e --ready-file -",
        "store sub e --checkpoint -",
        "cmd respond c --ok --background --log -",
        "broker run --ephemeral --listen 127.0.0.1:0 --ready-file -",
        "broker run --ephemeral --listen 127.0.0.1:0 --token-file -",
        "broker run --ephemeral --listen 127.0.0.1:0 --tls-cert - --tls-key -",
        "queue peek q --decode protobuf --proto-set - --proto-type T",
    ],
)
def test_a_dash_for_any_other_file_is_no_file_of_that_name(words: str, run: Run) -> None:
    result = run(*words.split(), stdin=b"secret\n")
    assert result.code == 2
    assert "needs the name of a file\nhint: a file called - is --" in result.err


@pytest.mark.parametrize(
    "words", ["broker run --listen 127.0.0.1:0 --data NAME", "broker exec --data NAME -- true"]
)
def test_a_dash_or_nothing_is_no_directory_for_messages(words: str, run: Run) -> None:
    dash, empty = (run(*(name if w == "NAME" else w for w in words.split())) for name in ("-", ""))
    assert dash.code == 2
    assert "--data needs the name of a directory\nhint: a directory called - is --data ./-" in dash.err
    assert (empty.code, "--data is empty" in empty.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        "queue send q --lines --failed",
        "queue send q --lines --unknown",
        "events sub e --ready-file",
        "store sub e --checkpoint",
        "ping --token-file",
    ],
)
def test_the_name_of_a_file_that_is_empty_is_a_usage_error_at_once(words: str, run: Run) -> None:
    """As that of a variable that is not set."""
    result = run(*words.split(), "")
    assert result.code == 2
    assert f"error: {words.split()[-1]} is empty\n" in result.err
