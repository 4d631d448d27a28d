"""Handlers: found, fed, listened to, timed, and ended with all that they started."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubemqctl.messaging.handlers.message_input import Executable, stdin_bytes, variables
from kubemqctl.messaging.handlers.options import find
from kubemqctl.messaging.handlers.outcomes import HandlerOutcome
from kubemqctl.messaging.handlers.pool import HandlerPool, Task, task
from kubemqctl.model.errors import HandlerFailed, NotFound
from kubemqctl.model.messages import NO_POLICY, Received
from tests.support.waiting import until

MESSAGE = Received(
    channel="orders",
    id="o-1",
    client_id="shop",
    metadata="m",
    body=b"\x00\xffbody\n",
    tags={"kind": "new", "emoji": "☂"},
    timestamp=1_700_000_000_123_456_789,
    sequence=7,
    receive_count=2,
    re_routed_from="",
    expires_at=0,
    delayed_to=0,
    policy=NO_POLICY,
)


def command(*words: str) -> Executable:
    return find(words, os.environ)


def python(program: str) -> Executable:
    return command(sys.executable, "-c", program)


def outcome_of(
    found: Executable,
    stdin: bytes = b"",
    given: Mapping[str, str] | None = None,
    timeout: float | None = None,
    kill_after: float = 0.2,
    environ: Mapping[str, str] = os.environ,
    most_output: int = 1 << 30,
) -> HandlerOutcome:
    with HandlerPool(found, 1, environ=environ, most_output=most_output) as pool:
        pool.start(Task("key", stdin, given or {}, timeout, kill_after))
        return next_outcome(pool)


def next_outcome(pool: HandlerPool) -> HandlerOutcome:
    """The next one, waited for."""
    outcome = until(lambda: next(pool.ended(), None), "an outcome", 20)
    assert outcome
    return outcome


def is_alive(pid: int) -> bool:
    """Whether the process is there and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- finding it ---


def test_a_command_is_found_in_path() -> None:
    assert os.access(command("sh", "-c", "true").path, os.X_OK)


def test_a_command_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(NotFound, match="no command no-such-thing on PATH") as e:
        command("no-such-thing")
    assert e.value.exit_code == 3


def test_a_path_that_leads_nowhere_is_not_found() -> None:
    with pytest.raises(NotFound, match=r"no command \./no/such"):
        command("./no/such")


def test_a_file_that_is_not_executable_is_refused_with_the_chmod_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "handle").write_text("#!/bin/sh\n")
    with pytest.raises(NotFound, match="not executable") as e:
        command(str(tmp_path / "handle"))
    assert e.value.hint == f"chmod +x {tmp_path}/handle"


def test_a_directory_is_no_handler(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is a directory"):
        command(str(tmp_path))


def test_an_empty_word_is_no_handler() -> None:
    with pytest.raises(NotFound, match="no command ''"):
        command("")


def test_a_file_of_this_directory_is_found_only_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handle-it").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "handle-it").chmod(0o755)
    with pytest.raises(NotFound, match=r"write \./handle-it"):
        command("handle-it")
    assert outcome_of(command("./handle-it")).exit_code == 3


# --- what it is given ---


def test_the_body_is_on_stdin_byte_for_byte_and_stdout_comes_back_so() -> None:
    body = bytes(range(256)) * 3
    assert outcome_of(command("cat"), body).stdout == body


def test_megabytes_both_ways_at_once_do_not_deadlock() -> None:
    body = os.urandom(1 << 20) * 20
    assert outcome_of(command("cat"), body).stdout == body


def test_a_handler_that_reads_nothing_of_its_input_succeeds() -> None:
    outcome = outcome_of(command("sh", "-c", "exec 0<&-; echo done"), b"x" * (4 << 20))
    assert outcome.ok
    assert outcome.stdout == b"done\n"


def test_output_that_comes_before_the_input_is_read_does_not_deadlock() -> None:
    outcome = outcome_of(command("sh", "-c", "head -c 1000000 /dev/zero; wc -c"), b"y" * 1_000_000)
    assert outcome.stdout[1_000_000:].split() == [b"1000000"]


def test_no_stdin_means_its_end_at_once() -> None:
    assert outcome_of(command("wc", "-c")).stdout.strip() == b"0"


def test_the_message_is_told_in_the_environment() -> None:
    assert variables(MESSAGE) == {
        "KUBEMQ_CHANNEL": "orders",
        "KUBEMQ_ID": "o-1",
        "KUBEMQ_METADATA": "m",
        "KUBEMQ_SEQUENCE": "7",
        "KUBEMQ_RECEIVE_COUNT": "2",
        "KUBEMQ_TIMESTAMP": "2023-11-14T22:13:20.123456789Z",
        "KUBEMQ_TAGS": '{"kind":"new","emoji":"☂"}',
    }


def test_what_a_message_does_not_have_is_empty_or_absent() -> None:
    bare = MESSAGE._replace(metadata="", tags={}, timestamp=0)
    assert variables(bare)["KUBEMQ_METADATA"] == ""
    assert variables(bare)["KUBEMQ_TAGS"] == "{}"
    assert "KUBEMQ_TIMESTAMP" not in variables(bare)


def test_a_value_that_an_environment_cannot_hold_is_left_out_and_named() -> None:
    awkward = MESSAGE._replace(metadata="a\0b", tags={"big": "x" * (100 << 10)})
    given = variables(awkward)
    assert "KUBEMQ_METADATA" not in given
    assert "KUBEMQ_TAGS" not in given
    assert given["KUBEMQ_OMITTED"] == "KUBEMQ_METADATA KUBEMQ_TAGS"


def test_the_largest_values_that_are_handed_over_do_fit() -> None:
    full = MESSAGE._replace(metadata="ü" * (50 << 10), id="x" * (100 << 10))
    program = "import os; print(len(os.environb[b'KUBEMQ_METADATA']), len(os.environb[b'KUBEMQ_ID']))"
    assert outcome_of(python(program), given=variables(full)).stdout == b"102400 102400\n"


def test_a_value_is_utf_8_whatever_the_locale_says() -> None:
    given = variables(MESSAGE._replace(metadata="☂"))
    out = outcome_of(
        command("sh", "-c", 'printf %s "$KUBEMQ_METADATA"'), given=given, environ={"LC_ALL": "C"}
    )
    assert out.stdout == "☂".encode()


def test_the_variables_of_a_handler_above_us_are_not_inherited_but_the_rest_is() -> None:
    above = {
        "PATH": os.environ["PATH"],
        "KUBEMQ_SEQUENCE": "1",
        "KUBEMQ_OMITTED": "KUBEMQ_ID",
        "KUBEMQ_ADDRESS": "here:1",
        "KUBEMQ_AUTH_TOKEN": "t",
    }
    out = outcome_of(command("env"), given={"KUBEMQ_CHANNEL": "c"}, environ=above).stdout.splitlines()
    assert b"KUBEMQ_CHANNEL=c" in out
    assert b"KUBEMQ_ADDRESS=here:1" in out
    assert b"KUBEMQ_AUTH_TOKEN=t" in out
    assert not [line for line in out if line.startswith((b"KUBEMQ_SEQUENCE", b"KUBEMQ_OMITTED"))]


def test_shell_code_in_a_message_is_never_run(tmp_path: Path) -> None:
    evil = f"$(touch {tmp_path}/evil); `touch {tmp_path}/evil`"
    run = task("k", MESSAGE._replace(metadata=evil, body=evil.encode(), tags={evil: evil}))
    assert outcome_of(command("sh", "-c", 'cat; echo "$KUBEMQ_METADATA"'), run.stdin, run.variables).ok
    assert not list(tmp_path.iterdir())


def test_the_whole_record_can_be_on_stdin() -> None:
    record = json.loads(stdin_bytes(MESSAGE, "json"))
    assert record["sequence"] == 7
    assert record["tags"] == {"kind": "new", "emoji": "☂"}
    assert record["body_base64"] == "AP9ib2R5Cg=="


def test_a_handler_has_neither_our_stdin_nor_our_terminal(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getsid(0) == os.getpid(), os.isatty(0))"
    assert outcome_of(python(program)).stdout == b"True False\n"


def test_a_handler_has_its_three_streams_and_no_other_descriptor() -> None:
    program = "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1])"
    assert outcome_of(python(program)).stdout == b"[0, 1, 2]\n"


def test_signals_that_we_ignore_are_not_ignored_by_a_handler() -> None:
    ignored = int(outcome_of(command("grep", "SigIgn", "/proc/self/status")).stdout.split()[1], 16)
    assert not [s.name for s in (signal.SIGPIPE, signal.SIGXFSZ) if ignored & 1 << s - 1]


# --- how it ends ---


def test_an_exit_code_is_the_outcome() -> None:
    outcome = outcome_of(command("sh", "-c", "exit 7"))
    assert (outcome.ok, outcome.exit_code, outcome.ending) == (False, 7, "exited")
    assert outcome.failure == "the handler ended with exit code 7"


def test_a_signal_is_the_outcome_as_a_shell_has_it() -> None:
    outcome = outcome_of(command("sh", "-c", "kill -SEGV $$"))
    assert outcome.exit_code == 139
    assert outcome.failure == "the handler ended with SIGSEGV"


def test_the_last_line_of_stderr_that_says_something_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = outcome_of(command("sh", "-c", "printf 'one\\ntwo\\n\\n  three \\n \\n' >&2"))
    assert outcome.last_line == "three"
    assert capfd.readouterr().err == "one\ntwo\n\n  three \n \n"


def test_a_last_line_without_newline_counts_and_gets_one(capfd: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(command("sh", "-c", "printf 'no newline' >&2")).last_line == "no newline"
    assert capfd.readouterr().err == "no newline\n"


def test_stderr_that_is_no_text_is_kept_readable(capfd: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(command("sh", "-c", "printf '\\377bad' >&2")).last_line == "�bad"


def test_a_line_without_end_does_not_grow_for_ever(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = outcome_of(python("import sys; sys.stderr.write('x' * 1_000_000 + 'end')"))
    assert len(outcome.last_line) < 200_000
    assert capfd.readouterr().err.replace("\n", "") == "x" * 1_000_000 + "end"


def test_stderr_of_several_is_passed_on_in_whole_lines(capfd: pytest.CaptureFixture[str]) -> None:
    script = "for i in $(seq 50); do printf aaaaaaaa >&2; printf 'bbbbbbbb\\n' >&2; done"
    with HandlerPool(command("sh", "-c", script), 4) as pool:
        for key in range(4):
            pool.start(Task(key, b"", {}))
        assert pool.wait(20)
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["aaaaaaaabbbbbbbb"] * 200


def test_stderr_comes_while_the_handler_runs(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = f"echo soon >&2; until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    with HandlerPool(command("sh", "-c", script), 1) as pool:
        pool.start(Task("k", b"", {}))
        until(lambda: capfd.readouterr().err == "soon\n", "stderr passed through")
        assert pool.under_way == 1
        (tmp_path / "go").touch()
        assert next_outcome(pool).ok


def test_what_a_handler_left_in_the_background_does_not_hold_us_up(tmp_path: Path) -> None:
    script = f"echo out; sleep 30 & echo $! > {tmp_path}/pid"
    began = time.monotonic()
    outcome = outcome_of(command("sh", "-c", script))
    assert outcome.ok
    assert outcome.stdout == b"out\n"
    assert time.monotonic() - began < 5
    pid = int((tmp_path / "pid").read_text())
    assert is_alive(pid), "it was ended, though nothing had gone wrong"
    os.kill(pid, signal.SIGKILL)


def test_output_that_follows_the_end_of_the_first_process_is_waited_for() -> None:
    outcome = outcome_of(command("sh", "-c", "(sleep 0.1; echo late) & echo early"))
    assert outcome.stdout == b"early\nlate\n"


# --- time ---


@pytest.fixture
def stubborn(tmp_path: Path) -> Executable:
    """A handler that ignores SIGTERM, as does the child that it starts; `pids` tells of both."""
    script = (
        f"trap '' TERM; sleep 60 & echo $$ $! > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pids; wait"
    )
    return command("sh", "-c", script)


def pids_in(folder: Path) -> list[int]:
    until((folder / "pids").exists, "the handler running")
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_one_over_its_time_is_asked_to_end() -> None:
    # Time enough for a busy machine to come to the trap.
    asked = command("sh", "-c", "trap 'echo asked; exit 5' TERM; sleep 30 & wait")
    outcome = outcome_of(asked, timeout=1.5, kill_after=20)
    assert (outcome.ending, outcome.exit_code, outcome.stdout) == ("timed-out", 5, b"asked\n")
    assert outcome.seconds >= 1.5
    assert outcome._replace(seconds=0.31).failure == "the handler was stopped after 300ms"


def test_one_that_does_not_listen_is_killed_with_all_it_started(stubborn: Executable, tmp_path: Path) -> None:
    outcome = outcome_of(stubborn, timeout=1.5, kill_after=0.1)
    assert (outcome.ending, outcome.exit_code) == ("timed-out", 137)
    pids = pids_in(tmp_path)
    until(lambda: not any(map(is_alive, pids)), "all of them gone")


def test_a_child_that_outlives_a_handler_over_its_time_is_killed_too(tmp_path: Path) -> None:
    script = (
        f"(trap '' TERM; exec sleep 60) & echo $! > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pids; wait"
    )
    outcome = outcome_of(command("sh", "-c", script), timeout=1.5, kill_after=30)
    assert outcome.ending == "timed-out"
    assert outcome.seconds < 15
    pids = pids_in(tmp_path)
    until(lambda: not any(map(is_alive, pids)), "all of them gone")


def test_one_that_ended_in_time_is_not_called_late() -> None:
    assert outcome_of(command("true"), timeout=20).ok


def test_more_output_than_a_message_holds_ends_the_handler() -> None:
    outcome = outcome_of(command("yes"), most_output=100_000)
    assert outcome.ending == "too-much-output"
    assert len(outcome.stdout) <= 100_000


# --- many ---


def test_as_many_run_at_a_time_as_were_asked_for(tmp_path: Path) -> None:
    count = f"ls {tmp_path} | wc -l"
    together = f"touch {tmp_path}/$$; while [ $({count}) -lt 3 ]; do sleep 0.01; done"
    script = f"{together}; sleep 0.05; {count}"
    with HandlerPool(command("sh", "-c", script), 3) as pool:
        assert pool.free == 3
        for key in range(3):
            pool.start(Task(key, b"", {}, timeout=20))
        assert pool.free == 0
        assert pool.wait(20)
        assert pool.free == 3
    assert {next_outcome(pool).stdout.strip() for _ in range(3)} == {b"3"}


def test_no_more_run_at_a_time_than_were_asked_for(tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/alone && sleep 0.05 && rmdir {tmp_path}/alone"
    with HandlerPool(command("sh", "-c", script), 1) as pool:
        for key in range(4):
            pool.start(Task(key, b"", {}))
        assert pool.wait(20)
    assert [(outcome.key, outcome.ok) for outcome in (next_outcome(pool) for _ in range(4))] == [
        (0, True), (1, True), (2, True), (3, True),
    ]  # fmt: skip


def test_outcomes_come_in_the_order_in_which_they_end(tmp_path: Path) -> None:
    script = f'read n; [ $n = 1 ] || until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo "$n"'
    with HandlerPool(command("sh", "-c", script), 2) as pool:
        pool.start(Task("slow", b"2\n", {}))
        pool.start(Task("fast", b"1\n", {}))
        assert next_outcome(pool).key == "fast"
        (tmp_path / "go").touch()
        assert next_outcome(pool).key == "slow"


def test_at_the_end_running_ones_get_their_grace(tmp_path: Path) -> None:
    pool = HandlerPool(command("sh", "-c", f"touch {tmp_path}/on; sleep 0.3; echo whole"), 1)
    pool.start(Task("k", b"", {}))
    until((tmp_path / "on").exists, "the handler running")
    pool.finish(10)
    assert next_outcome(pool).stdout == b"whole\n"


def test_after_the_grace_they_are_stopped_and_delivered(stubborn: Executable, tmp_path: Path) -> None:
    pool = HandlerPool(stubborn, 1)
    pool.start(Task("running", b"", {}, kill_after=0.1))
    pool.start(Task("waiting", b"", {}))
    pids = pids_in(tmp_path)
    pool.finish(0.1)
    outcomes = {outcome.key: outcome for outcome in (next_outcome(pool), next_outcome(pool))}
    assert outcomes["running"].ending == "stopped"
    assert (outcomes["waiting"].ending, outcomes["waiting"].seconds) == ("stopped", 0.0)
    until(lambda: not any(map(is_alive, pids)), "all of them gone")


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "no-shebang").write_text("echo hi\n")
    (tmp_path / "no-shebang").chmod(0o755)
    outcome = outcome_of(command(str(tmp_path / "no-shebang")))
    assert not outcome.ok
    assert isinstance(outcome.error, HandlerFailed)
    assert "exec format error" in outcome.failure
    assert "#!/bin/sh" in outcome.error.hint


def test_one_whose_interpreter_is_missing_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "handle").write_text("#!/no/such/interpreter\n")
    (tmp_path / "handle").chmod(0o755)
    outcome = outcome_of(command(str(tmp_path / "handle")))
    assert isinstance(outcome.error, NotFound)
    assert "interpreter" in outcome.failure


def test_no_descriptor_and_no_thread_is_left_behind() -> None:
    outcome_of(command("true"))
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert outcome_of(command("cat"), b"x").ok
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
