"""Records for people: a message under a header line, answers in words, lists as tables.

Whatever came from outside goes through `escaped`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kubemqctl.model.channels import ChannelInfo
from kubemqctl.model.messages import Affected, AnsweredRequest, Event, Response, SendResult
from kubemqctl.model.records import to_record
from kubemqctl.model.reports import BenchResult, Check, HealthCheck, Pong
from kubemqctl.model.text import count_text, escaped, figure_text, moment_text, second_text, span_text
from kubemqctl.output.human.message import (
    details,
    draw_body,
    draw_event,
    draw_header,
    draw_line,
    draw_message,
    published,
)
from kubemqctl.output.human.tables import (
    channel_columns,
    channel_pairs,
    draw_table,
    is_too_wide,
    record_columns,
    value_text,
)
from kubemqctl.output.stderr import BOLD, DIM, GREEN, NARROWEST, ORANGE, RED, ViewOptions


def human_renderer(
    colour: bool,
    width: int,
    now: Callable[[], int] = time.time_ns,
    spread: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[Callable[[object], bytes], Callable[[Iterable[object]], bytes]]:
    """How to draw one noun, and how to draw a finished list. `spread`: lay out the bodies that are JSON."""
    view = ViewOptions(colour, max(width, NARROWEST), now, spread, note)

    def one(noun: object) -> bytes:
        return _encoded(_DRAW.get(type(noun), draw_message)(noun, view))

    def every(nouns: Iterable[object]) -> bytes:
        listed = list(nouns)
        table = _TABLES.get(type(listed[0])) if listed else None
        return _encoded(table(listed, view)) if table else b"".join(map(one, listed))

    return one, every


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


# --- answers ---


def _draw_sent(result: SendResult, view: ViewOptions) -> str:
    where = " ".join(filter(None, (escaped(result.id), "to", escaped(result.channel))))
    if result.error:
        return draw_line(f"{view.paint('not sent', RED)} {where}: {escaped(result.error)}", view)
    now = view.now()
    due = f", delivered {moment_text(result.delayed_to, now)}" if result.delayed_to else ""
    expires = f", expires {moment_text(result.expires_at, now)}" if result.expires_at else ""
    return f"{view.paint('sent', GREEN)} {where}{view.paint(due + expires, DIM)}\n"


def _draw_response(response: Response, view: ViewOptions) -> str:
    """What a query brought; of a command, that it was executed."""
    if not response.executed:
        refused = f"{view.paint('not executed', RED)} {escaped(response.channel)}: {escaped(response.error)}"
        return draw_line(refused, view)
    if response.body or response.metadata:
        return draw_message(response, view)
    by = view.paint(f", answered by {escaped(response.client_id)}", DIM) if response.client_id else ""
    return f"{view.paint('executed', GREEN)} {escaped(response.channel)}{by}\n"


def _draw_answered(request: AnsweredRequest, view: ViewOptions) -> str:
    header = draw_header([published(request.channel), *details(request, view.now())], view)
    result = (
        view.paint("executed", GREEN)
        if request.executed
        else f"{view.paint('not executed', RED)}: {escaped(request.error)}"
    )
    return f"{header}{draw_body(request.body, view)}{draw_line(result, view)}"


def _draw_affected(noun: Affected, view: ViewOptions) -> str:
    """How many messages were moved (or would be, in a dry run), copied or acknowledged."""
    count = view.paint(count_text(noun.affected, "message"), BOLD)
    if noun.target:
        return f"{escaped(noun.channel)} to {escaped(noun.target)}: {count}\n"
    return f"{escaped(noun.channel)}: {count} acknowledged\n"


def _draw_pong(pong: Pong, view: ViewOptions) -> str:
    who = " ".join(escaped(part) for part in (pong.host or "the server", pong.version) if part)
    since = f" since {second_text(pong.started_at).replace('T', ' ')}" if pong.started_at else ""
    up = view.paint(f", up {span_text(pong.uptime)}{since}", DIM)
    return f"{who} answered in {view.paint(f'{pong.round_trip / 1e6:.3f} ms', BOLD)}{up}\n"


def _draw_bench(result: BenchResult, view: ViewOptions) -> str:
    from kubemqctl.output.human.benchmark import draw_bench

    return draw_bench(result, view)


def _draw_check(check: Check, view: ViewOptions) -> str:
    """`ok  tls  what was found`, the text beside its name where the view is wide, and what to do below it."""
    from textwrap import wrap

    indent = 27 if view.width >= 60 else 4
    texts = [escaped(check.found), *([f"→ {escaped(check.advice)}"] if check.advice else [])]
    lines = [line for text in texts for line in wrap(text, view.width - indent, break_on_hyphens=False)]
    outcome = view.paint(f"{check.status:<8}", _CHECK_STYLES[check.status])
    head = f"{outcome} {escaped(check.name)}"
    if indent == 27 and lines:
        head = f"{outcome} {escaped(check.name):<17} {lines.pop(0)}"
    return "".join(f"{line}\n" for line in [head, *(" " * indent + line for line in lines)])


_CHECK_STYLES = {"ok": GREEN, "warning": ORANGE, "failed": RED, "skipped": DIM}


def _draw_health(check: HealthCheck, view: ViewOptions) -> str:
    """`ok  orders  3 waiting, …`: the figures, and below them why it is not well."""
    record = to_record(check)
    figures = [
        f"{name.replace('_', ' ')} {figure_text(name, getattr(check, name))}"
        for name in _HEALTH_FIGURES
        if name in record
    ]
    status = view.paint(f"{check.status:<8}", _HEALTH_STYLES[check.status])
    line = f"{status} {escaped(check.name)}  {view.paint(', '.join(figures), DIM)}\n"
    return f"{line}         {escaped(check.reason)}\n" if check.reason else line


_HEALTH_FIGURES = ("waiting", "messages", "bytes", "subscribers", "oldest", "round_trip")
_HEALTH_STYLES = {"ok": GREEN, "warning": ORANGE, "critical": RED, "unknown": ORANGE}


def _draw_pairs(record: Mapping[str, object], view: ViewOptions, indent: str = "") -> str:
    """`name  value` lines, the maps within indented; a value that is too long has a line of its own."""
    from rich.cells import cell_len

    names = {name: escaped(name) for name in record}
    pad = max(map(len, names.values()), default=0)
    lines = []
    for name, value in record.items():
        label = view.paint(f"{names[name]:<{pad}}", DIM)
        if isinstance(value, dict) and value:
            lines.append(f"{indent}{label.rstrip()}\n{_draw_pairs(value, view, indent + '  ')}")
            continue
        text = value_text(value)
        fits = len(indent) + pad + 2 + cell_len(text) <= view.width
        between = "  " if fits else f"\n{indent}  "
        lines.append(f"{indent}{label}{between}{text}\n")
    return "".join(lines)


def _draw_records(records: Sequence[Mapping[str, object]], view: ViewOptions) -> str:
    """A table, or where there is no room for one the records one below the other."""
    columns = record_columns(records)
    if is_too_wide(columns, view.width):
        return "\n".join(_draw_pairs(record, view) for record in records)
    return draw_table(columns, view)


_DRAW: dict[type, Callable[[Any, ViewOptions], str]] = {
    SendResult: _draw_sent,
    Response: _draw_response,
    AnsweredRequest: _draw_answered,
    Affected: _draw_affected,
    Event: draw_event,
    Check: _draw_check,
    HealthCheck: _draw_health,
    Pong: _draw_pong,
    BenchResult: _draw_bench,
    ChannelInfo: lambda channel, view: _draw_pairs(channel_pairs(channel, view.now()), view),
    dict: _draw_pairs,
}
_TABLES: dict[type, Callable[[Any, ViewOptions], str]] = {
    ChannelInfo: lambda listed, view: draw_table(channel_columns(listed, view.now()), view),
    dict: _draw_records,
}
