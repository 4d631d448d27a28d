"""How `events pub` and `store pub` send: one by a call, many by streams, each event with an id of ours.

The server would give ids too, but of plain events it does not tell them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kubemqctl.model.messages import Message
from kubemqctl.outgoing import Outgoing, Outlet, send_many, send_one
from kubemqctl.runtime.invocation import Invocation

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.events import Upload


def publish(run: Invocation, out: Outgoing, store: bool) -> int:
    """Publish what `out` says, as plain events or stored ones; returns and raises as `queue send` does."""

    def opened(client: Client) -> Outlet:
        from kubemqctl.client import events

        def build(messages: Sequence[Message]) -> Callable[[], Upload]:
            return events.Upload(client, messages, store).begin

        return Outlet(lambda message: events.publish(client, message, store), build)

    out = out._replace(new_id=new_id)
    return (send_many if out.is_many else send_one)(run, out, opened)


def new_id() -> str:
    """22 characters, as long as the server's own ids."""
    return os.urandom(11).hex()
