"""`queue move SOURCE TARGET`: what arrives, what stays, and in which order."""

from __future__ import annotations

import gzip
import signal
import subprocess
import time
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import SECOND, bodies, counts, sequences
from tests.support.fake_server import fake_server
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.waiting import until

Policy = pb.QueueMessagePolicy


def waiting(stub: Stub, channel: str) -> int:
    return sum(q.Waiting for q in stub.info(channel).Info.Queues)


def content(stub: Stub, channel: str) -> list[pb.QueueMessage]:
    """All that is in a queue, taken out of it."""
    count = waiting(stub, channel)
    return list(stub.receive(channel, min(count, 1024)).Messages) if count else []


@pytest.fixture
def target(channel: str) -> str:
    return f"{channel}-target"


def test_all_moves_everything_in_order_and_prints_the_number(
    run: Run, stub: Stub, channel: str, target: str
) -> None:
    stub.fill(channel, 700)
    done = run("queue", "move", channel, target, "--all")
    assert (done.code, done.out) == (0, b"700\n")
    assert bodies(content(stub, target)) == [str(n) for n in range(1, 701)]
    assert waiting(stub, channel) == 0


def test_id_bytes_metadata_and_tags_are_kept(run: Run, stub: Stub, channel: str, target: str) -> None:
    body = bytes(range(256))
    stub.send(
        channel, body, MessageID="m", Metadata="meta", Tags={"k": "v"}, Policy=Policy(MaxReceiveCount=9)
    )
    assert run("queue", "move", channel, target, "--all").code == 0
    (there,) = content(stub, target)
    assert (there.MessageID, there.Body, there.Metadata) == ("m", body, "meta")
    assert dict(there.Tags) == {"k": "v"}
    assert (there.Policy.MaxReceiveCount, there.Attributes.ReceiveCount) == (9, 1)


def test_dead_letters_go_back_to_work_with_a_new_policy(
    run: Run, stub: Stub, channel: str, target: str
) -> None:
    dead = target
    stub.send(channel, "poison", MessageID="m", Policy=Policy(MaxReceiveCount=1, MaxReceiveQueue=dead))
    assert run("queue", "tx", channel, "--reject").code == 0
    done = run("queue", "move", dead, channel, "--all", "--max-receives", "2", "--dead-letter", dead)
    assert (done.code, done.out) == (0, b"1\n")
    for _ in range(2):
        assert run("queue", "tx", channel, "--reject").code == 0
    (again,) = content(stub, dead)
    assert (again.MessageID, again.Attributes.ReRoutedFromQueue) == ("m", channel)
    assert waiting(stub, channel) == 0


def test_what_is_left_of_its_time_stays(run: Run, stub: Stub, channel: str, target: str) -> None:
    sent = stub.send(channel, "a", Policy=Policy(ExpirationSeconds=600))
    assert run("queue", "move", channel, target, "--all").code == 0
    (there,) = content(stub, target)
    assert abs(there.Attributes.ExpirationAt - sent.ExpirationAt) <= 2 * SECOND


def test_times_are_compared_with_the_servers_clock(
    run: Run, broker: Broker, stub: Stub, channel: str, target: str
) -> None:
    def an_hour_later(_: pb.Empty) -> pb.PingResult:
        return pb.PingResult(Host="fake", ServerStartTime=int(time.time()), ServerUpTimeSeconds=3600)

    stub.send(channel, "a", Policy=Policy(ExpirationSeconds=7200))
    with fake_server(broker.address, Ping=an_hour_later) as address:
        assert run("queue", "move", channel, target, "--all", address=address).code == 0
    (there,) = content(stub, target)
    assert 3590 <= there.Policy.ExpirationSeconds <= 3602


def test_count_moves_the_first_ones(run: Run, stub: Stub, channel: str, target: str) -> None:
    stub.fill(channel, 5)
    assert run("queue", "move", channel, target, "--count", "2").out == b"2\n"
    assert bodies(content(stub, target)) == ["1", "2"]
    left = content(stub, channel)
    assert (bodies(left), counts(left)) == (["3", "4", "5"], [1, 1, 1])


def test_a_count_above_what_is_there_moves_what_is_there(
    run: Run, stub: Stub, channel: str, target: str
) -> None:
    stub.fill(channel, 2)
    done = run("queue", "move", channel, target, "--count", "9")
    assert (done.code, done.out) == (0, b"2\n")


def test_an_empty_queue_is_0(run: Run, channel: str, target: str) -> None:
    done = run("queue", "move", channel, target, "--all", "-o", "json")
    assert (done.code, done.records()) == (0, [{"channel": channel, "affected": 0, "target": target}])


# ---- conditions ----


def coloured(stub: Stub, channel: str) -> None:
    """Six messages, red and blue by turns."""
    for n in range(1, 7):
        stub.send(channel, str(n), Metadata=f"m{n % 3}", Tags={"colour": ("blue", "red")[n % 2]})


@pytest.mark.parametrize(
    ("conditions", "moved"),
    [
        (["tags[colour]=red"], ["1", "3", "5"]),
        (["tags[colour]=red", "metadata=m1"], ["1"]),
        (["body=4"], ["4"]),
        (["sequence=2"], ["2"]),
        (["tags.none!=x"], ["1", "2", "3", "4", "5", "6"]),
        (["tags[none]="], []),
        (["sequence>=5"], ["5", "6"]),
        (["metadata~[01]", "body<4"], ["1", "3"]),
        (["metadata=x=y"], []),
    ],
)
def test_where_moves_what_matches_and_the_rest_stays_in_its_place(
    conditions: list[str], moved: list[str], run: Run, stub: Stub, channel: str, target: str
) -> None:
    coloured(stub, channel)
    words = [word for condition in conditions for word in ("--where", condition)]
    done = run("queue", "move", channel, target, "--all", *words)
    assert (done.code, done.text) == (0, f"{len(moved)}\n")
    assert bodies(content(stub, target)) == moved
    left = content(stub, channel)
    numbers = [n for n in range(1, 7) if str(n) not in moved]
    assert (sequences(left), set(counts(left))) == (numbers, {1} if numbers else set())


def test_the_inside_of_a_packed_body_can_be_meant_and_the_body_is_moved_as_it_is(
    run: Run, stub: Stub, channel: str, target: str
) -> None:
    packed = [gzip.compress(b'{"n":%d}' % n) for n in (1, 2)]
    for body in (*packed, b'{"n":2}'):
        stub.send(channel, body)
    words = ("--all", "--decode", "gzip", "--where", "body.n=2")
    done = run("queue", "move", channel, target, *words)
    assert (done.code, done.out, done.err.count("it is not gzip")) == (0, b"1\n", 1)
    assert [m.Body for m in content(stub, target)] == packed[1:]


def test_count_and_where_stop_at_the_count(run: Run, stub: Stub, channel: str, target: str) -> None:
    coloured(stub, channel)
    assert run("queue", "move", channel, target, "--count", "2", "--where", "tags[colour]=red").out == b"2\n"
    assert bodies(content(stub, target)) == ["1", "3"]
    assert bodies(content(stub, channel)) == ["2", "4", "5", "6"]


def test_a_dry_run_counts_and_touches_nothing(run: Run, stub: Stub, channel: str, target: str) -> None:
    coloured(stub, channel)
    done = run("queue", "move", channel, target, "--all", "--where", "tags[colour]=red", "--dry-run")
    assert (done.code, done.out, "would be moved" in done.err) == (0, b"3\n", True)
    left = content(stub, channel)
    assert (sequences(left), set(counts(left))) == ([1, 2, 3, 4, 5, 6], {1})
    assert waiting(stub, target) == 0


def test_what_others_hold_is_asked_for_once_more_and_then_said(
    run: Run, stub: Stub, channel: str, target: str
) -> None:
    stub.fill(channel, 3)
    held = stub.downstream().get(channel, 2)
    assert len(held.Messages) == 2
    done = run("queue", "move", channel, target, "--all", "-q")
    assert (done.code, done.out) == (0, b"1\n")
    assert "warning: the server counts 2 more messages and gives none" in done.err


# ---- what is refused ----


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--all", "--count", "1"],
        ["--count", "0"],
        ["--all", "--where", "colour"],
        ["--all", "--where", "=x"],
        ["--all", "--where", "nope=x"],
        ["--all", "--dead-letter", "a b"],
        ["--all", "--max-receives", "1025"],
        ["--all", "--rate", "5"],
    ],
)
def test_what_makes_no_sense_is_2(options: list[str], run: Run, channel: str, target: str) -> None:
    assert run("queue", "move", channel, target, *options, address="").code == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "either --count N or --all is required"),
        (["--count", "1", "--all"], "--count and --all cannot be used together"),
    ],
)
def test_how_many_is_said_once(options: list[str], says: str, run: Run) -> None:
    for verb in "move", "copy":
        done = run("queue", verb, "source", "target", *options)
        assert (done.code, done.err) == (2, f"error: {says}\n")


def test_a_queue_cannot_be_moved_to_itself(run: Run, channel: str) -> None:
    done = run("queue", "move", channel, channel, "--all", address="")
    assert (done.code, "source and target are the same" in done.err) == (2, True)


# ---- pace and interruption ----


def test_rate_takes_its_time(run: Run, stub: Stub, channel: str, target: str) -> None:
    stub.fill(channel, 10)
    began = time.monotonic()
    assert run("queue", "move", channel, target, "--all", "--rate", "10/s").out == b"10\n"
    assert time.monotonic() - began >= 0.9


def test_a_signal_ends_it_with_each_message_in_one_queue(
    start: Start, stub: Stub, channel: str, target: str
) -> None:
    stub.fill(channel, 200)
    mover = start("queue", "move", channel, target, "--all", "--rate", "100/s")
    until(lambda: waiting(stub, target), "something has arrived")
    mover.send(signal.SIGTERM)
    ended = mover.wait()
    assert ended.code == 143
    moved, left = content(stub, target), content(stub, channel)
    assert 0 < len(moved) < 200
    assert ended.out == b"%d\n" % len(moved)
    assert bodies(moved) + bodies(left) == [str(n) for n in range(1, 201)]
    assert set(counts(left)) == {1}


def test_what_comes_during_the_run_is_not_moved(start: Start, stub: Stub, channel: str, target: str) -> None:
    stub.fill(channel, 30)
    mover = start("queue", "move", channel, target, "--all", "--rate", "50/s")
    until(lambda: waiting(stub, target), "something has arrived")
    stub.send(channel, "new")
    assert mover.wait().out == b"30\n"
    left = content(stub, channel)
    assert (bodies(left), counts(left)) == (["new"], [1])


def test_a_reader_that_is_gone_changes_nothing_about_what_was_moved(
    start: Start, stub: Stub, channel: str, target: str
) -> None:
    stub.fill(channel, 3)
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as gone:
        gone.wait()
        stdout: Any = gone.stdin
        done = start("queue", "move", channel, target, "--all", stdout=stdout).wait()
        stdout.close()
    assert done.code == 141
    assert bodies(content(stub, target)) == ["1", "2", "3"]


# ---- what a server hides behind what is held ----


@pytest.mark.parametrize("verb", ["move", "copy"])
@pytest.mark.parametrize("peeked", [False, True])
def test_what_stays_keeps_nothing_behind_it_from_being_found(
    verb: str, peeked: bool, run: Run, stub: Stub, channel: str, target: str
) -> None:
    stub.fill(channel, 2_500)
    if peeked:
        assert len(run("queue", "peek", channel, "--all").text.split()) == 2_500
    done = run("queue", verb, channel, target, "--all", "--where", "body~^1")
    wanted = [str(n) for n in range(1, 2_501) if str(n).startswith("1")]
    assert (done.code, done.text) == (0, f"{len(wanted)}\n"), done.err
    past = {"move": "moved", "copy": "copied"}[verb]
    assert done.err == f"{len(wanted):,} messages {past} from {channel} to {target}\n"
    assert run("queue", "receive", target, "--all").text.split() == wanted
    left = [str(n) for n in range(1, 2_501) if verb == "copy" or not str(n).startswith("1")]
    assert run("queue", "receive", channel, "--all").text.split() == left
