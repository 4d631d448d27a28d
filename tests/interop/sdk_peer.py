"""The official SDK as a process of its own: requests as JSON lines on stdin, answers as JSON lines on stdout.

Two generated copies of one proto cannot live in one process, and the SDK's protobuf is older than ours
may be; so this file runs in the SDK's environment and imports nothing of ours. Bodies are base64.

    python sdk_peer.py HOST:PORT
    {"do": "send", "message": {"channel": "q", "body": "aGk="}}
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import importlib.metadata
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

queues: Any = importlib.import_module("kubemq.queues")
pubsub: Any = importlib.import_module("kubemq.pubsub")
cq: Any = importlib.import_module("kubemq.cq")

_PROBE = b"are you live?"
_PATIENCE = 20.0  # seconds

Answer = dict[str, Any]
Messages = list[dict[str, Any]]  # a name that the method `list` does not hide


def built(kind: Any, fields: dict[str, Any]) -> Any:
    return kind(**{**fields, "body": base64.b64decode(fields.get("body", ""))})


def message(fields: dict[str, Any]) -> Any:
    return built(queues.QueueMessage, fields)


def result(r: Any) -> Answer:
    return {"id": r.id, "is_error": r.is_error, "error": r.error or ""}


def received(m: Any) -> Answer:
    return {
        "id": m.id,
        "channel": m.channel,
        "client_id": m.from_client_id,
        "metadata": m.metadata,
        "body": base64.b64encode(m.body).decode(),
        "tags": dict(m.tags),
        "sequence": m.sequence,
        "receive_count": m.receive_count,
    }


def heard(m: Any) -> Answer:
    """An event or a request as a callback got it; a stored event has a sequence too."""
    fields = {
        "id": m.id,
        "channel": m.channel,
        "client_id": m.from_client_id,
        "metadata": m.metadata,
        "body": base64.b64encode(m.body).decode(),
        "tags": dict(m.tags),
    }
    return fields | ({"sequence": m.sequence} if hasattr(m, "sequence") else {})


def response(r: Any) -> Answer:
    return {
        "executed": r.is_executed,
        "error": r.error,
        "metadata": r.metadata,
        "body": base64.b64encode(r.body).decode(),
        "tags": dict(r.tags),
        "cache_hit": getattr(r, "cache_hit", False),
    }


class Ear:
    """What a subscription's callback got, and its end."""

    def __init__(self) -> None:
        self.token = pubsub.CancellationToken()
        self.live = False
        self.errors: list[str] = []
        self._heard: list[Answer] = []
        self._news = threading.Condition()

    def hear(self, m: Any) -> None:
        with self._news:
            if m.body == _PROBE:
                self.live = True
            else:
                self._heard.append(heard(m))
            self._news.notify_all()

    def first(self, count: int) -> list[Answer]:
        with self._news:
            met = self._news.wait_for(lambda: len(self._heard) >= count, _PATIENCE)
            assert met, f"heard {len(self._heard)} of {count}; errors: {self.errors}"
            return list(self._heard)

    def until_live(self, probe: Callable[[], None]) -> None:
        """The SDK gives no sign that a subscription is live: probe until one comes through."""
        until = time.monotonic() + _PATIENCE
        while not self.live:
            assert time.monotonic() < until, f"never live; errors: {self.errors}"
            probe()
            with self._news:
                self._news.wait_for(lambda: self.live, 0.05)


def settle(poll: Any, how: str, to: str) -> None:
    """Carry out the settlement named, by the methods that a program with the SDK would call."""
    if how == "ack_all":
        poll.ack_all()
    elif how == "reject_all":
        poll.reject_all()
    elif how == "requeue_all":
        poll.re_queue_all(to)
    elif how == "close":
        poll.close_transaction()
    elif how == "ack_each":
        for m in poll.messages:
            m.ack()
    elif how == "reject_first_ack_rest":
        poll.messages[0].nack()
        for m in poll.messages[1:]:
            m.ack()


class Peer:
    """One method a request; a method's keywords are the request's other fields."""

    def __init__(self, address: str) -> None:
        self.client = queues.Client(address=address, client_id="the-sdk")
        self.pubsub = pubsub.Client(address=address, client_id="the-sdk")
        self.cq = cq.Client(address=address, client_id="the-sdk")
        self.ear = Ear()

    def versions(self) -> Answer:
        return {name: importlib.metadata.version(name) for name in ("kubemq", "protobuf")}

    def ping(self) -> Answer:
        info = self.client.ping()
        return {"host": info.host, "version": info.version}

    def send(self, message_: dict[str, Any]) -> Answer:
        """Over QueuesUpstream."""
        return result(self.client.send_queue_message(message(message_)))

    def send_unary(self, message_: dict[str, Any]) -> Answer:
        return result(self.client.send_queue_message_simple(message(message_)))

    def send_batch(self, messages: Messages) -> Answer:
        sent = self.client.send_queue_messages_batch([message(m) for m in messages])
        return {"have_errors": sent.have_errors, "results": [result(r) for r in sent.results]}

    def receive(self, channel: str, count: int, how: str, to: str = "", wait: int = 1) -> Answer:
        """Over QueuesDownstream; `wait` in seconds."""
        poll = self.client.receive_queue_messages(
            channel=channel, max_messages=count, wait_timeout_in_seconds=wait, auto_ack=how == "auto"
        )
        assert not poll.is_error, poll.error
        messages = [received(m) for m in poll.messages]
        settle(poll, how, to)
        # The SDK sends a settlement without waiting; an answered request behind it proves that it was read.
        if how not in ("auto", "hold") and messages:
            poll.get_active_offsets()
        return {"messages": messages}

    def peek(self, channel: str, count: int) -> Answer:
        seen = self.client.peek_queue_messages(channel, count, 1)
        return {"bodies": [base64.b64encode(m.body).decode() for m in seen.messages]}

    def ack_all(self, channel: str) -> Answer:
        return {"affected": self.client.ack_all_queue_messages(channel, wait_time_seconds=1)}

    def create(self, channel: str) -> Answer:
        return {"ok": self.client.create_queues_channel(channel)}

    def delete(self, channel: str) -> Answer:
        return {"ok": self.client.delete_queues_channel(channel)}

    def list(self, search: str) -> Answer:
        found = self.client.list_queues_channels(search)
        return {"channels": [{"name": c.name, "type": c.type, "active": c.is_active} for c in found]}

    def publish(self, messages: Messages) -> Answer:
        """Over one SendEventsStream."""
        for fields in messages:
            self.pubsub.publish_event(built(pubsub.EventMessage, fields))
        return {}

    def store(self, messages: Messages) -> Answer:
        sent = [self.pubsub.send_event_store(built(pubsub.EventStoreMessage, fields)) for fields in messages]
        return {"results": [{"id": r.id, "sent": r.sent, "error": r.error or ""} for r in sent]}

    def listen(self, channel: str, group: str = "") -> Answer:
        """Subscribe to events; live on return."""
        self.ear = ear = Ear()
        subscription = pubsub.EventsSubscription(
            channel=channel,
            group=group or None,
            on_receive_event_callback=ear.hear,
            on_error_callback=ear.errors.append,
        )
        self.pubsub.subscribe_to_events(subscription, ear.token)
        probe = pubsub.EventMessage(channel=channel.replace(">", "probe"), body=_PROBE)
        ear.until_live(lambda: self.pubsub.publish_event(probe))
        return {}

    def listen_to_store(self, channel: str, start: str, sequence: int = 0, group: str = "") -> Answer:
        """Subscribe to a store from a place in it, named as the SDK names it."""
        self.ear = ear = Ear()
        subscription = pubsub.EventsStoreSubscription(
            channel=channel,
            group=group or None,
            events_store_type=pubsub.EventStoreStartPosition[start],
            events_store_sequence_value=sequence,
            on_receive_event_callback=ear.hear,
            on_error_callback=ear.errors.append,
        )
        self.pubsub.subscribe_to_events_store(subscription, ear.token)
        return {}

    def heard(self) -> Answer:
        """What was heard so far."""
        return {"heard": self.ear.first(0)}

    def hang_up(self, count: int) -> Answer:
        """What was heard, `count` at least, and the end of the subscription."""
        try:
            return {"heard": self.ear.first(count)}
        finally:
            self.ear.token.cancel()

    def command(self, message_: dict[str, Any]) -> Answer:
        return response(self.cq.send_command(built(cq.CommandMessage, message_)))

    def query(self, message_: dict[str, Any]) -> Answer:
        return response(self.cq.send_query(built(cq.QueryMessage, message_)))

    def respond_to_commands(self, channel: str, error: str = "") -> Answer:
        """Say yes to every command, or refuse it with `error`; live on return."""
        self.ear = ear = Ear()

        def answer(m: Any) -> None:
            ear.hear(m)
            self.cq.send_response_message(
                cq.CommandResponse(command_received=m, is_executed=not error, error=error)
            )

        subscription = cq.CommandsSubscription(
            channel=channel, on_receive_command_callback=answer, on_error_callback=ear.errors.append
        )
        self.cq.subscribe_to_commands(subscription, ear.token)
        self._until_responding(lambda: cq.CommandMessage(channel=channel, body=_PROBE, timeout_in_seconds=1))
        return {}

    def respond_to_queries(self, channel: str, error: str = "") -> Answer:
        """Answer every query with its body backwards, metadata and tags as they came; live on return."""
        self.ear = ear = Ear()

        def answer(m: Any) -> None:
            ear.hear(m)
            reply = {"body": m.body[::-1], "metadata": m.metadata, "tags": m.tags}
            self.cq.send_response_message(
                cq.QueryResponse(query_received=m, is_executed=not error, error=error, **reply)
            )

        subscription = cq.QueriesSubscription(
            channel=channel, on_receive_query_callback=answer, on_error_callback=ear.errors.append
        )
        self.cq.subscribe_to_queries(subscription, ear.token)
        self._until_responding(lambda: cq.QueryMessage(channel=channel, body=_PROBE, timeout_in_seconds=1))
        return {}

    def _until_responding(self, probe: Callable[[], Any]) -> None:
        def ask() -> None:
            request = probe()
            send = self.cq.send_command if isinstance(request, cq.CommandMessage) else self.cq.send_query
            # One that came too early is answered by the server, that nobody was there.
            with contextlib.suppress(Exception):
                send(request)

        self.ear.until_live(ask)


def main() -> None:
    peer = Peer(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        do = getattr(peer, request.pop("do"))
        try:
            answer: Answer = {"answer": do(**request)}
        except Exception as error:
            answer = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    for client in (peer.client, peer.pubsub, peer.cq):
        client.close()


if __name__ == "__main__":
    main()
