"""What a subscription does when the server drops, loses, breaks off or falls silent: through the program."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubemqctl.cli.main import main
from kubemqctl.messaging.events import subscribe
from tests.support.fake_store_server import FakeStore, S, fake_store_server
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub, store
from tests.support.server import Broker
from tests.support.waiting import until

EVERY = range(1, 100)
NEW, FIRST, LAST, SEQUENCE = S.StartNewOnly, S.StartFromFirst, S.StartFromLast, S.StartAtSequence


@pytest.fixture
def fake() -> Iterator[FakeStore]:
    with fake_store_server() as opened:
        yield opened


def numbers(first: int, last: int) -> str:
    return "".join(f"{n}\n" for n in range(first, last + 1))


def ids(fake: FakeStore) -> list[str]:
    return [request.ClientID for request in fake.requests]


def test_a_gap_is_filled_by_a_fresh_subscription_at_the_next_sequence(run: Run, fake: FakeStore) -> None:
    fake.put(10)
    fake.dropped, fake.dropping = {4, 5, 8}, {1}
    ended = run("store", "sub", "c", "--from", "first", "--count", "10", address=fake.address)
    assert (ended.code, ended.text) == (0, numbers(1, 10))
    assert fake.starts == [(FIRST, 0), (SEQUENCE, 4)]
    assert len(set(ids(fake))) == 2
    assert ended.err == "10 received\n"


def test_a_gap_that_the_server_cannot_fill_is_said_once_and_ends_with_7(run: Run, fake: FakeStore) -> None:
    fake.put(10)
    fake.dropped, fake.dropping = {4, 5, 8}, EVERY
    ended = run("store", "sub", "c", "--from", "first", "--count", "7", address=fake.address)
    assert ended.code == 7
    assert ended.text == "1\n2\n3\n6\n7\n9\n10\n"
    assert "warning: events 4 to 5 are gone from the server\n" in ended.err
    assert "warning: event 8 is gone from the server\n" in ended.err
    assert "error: 3 events were removed from c before they could be read" in ended.err
    assert fake.starts == [(FIRST, 0), (SEQUENCE, 4), (SEQUENCE, 8)]


def test_what_was_asked_for_and_is_gone_is_a_gap(run: Run, fake: FakeStore) -> None:
    fake.put(10)
    fake.forget(upto=6)
    ended = run("store", "sub", "c", "--from", "5", "--count", "4", address=fake.address)
    assert (ended.code, ended.text) == (7, numbers(7, 10))
    assert "events 5 to 6 are gone" in ended.err


def test_what_is_gone_before_first_is_no_gap(run: Run, fake: FakeStore) -> None:
    fake.put(10)
    fake.forget(upto=6)
    ended = run("store", "sub", "c", "--from", "first", "--count", "4", address=fake.address)
    assert (ended.code, ended.text) == (0, numbers(7, 10))


def test_the_last_events_dropped_are_asked_for_when_the_end_is_known(
    fake: FakeStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subscribe, "OVERDUE", 0.3)
    fake.put(10)
    fake.dropped, fake.dropping = {9, 10}, {2}
    code = main(["-a", fake.address, "store", "sub", "c", "--from", "first", "--until", "10"])
    assert (code, capfd.readouterr().out) == (0, numbers(1, 10))
    assert fake.starts == [(LAST, 0), (FIRST, 0), (SEQUENCE, 9)]


def test_after_a_break_it_goes_on_at_the_next_sequence_with_a_fresh_id(start: Start, fake: FakeStore) -> None:
    fake.put(3)
    sub = start("store", "sub", "c", "--from", "first", address=fake.address)
    sub.wait_for_stdout(b"3\n")
    fake.break_off()
    fake.put(2)
    sub.wait_for_stdout(b"5\n")
    ended = sub.stop()
    assert ended.text == numbers(1, 5)
    assert fake.starts[-1] == (SEQUENCE, 4)
    assert len(set(ids(fake))) == len(fake.requests)
    assert ended.err.count("lost; connecting again") == ended.err.count("connected again") == 1


def test_before_the_first_event_the_same_id_comes_back(start: Start, fake: FakeStore) -> None:
    sub = start("store", "sub", "c", ready=True, address=fake.address)
    fake.break_off()
    sub.wait_for_stderr("connected again")
    new = [request.ClientID for request in fake.requests if request.EventsStoreTypeData == NEW]
    assert len(new) == 2
    assert len(set(new)) == 1


def test_a_server_that_gives_no_sign_is_live_after_half_a_second(start: Start, fake: FakeStore) -> None:
    fake.shows_life = False
    sub = start("store", "sub", "c", "--count", "1", ready=True, address=fake.address)
    fake.put(1)
    assert sub.wait().text == "1"


def test_with_a_group_gaps_are_normal(run: Run, fake: FakeStore) -> None:
    fake.put(5)
    fake.dropped, fake.dropping = {2, 3}, EVERY
    options = ["--group", "g", "--from", "first", "--count", "3"]
    ended = run("store", "sub", "c", *options, address=fake.address)
    assert (ended.code, ended.text) == (0, "1\n4\n5\n")
    assert len(fake.requests) == 1


def test_with_a_durable_name_it_is_the_client_id_each_time(start: Start, fake: FakeStore) -> None:
    sub = start("store", "sub", "c", "--durable", "me", ready=True, address=fake.address)
    fake.break_off()
    sub.wait_for_stderr("reconnected; events in transit may be lost")
    assert ids(fake) == ["me", "me"]


def test_fresh_ids_are_made_of_what_servers_take(start: Start, fake: FakeStore) -> None:
    start("store", "sub", "c", "--client-id", "app.7 é", ready=True, address=fake.address)
    [id] = ids(fake)
    assert id.startswith("app-7---")
    assert set(id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_until_now_asks_for_the_last_event_first(run: Run, fake: FakeStore) -> None:
    fake.put(3)
    ended = run("store", "sub", "c", "--from", "first", "--until", "now", address=fake.address)
    assert ended.text == numbers(1, 3)
    assert fake.starts == [(LAST, 0), (FIRST, 0)]
    assert len(set(ids(fake))) == 2


def test_while_the_connection_is_lost_for_ends_the_run_with_5(start: Start) -> None:
    with fake_store_server() as fake:
        sub = start("store", "sub", "c", "--for", "2s", ready=True, address=fake.address)
    ended = sub.wait(10)
    assert ended.code == 5
    assert "cannot connect" in ended.err or "was lost" in ended.err


def test_a_signal_ends_it_while_the_connection_is_lost(start: Start) -> None:
    with fake_store_server() as fake:
        sub = start("store", "sub", "c", ready=True, address=fake.address)
    sub.wait_for_stderr("connecting again")
    assert sub.stop().code == 143


def test_a_server_that_does_not_speak_is_not_taken_for_live(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        options = ["--ready-file", str(tmp_path / "ready"), "--connect-timeout", "1s"]
        ended = run("store", "sub", "c", *options, address=f"127.0.0.1:{mute.getsockname()[1]}")
    assert ended.code in (5, 6)
    assert ended.out == b""
    assert not (tmp_path / "ready").exists()


def test_a_server_that_is_not_ready_yet_is_waited_for_where_that_is_wanted(run: Run, fake: FakeStore) -> None:
    fake.put(1)
    fake.refuses = 2
    sub = ["store", "sub", "c", "--from", "first", "--count", "1"]
    assert run(*sub, address=fake.address).code == 8
    fake.refuses = 4
    ended = run(*sub, "--connect-wait", "10s", address=fake.address)
    assert (ended.code, ended.text, ended.err) == (0, "1", "1 received\n")


# Handlers


def test_a_handler_that_runs_is_not_idle(run: Run, broker: Broker, channel: str) -> None:
    with Stub(broker.address, client="writer") as stub:
        store(stub, channel, [1, 2, 3])
    options = ["--from", "first", "--idle", "400ms", "--grace", "0s"]
    ended = run("store", "sub", channel, *options, "--", "sh", "-c", "sleep 0.6; cat; echo")
    assert (ended.code, ended.text, ended.err) == (0, "1\n2\n3\n", "3 handled\n")


def test_what_had_arrived_when_the_connection_was_lost_is_handled(
    start: Start, fake: FakeStore, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = ["sh", "-c", f"test $KUBEMQ_SEQUENCE != 1 || read x < {gate}; cat; echo"]
    sub = start("events", "sub", "c", "--no-reconnect", "--", *command, ready=True, address=fake.address)
    fake.put(3)
    with gate.open("w") as opened:
        fake.break_off()
        opened.write("go\n")
    ended = sub.wait()
    assert (ended.code, ended.text) == (5, numbers(1, 3)), ended.err


# The output


def test_a_slow_reader_gets_everything_in_order(start: Start, broker: Broker, channel: str) -> None:
    """The server drops what is not taken in time; here it is taken seconds later."""
    bodies = [b"%05d" % n + b"x" * 8_000 for n in range(2_000)]
    read, write = os.pipe()
    options = ["--from", "first", "--count", str(len(bodies))]
    sub = start("store", "sub", channel, *options, stdout=write, ready=True)
    os.close(write)
    with Stub(broker.address, client="writer") as stub:
        store(stub, channel, [body.decode() for body in bodies])
    stalled = time.monotonic() + 3
    until(lambda: time.monotonic() > stalled, "the reader to have slept longer than the server waits, 2 s")
    with os.fdopen(read, "rb") as pipe:
        came = pipe.read().split(b"\n")[:-1]
    assert sub.wait().code == 0
    assert came == bodies
