"""`kubemqctl store copy`: stored events to another channel, perhaps on another server."""

from __future__ import annotations

from typing import Annotated

import typer

from kubemqctl.cli import options as o
from kubemqctl.model.channels import check_channel
from kubemqctl.model.errors import UsageError
from kubemqctl.model.values import End, Start, check_order
from kubemqctl.runtime.invocation import Invocation

Target = Annotated[str, typer.Argument(metavar="TARGET", show_default=False)]


def copy(
    ctx: typer.Context,
    channel: o.Channel,
    target: Target,
    start: o.FromFirst = None,
    until: o.Until = None,
    follow: Annotated[bool, typer.Option("--follow", help="Keep copying what is published.")] = False,
    checkpoint: o.CheckpointFile = None,
    where: o.Where = None,
    decode: o.Decode = None,
    proto_set: o.ProtoSet = "",
    proto_type: o.ProtoType = "",
    rate: o.Rate = None,
    to_profile: o.ToProfile = None,
    ready_file: o.ReadyFile = None,
) -> int:
    """Copy stored events to another channel, perhaps on another server.

    Order, ID, body, metadata and tags stay the same. Copies from the first event, or --from, up to what is
    stored when the run begins, or --until; with --follow it goes on until it is stopped. With --checkpoint
    the position is saved in FILE once the target has confirmed an event, and the next run continues there.
    With --where, only events for which all conditions hold are copied; what --decode makes of a body is for
    the conditions alone. Prints how many events were copied.

    With --to-profile, TARGET is a channel of that profile's server. A server that is lost is waited for.
    No event is missing in the target; up to 500, the batch in flight when its connection breaks or the
    command is killed, can be there twice.

    Examples:
      kubemqctl store copy orders orders.test --from -100
      kubemqctl store copy orders orders --to-profile staging --where 'tags.kind=new'
      kubemqctl store copy orders orders --to-profile backup --follow --checkpoint orders.position
    """
    from kubemqctl.messaging.encodings import Protobuf
    from kubemqctl.messaging.events.copy import CopyOptions, copy_events
    from kubemqctl.messaging.events.subscribe import StoreOptions, SubscribeOptions
    from kubemqctl.messaging.message_view import message_view
    from kubemqctl.model.messages import Event

    run: Invocation = ctx.obj
    for name in (channel, target):
        check_channel(name, "events_store")
    if channel == target and to_profile is None:
        raise UsageError(f"source and target are the same channel: {channel}")
    if follow and until:
        raise UsageError("--follow and --until cannot be used together")
    begin = start or Start("first")
    end = None if follow else until or End("now")
    if until:
        check_order(begin, until)
    view = message_view(Event, where or [], decode or [], Protobuf(proto_set, proto_type), run.warn)
    return copy_events(
        run,
        SubscribeOptions(channel, view=view, ready_file=ready_file),
        StoreOptions(begin, end, checkpoint=checkpoint),
        CopyOptions(target, to_profile, rate, follow),
    )
