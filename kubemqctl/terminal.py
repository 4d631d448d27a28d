"""Text from strangers, made safe to print on a terminal; and whether to print in colour.

Nothing here imports rich: errors go through `visible` on every command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

# What acts on a terminal or reorders, hides or splits the text around it: C0, DEL, C1, bidirectional
# marks, overrides and isolates, line and paragraph separators, fillers and invisible operators, tag
# characters, lone surrogates. The joiners U+200C and U+200D stay: Persian, Indic scripts and emoji need them.
_ACTING = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: str, multiline: bool = False) -> str:
    """`text` with every character that would act on a terminal written out, such as `\\x1b` or `\\u202e`.

    With `multiline`, line feeds and tabs stay as they are. A byte that Python could not decode is `\\xHH`.
    """
    if text.isascii() and text.isprintable():
        return text
    return _acting(multiline).sub(_written_out, text)


@lru_cache(maxsize=2)
def _acting(multiline: bool) -> re.Pattern[str]:
    return re.compile(f"(?![\n\t])[{_ACTING}]" if multiline else f"[{_ACTING}]")


def _written_out(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code < 0x100:
        return _SHORT.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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
