"""`make demo` does what it says, and says so when it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import environment

DEMO = Path(__file__).with_name("demo.sh")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder for the front of PATH, with `kubemqctl` in it."""
    program(tmp_path / "kubemqctl", f'exec "{sys.executable}" -m kubemqctl "$@"')
    return tmp_path


def program(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def demo(path: Path) -> subprocess.CompletedProcess[str]:
    env = environment("", {"PATH": f"{path}:{os.environ['PATH']}", "TMPDIR": str(path)})
    return subprocess.run(["sh", DEMO], env=env, capture_output=True, text=True, timeout=110, check=False)


def test_the_demo_shows_every_command_and_ends_with_a_clear_line(path: Path) -> None:
    done = demo(path)
    assert done.returncode == 0, done.stderr
    assert "$ kubemqctl queue send files --file README.md --tag path=README.md\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("demo: OK, ")
    assert [left.name for left in path.iterdir()] == ["kubemqctl"]


def test_the_demo_fails_when_what_comes_back_is_not_what_was_sent(path: Path) -> None:
    program(path / "cmp", "exit 1")
    # What the program does is no matter here: it runs the script, and names the file that came.
    play = 'case "$1 $2" in "broker exec") shift 3; "$@" ;; *peek) echo README.md ;; esac'
    program(path / "kubemqctl", play)
    done = demo(path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "demo: README.md is not what was sent",
        "demo: FAILED with exit code 1.",
    ]
