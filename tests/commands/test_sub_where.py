"""`events sub` and `store sub` with `--where` and `--decode`: what is shown, counted, handled, skipped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub, publish, store
from tests.support.waiting import until

EVEN = ("--where", "body.n~[02468]$")


@pytest.fixture
def ten(stub: Stub, channel: str) -> str:
    """A channel with the events {"n": 1} to {"n": 10}."""
    store(stub, channel, [json.dumps({"n": n}) for n in range(1, 11)])
    return channel


def numbers(text: str) -> list[int]:
    return [json.loads(line)["n"] for line in text.splitlines()]


def test_only_what_matches_is_printed_and_counted(run: Run, ten: str) -> None:
    ended = run("store", "sub", ten, "--from", "first", "--until", "now", *EVEN)
    assert (ended.code, numbers(ended.text)) == (0, [2, 4, 6, 8, 10])
    assert ended.err == "5 received, 5 did not match\n"
    ended = run("store", "sub", ten, "--from", "first", "--count", "2", *EVEN)
    assert numbers(ended.text) == [2, 4]


def test_all_conditions_have_to_hold(run: Run, ten: str) -> None:
    ended = run("store", "sub", ten, "--from", "first", "--until", "now", *EVEN, "--where", "sequence>=7")
    assert numbers(ended.text) == [8, 10]


def test_a_checkpoint_passes_what_does_not_match(run: Run, ten: str, tmp_path: Path) -> None:
    position = tmp_path / "position"
    options = ["--checkpoint", str(position), "--from", "first", "--until", "now", "--where", "body.n<=3"]
    assert numbers(run("store", "sub", ten, *options).text) == [1, 2, 3]
    assert json.loads(position.read_text())["sequence"] == 10


def test_a_checkpoint_stays_at_the_last_that_was_counted(run: Run, ten: str, tmp_path: Path) -> None:
    position = tmp_path / "position"
    options = ["--checkpoint", str(position), "--from", "first", "--count", "1", *EVEN]
    assert [numbers(run("store", "sub", ten, *options).text) for _ in range(2)] == [[2], [4]]
    assert json.loads(position.read_text())["sequence"] == 4


def test_a_handler_gets_what_matches_and_the_position_waits_for_it(
    run: Run, ten: str, tmp_path: Path
) -> None:
    position = tmp_path / "position"
    options = ["--checkpoint", str(position), "--from", "first", "--until", "now", *EVEN]
    fails_at_6 = ["--", "sh", "-c", 'test "$KUBEMQ_SEQUENCE" != 6 && cat && echo']
    ended = run("store", "sub", ten, *options, *fails_at_6)
    assert (ended.code, numbers(ended.text)) == (10, [2, 4])
    assert json.loads(position.read_text())["sequence"] == 5
    ended = run("store", "sub", ten, *options, "--", "sh", "-c", "cat; echo")
    assert numbers(ended.text) == [6, 8, 10]
    assert json.loads(position.read_text())["sequence"] == 10


def test_idle_counts_from_what_matches(start: Start, stub: Stub, channel: str) -> None:
    sub = start("events", "sub", channel, "--idle", "500ms", "--where", "tags.k=v", ready=True)

    def ended() -> bool:
        publish(stub, channel, "another")
        return not sub.running

    until(ended, "the run to end while other events come")
    result = sub.wait()
    assert result.code == 6
    assert f"nothing that matches arrived on {channel}" in result.err


def test_nothing_that_matches_until_the_time_is_up_is_0(run: Run, ten: str) -> None:
    ended = run("store", "sub", ten, "--from", "first", "--for", "200ms", "--where", "id=none")
    assert (ended.code, ended.text, ended.err) == (0, "", "0 received, 10 did not match\n")


@pytest.mark.parametrize("group", ["events", "store"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "bod.id=1"], "there is no field bod here"),
        (["--where", "receive_count=1"], "there is no field receive_count here"),
        (["--decode", "gzp"], "--decode does not know gzp"),
        (["--decode", "protobuf"], "needs --proto-set FILE and --proto-type"),
    ],
)
def test_what_cannot_be_read_is_refused_before_a_server_is_asked(
    run: Run, group: str, options: list[str], said: str
) -> None:
    ended = run(group, "sub", "c", *options, address="127.0.0.1:1")
    assert ended.code == 2
    assert said in ended.err


def test_a_packed_body_is_shown_and_filtered_unpacked_and_handled_as_it_is(
    run: Run, stub: Stub, channel: str
) -> None:
    for n in (1, 2):
        publish(stub, channel, gzip.compress(json.dumps({"n": n}).encode()), store=True)
    options = ["--from", "first", "--until", "now", "--decode", "gzip", "--where", "body.n=2"]
    assert numbers(run("store", "sub", channel, *options).text) == [2]
    ended = run("store", "sub", channel, *options, "-o", "json", "--", "gzip", "-d")
    assert [record["body"] for record in ended.records()] == ['{"n": 2}']
    assert '{"n": 2}' in ended.err


def test_a_body_that_does_not_unpack_is_shown_as_it_is_and_warned_of_once(run: Run, ten: str) -> None:
    ended = run("store", "sub", ten, "--from", "first", "--until", "now", "--decode", "gzip")
    assert numbers(ended.text) == list(range(1, 11))
    assert ended.err.count("warning: ") == 1
