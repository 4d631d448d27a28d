"""The program in this process: thousands of command lines in the time that dozens of processes would take.

The three streams are files, as `>` would have it. A run that does not end by itself is told to, with
SIGTERM; one that does not heed that is a failure, and so is whatever a thread of it dies of.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from types import FrameType
from typing import IO, Any, NamedTuple

from kubemqctl.cli.main import main
from tests.support.terminal.in_process import streams_on

DOCUMENTED = {*range(11), 130, 141, 143}
LONGEST = 10.0
"""Seconds after which a run counts as hanging, wherever it is."""

# What a terminal would act on; line feeds are between the lines of an error.
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Hang(BaseException):
    """The command did not end. A BaseException: nothing of the program takes it for its own."""


class _Terminated(BaseException):
    """What SIGTERM does to a process that has not asked for it."""


class Ended(NamedTuple):
    """How a run ended; `was_told` when it was told to."""

    words: Sequence[str]
    code: int
    out: bytes
    err: str
    was_told: bool

    def __str__(self) -> str:
        told = ", told to" if self.was_told else ""
        return (
            f"{list(self.words)} ended with {self.code}{told}\n"
            f"--- stdout\n{self.out!r}\n--- stderr\n{self.err}"
        )


def run(
    words: Sequence[str], stdin: bytes = b"", patience: float | None = None, printing: bool = False
) -> Ended:
    """`kubemqctl WORDS`, seen to end as documented: by itself, or told to after `patience` seconds.

    With `printing`, not before it has printed something.

    Raises AssertionError for what no command line and no server may bring about.
    """
    died: list[str] = []
    told, swallowed = threading.Event(), threading.Event()
    with TemporaryFile() as in_, TemporaryFile() as out, TemporaryFile() as err:
        in_.write(stdin)
        in_.seek(0)
        streams = (file.fileno() for file in (in_, out, err))
        with streams_on(*streams), _listening_to_threads(died, swallowed):
            code = _run(list(words), patience, told, swallowed, out if printing else None)
        ended = Ended(words, code, _content(out), _content(err).decode("utf-8", "replace"), told.is_set())
    assert not died, f"{ended}\n--- a thread died of\n{died[0]}"
    _check(ended)
    return ended


def _check(ended: Ended) -> None:
    code, err = ended.code, ended.err
    assert code in DOCUMENTED, ended
    assert "Traceback" not in err, ended
    assert "bug in kubemqctl" not in err, ended
    assert "is not whole" not in err, ended
    assert code in (0, 130, 141, 143) or "error" in err or err.startswith("Usage:"), f"wrong silence: {ended}"
    assert code != 143 or ended.was_told, ended
    assert not ACTING.search(err), ended


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _run(
    words: list[str],
    patience: float | None,
    told: threading.Event,
    swallowed: threading.Event,
    awaited: IO[bytes] | None,
) -> int:
    """The exit code. `told` is set when it was told to end, `swallowed` by who sees that this was in vain.

    It is told only once `awaited` holds something.
    """
    main_thread = threading.get_ident()
    over = threading.Event()

    def tell() -> None:
        while awaited and not os.fstat(awaited.fileno()).st_size and not over.wait(0.005):
            pass
        told.set()
        swallowed.set()
        while not over.wait(0.005):
            if swallowed.is_set():
                swallowed.clear()
                os.kill(os.getpid(), signal.SIGTERM)

    def give_up() -> None:
        signal.pthread_kill(main_thread, signal.SIGUSR1)

    def terminate(signum: int, frame: FrameType | None) -> None:
        if not over.is_set():
            raise _Terminated

    def hang(signum: int, frame: FrameType | None) -> None:
        where = "".join(traceback.format_stack(frame)[-12:])
        if not over.is_set():
            raise Hang(f"{words} did not end within {LONGEST:g} s\n{where}")

    timers = [threading.Timer(LONGEST, give_up)]
    if patience is not None:
        timers.append(threading.Timer(patience, tell))
    handlers = {signal.SIGTERM: terminate, signal.SIGUSR1: hang}
    before = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        return int(main(words))
    except _Terminated:
        return 143
    except Hang as e:
        raise AssertionError(str(e)) from None
    finally:
        over.set()
        for timer in timers:
            timer.cancel()
            timer.join()
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def _listening_to_threads(died: list[str], swallowed: threading.Event) -> Iterator[None]:
    """Whatever an exception reaches that nobody waits for: threads, callbacks, destructors."""

    def note(args: Any) -> None:
        kind, error, tb = args.exc_type, args.exc_value, args.exc_traceback
        if kind is _Terminated:
            # It came while the collector had the thread, which swallows everything.
            swallowed.set()
            return
        died.append("".join(traceback.format_exception(kind, error, tb)))

    before = threading.excepthook, sys.unraisablehook
    threading.excepthook = sys.unraisablehook = note
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before
