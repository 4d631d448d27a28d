"""A network that cuts, delays and goes silent, readers that leave at any byte, handlers that are killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kubemqctl.client.connection import Client
from kubemqctl.client.transaction import Transaction
from kubemqctl.messaging.handlers.options import handler_options
from kubemqctl.messaging.queues import move
from kubemqctl.messaging.queues.decisions import Settlement, modified
from kubemqctl.messaging.queues.failing import OnFail
from kubemqctl.messaging.queues.fetcher import Fetcher
from kubemqctl.messaging.queues.held_messages import worker_calls
from kubemqctl.messaging.queues.move import Mover
from kubemqctl.messaging.queues.move_calls import move_calls
from kubemqctl.messaging.queues.move_target import MoveOptions
from kubemqctl.messaging.queues.receive import MessagePrinter
from kubemqctl.messaging.queues.receive_options import ReceiveOptions, printer_calls
from kubemqctl.messaging.queues.tx_message import HoldOptions, MessageHold
from kubemqctl.messaging.queues.worker import Worker
from kubemqctl.messaging.recovery import Say
from kubemqctl.model.errors import KubemqctlError, TimedOut
from kubemqctl.model.messages import NO_POLICY, Received
from kubemqctl.runtime.waiting import StopSignal, Wakeup
from tests.faults.accounts import Account, bodies_in, rounds, settle
from tests.faults.consumers import Pipe, Quiet, Scene, client_of, connected, scene
from tests.support.proxy import Proxy
from tests.support.server import Broker

pytestmark = pytest.mark.xdist_group("faults")
Record = Callable[[str, object], None]


@contextmanager
def broken_client(s: Scene) -> Iterator[Client]:
    """A client behind the round's proxy; whatever ends the run is what the round is about."""
    with suppress(KubemqctlError), connected(s.proxy) as client:
        yield client


# ---- queue receive ----


def line(message: object) -> bytes:
    assert isinstance(message, Received)
    return message.body + b"\n"


def test_received_over_a_broken_network_into_a_broken_pipe(broker: Broker, record_property: Record) -> None:
    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=60) as s:
            pipe = Pipe(s.rng.choice([None, s.rng.randint(0, 200)]), s.rng.choice([1, 7, 4096]))
            with broken_client(s) as client:
                wish, stop = ReceiveOptions(s.channel, most=None, everything=True), StopSignal()
                source = printer_calls(client, s.channel)
                MessagePrinter(
                    Fetcher(source, wish, stop, Say(print, print)), pipe.stdout, line, stop, False
                ).run()
            found = {"the output": pipe.finish(), **bodies_in(s.stub, s.channel)}
            return settle(s.names, found, broken=s.proxy.broke, may_double=s.proxy.broke)

    rounds(40, play, record_property, reaches="the output")


# ---- queue receive -- COMMAND ----

# Every fifth message ends its handler in the middle.
HANDLER = 'read name; case $name in *[05]) kill -9 $$;; esac; echo $name >> "$LOG"; echo $name'


def work(
    s: Scene,
    wish: ReceiveOptions,
    log: Path,
    pipe: Pipe,
    on_fail: OnFail = OnFail(Settlement("reject")),  # noqa: B008
) -> list[str]:
    """A worker's run; returns which messages were handled well, each as often as it was."""
    run = Quiet({**os.environ, "LOG": str(log)})
    run.words = ["sh", "-c", HANDLER]
    setup = handler_options(run, concurrency=s.rng.randint(1, 3), timeout=None, input=None, grace=9.0)
    assert setup
    wakeup, stop = Wakeup(), StopSignal()
    with broken_client(s) as client:
        source = worker_calls(client, wish.channel, wakeup.notify)
        Worker(run, wish, setup, on_fail, source, pipe.stdout, stop, wakeup).run()
    wakeup.close()
    return log.read_text().split() if log.exists() else []


def test_handled_over_a_broken_network(broker: Broker, record_property: Record, tmp_path: Path) -> None:
    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=12, max_receives=2) as s:
            pipe = Pipe(None, 4096)
            wish = ReceiveOptions(s.channel, most=None, everything=True)
            done = work(s, wish, tmp_path / str(seed), pipe)
            pipe.finish()
            found = {"the handlers' log": done, **bodies_in(s.stub, s.channel, f"{s.channel}-dead")}
            return settle(s.names, found, broken=s.proxy.broke, may_double=s.proxy.broke)

    rounds(15, play, record_property, reaches="the handlers' log")


def test_a_worker_that_follows_handles_each_message_once_whatever_the_network_does(
    broker: Broker, record_property: Record, tmp_path: Path
) -> None:
    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=12, max_receives=2) as s:
            pipe = Pipe(None, 4096)
            wish = ReceiveOptions(s.channel, most=None, follow=True, wait=1.0, idle=1.0)
            done = work(s, wish, tmp_path / str(seed), pipe)
            assert sorted(pipe.finish()) == sorted(done), "what handlers print and do is the same"
            found = {"the handlers' log": done, **bodies_in(s.stub, s.channel, f"{s.channel}-dead")}
            return settle(s.names, found, broken=s.proxy.broke, may_double=False)

    rounds(15, play, record_property, reaches="the handlers' log")


def test_retried_and_dead_lettered_over_a_broken_network(
    broker: Broker, record_property: Record, tmp_path: Path
) -> None:
    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=12) as s:
            pipe = Pipe(None, 4096)
            # A retry comes after a second, and up to half of one later.
            wish = ReceiveOptions(s.channel, most=None, follow=True, wait=4.0, idle=4.0)
            dead = f"{s.channel}-dead"
            done = work(s, wish, tmp_path / str(seed), pipe, OnFail(Settlement("retry", (1, 1)), 2, dead))
            pipe.finish()
            found = {"the handlers' log": done, **bodies_in(s.stub, s.channel, dead)}
            return settle(s.names, found, broken=s.proxy.broke, may_double=s.proxy.broke)

    rounds(8, play, record_property, reaches="dead")


# ---- queue move ----


def test_moved_over_a_broken_network(
    broker: Broker, record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = 5
    monkeypatch.setattr(move, "MOST_AT_ONCE", batch)

    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=40) as s:
            target = f"{s.channel}-target"
            wanted = s.rng.choice([None, lambda m: int(m.body) % 3 > 0])
            order = MoveOptions(s.channel, target, None, wanted, NO_POLICY, None, False)
            said: list[str] = []
            with broken_client(s) as client:
                Mover(order, move_calls(client, s.channel), StopSignal(), Say(said.append)).run()
            found = bodies_in(s.stub, s.channel, target)
            account = settle(s.names, found, broken=s.proxy.broke, may_double=s.proxy.broke)
            assert account.doubles <= batch
            assert not account.doubles or "batch in flight" in said[0]
            return account

    rounds(40, play, record_property, reaches="target")


def test_copied_and_moved_between_servers_whichever_of_them_is_behind_a_broken_network(
    broker: Broker, record_property: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = 5
    monkeypatch.setattr(move, "MOST_AT_ONCE", batch)
    monkeypatch.setattr(move, "MAX_PEEK", 10)

    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=40) as s:
            target = f"{s.channel}-target"
            copies = s.rng.random() < 0.5
            order = MoveOptions(s.channel, target, None, None, NO_POLICY, None, False, copies)
            said: list[str] = []
            is_done = False
            with client_of(broker.address) as sound, broken_client(s) as broken:
                ends = (sound, broken) if s.rng.random() < 0.5 else (broken, sound)
                Mover(order, move_calls(ends[0], s.channel, ends[1]), StopSignal(), Say(said.append)).run()
                is_done = True
            found = bodies_in(s.stub, s.channel, target)
            if copies:
                assert found["queue"] == s.names, "the source keeps all, in order"
            if copies and is_done:
                del found["queue"]
            elif copies:
                del found["target"]
            account = settle(s.names, found, broken=s.proxy.broke, may_double=s.proxy.broke)
            assert account.doubles <= batch
            assert not account.doubles or "batch in flight" in said[0]
            return account

    rounds(20, play, record_property, reaches="target")


# ---- queue tx ----

KINDS = ("ack", "reject", "resend", "modify", "return", "extend")


def test_decided_over_a_broken_network(broker: Broker, record_property: Record) -> None:
    def play(seed: int) -> Account:
        with scene(broker.address, seed, most=3, traffic=2000) as s:
            target = f"{s.channel}-target"
            printed: list[str] = []
            acked: list[str] = []
            trying: list[str] = []
            with broken_client(s) as client:
                taking = HoldOptions(s.channel, 30, 1)
                begin = lambda notify: Transaction(client, notify)  # noqa: E731
                with MessageHold(begin, taking, StopSignal(), printed.append, printed.append) as room:
                    for _ in s.names:
                        message = room.take()
                        kind = s.rng.choice(KINDS)
                        value = {
                            "resend": target,
                            "modify": modified(message, channel=target),
                            "extend": 30,
                        }.get(kind)
                        trying = [message.body.decode()] if kind == "ack" else []
                        outcome = room.decide(Settlement(kind, value))  # type: ignore[arg-type]
                        if outcome == "acked":
                            acked += trying
                        if outcome == "extended":
                            room.give_back()
                        trying = []
            found = bodies_in(s.stub, s.channel, target)
            in_queues = {name for names in found.values() for name in names}
            assert not in_queues & set(acked), "acknowledged, and still there"
            # An ack whose answer was lost: it may have been carried out, and nobody was told that it was.
            found["an ack told"] = acked
            found["an ack in doubt"] = [name for name in trying if name not in in_queues]
            assert s.proxy.broke or not found["an ack in doubt"]
            return settle(s.names, found, broken=s.proxy.broke, may_double=False)

    rounds(40, play, record_property, reaches="an ack told")


def hold_on(room: MessageHold) -> None:
    """Wait until hold of the message is lost."""
    while True:
        room.wait()


def test_a_connection_that_falls_silent_is_noticed_when_the_visibility_is_over(broker: Broker) -> None:
    with scene(broker.address, 0, most=1) as s, Proxy(broker.address) as proxy:
        with connected(proxy) as client:
            begin = lambda notify: Transaction(client, notify)  # noqa: E731
            room = MessageHold(begin, HoldOptions(s.channel, 1, 1), StopSignal(), print, print)
            assert room.take().body == b"1"
            proxy.freeze()
            with pytest.raises(TimedOut) as lost:
                hold_on(room)
            assert (lost.value.code, room.held) == ("visibility-expired", None)
        assert bodies_in(s.stub, s.channel) == {"queue": ["1"]}
