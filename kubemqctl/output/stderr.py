"""Errors and notes on stderr, and the styles that output is drawn in.

Colours mean something: red failed, orange needs a look, green is well, grey is beside the point. All are
of the 256 that no theme changes, and of a middle brightness: the terminal's own sixteen are made for one
background (yellow cannot be read on white, nor blue on black), and "faint" is anything or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.limits import MOST_NAMED
from kubemqctl.model.text import escaped
from kubemqctl.output.stderr_writer import STDERR

NARROWEST = 20
T = TypeVar("T")
PLAIN, BOLD, DIM = "", "1", "38;5;244"
RED, GREEN, ORANGE = "38;5;196", "38;5;64", "38;5;166"
BLUE, PURPLE = "38;5;31", "38;5;133"


class ViewOptions(NamedTuple):
    """`width` in columns, `now` in Unix nanoseconds; `spread`: whether a body may be laid out to be read.

    `note` takes what a reader must know of the view itself, such as columns for which it has no room.
    """

    colour: bool
    width: int
    now: Callable[[], int]
    spread: bool = False
    note: Callable[[str], None] = lambda text: None

    def paint(self, text: str, style: str) -> str:
        """`text` in a style, where there are any."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and style and text else text


class FirstFew(Generic[T]):
    """Says the first MOST_NAMED of many things of one kind, and counts the rest.

    `more` is how many were not said: `rest` tells it at the end.
    """

    def __init__(self, say: Callable[[T], None]) -> None:
        self.more = 0
        self._say = say
        self._said = 0

    def __call__(self, what: T, count: int = 1) -> None:
        """Say it, unless enough of them were; it stands for `count` of what `more` counts."""
        if self._said < MOST_NAMED:
            self._said += 1
            self._say(what)
        else:
            self.more += count

    def rest(self, say: Callable[[str], None], words: str = "more") -> None:
        """Say how many were not said, if any: `3 more`."""
        if self.more:
            say(f"{self.more} {words}")


def is_terminal(fd: int) -> bool:
    """Whether `fd` is open and a terminal."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def columns(fd: int) -> int:
    """How wide the terminal `fd` is; 80 where that is not known."""
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80


def colours_errors(environ: Mapping[str, str]) -> bool:
    """Whether what is said on stderr is in colour."""
    return colour_wanted(environ, is_terminal(2))


def say(line: str) -> None:
    """Write a line to stderr, if there is anybody."""
    if STDERR.within_line:
        STDERR.within_line = False
        line = f"\n{line}" if line else ""
    STDERR.put(line.encode("utf-8", "backslashreplace") + b"\n")


def prompt(question: str) -> None:
    """Write a question to stderr, for an answer on the same line."""
    STDERR.put(question.encode("utf-8", "backslashreplace"))


def interrupted() -> None:
    """Ctrl-C came, of which a terminal shows `^C`: what is said next begins on a line of its own."""
    STDERR.within_line = is_terminal(2)


def end_line() -> None:
    """The last word is said: what the shell shows next is to begin on a line of its own, too."""
    if STDERR.within_line:
        say("")


def report(error: KubemqctlError, *, as_json: bool = False, verbose: bool = False) -> None:
    """Print an error on stderr: for people, or as one JSON object."""
    if as_json:
        say(error_json(error))
    else:
        say(error_text(error, verbose, colours_errors(os.environ)))


# --- errors ---


def error_text(error: KubemqctlError, verbose: bool, colour: bool = False) -> str:
    """`error: …` and, where there is one, `hint: …`: one line each, with no newline at the end.

    With `verbose`, the gRPC status and the server's own words as well, where they say more.
    """
    lines = [f"{label('error', RED, colour)} {escaped(error.message)}"]
    if verbose:
        lines[0] += _server_words(error)
    if error.hint:
        lines.append(f"{label('hint', BLUE, colour)} {escaped(error.hint)}")
    return "\n".join(lines)


def label(word: str, style: str, colour: bool) -> str:
    """What a line on stderr begins with: `warning:`."""
    return f"\x1b[{BOLD};{style}m{word}:\x1b[0m" if colour else f"{word}:"


def _server_words(error: KubemqctlError) -> str:
    words = error.server_message if error.server_message not in error.message else ""
    said = ": ".join(escaped(part) for part in (error.grpc_status, words) if part)
    return f" [{said}]" if said else ""


def error_json(error: KubemqctlError) -> str:
    """One JSON object on one line, all keys always there, for programs that read stderr."""
    import json

    return json.dumps(
        {
            "error": error.code,
            "message": error.message,
            "hint": error.hint,
            "exit_code": int(error.exit_code),
            "retryable": error.retryable,
            "grpc_status": error.grpc_status,
            "server_message": error.server_message,
        }
    )


def colour_wanted(environ: Mapping[str, str], stream_is_terminal: bool) -> bool:
    """Whether to colour: NO_COLOR beats FORCE_COLOR, which beats TERM=dumb and what the stream is.

    Either variable counts when it is set to anything but the empty string; `FORCE_COLOR=0` is a no.
    """
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR")
    if forced:
        return forced not in ("0", "false")
    return stream_is_terminal and environ.get("TERM") != "dumb"
