"""The channel of a benchmark: a new one, or one that nobody uses; deleted at the end if it can be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kubemqctl.model.channels import ChannelType
from kubemqctl.model.errors import KubemqctlError, NotFound, Unsupported, UsageError
from kubemqctl.model.values import Start

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


PREFIX = "kubemqctl-bench-"
USED = "use another --channel, or none: then a new one is used"


def fresh_name() -> str:
    """A channel name that is not used yet: it ends with random characters."""
    return PREFIX + os.urandom(6).hex()


class BenchChannel:
    """A context manager around a run. `given`: the name is a user's, so that it may be in use.

    Raises UsageError for a channel in which there is something, or that somebody listens to. One that was
    there before is left there, and one that is to be used as it is (`existing`) is not even looked at.
    """

    def __init__(
        self,
        client: Client,
        kind: ChannelType,
        channel: str,
        given: bool,
        note: Callable[[str], None],
        existing: bool = False,
    ) -> None:
        self._client = client
        self._kind = kind
        self._channel = channel
        self._given = given
        self._note = note
        self._was_there = False
        self._existing = existing
        self.was_used = True  # False once it is known that the server has let us do nothing there

    def __enter__(self) -> BenchChannel:
        if self._given and not self._existing:
            self._check()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.was_used or self._existing:
            return
        try:
            self._clean()
        except KubemqctlError as e:
            self._note(f"the channel {self._channel} may still exist: {e.message}")

    def _check(self) -> None:
        from kubemqctl.client import events, queues
        from kubemqctl.client.channels import Survey

        try:
            found = [
                s.info for s in Survey(self._client, [self._kind]).read() if s.info.name == self._channel
            ]
        except Unsupported:
            found = []
        self._was_there = bool(found)
        if self._kind == "queues":
            depth = queues.Gauge(self._client, self._channel).read()
            if depth and depth.waiting:
                raise UsageError(
                    f"the queue {self._channel} has {depth.waiting:,} waiting messages", hint=USED
                )
        elif self._kind == "events_store":
            if events.StoredChannel(self._client, self._channel).first(Start("last")):
                raise UsageError(f"{self._channel} has stored events", hint=USED)
        elif any(info.active for info in found):
            raise UsageError(f"{self._channel} has subscribers", hint=USED)

    def _clean(self) -> None:
        if not self._was_there and self._deleted():
            return
        if self._kind == "queues":
            self._empty()
        if not self._was_there and self._kind in ("queues", "events_store"):
            self._note(
                f"this server cannot delete channels: {self._channel} stays until the server removes it"
            )

    def _deleted(self) -> bool:
        """Delete the channel; False on a server that does not delete channels."""
        from kubemqctl.client import channels

        try:
            channels.check_answered(self._client)
            channels.delete(self._client, self._kind, self._channel)
        except NotFound:
            return True
        except Unsupported:
            return False
        return True

    def _empty(self) -> None:
        """Acknowledge the messages that an interrupted run has left in the queue."""
        from kubemqctl.client import emptying, queues

        depth = queues.Gauge(self._client, self._channel).read()
        if depth is None or depth.waiting:
            emptying.ack_all(self._client, self._channel)
