"""`kubemqctl top`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.messaging.channel_rates import SORTS, ChannelRow, ChannelTable
from kubemqctl.model.channels import CHANNEL_TYPES, ChannelInfo
from kubemqctl.model.errors import KubemqctlError, UsageError
from kubemqctl.model.text import nearest, quoted
from kubemqctl.output.forms import CHANNEL_ROW
from kubemqctl.output.stderr import colour_wanted, columns, is_terminal
from kubemqctl.output.tsv import row
from kubemqctl.runtime.invocation import Invocation
from kubemqctl.runtime.waiting import StopSignal

if TYPE_CHECKING:
    from kubemqctl.client.channels import Survey
    from kubemqctl.client.connection import Client
    from kubemqctl.messaging.dashboard import Dashboard, News


SHORTEST = 0.1
LACK = "this server does not support channel requests: only its queues are shown"


def register(root: typer.Typer, only: str | None) -> None:
    """Add the command to the tree."""
    command_tree.register(root, "top", top)


def _order(text: str) -> str:
    if text not in SORTS:
        hint = nearest(text, SORTS) or f"use one of {', '.join(SORTS)}"
        raise UsageError(f"there is no column {quoted(text)}", hint=hint)
    return text


def top(
    ctx: typer.Context,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="COLUMN",
            help=f"Sort by: {', '.join(SORTS)}.",
            parser=o.valued("--sort", _order),
        ),
    ] = "in",
    filter: o.NameFilter = "",
    interval: Annotated[float, o.duration("--interval", "Time between two updates.", "1s")] = 1.0,
) -> int:
    """Show message rates and backlogs of channels, live.

    Keys: s and S sort by the next or previous column, r reverses the order, / filters by name, q quits.
    If the connection is lost, the last table stays until the server is back. In a pipe, and with -o or
    --format, one table is printed after one --interval, since rates (messages a second) need two samples.

    OUT/S counts messages that were removed from a queue, and of other channels those that were delivered.
    MESSAGES and SIZE include acknowledged messages that a server still stores; of events and requests they
    count those that have come. SUBSCRIBERS counts the consumers that the server remembers. ACTIVE is the
    time since the last activity.

    Examples:
      kubemqctl top
      kubemqctl top --sort waiting --filter orders --interval 5s
      kubemqctl top -o human | head -n 12
      kubemqctl top --sort waiting --format '{name} {waiting} {rate_in} {rate_out}'
    """
    if interval < SHORTEST:
        raise UsageError("--interval must be 100ms or more")
    run: Invocation = ctx.obj
    form = run.form()
    render = run.renderer(ChannelInfo, raw=row([*CHANNEL_ROW, "rate_in", "rate_out"]))
    table = ChannelTable(sort, filter)
    with run.client() as client, StopSignal() as stop:
        from kubemqctl.client.channels import Survey

        survey = Survey(client, CHANNEL_TYPES)
        table.take(survey.read(), time.monotonic())
        if (
            run.common.output is None
            and form.name == "human"
            and is_terminal(1)
            and run.environ.get("TERM", "dumb") != "dumb"
        ):
            return _live(run, client, survey, table, interval, stop)
        if survey.is_partial:
            run.warn(LACK)
        run.note(f"measuring rates for {interval:g} s")
        stop.wait(interval)
        stop.check()
        table.take(survey.read(), time.monotonic())
    if form.name == "human":
        notes: list[str] = []
        run.write(_plain(run, table, notes.append).encode("utf-8", "backslashreplace"))
        for text in notes:
            run.note(text)
    else:
        run.write(render.all(_measured(row) for row in table.rows()))
    return 0


def _measured(row: ChannelRow) -> ChannelInfo:
    return row.info._replace(rate_in=row.rate_in, rate_out=row.rate_out)


def _plain(run: Invocation, table: ChannelTable, note: Callable[[str], None]) -> str:
    from kubemqctl.messaging.dashboard import plain

    return plain(table, columns(1), colour_wanted(run.environ, is_terminal(1)), note)


def _live(
    run: Invocation, client: Client, survey: Survey, table: ChannelTable, interval: float, stop: StopSignal
) -> int:
    from kubemqctl.messaging.channel_rates import keys
    from kubemqctl.messaging.dashboard import Dashboard, Poller
    from kubemqctl.output.screen import Screen, keyboard

    def regain() -> None:
        client.reconnect()
        survey.start_over()

    def draw() -> None:
        board.note = "queues only: the server does not support channel requests" if survey.is_partial else ""
        screen.draw(board.lines(client.address, *screen.size))

    board = Dashboard(table, colour_wanted(run.environ, True))
    screen = Screen(stop.fd, None if run.common.no_input else keyboard(), draw)
    stop.last_acts.append(screen.give_back)
    with Poller(survey.read, regain, interval) as poller, screen:
        while not (stop or table.quit):
            draw()
            for key in keys(screen.wait(poller.wakeup.fd)):
                table.key(key)
            for news in poller.news():
                _learn(table, board, news)
    return stop.exit_code


def _learn(table: ChannelTable, board: Dashboard, news: News) -> None:
    """Take what came. An error that a later try may not meet is shown; another one ends the run."""
    if news.error is None:
        table.take(news.samples, news.at)
        board.taken, board.lost = time.time(), None
    elif isinstance(news.error, KubemqctlError) and news.error.retryable:
        board.lost = news.error
    else:
        raise news.error
