"""A message for people: behind a rule what is known of it, then its body, indented.

Whatever came from outside goes through `escaped`. Only lines of ours begin in the first column, so no body
can pass for a header; on a terminal its long lines are folded here, since the terminal would go on in the
first column. Door to rich, which knows how wide characters are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kubemqctl.model.messages import Event, Policy
from kubemqctl.model.text import count_text, escaped, exact_text, relative_text, size_text
from kubemqctl.output.human.json_body import laid_out
from kubemqctl.output.stderr import BLUE, BOLD, DIM, ORANGE, PLAIN, ViewOptions

HEX_BYTES = 64
RULE = "── "
INDENT = "  "
"""What every line of a body begins with."""
# One thing that a header tells: pieces of text, each with its style.
Detail = Sequence[tuple[str, str]]


def draw_message(noun: Any, view: ViewOptions) -> str:
    """A header, then the body: text with its line breaks, anything else as a short hex view."""
    return draw_header(details(noun, view.now()), view) + draw_body(noun.body, view)


def draw_event(event: Event, view: ViewOptions) -> str:
    """As a message; a plain one says where it was published, as it may have come through wildcards."""
    where = [] if event.sequence else [published(event.channel)]
    return draw_header([*where, *details(event, view.now())], view) + draw_body(event.body, view)


def published(channel: str) -> Detail:
    """The channel of an event, which begins its header."""
    return [(escaped(channel), BOLD)]


# --- the header ---


def details(noun: object, now: int) -> list[Detail]:
    """What the header says, of whichever fields this noun has; `now` in Unix nanoseconds."""
    told = {name: getattr(noun, name) for name in _TOLD if getattr(noun, name, None)}
    return [part for name, value in told.items() for part in _TOLD[name](value, now)]


def _moment(value: int, now: int, label: str = "") -> list[Detail]:
    return [[(label, DIM), (relative_text(value, now), PLAIN), (f" ({exact_text(value)})", DIM)]]


def _policy(policy: Policy, _now: int) -> Iterable[Detail]:
    """The expiration and delay of a policy are told by the times that came of them."""
    if policy.dead_letter:
        yield [("dead letters to ", DIM), (escaped(policy.dead_letter), PLAIN)]


_TOLD: dict[str, Callable[[Any, int], Iterable[Detail]]] = {
    "sequence": lambda value, now: [[(f"#{value}", BOLD)]],
    "timestamp": _moment,
    "received_at": _moment,
    "receive_count": lambda value, now: [[(f"received {value} times", ORANGE)]] if value > 1 else [],
    "id": lambda value, now: [[(f"id {escaped(value)}", DIM)]],
    "re_routed_from": lambda value, now: [[(f"re-routed from {escaped(value)}", ORANGE)]],
    "delayed_to": lambda value, now: _moment(value, now, "delayed, due "),
    "expires_at": lambda value, now: _moment(value, now, "expires "),
    "metadata": lambda value, now: [[("metadata ", DIM), (escaped(value), PLAIN)]],
    "tags": lambda value, now: [
        [(escaped(key), BLUE), ("=", DIM), (escaped(text), PLAIN)] for key, text in value.items()
    ],
    "policy": _policy,
    "cache_hit": lambda value, now: [[("from the cache", ORANGE)]],
}


def draw_header(parts: Sequence[Detail], view: ViewOptions) -> str:
    """The details side by side, on as many lines as the width asks for; each line begins with a rule."""
    from rich.cells import cell_len

    lines: list[str] = []
    used = view.width
    for detail in parts:
        width = sum(cell_len(text) for text, _ in detail)
        painted = "".join(view.paint(text, style) for text, style in detail)
        if lines and used + 3 + width <= view.width:
            lines[-1] += view.paint(" · ", DIM) + painted
            used += 3 + width
        else:
            lines.append(painted)
            used = len(RULE) + width
    rule = view.paint(RULE, DIM)
    goes_on = f"\n{' ' * len(RULE)}"
    folded = (goes_on.join(_folded(line, view.width - len(RULE), view)) for line in lines)
    return "".join(f"{rule}{line}\n" for line in folded) or f"{view.paint(RULE.rstrip(), DIM)}\n"


# --- the body ---


def draw_body(body: bytes, view: ViewOptions) -> str:
    """Text as lines, JSON laid out where the view allows it, the rest as its first bytes in hex."""
    if not body:
        return view.paint("(no body)", DIM) + "\n"
    inner = view._replace(width=view.width - len(INDENT))
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _indented(_hex_view(body, inner), inner) + _hex_note(body, view)
    spread = laid_out(text, inner) if view.spread else None
    return _indented(spread or escaped(text, multiline=True), inner)


def _indented(text: str, view: ViewOptions) -> str:
    """The lines of `text`, folded on a terminal; there are `view.width` columns for them."""
    lines = text.removesuffix("\n").split("\n")
    folded = (piece for line in lines for piece in _folded(line, view.width, view))
    return "".join(f"{INDENT}{line}\n" if line else "\n" for line in folded)


def draw_line(text: str, view: ViewOptions) -> str:
    """A line of ours that ends in a stranger's words: on a terminal it goes on indented."""
    return f"\n{INDENT}".join(_folded(text, view.width - len(INDENT), view)) + "\n"


_STYLE_OR_CHARACTER = re.compile(r"\x1b\[[0-9;]*m|.", re.DOTALL)


def _folded(line: str, width: int, view: ViewOptions) -> Iterator[str]:
    """A line that may have styles of ours in it: on a terminal in pieces of at most `width` columns."""
    from rich.cells import cell_len

    # Nothing is wider than two columns but a tab, which ends at the next multiple of eight.
    if not view.spread or (2 * len(line) <= width and "\t" not in line):
        yield line
        return
    line = line.expandtabs()
    if "\x1b" not in line:
        yield from _plain_pieces(line, width)
        return
    piece, used = "", 0
    for match in _STYLE_OR_CHARACTER.finditer(line):
        columns = 0 if match[0][0] == "\x1b" else cell_len(match[0])
        if used + columns > width:
            yield piece
            piece, used = "", 0
        piece += match[0]
        used += columns
    yield piece


def _plain_pieces(line: str, width: int) -> Iterator[str]:
    """As many characters at a time as may fit, or half of them, which always do: a body can have 100 MB."""
    from rich.cells import cell_len

    at = 0
    while at < len(line):
        piece = line[at : at + width]
        if not piece.isascii() and cell_len(piece) > width:
            piece = piece[: max(1, width // 2)]
        yield piece
        at += len(piece)


def _hex_view(body: bytes, view: ViewOptions) -> str:
    """Sixteen bytes a row, fewer on a narrow view."""
    row = next(row for row in _ROWS if view.width >= row.view)
    shown = body[:HEX_BYTES]
    return "\n".join(
        _hex_row(shown[at : at + row.bytes], at, row, view) for at in range(0, len(shown), row.bytes)
    )


def _hex_note(body: bytes, view: ViewOptions) -> str:
    size = f", {size_text(len(body))}" if len(body) >= 1024 else ""
    extent = f"; the first {HEX_BYTES} are shown" if len(body) > HEX_BYTES else ""
    return view.paint(f"(not UTF-8 text: {count_text(len(body), 'byte')}{size}{extent})", DIM) + "\n"


class _Row(NamedTuple):
    """How a row of bytes is drawn on a view of at least so many columns; `digits` are the offset's."""

    view: int
    bytes: int
    digits: int
    has_text: bool = True


_ROWS = (_Row(78, 16, 8), _Row(46, 8, 8), _Row(40, 8, 2), _Row(0, 4, 2, False))


def _hex_row(piece: bytes, at: int, row: _Row, view: ViewOptions) -> str:
    offset = view.paint(f"{at:0{row.digits}x}", DIM)
    half = row.bytes // 2
    octets = f"{piece[:half].hex(' ')}  {piece[half:].hex(' ')}".rstrip()
    if not row.has_text:
        return f"{offset}  {octets}"
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
    return f"{offset}  {octets:<{row.bytes * 3}}  {view.paint(f'|{text}|', DIM)}"
