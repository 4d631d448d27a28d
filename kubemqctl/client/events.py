"""Events over the wire, plain and stored: publish one, publish many, subscribe, find the last stored one."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence

from kubemqctl.client.connection import CALL_TIMEOUT, Client, begin_ping, server_time
from kubemqctl.client.error_translation import server_error, translated
from kubemqctl.client.feed import Feed, subscribe
from kubemqctl.client.link_progress import bytes_received
from kubemqctl.client.streams import Pending
from kubemqctl.model.errors import AuthError, ConnectionLost, TimedOut, Unreachable
from kubemqctl.model.limits import STILL
from kubemqctl.model.messages import Event, Message, SendResult
from kubemqctl.model.values import Start
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

# How long a server that has an event may take to show it: seconds. On 2.4.0 it is some milliseconds.
SILENCE = 0.5
LONGEST_BASE = 80
# A link that is silent for so long is tried anew rather than waited for: seconds.
CLOCK_TIMEOUT = 8.0
# While an event that was announced is on its way, the server is asked so often whether it is there: seconds.
ASK_EVERY = 3.0


def publish(client: Client, message: Message, store: bool) -> SendResult:
    """Publish one event. Raises what the server refuses it for; what `is_unknown` leaves the outcome open."""
    request = convert.outgoing_event(message, client.client_id, store)
    answer = client.call("SendEvent", request)
    if not answer.Sent:
        raise server_error(answer.Error)
    return SendResult(answer.EventID or message.id, message.channel)


class Upload:
    """Events for a stream of their own, which ends when the server has taken them all.

    Of stored events each is answered, in order; of plain ones only those that are refused.
    """

    def __init__(self, client: Client, messages: Sequence[Message], store: bool) -> None:
        self._client = client
        self._messages = messages
        self._store = store
        self._requests = [convert.outgoing_event(m, client.client_id, store) for m in messages]
        self._answers: list[pb.Result] = []

    def begin(self) -> Upload:
        """Send them."""
        patience = CALL_TIMEOUT + len(self._requests) / 100
        size = sum(len(message.body) for message in self._messages)
        requests = iter(self._requests)
        self._call, self._judge = self._client.upload("SendEventsStream", requests, patience, size)
        return self

    def results(self) -> list[SendResult]:
        """Wait for the end; one result a message, in order. Raises why the stream broke off."""
        try:
            with translated(self._client.address):
                self._answers.extend(self._call)
        except (AuthError, Unreachable) as e:
            raise self._judge(e) from e
        if not self._store:
            return self._unrefused()
        results = self.known()
        if len(results) != len(self._messages):
            raise ConnectionLost(f"the server answered {len(results)} of {len(self._messages)} events")
        return results

    def known(self) -> list[SendResult]:
        """The results of the first messages, as many as were answered."""
        if not self._store:
            return []
        return [_result(m, a) for m, a in zip(self._messages, self._answers, strict=False)]

    def _unrefused(self) -> list[SendResult]:
        refused = {a.EventID: a for a in self._answers}
        sent = pb.Result(Sent=True)
        return [_result(m, refused.get(m.id, sent)) for m in self._messages]


def _result(message: Message, answer: pb.Result) -> SendResult:
    error = "" if answer.Sent else answer.Error or "the server gave no reason"
    return SendResult(message.id, message.channel, error=error)


def subscribe_events(client: Client, channel: str, group: str, notify: Callable[[], None]) -> Feed[Event]:
    """Plain events from now on; `channel` may have wildcards."""
    request = convert.events_subscription(channel, group, client.client_id)
    return subscribe(client, "SubscribeToEvents", request, convert.plain_event, notify)


class StoredChannel:
    """One channel of stored events, as far as reading it goes; with `group`, shared with its members.

    `look` is called while `first` waits; what it raises ends that.
    """

    def __init__(
        self, client: Client, channel: str, group: str = "", look: Callable[[], None] = lambda: None
    ) -> None:
        self.channel = channel
        self._client = client
        self._group = group
        self._look = look

    def fresh_id(self) -> str:
        """A client id that the server does not know yet, recognisable by ours.

        The server remembers a position for each id that it has seen, and takes letters, digits, - and _ only.
        """
        plain = re.sub(r"[^A-Za-z0-9_-]", "-", self._client.client_id)[:LONGEST_BASE]
        return f"{plain}-{os.urandom(6).hex()}"

    def open(self, client_id: str, start: Start, notify: Callable[[], None]) -> Feed[Event]:
        """Events from `start` on (not `ago`), or from where the server remembers the id or the group."""
        return self._open(self._group, client_id, start, notify)

    def first(self, start: Start) -> Event | None:
        """The first event from `start` on; from `last` that is the newest. None when there is none now.

        That an event takes long is no sign that there is none: the built-in broker tells how many there are,
        and server 2.4.0 answers a subscription with headers as soon as it has an event for it. Where headers
        come and no event does, it may be a server that sends them at once: the bytes of the link tell.
        """
        wakeup = threading.Event()
        feed = self._open("", self.fresh_id(), start, wakeup.set)
        heartbeat = _Heartbeat(self._client, wakeup.set)
        try:
            while not (found := feed.take()):
                heartbeat.look()
                # Half a second counts from when the server has heard of us, however far away it is.
                is_silent = heartbeat.quiet_for(SILENCE) if feed.signed is None else heartbeat.still >= STILL
                if feed.stored == 0 or (feed.stored is None and is_silent):
                    return None
                self._look()
                wakeup.wait(0.1)
                wakeup.clear()
            return found[0]
        finally:
            feed.close()

    def clock(self) -> int:
        """The server's time in Unix nanoseconds, as far as a ping shows it."""
        return server_time(self._client, CLOCK_TIMEOUT)

    def _open(self, group: str, client_id: str, start: Start, notify: Callable[[], None]) -> Feed[Event]:
        request = convert.store_subscription(self.channel, group, client_id, start)
        return subscribe(self._client, "SubscribeToEvents", request, convert.stored_event, notify)


class _Heartbeat:
    """Pings while an event is waited for. Raises TimedOut or Unreachable when the server is not there."""

    def __init__(self, client: Client, notify: Callable[[], None]) -> None:
        self._client = client
        self._notify = notify
        self.still = 0  # how often running, between two answered pings, no byte came
        self._after: int | None = None  # the bytes that had come when the last ping was answered
        self._ping: Pending | None = None
        self._first: float | None = None  # when the first one was answered; monotonic seconds
        self._due = 0.0
        self._begin()

    def look(self) -> None:
        """Look after the ping under way, begin one that is due."""
        if self._ping is None:
            if time.monotonic() >= self._due:
                self._begin()
        elif self._ping.done():
            ping, self._ping = self._ping, None
            try:
                ping.result()
                now = time.monotonic()
                self._first = self._first or now
                self._due = now + ASK_EVERY
                self._after = bytes_received(self._client.address)
            except TimedOut:
                self.still = 0
                # Its answer may stand behind a large event that is still coming.
                if bytes_received(self._client.address) == self._received:
                    raise

    def quiet_for(self, seconds: float) -> bool:
        """Whether the first ping was answered so long ago."""
        return self._first is not None and time.monotonic() >= self._first + seconds

    def _begin(self) -> None:
        self._received = bytes_received(self._client.address)
        is_still = self._after is not None and self._received == self._after
        self.still = self.still + 1 if is_still else 0
        self._ping = begin_ping(self._client, CLOCK_TIMEOUT, self._notify)
