"""Keys as a terminal in cbreak mode gives them; apart from what edits lines and what fills a screen."""

from __future__ import annotations

import os
import select

# How long the rest of an escape sequence may take to arrive: seconds.
_SEQUENCE = 0.05


def typed(fd: int) -> bytes:
    """What was typed at the terminal `fd`, the escape sequence of a key whole; nothing once it has hung up.

    Raises OSError.
    """
    data = os.read(fd, 4096)
    if data.endswith((b"\x1b", b"\x1b[", b"\x1bO")) and select.select([fd], [], [], _SEQUENCE)[0]:
        data += os.read(fd, 64)
    return data
