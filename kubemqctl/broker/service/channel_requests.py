"""Listing, creating and deleting channels, as the SDKs ask for them: queries on a channel of their own.

The commercial server answers these; the community server leaves them to time out.
"""

from __future__ import annotations

import json
from typing import Any

from kubemqctl.broker import rules
from kubemqctl.broker.events.event_store import KIND, Events, Store
from kubemqctl.broker.events.topic import Topic
from kubemqctl.broker.queues.queue import Queue
from kubemqctl.broker.queues.state import BrokerState
from kubemqctl.broker.requests import Requests
from kubemqctl.broker.storage import schema
from kubemqctl.broker.storage.journal import JournalError
from kubemqctl.broker.subscribers import Usage
from kubemqctl.model.channels import CHANNEL_TYPES
from kubemqctl.wire import kubemq_pb2 as pb

CHANNEL = "kubemq.cluster.internal.requests"
_MILLISECOND = 1_000_000  # nanoseconds: lastActivity is in Unix milliseconds


class _Refused(Exception):
    """Why a request is answered with executed=false."""


class Channels:
    """The channels of all types."""

    def __init__(self, state: BrokerState, events: Events, store: Store, requests: Requests) -> None:
        self._state = state
        self._store = store
        self._used = {
            "events": (events.usages, events.listeners),
            "commands": (requests.commands.usages, requests.commands.responders),
            "queries": (requests.queries.usages, requests.queries.responders),
        }

    async def answer(self, request: pb.Request) -> pb.Response:
        """Carry out a channel request; what cannot be done is said in the answer."""
        out = pb.Response(RequestID=request.RequestID, Timestamp=self._state.clock(), Executed=True)
        try:
            kind = request.Tags.get("channel_type", "")
            if kind not in CHANNEL_TYPES:
                raise _Refused(f"invalid channel type {kind!r}, it is one of {', '.join(CHANNEL_TYPES)}")
            if request.Metadata == "list-channels":
                out.Body = json.dumps(self.listed(kind, request.Tags.get("channel_search", ""))).encode()
            elif request.Metadata == "create-channel":
                await self._create(kind, request.Tags.get("channel", ""))
            elif request.Metadata == "delete-channel":
                await self._delete(kind, request.Tags.get("channel", ""))
            else:
                raise _Refused(f"unknown request {request.Metadata!r}")
        except (_Refused, JournalError) as e:
            out.Executed, out.Error = False, str(e)
        return out

    def listed(self, kind: str, search: str) -> list[dict[str, Any]]:
        """The channels of a type whose names hold `search`, in the shape that the SDKs read."""
        if kind == "queues":
            return [
                _queue(self._state, q) for name, q in sorted(self._state.queues.items()) if search in name
            ]
        if kind == KIND:
            return [_topic(topic) for name, topic in sorted(self._store.topics.items()) if search in name]
        usages, subscriptions = self._used[kind]
        used = usages.known()
        names = used.keys() | {name for type_, name in self._state.names if type_ == kind}
        return [
            _used(kind, name, used.get(name) or Usage(), heard=any(subscriptions.to(name)))
            for name in sorted(names)
            if search in name
        ]

    async def _create(self, kind: str, name: str) -> None:
        if refused := _bad_name(kind, name):
            raise _Refused(refused)
        if kind == "queues":
            await self._state.create_queue(name)
        elif kind == KIND:
            await self._store.create(name)
        elif (kind, name) not in self._state.names:
            channel = schema.Channel(self._state.new_number(), kind, name, 0, 0, self._state.clock(), 0)
            self._state.names[kind, name] = channel
            await self._state.journal.write([schema.channel_is(channel)])

    async def _delete(self, kind: str, name: str) -> None:
        if kind == "queues" and name in self._state.queues:
            await self._state.delete_queue(self._state.queues[name])
        elif kind == KIND and name in self._store.topics:
            await self._store.delete(name)
        elif not await self._forget(kind, name):
            raise _Refused(f"channel {name!r} of type {kind} not found")

    async def _forget(self, kind: str, name: str) -> bool:
        used = kind in self._used and self._used[kind][0].forget(name)
        created = self._state.names.pop((kind, name), None)
        if created is not None:
            await self._state.journal.write(schema.channel_gone(created.number))
        return used or created is not None


def _queue(state: BrokerState, queue: Queue) -> dict[str, Any]:
    extra = {"expired": queue.expired, "delayed": state.delays.count(queue.name)}
    handed_out = queue.last - queue.waiting
    volume = queue.bytes * handed_out // queue.last if queue.last else 0
    return {
        "name": queue.name,
        "type": "queues",
        "lastActivity": queue.last_activity // _MILLISECOND,
        "isActive": bool(queue.waiting or queue.takers),
        "incoming": {"messages": queue.last, "volume": queue.bytes, "waiting": queue.waiting, **extra},
        "outgoing": {"messages": handed_out, "volume": volume, "waiting": queue.waiting, **extra},
    }


def _topic(topic: Topic) -> dict[str, Any]:
    return _entry(
        KIND,
        topic.name,
        topic.last_at,
        active=any(reader.members for reader in topic.readers.values()),
        incoming={"messages": topic.last, "volume": topic.bytes},
        outgoing={"messages": topic.messages_out, "volume": topic.bytes_out},
    )


def _used(kind: str, name: str, usage: Usage, *, heard: bool) -> dict[str, Any]:
    responses = {} if kind == "events" else {"responses": usage.responses}
    return _entry(
        kind,
        name,
        usage.activity,
        active=heard,
        incoming={"messages": usage.messages_in, "volume": usage.bytes_in, **responses},
        outgoing={"messages": usage.messages_out, "volume": usage.bytes_out, **responses},
    )


def _entry(
    kind: str, name: str, activity: int, *, active: bool, incoming: dict[str, int], outgoing: dict[str, int]
) -> dict[str, Any]:
    # The SDKs ask for these of every type.
    none = {"waiting": 0, "expired": 0, "delayed": 0}
    return {
        "name": name,
        "type": kind,
        "lastActivity": activity // _MILLISECOND,
        "isActive": active,
        "incoming": {**none, **incoming},
        "outgoing": {**none, **outgoing},
    }


def _bad_name(kind: str, name: str) -> str:
    if kind == "queues":
        return rules.queue_name(name) or rules.unreadable(name)
    if refused := rules.channel_name(name):
        return refused
    return rules.unstorable(name) if kind == KIND else rules.too_long(name)
