"""`python -m kubemqctl`, and the installed script."""

from __future__ import annotations

import os
import sys


def entry() -> None:
    """Run the command line of this process and end with its exit code."""
    _occupy_standard_streams()
    try:
        from kubemqctl.cli.main import main

        code = main(sys.argv[1:])
    except ImportError as e:
        said = (
            f"error: the installation of kubemqctl is incomplete: {e}\n"
            "hint: install it again together with its dependencies\n"
        )
        os.write(2, said.encode())
        code = 1
    # Everything was written, closed and settled by now; taking the interpreter apart costs 15 ms more.
    os._exit(code)


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
