"""Profiles with `read_only: true`: whatever changes their server is refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kubemqctl.cli.read_only import TABLE
from tests.support.command_tree import BUILT
from tests.support.program import Run
from tests.support.raw_grpc import Stub
from tests.support.server import Broker


def leaves(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    if not hasattr(found, "commands"):
        yield path, {parameter.name for parameter in found.params}
        return
    for name, inner in found.commands.items():
        yield from leaves(inner, (*path, name))


COMMANDS = dict(leaves(BUILT))


def test_every_command_is_in_the_table() -> None:
    assert set(TABLE) >= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_options_that_the_table_names_are_options(path: tuple[str, ...]) -> None:
    changes = TABLE[path]
    assert {*changes.options, *changes.without} <= COMMANDS[path]


@pytest.fixture
def watching(run: Run, broker: Broker) -> str:
    """The current profile, which is read-only."""
    assert run("profile", "set", "watch", "-a", broker.address, "--read-only", address="").code == 0
    return "watch"


CHANGES = [
    "queue send c x",
    "queue receive c",
    "queue ack-all c --yes",
    "queue tx c --ack",
    "queue move c d --all",
    "queue copy c d --all",
    "events pub c x",
    "events sub c --group g --for 1ms",
    "store pub c x",
    "store sub c --group g --for 1ms",
    "store sub c --durable d --for 1ms",
    "cmd send c x --timeout 1s",
    "cmd respond c --ok",
    "query send c x --timeout 1s",
    "query respond c --echo",
    "expect queue c --take --within 1ms",
    "channel create queues c",
    "channel delete queues c --yes",
    "bench queue",
    "bench events",
    "bench store",
    "bench cmd",
    "bench query",
]


@pytest.mark.parametrize("words", CHANGES)
def test_what_changes_the_server_is_refused(words: str, run: Run, watching: str) -> None:
    for changed in ({}, {"KUBEMQCTL_PROFILE": watching}):
        result = run(*words.split(), address="", env=changed)
        assert result.code == 2
        assert result.err.startswith("error: the profile watch is read-only, and `")
        assert result.err.endswith("hint: to allow changes: kubemqctl profile set watch --no-read-only\n")


LOOKS = [
    "queue list",
    "queue peek c",
    "queue info c",
    "queue move c d --all --dry-run",
    "queue copy c d --all --dry-run",
    "events sub c --for 1ms",
    "store sub c --for 1ms",
    "channel list",
    "check",
    "ping",
    "doctor",
    "expect events c --none --within 1ms",
    "profile list",
    "schema",
]


@pytest.mark.parametrize("words", LOOKS)
def test_what_only_looks_is_not(words: str, run: Run, stub: Stub, watching: str) -> None:
    stub.send("c", "kept")
    result = run(*words.split(), address="")
    assert result.code == 0, result.err


def test_it_holds_whatever_the_address(run: Run, broker: Broker, watching: str, channel: str) -> None:
    for words in (("-a", broker.address), ("-p", watching)):
        assert run("queue", "send", channel, "x", *words).code == 2
    result = run("queue", "send", channel, "x", "-o", "json")
    assert json.loads(result.err)["error"] == "usage"


def test_another_profile_and_none_may_change(run: Run, broker: Broker, watching: str, channel: str) -> None:
    assert run("profile", "set", "work", "-a", broker.address, address="").code == 0
    assert run("queue", "send", channel, "x", "-p", "work", address="").code == 0
    assert run("profile", "set", watching, "--no-read-only", address="").code == 0
    assert run("queue", "send", channel, "x", address="").code == 0


def test_a_read_only_target_is_refused(run: Run, broker: Broker, watching: str, channel: str) -> None:
    result = run("queue", "move", channel, "d", "--all", "--to-profile", watching, "-p", "work", address="")
    assert result.code == 3
    assert run("profile", "set", "work", "-a", broker.address, address="").code == 0
    result = run("queue", "move", channel, "d", "--all", "--to-profile", watching, "-p", "work", address="")
    assert result.code == 2
    assert "the profile watch is read-only" in result.err
