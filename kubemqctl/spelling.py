"""What a misspelt word was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the known one that was probably meant, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name[:60], known, n=1)
    return f"did you mean {close[0]}?" if close else ""
