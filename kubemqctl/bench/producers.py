"""Sending as a benchmark does, one function a pattern: the calls that a program of a user would make.

Each sends what its schedule says until there is no more, and puts down in its recorder what became of it.
It raises what makes going on useless.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kubemqctl.bench.recorder import Recorder
from kubemqctl.bench.workload import MEASURED, Due, Schedule, Workload
from kubemqctl.client import queues, requests
from kubemqctl.client.connection import Client
from kubemqctl.client.error_translation import server_error, translated
from kubemqctl.client.requests import Kind
from kubemqctl.model.errors import ConnectionLost, KubemqctlError, NotReady, Refused
from kubemqctl.model.messages import Message, Request
from kubemqctl.wire import convert
from kubemqctl.wire import kubemq_pb2 as pb

# A stream of events may last: seconds.
LONGEST = 30 * 86_400.0
# How often one that waits for room looks whether the run was stopped, and how long a server that is not
# ready is left alone: seconds.
LOOK, PAUSE = 0.1, 0.1


class Producer(NamedTuple):
    """What a producer works with; `took` is told how many messages more the server has taken."""

    client: Client
    work: Workload
    schedule: Schedule
    body: Callable[[Due], bytes]
    recorder: Recorder
    took: Callable[[int], None]
    stop: threading.Event

    def due(self, most: int) -> list[Due]:
        """The messages to send next, waiting for their time; empty at the end."""
        found = self.schedule.due(most)
        if found and found[-1].phase == MEASURED:
            self.recorder.began()
        return found

    def accepted(self, sent: list[Due]) -> None:
        """Record that the server has accepted these messages."""
        self.recorder.accepted(sent)
        self.took(len(sent))

    def failed(self, count: int, error: KubemqctlError) -> None:
        """Record refused messages. Raises `error`, and stops all threads, where going on is useless."""
        try:
            self.recorder.failed(count, error)
        except KubemqctlError:
            self.stop.set()
            raise
        if isinstance(error, NotReady):
            self.stop.wait(PAUSE)


def produce(load: Producer) -> None:
    """Send all messages of the schedule."""
    _PRODUCE[load.work.pattern](load)


# --- queues ---


def _queue(load: Producer) -> None:
    while due := load.due(load.work.batch):
        messages = [Message(load.body(one), load.work.channel) for one in due]
        try:
            if load.work.batch == 1:
                queues.send(load.client, messages[0])
                refused: set[int] = set()
            else:
                refused = _batch(load, messages)
        except KubemqctlError as e:
            load.failed(len(due), e)
            continue
        load.accepted([one for at, one in enumerate(due) if at not in refused])


def _batch(load: Producer, messages: list[Message]) -> set[int]:
    """Send a batch; the positions of the messages that were refused."""
    results = queues.batch(load.client, messages)().results()
    refused = {at for at, result in enumerate(results) if result.error}
    if refused:
        load.failed(len(refused), server_error(results[min(refused)].error))
    return refused


# --- events ---


def _events(load: Producer) -> None:
    """Plain events: only those that are refused are answered."""

    def outgoing() -> Iterator[pb.Event]:
        while due := load.due(1):
            yield _event(load, due[0], False)
            load.accepted(due)

    call, _ = load.client.upload("SendEventsStream", outgoing(), LONGEST)
    with translated(load.client.address):
        for answer in call:
            load.failed(1, server_error(answer.Error))


def _store(load: Producer) -> None:
    """Stored events: each is answered, in order, and only so many may be unanswered."""
    room = threading.Semaphore(load.work.in_flight)
    under_way: deque[Due] = deque()

    def outgoing() -> Iterator[pb.Event]:
        while _entered(room, load.stop) and (due := load.due(1)):
            under_way.append(due[0])
            yield _event(load, due[0], True)

    call, _ = load.client.upload("SendEventsStream", outgoing(), LONGEST)
    with translated(load.client.address):
        for answer in call:
            due = under_way.popleft()
            room.release()
            if answer.Sent:
                load.accepted([due])
            else:
                load.failed(1, server_error(answer.Error))
    if under_way:
        raise ConnectionLost(
            f"{load.client.address} ended the stream with {len(under_way)} events unanswered"
        )


def _event(load: Producer, due: Due, store: bool) -> pb.Event:
    message = Message(load.body(due), load.work.channel)
    return convert.outgoing_event(message, load.client.client_id, store)


def _entered(room: threading.Semaphore, stop: threading.Event) -> bool:
    """Wait for room; False when the run was stopped meanwhile."""
    while not room.acquire(timeout=LOOK):
        if stop.is_set():
            return False
    return True


# --- commands and queries ---


def _asking(kind: Kind) -> Callable[[Producer], None]:
    """As many threads as requests may be unanswered, each of which asks and waits."""

    def produce(load: Producer) -> None:
        with ThreadPoolExecutor(load.work.in_flight) as threads:
            asking = [threads.submit(_ask, load, kind) for _ in range(load.work.in_flight)]
        for thread in asking:
            thread.result()

    return produce


def _ask(load: Producer, kind: Kind) -> None:
    while due := load.due(1):
        body = load.body(due[0])
        request = Request(load.work.channel, body, timeout=load.work.timeout)
        try:
            response = requests.send(load.client, request, kind)
            at = time.monotonic_ns()
            if not response.executed:
                raise Refused(response.error or "the answer is executed=false")
            if kind == "queries" and response.body != body and not load.work.existing:
                raise Refused("the response is not the expected one")
        except KubemqctlError as e:
            load.failed(1, e)
            continue
        load.recorder.answered(due[0], at)


_PRODUCE: dict[str, Callable[[Producer], None]] = {
    "queue": _queue,
    "events": _events,
    "store": _store,
    "cmd": _asking("commands"),
    "query": _asking("queries"),
}
