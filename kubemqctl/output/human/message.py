"""A message for people: under a rule what is known of it, then its body.

Whatever came from outside goes through `visible`. Door to rich, which knows how wide characters are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from kubemqctl.model.messages import Event, Policy
from kubemqctl.model.text import count_text, escaped, exact_text, relative_text, size_text
from kubemqctl.output.human.json_body import laid_out
from kubemqctl.output.stderr import BLUE, BOLD, DIM, ORANGE, PLAIN, ViewOptions

HEX_BYTES = 64
RULE = "── "
INDENT = " " * len(RULE)
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
    """Where it was sent, for the head of a header."""
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
    """The details side by side, on as many lines as the width asks for; the first begins with a rule."""
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
    first = view.paint(RULE, DIM) if lines else view.paint(RULE.rstrip(), DIM)
    return first + f"\n{INDENT}".join(lines) + "\n"


# --- the body ---


def draw_body(body: bytes, view: ViewOptions) -> str:
    """Text as lines, JSON laid out where the view allows it, the rest as its first bytes in hex."""
    if not body:
        return view.paint("(no body)", DIM) + "\n"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _hex_view(body, view)
    if view.spread and (spread := laid_out(text, view)):
        return spread
    text = escaped(text, multiline=True)
    return text if text.endswith("\n") else text + "\n"


def _hex_view(body: bytes, view: ViewOptions) -> str:
    """Sixteen bytes a row, fewer on a narrow view."""
    row = next(row for row in _ROWS if view.width >= row.view)
    shown = body[:HEX_BYTES]
    lines = [_hex_row(shown[at : at + row.bytes], at, row, view) for at in range(0, len(shown), row.bytes)]
    size = f", {size_text(len(body))}" if len(body) >= 1024 else ""
    extent = f"; the first {HEX_BYTES} are shown" if len(body) > HEX_BYTES else ""
    lines.append(view.paint(f"(not UTF-8 text: {count_text(len(body), 'byte')}{size}{extent})", DIM))
    return "\n".join(lines) + "\n"


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
