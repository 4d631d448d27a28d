"""`python -m kubemqctl`, and the installed script."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports enum, 3 ms in which Ctrl-C shows a traceback
import gc
import os
import sys


def entry() -> None:
    """Run the command line of this process and end with its exit code."""
    _end_quietly_on_signals()
    # What start-up allocates stays, and looking through it again and again takes a tenth of its time. Who
    # runs longer begins again: `connect` and the broker.
    gc.disable()
    _occupy_standard_streams()
    try:
        from kubemqctl.cli.main import main

        code = main(sys.argv[1:])
        if code == 128 + _signal.SIGINT:
            from kubemqctl.output.stderr import end_line

            end_line()
    except ImportError as e:
        said = (
            f"error: the installation of kubemqctl is incomplete: {e}\n"
            "hint: install it again together with its dependencies\n"
        )
        os.write(2, said.encode())
        code = 1
    # Everything was written, closed and settled by now; taking the interpreter apart costs 15 ms more.
    os._exit(code)


def _end_quietly_on_signals() -> None:
    """Let a signal end the process without a word until something says what it does (StopSignal).

    Python raises KeyboardInterrupt wherever it is, also in an import or where nobody can catch it, and shows
    its traceback. And process 1, as in a container, ignores signals that it has no handler for.
    """
    for signum in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        if _signal.getsignal(signum) != _signal.SIG_IGN:
            _signal.signal(signum, _end)


def _end(signum: int, frame: object) -> None:
    # A terminal shows `^C`, and the shell would go on behind it.
    if signum == _signal.SIGINT and os.isatty(2):
        os.write(2, b"\n")
    os._exit(128 + signum)


def _occupy_standard_streams() -> None:
    """Give a closed stdin, stdout or stderr a descriptor that fails when it is used.

    The next file opened would get its number otherwise, and receive what was meant for the stream.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)


if __name__ == "__main__":
    entry()
