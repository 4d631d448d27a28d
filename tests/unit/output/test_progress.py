"""The progress line: only on a terminal, only in long runs, and gone without a trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from kubemqctl.messaging.input.splitting import InputBatch
from kubemqctl.output.progress import Progress
from tests.support.fake_queue_server import fake_queue_server
from tests.support.program import environment
from tests.support.terminal.pseudo_terminal import PseudoTerminal

CLEAR = b"\r\x1b[K"


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    with PseudoTerminal() as opened:
        yield opened


class Clock:
    """Passes only when it is told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def ignore(items: Sequence[int]) -> None:
    pass


def test_nothing_is_drawn_in_the_first_second(terminal: PseudoTerminal) -> None:
    clock = Clock()
    with Progress(terminal.slave, False, now=clock) as progress:
        emit = progress.around(ignore)
        for clock.time in (0, 0.5, 0.99):
            emit([1])
    assert terminal.close() == b""


def test_then_it_says_how_many_and_how_fast_and_goes_away(terminal: PseudoTerminal) -> None:
    clock = Clock()
    with Progress(terminal.slave, False, now=clock) as progress:
        clock.time = 2.0
        progress.around(ignore)([0] * 5000)
    seen = terminal.close()
    assert b"5,000 messages, 2,500/s" in seen
    assert seen.endswith(CLEAR)
    assert b"\n" not in seen


def test_a_known_size_shows_how_much_of_it_is_done(terminal: PseudoTerminal) -> None:
    clock = Clock()
    with Progress(terminal.slave, False, total=1000, between=1, now=clock) as progress:
        list(
            progress.through(
                [InputBatch([b"x" * 99] * 4, range(1, 5)), InputBatch([], []), InputBatch([b"x" * 99], [5])]
            )
        )
        clock.time = 1.0
        progress.around(ignore)([1, 2])
    # Two of the five that were read are done.
    assert b" 20 %" in terminal.close()


def test_it_is_drawn_ten_times_a_second_at_most(terminal: PseudoTerminal) -> None:
    clock = Clock()
    with Progress(terminal.slave, False, now=clock) as progress:
        emit = progress.around(ignore)
        for clock.time in (1.0, 1.01, 1.05, 1.1):
            emit([1])
    assert terminal.close().count(b"messages") == 2


def test_results_on_the_same_terminal_stand_on_lines_of_their_own(terminal: PseudoTerminal) -> None:
    clock = Clock()

    def write(items: Sequence[int]) -> None:
        os.write(terminal.slave, b"result\n")

    with Progress(terminal.slave, True, now=clock) as progress:
        emit = progress.around(write)
        for clock.time in (1.0, 1.01):
            emit([1])
    seen = re.sub(rb"\r[^\r\n]*messages, [0-9,]+/s\x1b\[K", b"<line>", terminal.close())
    assert seen == b"result\r\n<line>" + CLEAR + b"result\r\n<line>" + CLEAR


def test_what_is_said_meanwhile_stands_on_a_line_of_its_own(terminal: PseudoTerminal) -> None:
    clock = Clock()

    def say(text: str) -> None:
        os.write(terminal.slave, text.encode())

    with Progress(terminal.slave, False, now=clock) as progress:
        clock.time = 1.0
        progress.around(ignore)([1])
        progress.apart(say)("said\n")
    assert terminal.close().endswith(CLEAR + b"said\r\n")


def test_without_a_terminal_nothing_is_even_counted() -> None:
    batches = [InputBatch([b"x"], [1])]
    assert Progress(None, False).around(ignore) is ignore
    assert Progress(None, False).through(batches) is batches


def long_run(terminal: PseudoTerminal, stdin: IO[bytes], *options: str, term: str = "xterm") -> bytes:
    """What the terminal shows of a run of more than a second."""
    argv = [sys.executable, "-m", "kubemqctl", "queue", "send", "q", "--lines", "--rate", "40/s", *options]
    with fake_queue_server() as server:
        env = {**environment(server.address), "TERM": term}
        done = subprocess.run(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=terminal.slave, env=env, timeout=30, check=False
        )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 48
    return terminal.close()


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[IO[bytes]]:
    (tmp_path / "lines").write_bytes(b"x\n" * 48)
    with open(tmp_path / "lines", "rb") as file:
        yield file


def test_a_long_run_shows_it_and_ends_with_the_summary(terminal: PseudoTerminal, lines: IO[bytes]) -> None:
    seen = long_run(terminal, lines)
    assert b"messages, " in seen
    assert seen.endswith(CLEAR + b"48 sent\r\n")


def test_quiet_is_quiet(terminal: PseudoTerminal, lines: IO[bytes]) -> None:
    assert long_run(terminal, lines, "-q") == b""


def test_a_dumb_terminal_gets_the_summary_alone(terminal: PseudoTerminal, lines: IO[bytes]) -> None:
    assert long_run(terminal, lines, term="dumb") == b"48 sent\r\n"
