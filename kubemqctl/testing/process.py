"""The process behind `kubemqctl.testing.Broker`: `broker run`, until its stdin ends or it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading


def run() -> None:
    """Run the broker with the options in `sys.argv`, print its address once it is live; ends the process."""
    from kubemqctl.cli.main import main

    threading.Thread(target=_end_with_stdin, name="end with stdin", daemon=True).start()
    code = main(["broker", "run", "--ready-file", "/dev/stdout", *sys.argv[1:]])
    # As `kubemqctl` ends: everything is written and closed by now.
    os._exit(code)


def _end_with_stdin() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
