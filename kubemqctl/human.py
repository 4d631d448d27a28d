"""Records for people: a message under a dim header line, answers in words, lists as tables.

Whatever came from outside goes through `visible`. Door to rich, which knows how wide characters are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kubemqctl.listing import Column, channel_columns, channel_pairs, record_columns, value_text
from kubemqctl.message import (
    Affected,
    Answered,
    ChannelInfo,
    Check,
    Event,
    Policy,
    Pong,
    Response,
    SendResult,
)
from kubemqctl.quantity import count_text, moment_text, second_text, size_text, span_text
from kubemqctl.terminal import visible

HEX_BYTES = 64
NARROWEST = 20
# A first column wider than this makes way for the others before they go.
FIRST_COLUMN = 24
GAP = 2
DIM, RED, GREEN, YELLOW = "2", "31", "32", "33"


class Page(NamedTuple):
    """What is drawn on: `width` in columns, `now` in Unix nanoseconds."""

    colour: bool
    width: int
    now: Callable[[], int]

    def paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and text else text


def human_renderer(
    colour: bool, width: int, now: Callable[[], int] = time.time_ns
) -> tuple[Callable[[object], bytes], Callable[[Iterable[object]], bytes]]:
    """How to draw one noun, and how to draw a finished list."""
    page = Page(colour, max(width, NARROWEST), now)

    def one(noun: object) -> bytes:
        return _encoded(_DRAW.get(type(noun), draw_message)(noun, page))

    def every(nouns: Iterable[object]) -> bytes:
        listed = list(nouns)
        columns = _TABLES.get(type(listed[0])) if listed else None
        return _encoded(draw_table(columns(listed, page), page)) if columns else b"".join(map(one, listed))

    return one, every


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


# --- messages ---


def draw_message(noun: object, page: Page) -> str:
    """A dim header, then the body: text with its line breaks, anything else as a short hex view."""
    return _header(_details(noun, page.now()), page) + draw_body(noun.body, page)  # type: ignore[attr-defined]


def draw_event(event: Event, page: Page) -> str:
    """As a message; a plain one says where it was published, as it may have come through wildcards."""
    where = [] if event.sequence else [visible(event.channel)]
    return _header([*where, *_details(event, page.now())], page) + draw_body(event.body, page)


def _details(noun: object, now: int) -> list[str]:
    """What the header says, of whichever fields this noun has."""
    told = {name: getattr(noun, name) for name in _TOLD if getattr(noun, name, None)}
    return [part for name, value in told.items() for part in _TOLD[name](value, now)]


def _policy_details(policy: Policy, _now: int) -> Iterable[str]:
    """The expiration and delay of a policy are told by the times that came of them."""
    if policy.dead_letter:
        yield f"dead letters to {visible(policy.dead_letter)}"


_TOLD: dict[str, Callable[[Any, int], Iterable[str]]] = {
    "sequence": lambda value, now: [f"#{value}"],
    "timestamp": lambda value, now: [moment_text(value, now)],
    "receive_count": lambda value, now: [f"received {value} times"] if value > 1 else [],
    "id": lambda value, now: [f"id {visible(value)}"],
    "re_routed_from": lambda value, now: [f"re-routed from {visible(value)}"],
    "delayed_to": lambda value, now: [f"delayed, due {moment_text(value, now)}"],
    "expires_at": lambda value, now: [f"expires {moment_text(value, now)}"],
    "metadata": lambda value, now: [f"metadata {visible(value)}"],
    "tags": lambda value, now: [f"{visible(key)}={visible(text)}" for key, text in value.items()],
    "policy": _policy_details,
    "cache_hit": lambda value, now: ["from the cache"],
}


def _header(details: Sequence[str], page: Page) -> str:
    """The details side by side, on as many lines as the width asks for; the first begins with a rule."""
    from rich.cells import cell_len

    lines = ["──"]
    for detail in details:
        first = len(lines[-1]) == 2
        added = f"{lines[-1]} {detail}" if first else f"{lines[-1]} · {detail}"
        if cell_len(added) <= page.width or first:
            lines[-1] = added
        else:
            lines.append(f"   {detail}")
    return "".join(f"{page.paint(line, DIM)}\n" for line in lines)


def draw_body(body: bytes, page: Page) -> str:
    """Text as lines, everything else as its first bytes in hex and its length."""
    if not body:
        return page.paint("(no body)", DIM) + "\n"
    try:
        text = visible(body.decode(), multiline=True)
    except UnicodeDecodeError:
        return _hex_view(body, page)
    return text if text.endswith("\n") else text + "\n"


def _hex_view(body: bytes, page: Page) -> str:
    """Sixteen bytes a row, eight on a narrow page."""
    row = 16 if page.width >= 78 else 8
    shown = body[:HEX_BYTES]
    lines = [_hex_row(shown[at : at + row], at, row) for at in range(0, len(shown), row)]
    size = f", {size_text(len(body))}" if len(body) >= 1024 else ""
    extent = f"; the first {HEX_BYTES} are shown" if len(body) > HEX_BYTES else ""
    lines.append(page.paint(f"(not UTF-8 text: {count_text(len(body), 'byte')}{size}{extent})", DIM))
    return "\n".join(lines) + "\n"


def _hex_row(piece: bytes, at: int, row: int) -> str:
    halves = (piece[: row // 2].hex(" "), piece[row // 2 :].hex(" "))
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
    return f"{at:08x}  {'  '.join(halves):<{row * 3}}  |{text}|"


# --- answers ---


def _draw_sent(result: SendResult, page: Page) -> str:
    where = f"{visible(result.id)} to {visible(result.channel)}"
    if result.error:
        return f"{page.paint('not sent', RED)} {where}: {visible(result.error)}\n"
    now = page.now()
    due = f", due {moment_text(result.delayed_to, now)}" if result.delayed_to else ""
    expires = f", expires {moment_text(result.expires_at, now)}" if result.expires_at else ""
    return f"sent {where}{page.paint(due + expires, DIM)}\n"


def _draw_response(response: Response, page: Page) -> str:
    """What a query brought; of a command, that it was executed."""
    if not response.executed:
        return f"{page.paint('not executed', RED)} {visible(response.channel)}: {visible(response.error)}\n"
    if response.body or response.metadata:
        return draw_message(response, page)
    answer = f"executed {visible(response.channel)}"
    return f"{answer}{page.paint(f', answered by {visible(response.client_id)}', DIM)}\n"


def _draw_answered(request: Answered, page: Page) -> str:
    result = (
        page.paint("executed", DIM)
        if request.executed
        else f"{page.paint('not executed', RED)}: {visible(request.error)}"
    )
    header = _header([visible(request.channel), *_details(request, page.now())], page)
    return f"{header}{draw_body(request.body, page)}{result}\n"


def _draw_affected(noun: Affected, page: Page) -> str:
    target = f" to {visible(noun.target)}" if noun.target else ""
    return f"{visible(noun.channel)}{target}: {count_text(noun.affected, 'message')}\n"


def _draw_pong(pong: Pong, page: Page) -> str:
    who = " ".join(visible(part) for part in (pong.host or "the server", pong.version) if part)
    since = f" since {second_text(pong.started_at).replace('T', ' ')}" if pong.started_at else ""
    up = page.paint(f", up {span_text(pong.uptime)}{since}", DIM)
    return f"{who} answered in {pong.round_trip / 1e6:.3f} ms{up}\n"


def _draw_check(check: Check, page: Page) -> str:
    """`ok  tls  what was found`, the text beside its name where the page is wide, and what to do below it."""
    from textwrap import wrap

    indent = 27 if page.width >= 60 else 4
    texts = [visible(check.found), *([f"→ {visible(check.advice)}"] if check.advice else [])]
    lines = [line for text in texts for line in wrap(text, page.width - indent, break_on_hyphens=False)]
    outcome = page.paint(f"{check.outcome:<8}", _CHECK_STYLES[check.outcome])
    head = f"{outcome} {visible(check.name)}"
    if indent == 27 and lines:
        head = f"{outcome} {visible(check.name):<17} {lines.pop(0)}"
    return "".join(f"{line}\n" for line in [head, *(" " * indent + line for line in lines)])


_CHECK_STYLES = {"ok": GREEN, "warning": YELLOW, "failed": RED, "skipped": DIM}


def _draw_pairs(record: Mapping[str, object], page: Page, indent: str = "") -> str:
    """`name  value` lines, the maps within indented."""
    names = {name: visible(name) for name in record}
    pad = max(map(len, names.values()), default=0)
    lines = []
    for name, value in record.items():
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{page.paint(names[name], DIM)}\n{_draw_pairs(value, page, indent + '  ')}")
        else:
            lines.append(f"{indent}{page.paint(f'{names[name]:<{pad}}', DIM)}  {value_text(value)}\n")
    return "".join(lines)


# --- tables ---


def draw_table(columns: Sequence[Column], page: Page, crop: bool = False) -> str:
    """Numbers to the right, text to the left and, where it is too wide, on in the next line, never cut.

    With `crop` a row is one line, and what is too wide ends in `…`. rich is given text only, never markup.
    """
    from rich.table import Table
    from rich.text import Text

    if not columns:
        return ""
    columns = _fitting(columns, page.width)
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for column in columns:
        drawn.add_column(
            Text(column.heading.upper()),
            justify="right" if column.numeric else "left",
            overflow="ellipsis" if crop else "fold",
            no_wrap=column.numeric,
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        drawn.add_row(*(Text(cell, no_wrap=crop or None) for cell in row))
    return _printed(drawn, page)


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """`columns` without the dispensable ones for which the page is too narrow."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, [column.heading, *column.cells])) for column in columns]
    needed = sum(widths[1:], min(widths[0], FIRST_COLUMN)) + GAP * (len(columns) - 1)
    dropped = set()
    for at in sorted(range(len(columns)), key=lambda at: -columns[at].rank):
        if needed > width and columns[at].rank:
            dropped.add(at)
            needed -= widths[at] + GAP
    return [column for at, column in enumerate(columns) if at not in dropped]


def _printed(drawn: object, page: Page) -> str:
    """What rich makes of it. Height and environment are given, else it finds a width of its own."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out,
        width=page.width,
        height=25,
        color_system="standard" if page.colour else None,
        force_terminal=page.colour,
        legacy_windows=False,
        _environ={},
    )
    console.print(drawn)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


_DRAW: dict[type, Callable[[Any, Page], str]] = {
    SendResult: _draw_sent,
    Response: _draw_response,
    Answered: _draw_answered,
    Affected: _draw_affected,
    Event: draw_event,
    Check: _draw_check,
    Pong: _draw_pong,
    ChannelInfo: lambda channel, page: _draw_pairs(channel_pairs(channel, page.now()), page),
    dict: _draw_pairs,
}
_TABLES: dict[type, Callable[[Any, Page], list[Column]]] = {
    ChannelInfo: lambda listed, page: channel_columns(listed, page.now()),
    dict: lambda listed, page: record_columns(listed),
}
