"""The README's commands, run as they stand there, each section in one shell on a broker of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import environment

README = Path(__file__).parents[1] / "README.md"
SECTIONS = (
    "A tour of queues",
    "What `receive` promises",
    "Transactions",
    "Workers and dead letters",
    "A tour of events and stored events",
    "A tour of commands and queries",
    "In CI",
)


def blocks(title: str) -> str:
    """The shell blocks of a section, one after the other."""
    section = README.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which `kubemqctl` is this checkout's."""
    program = tmp_path / "bin" / "kubemqctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kubemqctl "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.builtin
@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_of_the_readme_work_as_they_stand(title: str, path: str, tmp_path: Path) -> None:
    root = str(README.parent)
    env = environment("", {"PATH": path, "PYTHONPATH": root})
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "kubemqctl", "broker", "exec", "--", "bash", "-euxc", blocks(title)],
        env=env,
        cwd=work,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"error:" not in done.stderr.replace(b"error: nothing arrived on results", b"")


def test_the_exit_codes_of_the_readme_are_those_of_the_code() -> None:
    from kubemqctl.errors import ExitCode

    rows = re.findall(r"^\| ([\d, ]+) \|", README.read_text(), re.MULTILINE)
    told = {int(code) for row in rows for code in row.split(",")}
    assert told == {int(code) for code in ExitCode}
