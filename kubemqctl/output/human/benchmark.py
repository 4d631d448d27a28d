"""The result of a benchmark for people: what was done, how fast, how long it took, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubemqctl.model.reports import BenchResult
from kubemqctl.model.text import count_text, escaped, latency_text, size_text
from kubemqctl.output.stderr import BLUE, BOLD, DIM, ORANGE, PLAIN, RED, ViewOptions

PERCENTILES = ("min", "p50", "p90", "p95", "p99", "p999", "max")
LIMITS = {
    "rate": "the requested rate was held",
    "tool": "limited by this program: one of its processes used {busy:.0%} of a processor; try more"
    " --producers or --consumers",
    "machine": "limited by this machine: all its processors were busy",
    "server": "limited by the server, or by the round-trip time with so few requests in flight (no process of"
    " this program used more than {busy:.0%} of a processor)",
}
EIGHTHS = " ▏▎▍▌▋▊▉█"
WIDEST_BAR = 60


def draw_bench(result: BenchResult, view: ViewOptions) -> str:
    """The whole result as text."""
    blocks = [_heading(result, view), _rates(result, view), _latencies(result, view), _bars(result, view)]
    lines = [line for block in blocks for line in [*block, ""] if block]
    return "".join(f"{line}\n" for line in [*lines, *_verdict(result, view)])


def _heading(result: BenchResult, view: ViewOptions) -> list[str]:
    said = [
        f"{count_text(result.producers, 'producer')}, {_consumers(result)}",
        f"{size_text(result.size)} a message",
    ]
    if result.batch:
        # With a rate it is what is due, mostly less.
        most = "up to " if result.target_rate and result.batch > 1 else ""
        said.append(f"{most}{count_text(result.batch, 'message')} a request")
    if result.in_flight:
        said.append(f"{result.in_flight:,} in flight")
    if result.target_rate:
        said.append(f"{result.target_rate:,.10g}/s requested")
    said.append(f"{result.elapsed / 1e9:.3g} s")
    return [view.paint(f"bench {escaped(result.pattern)}", BOLD), *_flowing(said, view)]


def _flowing(parts: Iterable[str], view: ViewOptions) -> list[str]:
    """The parts side by side, on as many lines as the width asks for."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 3 + len(part) <= view.width:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return [view.paint(line, DIM) for line in lines]


def _rates(result: BenchResult, view: ViewOptions) -> list[str]:
    what = "answered" if result.pattern in ("cmd", "query") else "received"
    rows = [(what, result.received, result.rate)]
    if what == "received":
        rows.insert(0, ("sent", result.sent, result.send_rate))
    cells = [
        (name, f"{count:,}", f"{_rate_text(rate)}/s", f"{size_text(round(rate * result.size))}/s")
        for name, count, rate in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for name, count, rate_text, size in cells:
        line = f"{name:<{widths[0]}}  {count:>{widths[1]}}  {rate_text:>{widths[2]}}"
        wide = f"{line}  {size:>{widths[3]}}"
        lines.append(wide if len(wide) <= view.width else line)
    return lines + _flaws(result, view)


def _rate_text(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:,.1f}"


def _flaws(result: BenchResult, view: ViewOptions) -> list[str]:
    """What went wrong, faint where nothing did."""
    counted: list[tuple[str, int | None, str]] = [("errors", result.errors, RED)]
    if result.pattern not in ("cmd", "query"):
        counted = [
            ("lost", result.loss, RED),
            ("doubles", result.doubles, ORANGE),
            ("out of order", result.disorder, ORANGE),
            *counted,
        ]
    parts = [
        (f"{name} {'unknown' if count is None else f'{count:,}'}", count, style)
        for name, count, style in counted
    ]
    lines: list[str] = []
    used = view.width
    for text, count, style in parts:
        painted = view.paint(text, style if count else DIM)
        if lines and used + 3 + len(text) <= view.width:
            lines[-1] += view.paint(" · ", DIM) + painted
            used += 3 + len(text)
        else:
            lines.append(painted)
            used = len(text)
    return lines


def _latencies(result: BenchResult, view: ViewOptions) -> list[str]:
    found = [(name, getattr(result, name)) for name in PERCENTILES]
    if result.p50 is None:
        return []
    cells = [(name.replace("999", "99.9"), latency_text(value)) for name, value in found]
    wide = sum(max(len(name), len(text)) + 2 for name, text in cells) <= view.width - 9
    heading = "round trip" if result.pattern in ("cmd", "query") else "latency"
    if not wide:
        return [view.paint(heading, DIM), *(f"  {name:<5} {text:>8}" for name, text in cells)]
    widths = [max(len(name), len(text)) for name, text in cells]
    names = "  ".join(f"{name:>{width}}" for (name, _), width in zip(cells, widths, strict=True))
    texts = "  ".join(f"{text:>{width}}" for (_, text), width in zip(cells, widths, strict=True))
    pad = len(heading) + 2
    return [f"{' ' * pad}{view.paint(names, DIM)}", f"{view.paint(heading, DIM)}  {texts}"]


def _bars(result: BenchResult, view: ViewOptions) -> list[str]:
    """A bar for each bound of the histogram, its length the share of the longest."""
    bars = result.histogram
    if len(bars) < 2:
        return []
    bounds = [f"≤ {latency_text(bound)}" for bound, _ in bars]
    counts = [f"{count:,}" for _, count in bars]
    left, right = max(map(len, bounds)), max(map(len, counts))
    room = min(WIDEST_BAR, view.width - left - right - 4)
    most = max(count for _, count in bars)
    return (
        [
            f"{view.paint(f'{bound:>{left}}', DIM)}  {_bar(count, most, room, view)}  {said:>{right}}"
            for (_, count), bound, said in zip(bars, bounds, counts, strict=True)
        ]
        if room >= 4
        else _without_bars(bounds, counts)
    )


def _without_bars(bounds: Sequence[str], counts: Sequence[str]) -> list[str]:
    return [f"{bound}  {count}" for bound, count in zip(bounds, counts, strict=True)]


def _bar(count: int, most: int, room: int, view: ViewOptions) -> str:
    """A bar drawn in steps of an eighth of a character; a count above 0 is always visible."""
    eighths = max(round(count / most * room * 8), 1 if count else 0)
    full, rest = divmod(eighths, 8)
    bar = "█" * full + (EIGHTHS[rest] if rest else "")
    return view.paint(bar, BLUE) + " " * (room - len(bar))


def _verdict(result: BenchResult, view: ViewOptions) -> list[str]:
    from textwrap import wrap

    said = [LIMITS[result.limit].format(busy=result.busy)] if result.limit else []
    if result.stopped:
        said.append(f"stopped early: {escaped(result.stopped)}")
    return [
        view.paint(line, ORANGE if result.stopped else PLAIN)
        for text in said
        for line in wrap(text, view.width)
    ]


def _consumers(result: BenchResult) -> str:
    return count_text(result.consumers, "consumer") if result.consumers else "the responders that are there"
