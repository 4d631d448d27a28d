"""`queue copy`, and copy and move to another server: what arrives, what stays, and what a break costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import bodies, counts, sequences
from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.waiting import until

# Read before the fixtures clear every KUBEMQ_* variable.
MANY = int(os.environ.get("KUBEMQ_TEST_MANY") or 2000)


def waiting(stub: Stub, channel: str) -> int:
    return sum(q.Waiting for q in stub.info(channel).Info.Queues)


def content(stub: Stub, channel: str) -> list[pb.QueueMessage]:
    """All that is in a queue, taken out of it."""
    found: list[pb.QueueMessage] = []
    while count := waiting(stub, channel):
        found += stub.receive(channel, min(count, 1024)).Messages
    return found


def numbers(first: int, last: int) -> list[str]:
    return [str(n) for n in range(first, last + 1)]


class Other(NamedTuple):
    """A second server, which the profile `other` is for."""

    broker: Broker
    stub: Stub


@pytest.fixture
def other(run: Run, new_broker: NewBroker, tmp_path: Path) -> Iterator[Other]:
    broker = new_broker("--data", tmp_path / "other")
    assert run("profile", "set", "other", "--address", broker.address).code == 0
    with Stub(broker.address) as stub:
        yield Other(broker, stub)


@pytest.mark.parametrize("count", [3, 1500])
def test_a_copy_leaves_the_source_as_it_was(count: int, run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, count)
    target = f"{channel}-target"
    done = run("queue", "copy", channel, target, "--all", "-o", "json")
    assert (done.code, done.records()) == (0, [{"channel": channel, "affected": count, "target": target}])
    assert bodies(content(stub, target)) == numbers(1, count)
    left = content(stub, channel)
    assert (sequences(left), set(counts(left))) == (list(range(1, count + 1)), {1})


def test_a_copy_takes_what_is_meant_with_all_its_tags(run: Run, stub: Stub, channel: str) -> None:
    for n in range(1, 5):
        stub.send(channel, b'{"n":%d}' % n, Tags={"kubemqctl-error": "exit 1"}, MessageID=f"m{n}")
    target = f"{channel}-target"
    done = run("queue", "copy", channel, target, "--count", "2", "--where", "body.n>=2")
    assert (done.code, done.out) == (0, b"2\n")
    there = content(stub, target)
    assert [(m.MessageID, dict(m.Tags)) for m in there] == [
        ("m2", {"kubemqctl-error": "exit 1"}),
        ("m3", {"kubemqctl-error": "exit 1"}),
    ]


def test_a_dry_run_copies_nothing_and_an_empty_queue_is_0(run: Run, stub: Stub, channel: str) -> None:
    target = f"{channel}-target"
    assert run("queue", "copy", channel, target, "--all").out == b"0\n"
    stub.fill(channel, 3)
    done = run("queue", "copy", channel, target, "--all", "--dry-run")
    assert (done.out, "3 messages would be copied" in done.err) == (b"3\n", True)
    assert waiting(stub, target) == 0


@pytest.mark.parametrize("verb", ["move", "copy"])
def test_another_server_gets_them_under_the_same_name(
    verb: str, run: Run, stub: Stub, channel: str, other: Other
) -> None:
    stub.fill(channel, 1200)
    done = run("queue", verb, channel, channel, "--all", "--to-profile", "other")
    assert (done.code, done.out) == (0, b"1200\n")
    assert f"to {channel} of other" in done.err
    assert bodies(content(other.stub, channel)) == numbers(1, 1200)
    assert waiting(stub, channel) == (1200 if verb == "copy" else 0)


def test_flags_and_environment_are_the_sources_alone(
    run: Run, stub: Stub, channel: str, other: Other, broker: Broker
) -> None:
    stub.fill(channel, 2)
    words = ("queue", "move", channel, channel, "--all", "--to-profile", "other", "-a", broker.address)
    assert run(*words, env={"KUBEMQ_CLIENT_ID": "mine"}).code == 0
    there = content(other.stub, channel)
    assert (bodies(there), [m.ClientID == "mine" for m in there]) == (["1", "2"], [False, False])


def test_a_profile_of_the_same_server_does_not_make_a_queue_another(
    run: Run, stub: Stub, channel: str, broker: Broker
) -> None:
    stub.fill(channel, 2)
    assert run("profile", "set", "same", "--address", broker.address).code == 0
    done = run("queue", "move", channel, channel, "--all", "--to-profile", "same")
    assert (done.code, "are the same queue" in done.err) == (2, True)
    assert run("queue", "move", channel, f"{channel}-b", "--all", "--to-profile", "same").out == b"2\n"


def test_a_profile_that_is_not_there_is_3_and_a_server_that_is_not_there_5(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 2)
    words = ("queue", "move", channel, channel, "--all", "--to-profile", "gone")
    assert run(*words).code == 3
    assert run("profile", "set", "gone", "--address", "127.0.0.1:1").code == 0
    assert run(*words).code == 5
    assert waiting(stub, channel) == 2


@pytest.mark.builtin
@pytest.mark.parametrize(("verb", "dies"), [("move", "target"), ("copy", "source")])
def test_a_broker_that_is_killed_in_the_middle_and_comes_back_costs_at_most_one_batch(
    verb: str,
    dies: str,
    run: Run,
    start: Start,
    new_broker: NewBroker,
    tmp_path: Path,
    channel: str,
) -> None:
    count = MANY
    brokers = {name: new_broker("--data", tmp_path / name) for name in ("source", "target")}
    assert run("profile", "set", "other", "--address", brokers["target"].address).code == 0
    with Stub(brokers["source"].address) as stub:
        stub.fill(channel, count)
    words = ("queue", verb, channel, f"{channel}-t", "--all", "--to-profile", "other", "--rate", "5000/s")
    moving = start(*words, address=brokers["source"].address)
    with Stub(brokers["target"].address) as stub:
        until(lambda: waiting(stub, f"{channel}-t"), "some have arrived")
    dying = brokers[dies]
    assert dying.process
    dying.process.kill()
    moving.wait_for_stderr("trying again")
    new_broker("--data", tmp_path / dies, listen=dying.address)
    done = moving.wait(60)
    assert (done.code, done.out) == (0, b"%d\n" % count), done.err
    with Stub(brokers["target"].address) as stub:
        there = bodies(content(stub, f"{channel}-t"))
    assert sorted(set(there), key=int) == numbers(1, count)
    doubled = len(there) - count
    assert doubled <= 500
    assert not doubled or "may be in the target twice" in done.err
    with Stub(brokers["source"].address) as stub:
        left = content(stub, channel)
    assert bodies(left) == (numbers(1, count) if verb == "copy" else [])
