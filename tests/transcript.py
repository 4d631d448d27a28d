"""README.md as a transcript: its blocks, run on terminals of 80 columns, and what they print.

`python -m tests.transcript [SECTION…]` takes the outputs of the README anew from real runs. An output that
differs only in times, ids and other things that change from run to run stays as it is.

A comment before a block says how it is run:
  <!-- another terminal -->     beside the blocks that follow it, on a terminal of its own
  <!-- not run: why -->         not at all
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.program import environment
from tests.support.server import start_broker
from tests.support.terminal.bash import PATIENCE, BashOnTerminal
from tests.support.waiting import until

README = Path(__file__).parents[1] / "README.md"
# What a reader has who followed the README, and what stands for it in a run.
TOLD_ADDRESS = "localhost:50000"

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_HEADING = re.compile(r"^##+ (.*)$", re.M)


class Block(NamedTuple):
    """A fenced block of the README; `span` is where its text stands in the file."""

    section: str
    language: str
    note: str
    text: str
    span: tuple[int, int]

    @property
    def commands(self) -> list[str]:
        """What is typed: behind `$ `, and behind `> ` as long as a command goes on."""
        return [command for command, _ in self.turns]

    @property
    def turns(self) -> list[tuple[str, str]]:
        """Each command with the output that stands beneath it."""
        found = re.findall(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", self.text, re.M)
        return [(command.rstrip("\n").replace("\n> ", "\n"), output) for command, output in found]

    @property
    def is_run(self) -> bool:
        return self.language in ("console", "sh") and not self.note.startswith("not run: ")

    @property
    def likeness(self) -> list[tuple[str, list[str]]]:
        """Each command with what of its output is compared."""
        return [(command, alike(command, output)) for command, output in self.turns]

    def told(self, turns: list[tuple[str, str]]) -> str:
        """The block's text with these outputs."""
        return "".join(
            "$ " + command.replace("\n", "\n> ") + "\n" + output + "\n" * (output[-1:] not in ("", "\n"))
            for command, output in turns
        )


def blocks(text: str) -> list[Block]:
    """All fenced blocks, in order."""
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(_without_blocks(text))]
    return [
        Block(
            next((title for at, title in reversed(headings) if at < found.start()), ""),
            found["language"],
            found["note"] or "",
            found["text"],
            found.span("text"),
        )
        for found in _BLOCK.finditer(text)
    ]


def _without_blocks(text: str) -> str:
    """The text with its blocks blanked: a comment of a script is no heading."""
    return _BLOCK.sub(lambda found: " " * len(found[0]), text)


def sections(text: str) -> dict[str, list[Block]]:
    """The blocks of each section that has something to run, by its heading."""
    found: dict[str, list[Block]] = {}
    for block in blocks(text):
        if block.is_run:
            found.setdefault(block.section, []).append(block)
    return found


# ---- what changes from run to run ----

_VARYING = (
    (r"\b(127\.0\.0\.1|localhost):\d+", TOLD_ADDRESS),
    (r"\b(Linux|macOS)-[\w.-]+", "PLATFORM"),
    (r"\bkubemqctl-(bench-)?[a-z0-9]{12}\b", "CLIENT"),
    (r"\b[0-9A-Za-z]{22}\b", "ID"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b(now|(\d+[dhms] )?\d+[dhms] ago) \(TIME\)", "AGO (TIME)"),
    (r"\bin (\d+[dhms] )?\d+[dhms] \(TIME\)", "SOON (TIME)"),
    (r"\b(\d+[dhms] )?\d+[dhms] ago\b|\bnow$", "AGO"),
    (r"\bup (\d+[dhms] ?)+", "up SPAN"),
)


def alike(command: str, output: str) -> list[str]:
    """The words of an output, line by line, with all that varies replaced.

    Where the programs of a pipe write to one terminal, which of them comes first is nobody's promise.
    """
    for pattern, word in _VARYING:
        output = re.sub(pattern, word, output, flags=re.M)
    # What of a message's header still fits on its first line depends on how long ago it was sent.
    output = re.sub(r"^── .*(\n── .*)+", lambda found: found[0].replace("\n── ", " · "), output, flags=re.M)
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    return sorted(lines) if " | " in command else lines


# ---- playing a section ----


class Played(NamedTuple):
    """A block as it stands in the README, and as it would after this run."""

    block: Block
    now: Block


# Before the channel that a command names, whose first word is what the others of its section begin with.
_BEFORE_A_CHANNEL = r"(?:kubemqctl (?:queue|events|store|cmd|query) [a-z]+|expect [a-z]+|--dead-letter|--to)"
_CHANNEL = re.compile(rf"{_BEFORE_A_CHANNEL} '?([a-z]+)")


class Stage:
    """Where sections are played: a folder, a server's address, and `kubemqctl` on the PATH.

    `ending`, some letters, is added to the channels' names: a server that keeps what is on them is played on
    many times.
    """

    def __init__(self, folder: Path, address: str, section: list[Block], ending: str = "") -> None:
        program = folder / "bin" / "kubemqctl"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kubemqctl "$@"\n')
        program.chmod(0o755)
        self.address = address
        self.section = section
        self.ending = ending
        self.channels = {name for block in section for name in _CHANNEL.findall(block.text)}
        self.folder = folder / "work"
        self.folder.mkdir()
        path = f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        # A section that names the address is told of it in no other way.
        address = "" if any(TOLD_ADDRESS in block.text for block in section) else address
        self.env = environment(address, {"PATH": path, "PYTHONPATH": str(README.parent)})

    def play(self) -> Iterator[Played]:
        """Run the section's blocks in order, each as its note says."""
        beside: list[tuple[Block, BashOnTerminal]] = []
        with contextlib.ExitStack() as stack:
            # Short, as a real one is: paths in tables break where a reader's would.
            self.home = stack.enter_context(tempfile.TemporaryDirectory(prefix="ada", dir="/tmp"))
            self.env = {name: value for name, value in self.env.items() if not name.startswith("XDG_")}
            self.env["HOME"] = self.home
            front = stack.enter_context(BashOnTerminal(self.folder, self.env))
            for block in self.section:
                if block.note == "another terminal":
                    beside.append((block, self._beside(block, stack)))
                elif block.language == "console":
                    yield Played(block, block._replace(text=self._run(front, block)))
                else:
                    self.run("bash", "-euo", "pipefail", "-c", self._real(block.text))
            for block, terminal in beside:
                yield Played(block, block._replace(text=self._outcome(block, terminal)))

    def _run(self, terminal: BashOnTerminal, block: Block) -> str:
        turns: list[tuple[str, str]] = []
        commands = block.commands
        for command, following in zip(commands, [*commands[1:], ""], strict=True):
            terminal.begin(self._real(command))
            output, code = terminal.end()
            assert code == 0 or following == "echo $?", f"{command} ended with {code}:\n{output}"
            turns.append((command, self._told(output)))
        return block.told(turns)

    def _beside(self, block: Block, stack: contextlib.ExitStack) -> BashOnTerminal:
        """A terminal on which the block's only command runs; a subscriber is live."""
        (command,) = block.commands
        terminal = stack.enter_context(BashOnTerminal(self.folder, self.env))
        live = self.folder / f"live-{time.monotonic_ns()}"
        subscriber = re.compile(r"^(kubemqctl \w+ (?:sub|respond))\b")
        terminal.begin(self._real(subscriber.sub(rf"\1 --ready-file {live}", command)))
        if subscriber.match(command):
            until(live.exists, f"{command} live", PATIENCE)
            live.unlink()
        return terminal

    def _outcome(self, block: Block, terminal: BashOnTerminal) -> str:
        """What it printed, once it has ended."""
        output, _ = terminal.end()
        return block.told([(block.commands[0], self._told(output))])

    def run(self, *command: str) -> str:
        """What a command printed, which must end with 0; nothing that it started outlives it."""
        printed = self.folder.parent / "printed"
        with printed.open("wb") as file:
            process = subprocess.Popen(
                command,
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            code = process.wait(2 * PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        text = printed.read_text(errors="replace")
        assert code == 0, f"{' '.join(command)}\nended with {code}:\n{text}"
        return text

    def _real(self, text: str) -> str:
        """The text with the real address and channels."""
        text = text.replace(TOLD_ADDRESS, self.address)
        for name in self.channels:
            text = re.sub(rf"\b{name}\b", name + self.ending, text)
        return text

    def _told(self, text: str) -> str:
        host = re.escape(socket.gethostname())
        for real, told in (
            (re.escape(self.address), TOLD_ADDRESS),
            (re.escape(self.home), "/home/ada"),
            (rf"\b{host}(?=,? (version )?kubemqctl-\d)", "adas-pc"),
            (re.escape(platform.platform()), "Linux-6.1.0-x86_64-with-glibc2.36"),
        ):
            text = re.sub(real, told, text)
        return text.replace(self.ending, "")


def renewed(text: str, played: list[Played]) -> str:
    """The README with what was printed, where that differs from what stands there."""
    for one in sorted(played, key=lambda one: one.block.span, reverse=True):
        if one.now.likeness != one.block.likeness:
            start, end = one.block.span
            text = text[:start] + one.now.text + text[end:]
    return text


def _main(wanted: list[str]) -> None:
    text = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        broker = start_broker(Path(name))
        try:
            played = [
                one
                for at, (title, section) in enumerate(sections(text).items())
                if not wanted or title in wanted
                for one in Stage(Path(name) / str(at), broker.address, section).play()
            ]
        finally:
            broker.stop()
    README.write_text(renewed(text, played), encoding="utf-8")


if __name__ == "__main__":
    _main(sys.argv[1:])
