"""bash on a terminal of its own, given one command after the other: what a reader of the README would see."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.terminal.pseudo_terminal import PseudoTerminal

COLUMNS, LINES = 80, 40
# Seconds; everything that a terminal is waited for has this bound.
PATIENCE = 30.0

# Takes NUL-ended commands from descriptor 9 and runs them on the terminal $1, whose session it leads; after
# each one it says how it ended. A Ctrl-C is for the command.
_SHELL = r"""
exec 0<>"$1" 1>&0 2>&0
trap : INT
while IFS= read -r -d '' command <&9; do
    (exit $code)
    eval "$command" 9<&-
    code=$?
    printf '\036%d\036' "$code"
done
"""
_ENDED = re.compile(rb"\x1e(\d+)\x1e")


class BashOnTerminal(PseudoTerminal):
    """bash under way in `folder`. A context manager."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__((COLUMNS, LINES))
        read, self._commands = os.pipe()
        self._process = subprocess.Popen(
            [
                "bash",
                "--noprofile",
                "--norc",
                "-c",
                f"exec 9<&{read} {read}<&-; code=0;{_SHELL}",
                "bash",
                os.ttyname(self.slave),
            ],
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            pass_fds=[read],
            start_new_session=True,
        )
        os.close(read)
        # Where what the current command has written begins.
        self._begun = 0

    def __enter__(self) -> BashOnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._commands)
        if self._process.poll() is None:
            self.type(b"\x03")
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        self.close()

    def begin(self, command: str) -> None:
        """Start a command."""
        os.write(self._commands, command.encode() + b"\0")

    def end(self) -> tuple[str, int]:
        """What the command printed, and its exit code."""
        self.wait_for(_ENDED.search, "the end of the command", PATIENCE, since=self._begun)
        output, code, _ = _ENDED.split(self.written[self._begun :], maxsplit=1)
        self._begun += len(output) + len(code) + 2
        return _shown(output.decode(errors="replace")), int(code)


def _shown(text: str) -> str:
    """What stays on the screen: no colours, and of a line that was drawn over its last state."""
    plain = re.sub(r"\x1b\[[0-9;?]*m", "", text).replace("\r\n", "\n")
    lines = [re.split(r"\r|\x1b\[2?K", line.rstrip("\r"))[-1].rstrip() for line in plain.split("\n")]
    return "\n".join(lines)
