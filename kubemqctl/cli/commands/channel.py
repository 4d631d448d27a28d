"""`kubemqctl channel`: list, create, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import command_tree
from kubemqctl.cli import options as o
from kubemqctl.model.channels import CHANNEL_TYPES, TYPE_OF_WORD, ChannelInfo, ChannelType, check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.text import nearest, quoted
from kubemqctl.output.forms import Renderer
from kubemqctl.output.tsv import row
from kubemqctl.runtime.invocation import Invocation

group = command_tree.CommandGroup("channel")
register = group.register
LACK = "this server does not support channel requests"


def kind(text: str) -> ChannelType:
    """A channel's type by its name or by the name of the command group that works on it."""
    if text in TYPE_OF_WORD:
        return TYPE_OF_WORD[text]
    raise UsageError(
        f"there is no channel type {quoted(text)}",
        hint=nearest(text, list(TYPE_OF_WORD))
        or f"use one of {', '.join(CHANNEL_TYPES)}; a name comes behind it",
    )


_HELP = "queues, events, events_store, commands, queries; or queue, store, cmd, query."
Type = Annotated[
    ChannelType, typer.Argument(metavar="TYPE", help=_HELP, show_default=False, parser=o.valued("TYPE", kind))
]
AnyType = Annotated[
    ChannelType | None,
    typer.Argument(metavar="[TYPE]", help=_HELP, show_default=False, parser=o.valued("TYPE", kind)),
]
Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


@group.command("list", command_tree.MetricsCommand)
def list_channels(ctx: typer.Context, type: AnyType = None, filter: o.NameFilter = "") -> None:
    """List channels with their statistics.

    Lists the channels of TYPE, or of all types. KubeMQ's community server can only list queues: without
    TYPE they are listed with a warning; with another TYPE the exit code is 2.

    WAITING counts messages of a queue that are not acknowledged yet; MESSAGES and SIZE count all that the
    server still stores, acknowledged ones included, and of events and requests those that have come.
    SUBSCRIBERS counts the consumers that the server remembers, whether or not they are connected. ACTIVE is
    whether the channel is in use now.

    Examples:
      kubemqctl channel create queues orders && kubemqctl channel list
      kubemqctl channel list queues --filter order -o json
      kubemqctl channel list --format '{type}\\t{name}\\t{messages}'
    """
    run: Invocation = ctx.obj
    render = run.renderer(ChannelInfo)
    with run.client() as client:
        from kubemqctl.client.channels import Survey

        survey = Survey(client, [type] if type else CHANNEL_TYPES)
        found = [sample.info for sample in survey.read()]
    if survey.is_partial and type:
        run.note(f"{LACK}: queues are listed by QueuesInfo")
    elif survey.is_partial:
        run.warn(f"{LACK}: only queues are listed")
    found = [info for info in found if filter in info.name]
    if not found:
        run.note_on_terminal("no channels" + (f" whose names contain {filter}" if filter else ""))
    run.write(render.all(found))


@group.command("create")
def create(ctx: typer.Context, type: Type, name: Name) -> None:
    """Create a channel.

    Channels are also created by their first use. A channel that exists stays as it is. KubeMQ's community
    server does not support this: the exit code is then 2.

    Examples:
      kubemqctl channel create queues orders
      kubemqctl channel create events_store audit.log
    """
    check_channel(name, type)
    run: Invocation = ctx.obj
    render = run.renderer(ChannelInfo, raw=row(["name"]))
    with run.client() as client:
        from kubemqctl.client import channels

        channels.check_answered(client)
        channels.create(client, type, name)
    run.write(_done("created", ChannelInfo(name, type), run, render))


@group.command("delete")
def delete(ctx: typer.Context, type: Type, name: Name, yes: o.Yes = False, confirm: o.Confirm = None) -> None:
    """Delete a channel and its messages.

    Asks for confirmation on a terminal, and needs --yes elsewhere, or --confirm NAME if the profile is
    protected. The exit code is 3 if the channel does not exist. KubeMQ's community server does not support
    this: the exit code is then 2.

    Examples:
      kubemqctl channel create queues tmp && kubemqctl channel delete queues tmp --yes
    """
    # A queue whose name has a colon cannot be received from, so that deleting it is all that is left to do.
    check_channel(name, "events")
    run: Invocation = ctx.obj
    render = run.renderer(ChannelInfo, raw=row(["name"]))
    doing = f"delete the channel {name} ({type}) and its messages"
    run.confirm(doing, name, yes=yes, confirm=confirm, protected=run.settings().protected)
    with run.client() as client:
        from kubemqctl.client import channels

        channels.check_answered(client)
        channels.delete(client, type, name)
    run.write(_done("deleted", ChannelInfo(name, type), run, render))


def _done(what: str, channel: ChannelInfo, run: Invocation, render: Renderer) -> bytes:
    """The channel as output; for people a sentence that says what was done to it."""
    if run.form().name != "human":
        return render.one(channel)
    return f"{what} {channel.name} ({channel.type})\n".encode()
