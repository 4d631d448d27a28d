"""The line editor on a real terminal: what keys make of a line, and what is seen of it."""

from __future__ import annotations

import os
import select
import termios
from collections.abc import Callable, Iterator

import pytest

from kubemqctl.output.line_editor import LineEditor
from tests.support.terminal.pseudo_terminal import PseudoTerminal

Edit = Callable[..., list[bytes]]


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    with PseudoTerminal((30, 10)) as opened:
        yield opened


def typed(editor: LineEditor, terminal: PseudoTerminal, keys: bytes) -> list[bytes]:
    """The lines that these keys make; they come one by one, as from fingers, and at once, as from a paste."""
    found = []
    terminal.type(keys)
    while select.select([terminal.slave], [], [], 0.02)[0] and not editor.over:
        editor.read()
        while (line := editor.next()) is not None:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        (b"ack\r", [b"ack"]),
        (b"ack\nnext\n", [b"ack", b"next"]),
        (b"\r  \rack\r", [b"ack"]),
        (b"axk\x7f\x7fck\r", [b"ack"]),
        (b"ak\x1b[Dc\r", [b"ack"]),
        (b"ck\x01a\x05!\r", [b"ack!"]),
        (b"ck\x1b[Ha\x1b[F!\r", [b"ack!"]),
        (b"ack\x1bOD\x1bOD\x1b[3~\x1bOC!\r", [b"ak!"]),
        (b"old\x15ack\r", [b"ack"]),
        (b"ack that\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x0b\r", [b"ack"]),
        (b"extend 30s\x17 1m\r", [b"extend  1m"]),
        (b"ack\rnext\r\x1b[A\x1b[A\r", [b"ack", b"next", b"ack"]),
        (b"ack\r\x1b[A\x1b[B\x1b[Bnext\r", [b"ack", b"next"]),
        ("größe 東京\x7f\r".encode(), ["größe 東".encode()]),
        (b"a\x1b[5;3Rck\x07\x1b\r", [b"ack"]),
        (b"\x7f\x1b[D\x04", []),
    ],
)
def test_keys_edit_a_line(terminal: PseudoTerminal, keys: bytes, lines: list[bytes]) -> None:
    with LineEditor(terminal.slave, terminal.slave) as editor:
        editor.ask("> ")
        assert typed(editor, terminal, keys) == lines


def test_an_end_on_an_empty_line_is_the_end_and_in_a_line_deletes(terminal: PseudoTerminal) -> None:
    with LineEditor(terminal.slave, terminal.slave) as editor:
        editor.ask("> ")
        assert typed(editor, terminal, b"xack\x01\x04\r") == [b"ack"]
        assert not editor.over
        typed(editor, terminal, b"\x04")
        assert editor.over


def test_a_line_longer_than_the_terminal_shows_the_part_around_the_cursor(terminal: PseudoTerminal) -> None:
    with LineEditor(terminal.slave, terminal.slave) as editor:
        editor.ask("end> ")
        assert typed(editor, terminal, b"x" * 60 + b"tail") == []
        terminal.wait_for(lambda written: b"tail\r" in written, "the tail")
        last = terminal.written.split(b"\x1b[K")[-1].partition(b"\r")[0]
        assert last.startswith(b"end> xx")
        assert len(last) <= 30
        assert typed(editor, terminal, b"\r") == [b"x" * 60 + b"tail"]


def test_nothing_that_acts_on_the_terminal_is_echoed(terminal: PseudoTerminal) -> None:
    with LineEditor(terminal.slave, terminal.slave) as editor:
        editor.ask("> ")
        assert typed(editor, terminal, "a\x9b31m\u202eb\r".encode()) == [b"a31mb"]
        assert "\u202e".encode() not in terminal.written


def test_the_terminal_is_left_as_it_was(terminal: PseudoTerminal) -> None:
    before = termios.tcgetattr(terminal.slave)
    with LineEditor(terminal.slave, terminal.slave) as editor:
        editor.ask("> ")
        assert termios.tcgetattr(terminal.slave) != before
    assert termios.tcgetattr(terminal.slave) == before


def test_what_was_typed_can_be_forgotten(terminal: PseudoTerminal) -> None:
    with LineEditor(terminal.slave, terminal.slave) as editor:
        editor.ask("> ")
        typed(editor, terminal, b"rm -rf")
        terminal.type(b" more")
        select.select([terminal.slave], [], [], 1)
        editor.forget()
        assert typed(editor, terminal, b"ack\r") == [b"ack"]


def test_a_pipe_has_lines_and_an_end() -> None:
    reading, writing = os.pipe()
    with LineEditor(reading, writing) as editor:
        os.write(writing, b"ack\n")
        editor.read()
        assert editor.next() == b"ack"
    os.close(reading)
    os.close(writing)
