"""The program on a terminal of its own, as a process."""

from __future__ import annotations

import re
import subprocess
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from tests.support.fast_start import PROGRAM, launch
from tests.support.program import environment
from tests.support.terminal.pseudo_terminal import PseudoTerminal
from tests.support.waiting import until

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"

Self = TypeVar("Self", bound="ProgramOnTerminal")


class ProgramOnTerminal(PseudoTerminal):
    """`kubemqctl ARG…` under way on a terminal of `size` (columns, lines); only stdout may be a pipe."""

    def __init__(
        self,
        folder: Path,
        address: str,
        *args: str,
        size: tuple[int, int] = (100, 12),
        env: Mapping[str, str | None] | None = None,
        piped: bool = False,
    ) -> None:
        super().__init__(size)
        self._looked_at = 0
        self.process = launch(
            [*PROGRAM, *args],
            environment(address, env),
            folder,
            stdin=self.slave,
            stdout=subprocess.PIPE if piped else self.slave,
            stderr=self.slave,
            login=True,
        )

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        if self.process.stdout:
            self.process.stdout.close()
        self.close()

    def wait_for_text(self, text: str) -> None:
        """Until `text` is written, behind what earlier calls waited for."""
        data = text.encode()
        self.wait_for(lambda written: data in written, repr(text), since=self._looked_at)
        self._looked_at = self.written.index(data, self._looked_at) + len(data)

    def end(self) -> int:
        """Its exit code, once it has ended and left the terminal as it was."""
        code = self.process.wait(20)
        assert termios.tcgetattr(self.slave) == self.settings
        until(lambda: self.written.count(ENTERED) == self.written.count(LEFT), "the screen left")
        return code

    def piped(self) -> bytes:
        """What it wrote to its stdout, once it has ended."""
        assert self.process.stdout
        return self.process.stdout.read()


class TopOnTerminal(ProgramOnTerminal):
    """A program that draws whole pages, as `top` does: what stands on the screen is read back."""

    def __init__(
        self,
        folder: Path,
        address: str,
        *args: str,
        size: tuple[int, int] = (100, 12),
        env: Mapping[str, str | None] | None = None,
    ) -> None:
        plain = {"TERM": "xterm", "NO_COLOR": "1", **(env or {})}
        super().__init__(folder, address, *args, size=size, env=plain)

    @property
    def lines(self) -> list[str]:
        """The last page that was drawn whole."""
        pages = self.written.split(b"\x1b[H")[1:]
        if not pages:
            return []
        text = pages[-1].partition(LEFT)[0].decode("utf-8", "replace")
        return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in text.split("\r\n")]

    def wait_for_line(self, pattern: str) -> list[str]:
        """The page once one of its lines holds the regular expression `pattern`."""

        def shown() -> list[str]:
            assert self.process.poll() is None, f"it has ended\n{self.written!r}"
            lines = self.lines
            return lines if any(re.search(pattern, line) for line in lines) else []

        try:
            return until(shown, f"{pattern!r} on the page", 20)
        except AssertionError as e:
            raise AssertionError(f"{e}\n" + "\n".join(self.lines)) from None
