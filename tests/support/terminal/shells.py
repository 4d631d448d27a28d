"""Real interactive shells on a terminal of their own, typed into as a person does, TAB included.

What counts is the command that is run in the end: a program in place of kubemqctl notes its words.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from shutil import rmtree, which

from tests.support.fast_start import launch
from tests.support.terminal.pseudo_terminal import PseudoTerminal

PROMPT = "ready> "
MORE = "more> "
RC = {
    "bash": (".bashrc", f"PS1={PROMPT!r} PS2={MORE!r}\nbind 'set enable-bracketed-paste off'\n"),
    "zsh": (".zshrc", f"PS1={PROMPT!r} PS2={MORE!r}\nautoload -Uz compinit && compinit -u {{dump}}\n"),
    "fish": (".config/fish/config.fish", f"function fish_prompt; echo -n '{PROMPT}'; end\n"),
}
COMMANDS = {
    "bash": ["bash", "--noprofile", "-i"],
    "zsh": ["zsh", "-d", "-i"],
    "fish": ["fish", "-i"],
}
# Stands where kubemqctl is looked for: notes what it was called with; what completion asks, it answers.
# A script for sh: some hundred are run, and Python would take ten times as long to start.
PROGRAM = r"""#!/bin/sh
if [ "$1" = __complete ]; then
    {answer}
    exit
fi
printf '%s\0' "$#" "$@" >>{notes}
"""
REAL = 'exec {python} -m kubemqctl "$@"'
NAMES = r"""printf '%s\n' "$2" >>{asked}
    while IFS= read -r name; do
        case $name in "$3"*) printf '%s\n' "$name" ;; esac
    done <{names}"""


class InteractiveShell(PseudoTerminal):
    """A shell under way in `folder`, its home; `names` are all channels there are, by default the server's.

    `before` stands at the head of its rc file.
    """

    def __init__(
        self,
        shell: str,
        script: str,
        folder: Path,
        env: Mapping[str, str],
        names: list[str] | None = None,
        before: str = "",
    ) -> None:
        super().__init__()
        self._notes = folder / "notes"
        self._typed_at = 0
        _furnish(shell, script, folder, self._notes, names, before)
        own = {"HOME": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "TERM": "xterm"}
        program, *options = COMMANDS[shell]
        self._process = launch(
            [which(program) or program, *options],
            {**env, **own},
            folder,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            login=True,
        )
        self._wait_for_prompt()

    def words(self, keys: str) -> list[str]:
        """What kubemqctl is called with when these keys are typed, and Enter; nothing if a quote is open."""
        before = len(self._calls())
        self._press(keys.encode() + b"\r")
        self._wait_for_shell(
            lambda written: len(self._calls()) > before or MORE.encode() in written, f"a call after {keys!r}"
        )
        if len(self._calls()) == before:
            self._interrupt()
        self._wait_for_prompt()
        return self._calls()[-1] if len(self._calls()) > before else []

    def end(self) -> None:
        """Kill it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        self.close()

    def _calls(self) -> list[list[str]]:
        text = os.fsdecode(self._notes.read_bytes()) if self._notes.exists() else ""
        *left, _ = text.split("\0")
        calls = []
        while left and len(left) > int(left[0]):
            calls.append(left[1 : 1 + int(left[0])])
            left = left[1 + int(left[0]) :]
        return calls

    def _press(self, keys: bytes) -> None:
        self._typed_at = len(self.written)
        self.type(keys)

    def _interrupt(self) -> None:
        """Ctrl-C until there is a prompt: between two lines a shell does not listen, and one is lost."""
        for _ in range(20):
            self._press(b"\x03")
            with contextlib.suppress(AssertionError):
                self._wait_for_prompt(timeout=0.5)
                return

    def _wait_for_prompt(self, timeout: float = 20.0) -> None:
        self._wait_for_shell(lambda written: PROMPT.encode() in written, "a prompt", timeout)

    def _wait_for_shell(self, met: Callable[[bytes], bool], what: str, timeout: float = 20.0) -> None:
        """Until `met` holds for what was written since keys were last pressed."""
        self.wait_for(met, what, timeout, since=self._typed_at)


@cache
def _dump() -> str:
    """What zsh knows of its completion functions, which takes it 0.3 s to gather in each start."""
    folder = tempfile.mkdtemp(prefix="zsh")
    atexit.register(rmtree, folder, ignore_errors=True)
    return f"-d {folder}/dump"


def _furnish(
    shell: str, script: str, folder: Path, notes: Path, names: list[str] | None, before: str
) -> None:
    path, text = RC[shell]
    completion = folder / "completion"
    completion.write_text(script)
    rc = folder / path
    rc.parent.mkdir(parents=True, exist_ok=True)
    # With `before`, there may be functions that others have not.
    text = text.replace("{dump}", "-D" if before else _dump())
    rc.write_text(f"{before}{text}source {completion}\n")
    program = folder / "bin" / "kubemqctl"
    program.parent.mkdir(exist_ok=True)
    (folder / "names").write_text("".join(f"{name}\n" for name in names or []))
    given = {"asked": shlex.quote(str(folder / "asked")), "names": shlex.quote(str(folder / "names"))}
    answer = REAL.format(python=sys.executable) if names is None else NAMES.format(**given)
    program.write_text(PROGRAM.format(answer=answer, notes=shlex.quote(str(notes))))
    program.chmod(0o755)


def missing(shell: str) -> str:
    """Why tests with this shell are skipped; empty when it is there."""
    return "" if which(shell) else f"{shell} is not installed here: apt-get install {shell}"
