"""`broker exec`: a broker around one command. It ends as the command ends, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import fast_start
from tests.support.certificates import issue
from tests.support.program import Run, Start, Started
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

pytestmark = pytest.mark.builtin

PYTHON = sys.executable


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """It forks before it imports grpc; a process that had grpc from the start would not show that."""
    monkeypatch.setattr(fast_start, "FRESH", True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie answers signals; it is gone all the same.
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return sys.platform != "linux"


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def test_the_command_finds_a_broker_at_its_address(run: Run) -> None:
    script = (
        "import os; from tests.support.raw_grpc import Stub;"
        " print(Stub(os.environ['KUBEMQ_ADDRESS']).ping().Host)"
    )
    env = {"PYTHONPATH": str(Path(__file__).parents[3])}
    result = run("broker", "exec", "--", PYTHON, "-c", script, address="", env=env)
    assert (result.code, result.text.strip(), result.err) == (0, socket.gethostname(), "")


def test_kubemqctl_in_it_sends_and_receives(run: Run) -> None:
    me = f"{PYTHON} -m kubemqctl"
    result = run(
        "broker",
        "exec",
        "--",
        "sh",
        "-c",
        f"{me} queue send q one -q >/dev/null && {me} queue receive q",
        address="",
    )
    assert result.code == 0
    assert result.out == b"one"


def test_the_command_gets_stdin_and_stdout_and_its_own_words(run: Run) -> None:
    result = run("broker", "exec", "--", "cat", "-", address="", stdin=b"\0\xffbytes")
    assert (result.code, result.out) == (0, b"\0\xffbytes")
    result = run("broker", "exec", "--", "printf", "%s|", "-o", "json", "--", "--help", address="")
    assert result.out == b"-o|json|--|--help|"


def test_its_environment_is_ours_without_what_speaks_to_other_brokers(run: Run) -> None:
    env = {
        "KUBEMQ_ADDRESS": "elsewhere:1",
        "KUBEMQ_AUTH_TOKEN": "secret",
        "KUBEMQ_CLIENT_ID": "me",
        "KUBEMQCTL_PROFILE": "production",
        "OTHER": "kept",
    }
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    result = run("broker", "exec", "--", PYTHON, "-c", script, address="", env=env)
    found = json.loads(result.out)
    assert [name for name in found if name.startswith("KUBEMQ_")] == ["KUBEMQ_ADDRESS"]
    assert found["KUBEMQ_ADDRESS"].startswith("127.0.0.1:")
    assert "KUBEMQCTL_PROFILE" not in found
    assert found["OTHER"] == "kept"
    assert "GRPC_VERBOSITY" not in found


def test_no_profile_applies_in_it(run: Run, home: Path) -> None:
    config = home / ".config/kubemqctl/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("current: broken\nprofiles: {broken: [")
    result = run("broker", "exec", "--", PYTHON, "-m", "kubemqctl", "ping", address="")
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_its_exit_code_is_the_commands(script: str, code: int, run: Run) -> None:
    assert run("broker", "exec", "--", "sh", "-c", script, address="").code == code


@pytest.mark.parametrize("command", ["no-such-command-anywhere", "./no-such-file"])
def test_a_command_that_is_not_there_is_not_found(command: str, run: Run) -> None:
    result = run("broker", "exec", "--", command, address="")
    assert (result.code, result.out) == (3, b"")
    assert result.err.startswith(f"error: there is no command {command}")


def test_a_command_that_is_not_executable_is_refused_with_the_chmod_that_mends_it(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    result = run("broker", "exec", "--", tmp_path / "script", address="")
    assert result.code == 3
    assert result.err == f"error: {tmp_path}/script is not executable\nhint: chmod +x {tmp_path}/script\n"


@pytest.mark.parametrize(
    ("first_line", "said"),
    [("#!/no/such/interpreter", "the interpreter it names"), ("exit 0", "hint: a script begins with")],
)
def test_a_command_that_the_system_cannot_run_is_an_error(
    first_line: str, said: str, run: Run, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(f"{first_line}\n")
    script.chmod(0o755)
    result = run("broker", "exec", "--", script, address="")
    assert result.code == 2
    assert result.err.startswith(f"error: the command {script} cannot be run: ")
    assert said in result.err


@pytest.mark.parametrize("words", [(), ("--",)])
def test_without_a_command_it_is_a_usage_error(words: tuple[str, ...], run: Run) -> None:
    assert run("broker", "exec", *words, address="").code == 2


def test_data_outlives_it(run: Run, tmp_path: Path) -> None:
    me = f"{PYTHON} -m kubemqctl"
    data = tmp_path / "data"
    sent = run("broker", "exec", "--data", data, "--", "sh", "-c", f"{me} queue send q kept", address="")
    assert sent.code == 0
    got = run("broker", "exec", "--data", data, "--", "sh", "-c", f"{me} queue receive q", address="")
    assert got.out == b"kept"


def test_without_data_it_keeps_nothing(run: Run, home: Path) -> None:
    run("broker", "exec", "--", "true", address="")
    assert list(home.rglob("*")) == []


def test_data_that_cannot_be_used_runs_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    result = run("broker", "exec", "--data", tmp_path, "--", "touch", tmp_path / "ran", address="")
    assert result.code == 2
    assert not (tmp_path / "ran").exists()


def test_it_checks_tokens_and_certificates_as_a_broker_does(run: Run, tmp_path: Path) -> None:
    files = issue(tmp_path / "tls", "127.0.0.1")
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o600)
    me = f"{PYTHON} -m kubemqctl"
    script = (
        f"{me} ping --tls-ca {files.ca} --token-file {tmp_path / 'token'} &&"
        f" ! {me} queue send q x --tls-ca {files.ca} && ! {me} ping --no-tls"
    )
    options = ("--token-file", tmp_path / "token", "--tls-cert", files.cert, "--tls-key", files.key)
    result = run("broker", "exec", *options, "--", "sh", "-c", script, address="")
    assert result.code == 0, result.err
    assert "authentication failed: no token was sent" in result.err


def test_a_certificate_that_is_not_there_runs_nothing(run: Run, tmp_path: Path) -> None:
    pair = ("--tls-cert", tmp_path / "no", "--tls-key", tmp_path / "no")
    result = run("broker", "exec", *pair, "--", "touch", tmp_path / "ran", address="")
    assert result.code == 3
    assert not (tmp_path / "ran").exists()


def test_signals_that_python_ignores_are_the_commands_own(run: Run) -> None:
    ignored = "grep SigIgn /proc/self/status" if sys.platform == "linux" else "echo SigIgn: 0"
    result = run("broker", "exec", "--", "sh", "-c", ignored, address="")
    mask = int(result.text.split()[-1], 16)
    assert not [s for s in (signal.SIGPIPE, signal.SIGXFSZ) if mask >> (s - 1) & 1]


# ---- what is left ----


@pytest.mark.parametrize(
    "left",
    [
        "sleep 600 & echo $!",
        pytest.param(
            "setsid sh -c 'sleep 600 & echo $!; wait' & sleep 0.2",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's"),
        ),
    ],
)
def test_what_the_command_left_running_is_ended_while_the_broker_still_answers(
    left: str, run: Run, tmp_path: Path
) -> None:
    result = run("broker", "exec", "--", "sh", "-c", f"{left}; exit 3", address="")
    assert result.code == 3
    until(lambda: not alive(int(result.text)), "the background process is gone", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only there orphans become children of the broker")
def test_orphans_that_end_leave_no_zombies(start: Start) -> None:
    script = "for n in 1 2 3; do (sleep 0.05 & echo $!); done; sleep 600"
    started = start("broker", "exec", "--", "sh", "-c", script, address="")
    until(lambda: len(started.out.split()) == 3, "the orphans run")
    pids = [int(pid) for pid in started.out.split()]
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "nothing is left of them")
    started.stop()


def test_what_ignores_the_polite_signal_is_killed(run: Run) -> None:
    stubborn = "import signal, os; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True);"
    stubborn += ' open("up", "w");'
    script = f"{PYTHON} -c '{stubborn} signal.pause()' & until test -e up; do sleep 0.05; done"
    result = run("broker", "exec", "--", "sh", "-c", script, address="")
    assert result.code == 0
    until(lambda: not alive(int(result.text)), "the background process is gone", 1)


# ---- signals ----

# Says where it is and who it is, and what signals it got; a grandchild waits with it.
WITNESS = """
import os, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
def caught(signum, frame):
    os.write(1, b"got %d\\n" % signum)  # print may be under way
    if signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        sys.exit(20 + signum)
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(s, caught)
print(os.environ["KUBEMQ_ADDRESS"], os.getpid(), child.pid, flush=True)
while True:
    time.sleep(600)
"""


class Witness:
    """`broker exec` around a command that tells what happens to it."""

    def __init__(self, start: Start) -> None:
        self.started: Started = start("broker", "exec", "--", PYTHON, "-c", WITNESS, address="")
        words = self.started.wait_for_stdout(b"\n").split()
        self.address = words[0].decode()
        self.pids = [int(word) for word in words[1:3]]

    def leaves_nothing(self) -> None:
        until(lambda: not any(alive(pid) for pid in self.pids), "the command and its child are gone")
        assert not answers(self.address)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_and_nothing_is_left(signum: signal.Signals, start: Start) -> None:
    witness = Witness(start)
    assert answers(witness.address)
    witness.started.send(signum)
    ended = witness.started.wait()
    assert ended.code == 20 + signum
    assert f"got {int(signum)}".encode() in ended.out
    assert ended.err == ""
    witness.leaves_nothing()


def test_a_signal_that_ends_nothing_is_passed_on_too(start: Start) -> None:
    witness = Witness(start)
    witness.started.send(signal.SIGUSR1)
    witness.started.wait_for_stdout(b"got %d" % signal.SIGUSR1)
    with Stub(witness.address) as stub:
        assert not stub.send("q").IsError
    witness.started.stop()
    witness.leaves_nothing()


def test_a_signal_that_is_ignored_is_not_for_the_command_either(start: Start) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a child inherits that
    try:
        witness = Witness(start)
        told = f"{PYTHON} -c 'import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)'"
        inherited = start("broker", "exec", "--", "sh", "-c", told, address="").wait()
    finally:
        signal.signal(signal.SIGINT, before)
    assert inherited.out == b"True\n"
    witness.started.send(signal.SIGINT)
    witness.started.send(signal.SIGUSR1)
    witness.started.wait_for_stdout(b"got %d" % signal.SIGUSR1)
    assert b"got %d\n" % signal.SIGINT not in witness.started.stop().out


def test_a_command_that_does_not_handle_a_signal_dies_of_it(start: Start) -> None:
    started = start("broker", "exec", "--", "sh", "-c", "echo here; sleep 600; echo no", address="")
    started.wait_for_stdout(b"here")
    started.send(signal.SIGTERM)
    ended = started.wait()
    assert (ended.code, ended.out) == (143, b"here\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_even_sigkill_leaves_no_command_running(start: Start) -> None:
    witness = Witness(start)
    witness.started.send(signal.SIGKILL)
    command, grandchild = witness.pids
    until(lambda: not alive(command), "the command is gone")
    os.kill(grandchild, signal.SIGKILL)  # it is beyond the kernel's help
    assert witness.started.wait().code == 137
    assert not answers(witness.address)


def test_the_command_may_outlive_nothing_but_its_own_end(start: Start) -> None:
    """The broker goes as soon as the command does."""
    started = start("broker", "exec", "--", "sh", "-c", "echo $KUBEMQ_ADDRESS", address="")
    ended = started.wait()
    assert ended.code == 0
    assert not answers(ended.text.strip())


# Runs a command on a terminal of its own, types Ctrl-C once it has said "here", says how it ended.
TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
while b"here" not in said:
    said += os.read(terminal, 1024)
os.write(terminal, b"\\x03")
status = os.waitpid(pid, 0)[1]
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize(
    ("script", "code"),
    [("echo here; exec sleep 600", 130), ("trap 'exit 9' INT; echo here; while :; do sleep 0.05; done", 9)],
)
def test_at_a_terminal_ctrl_c_is_for_the_command_to_answer(script: str, code: int, tmp_path: Path) -> None:
    command = [PYTHON, "-m", "kubemqctl", "broker", "exec", "--", "sh", "-c", script]
    done = subprocess.run(
        [PYTHON, "-c", TERMINAL, *command], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == str(code)
