"""Emptying a queue over the wire, and what of it stays because others hold it."""

from __future__ import annotations

from typing import NamedTuple

from kubemqctl.client.connection import Client
from kubemqctl.client.queues import Gauge, asked
from kubemqctl.model.errors import Partial
from kubemqctl.wire import kubemq_pb2 as pb

MOST_ACK_ALLS = 1_000


class Emptied(NamedTuple):
    """What was acknowledged of a queue, and what of it is still counted: others hold it."""

    affected: int
    left: int


def ack_all(client: Client, channel: str) -> Emptied:
    """Acknowledge what waits.

    The call always takes its whole wait, so it waits one second and is made again only while it finds some
    and what waited at the beginning is not yet gone: a busy sender must not keep us for ever. Raises Partial
    when it always finds some.
    """
    gauge = Gauge(client, channel)
    depth = gauge.read()
    request = pb.AckAllQueueMessagesRequest(ClientID=client.client_id, Channel=channel, WaitTimeSeconds=1)
    total = 0
    for _ in range(MOST_ACK_ALLS):
        answer = asked(client, "AckAllQueueMessages", request)
        total += int(answer.AffectedMessages)
        if depth is not None and depth.is_sure and total >= depth.waiting:
            return Emptied(total, 0)
        if not answer.AffectedMessages:
            now = gauge.read()
            return Emptied(total, max(0, min(depth.waiting - total, now.waiting)) if depth and now else 0)
    raise Partial(
        f"{total} acknowledged, and more messages keep arriving",
        hint="check whether something is sending to it",
    )
