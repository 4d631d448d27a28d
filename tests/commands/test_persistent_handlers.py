"""`--persistent`: handlers that stay, a line of JSON each way."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.conformance.reading import bodies
from tests.support.program import Result, Run, Start
from tests.support.raw_grpc import COMMAND, QUERY, Stub, ask, publish
from tests.support.waiting import until

HEAD = """
import json, os, sys, time
print('{"kubemqctl": 1}')
def say(**answer): print(json.dumps(answer))
def records():
    for line in sys.stdin:
        yield json.loads(line)
"""
ACK = "for r in records(): say(sequence=r['sequence'])"


def python(tmp_path: Path, program: str, head: str = HEAD) -> list[str]:
    """The command of a handler with this program."""
    file = tmp_path / "handler.py"
    file.write_text(head + program)
    return ["--persistent", "--", sys.executable, str(file)]


def left(stub: Stub, channel: str) -> list[str]:
    waiting = sum(q.Waiting for q in stub.info(channel).Info.Queues)
    return bodies(stub.receive(channel, waiting).Messages) if waiting else []


def work(run: Run, channel: str, handler: list[str], *options: str) -> Result:
    return run("queue", "receive", channel, "--all", *options, *handler)


def test_one_process_handles_all_messages(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 100)
    log = tmp_path / "log"
    program = f"""
log = open({str(log)!r}, "a")
for r in records():
    print(os.getpid(), r["body"], file=log, flush=True)
    say(sequence=r["sequence"])
"""
    done = work(run, channel, python(tmp_path, program))
    assert (done.code, done.out) == (0, b"")
    assert "100 messages handled, 100 acknowledged" in done.err
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [body for _, body in lines] == [str(n) for n in range(1, 101)]
    assert len({pid for pid, _ in lines}) == 1
    assert left(stub, channel) == []


def test_one_process_for_each_of_the_concurrency(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 3)
    # Each waits until all three are at work.
    program = f"""
for r in records():
    open({str(tmp_path)!r} + "/at-" + str(os.getpid()), "w")
    while sum(name.startswith("at-") for name in os.listdir({str(tmp_path)!r})) < 3: time.sleep(0.01)
    say(sequence=r["sequence"])
"""
    assert work(run, channel, python(tmp_path, program), "--concurrency", "3").code == 0


def test_an_error_fails_its_message_with_its_text(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 3)
    other = f"{channel}-failed"
    program = """
for r in records():
    say(sequence=r["sequence"], **({"error": "no stock"} if r["body"] == "2" else {}))
"""
    done = work(run, channel, python(tmp_path, program), "--on-fail", f"resend={other}")
    assert done.code == 10
    assert "no stock; resent to" in done.err
    assert "2 acknowledged, 1 resent" in done.err
    (message,) = stub.receive(other, 1).Messages
    assert message.Tags["kubemqctl-error"] == "no stock"


def test_a_retry_is_no_failure(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 1)
    program = "for r in records(): say(sequence=r['sequence'], retry='1s')"
    done = work(run, channel, python(tmp_path, program))
    assert (done.code, "1 retried" in done.err) == (0, True), done.err
    (message,) = stub.receive(channel, 1, 4).Messages
    assert (message.Body, message.Tags["kubemqctl-attempts"]) == (b"1", "1")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("print('hello')", "wrote hello, which is no answer"),
        ("say(sequence=r['sequence'] + 1)", "answered another message"),
        ("say(id='x')", "answered another message"),
        ("say(sequence=r['sequence'], ok=True)", "with ok, which means nothing there"),
        ("say(sequence=r['sequence'], retry='soon')", "bad retry"),
        ("say(sequence=r['sequence'], error=5)", "no text"),
        (
            "print('broken', file=sys.stderr, flush=True); sys.exit(3)",
            "exit code 3: broken, before it answered",
        ),
        ("os.close(1); time.sleep(60)", "closed its stdout"),
    ],
)
def test_what_is_no_answer_fails_the_message_and_the_handler_is_started_anew(
    answer: str, said: str, run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 3)
    program = f"""
for r in records():
    if r["body"] == "2":
        {answer}
    else:
        say(sequence=r["sequence"])
"""
    done = work(run, channel, python(tmp_path, program))
    assert done.code == 10
    assert said in done.err
    assert "2 acknowledged, 1 rejected" in done.err
    assert left(stub, channel) == ["2"]


def test_output_while_nothing_is_asked_starts_it_anew_and_fails_nothing(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    program = f"""
open({str(pid)!r}, "a").write(f"{{os.getpid()}} ")
for r in records():
    say(sequence=r["sequence"])
    if r["body"] == "1": print("by the way")
"""
    worker = start("queue", "receive", channel, "--follow", *python(tmp_path, program))
    stub.send(channel, "1")
    until(lambda: pid.exists() and pid.read_text(), "it runs")
    first = pid.read_text().split()[0]
    until(lambda: not Path(f"/proc/{first}/exe").exists(), "it was ended")
    stub.send(channel, "2")
    until(lambda: not sum(q.Waiting for q in stub.info(channel).Info.Queues), "the second as well")
    ended = worker.stop()
    assert (ended.code, "rejected" in ended.err) == (143, False)


def test_one_over_its_time_fails_its_message(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 2)
    program = """
for r in records():
    if r["body"] == "1": time.sleep(60)
    say(sequence=r["sequence"])
"""
    done = work(run, channel, python(tmp_path, program), "--handler-timeout", "1s")
    assert (done.code, "stopped after" in done.err) == (10, True)
    assert left(stub, channel) == ["1"]


@pytest.mark.parametrize(
    ("head", "program"),
    [
        ("", "import sys; sys.exit(5)"),
        (HEAD, "next(records()); sys.exit(5)"),
        ("", "print('hello')\nimport time; time.sleep(9)"),
    ],
)
def test_one_that_ends_three_times_before_it_answers_ends_the_run(
    head: str, program: str, run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 5)
    done = work(run, channel, python(tmp_path, program, head))
    assert done.code == 10
    assert "3 times running before its first answer" in done.err
    there = left(stub, channel)
    assert sorted(there) == ["1", "2", "3", "4", "5"]


def test_ending_while_idle_is_no_failure(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 4)
    program = "r = next(records()); say(sequence=r['sequence'])"
    done = work(run, channel, python(tmp_path, program))
    assert (done.code, "4 acknowledged" in done.err) == (0, True), done.err


def test_at_the_end_its_stdin_is_closed_and_it_may_finish(
    run: Run, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 1)
    mark = tmp_path / "mark"
    done = work(run, channel, python(tmp_path, f"{ACK}\ntime.sleep(0.1); open({str(mark)!r}, 'w')"))
    assert done.code == 0
    assert mark.exists()


def test_one_that_does_not_finish_has_the_grace(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 1)
    assert work(run, channel, python(tmp_path, f"{ACK}\ntime.sleep(60)"), "--grace", "200ms").code == 0


def test_a_stop_lets_the_message_be_finished(start: Start, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.fill(channel, 2)
    at, gate = tmp_path / "at", tmp_path / "gate"
    program = f"""
for r in records():
    open({str(at)!r}, "w")
    while not os.path.exists({str(gate)!r}): time.sleep(0.01)
    say(sequence=r["sequence"])
"""
    worker = start("queue", "receive", channel, "--follow", *python(tmp_path, program))
    until(at.exists, "it is at work")
    worker.send(signal.SIGTERM)
    gate.touch()
    assert "1 message handled, 1 acknowledged" in worker.wait().err
    assert left(stub, channel) == ["2"]


def test_a_stop_gives_back_what_waits_for_one_that_is_not_ready(
    start: Start, stub: Stub, channel: str
) -> None:
    stub.send(channel, "x")
    handler = ("sh", "-c", "echo started >&2; exec cat")
    worker = start("queue", "receive", channel, "--follow", "--persistent", "--grace", "1m", "--", *handler)
    worker.wait_for_stderr("started")
    until(lambda: not stub.peek(channel).Messages, "the message is held")
    assert worker.stop().code == 143
    assert left(stub, channel) == ["x"]


def test_a_worker_that_is_killed_takes_it_along(
    start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 1)
    at = tmp_path / "at"
    program = f"for r in records():\n    open({str(at)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    worker = start("queue", "receive", channel, "--follow", *python(tmp_path, program))
    until(lambda: at.exists() and at.read_text(), "it is at work")
    worker.send(signal.SIGKILL)
    worker.wait()
    until(lambda: not Path(f"/proc/{at.read_text()}/exe").exists(), "it is gone", timeout=5)


def test_a_shell_will_do(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    handler = (
        """echo '{"kubemqctl":1}'; while read -r line; do """
        """printf '%s\\n' "$line" | sed 's/.*"sequence":\\([0-9]*\\).*/{"sequence":\\1}/'; done"""
    )
    assert work(run, channel, ["--persistent", "--", "sh", "-c", handler]).code == 0
    assert left(stub, channel) == []


@pytest.mark.parametrize("kind", ["events", "store"])
def test_events_are_answered_by_their_ids(
    kind: str, start: Start, stub: Stub, channel: str, tmp_path: Path
) -> None:
    handler = python(
        tmp_path, "for r in records(): say(id=r['id'], **({'error': 'no'} if r['body'] == '2' else {}))"
    )
    sub = start(kind, "sub", channel, "--count", "2", *handler, ready=True)
    for n in "12":
        publish(stub, channel, n, store=kind == "store")
    ended = sub.wait()
    assert ended.code == 10
    assert ended.err.endswith("2 handled, 1 failed\nerror: the handler failed for 1 of 2 events\n")


def test_a_responder_answers_with_records(start: Start, stub: Stub, channel: str, tmp_path: Path) -> None:
    program = """
for r in records():
    if r["body"] == "bad": say(id=r["id"], error="no stock")
    else: say(id=r["id"], body=r["body"].upper(), metadata="m", tags={"k": "v"})
"""
    start("query", "respond", channel, *python(tmp_path, program), ready=True)
    answer = ask(stub, QUERY, channel, b"hello")
    assert (answer.Executed, answer.Body, answer.Metadata, dict(answer.Tags)) == (
        True,
        b"HELLO",
        "m",
        {"k": "v"},
    )
    answer = ask(stub, QUERY, channel, b"bad")
    assert (answer.Executed, answer.Error) == (False, "no stock")


def test_a_command_is_answered_too(start: Start, stub: Stub, channel: str, tmp_path: Path) -> None:
    start("cmd", "respond", channel, *python(tmp_path, "for r in records(): say(id=r['id'])"), ready=True)
    assert ask(stub, COMMAND, channel, b"x").Executed


@pytest.mark.parametrize("option", [["--handler-input", "json"], ["--handler-input", "body"]])
def test_options_that_have_no_meaning_with_it_are_2(option: list[str], run: Run, channel: str) -> None:
    done = run("queue", "receive", channel, "--persistent", *option, "--", "cat", address="")
    assert (done.code, "--persistent" in done.err) == (2, True)


def test_it_needs_a_handler(run: Run, channel: str) -> None:
    assert run("queue", "receive", channel, "--persistent", address="").code == 2


def test_prefix_begins_each_line_of_stderr_with_its_message(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    done = run(
        "queue", "receive", channel, "--all", "--prefix", "--", "sh", "-c", "read n; printf 'a\\nb%s' $n >&2"
    )
    assert done.err.splitlines()[:4] == ["#1 a", "#1 b1", "#2 a", "#2 b2"]
