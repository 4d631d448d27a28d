"""terminal."""

from __future__ import annotations

from collections.abc import Mapping


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
