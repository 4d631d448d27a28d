"""Exit codes of runs in which nothing came: 6, or 0 where all was looked at or time alone ended the run."""

from __future__ import annotations

import pytest

from tests.support.program import Run
from tests.support.raw_grpc import Stub

MISSED = [
    "queue receive C --wait 0s",
    "queue receive C --idle 50ms",
    "queue receive C --count 3 --wait 50ms",
    "queue receive C --count 3 --for 100ms",
    "queue receive C --count 1 --for 100ms",
    "queue receive C --follow --count 3 --for 100ms",
    "queue receive C --follow --count 3 --idle 100ms",
    "queue receive C --ack auto --wait 50ms",
    "queue receive C --ack auto --follow --count 2 --for 100ms",
    "queue receive C --wait 50ms -- cat",
    "queue receive C --count 2 --for 100ms -- cat",
    "queue receive C --follow --count 2 --idle 100ms -- cat",
    "queue receive C --follow --count 2 --for 100ms -- cat",
    "queue peek C --wait 0s",
    "queue peek C --count 3 --wait 50ms",
    "queue tx C --ack --wait 0s",
    "events sub C --idle 100ms",
    "events sub C --idle 100ms --for 1m",
    "events sub C --count 1 --for 100ms",
    "events sub C --count 1 --idle 100ms -- cat",
    "store sub C --idle 100ms",
    "store sub C --idle 100ms --for 1m",
    "store sub C --count 1 --for 100ms",
    "store sub C --from first --count 1 --for 100ms -- cat",
    "cmd send C x --timeout 100ms",
    "query send C x --timeout 100ms",
]
LOOKED_AT = [
    "queue receive C --all --wait 0s",
    "queue receive C --all --for 100ms",
    "queue receive C --follow --for 100ms",
    "queue receive C --follow --idle 100ms",
    "queue receive C --ack auto --follow --for 100ms",
    "queue receive C --all --wait 0s -- cat",
    "queue receive C --follow --for 100ms -- cat",
    "queue receive C --follow --idle 100ms -- cat",
    "queue peek C --all --wait 0s",
    "queue ack-all C --yes",
    "queue move C there --all",
    "queue move C there --count 3",
    "events sub C --for 100ms",
    "events sub C --for 100ms --idle 1m",
    "events sub C --for 100ms -- cat",
    "store sub C --for 100ms",
    "store sub C --from first --until now",
    "store sub C --from first --until now --count 3",
    "store sub C --until now -- cat",
]


@pytest.mark.parametrize("line", MISSED)
def test_what_was_waited_for_and_did_not_come_is_6(run: Run, channel: str, line: str) -> None:
    result = run(*(channel if word == "C" else word for word in line.split()))
    assert (result.code, result.out) == (6, b"")
    assert f"error: nothing arrived on {channel}\n" in result.err or f" {channel} " in result.err


@pytest.mark.parametrize("line", LOOKED_AT)
def test_nothing_is_a_result_where_all_was_looked_at_or_time_alone_ended_the_run(
    run: Run, channel: str, line: str
) -> None:
    result = run(*(channel if word == "C" else word for word in line.split()))
    assert result.code == 0
    assert result.out in (b"", b"0\n")
    assert "error:" not in result.err


@pytest.mark.parametrize(
    "line",
    [
        "queue receive C --count 3 --for 300ms",
        "queue receive C --follow --count 3 --idle 300ms",
        "queue receive C --follow --count 3 --for 300ms -- cat",
        "queue peek C --count 3 --wait 0s",
    ],
)
def test_fewer_than_were_asked_for_are_0(run: Run, stub: Stub, channel: str, line: str) -> None:
    stub.fill(channel, 1)
    result = run(*(channel if word == "C" else word for word in line.split()))
    assert (result.code, result.out.rstrip(b"\n")) == (0, b"1")


def test_an_end_that_is_reached_already_is_0_with_a_checkpoint_too(
    run: Run, channel: str, tmp_path: object
) -> None:
    assert run("store", "pub", channel, "x").code == 0
    line = ("store", "sub", channel, "--from", "first", "--until", "now", "--checkpoint", f"{tmp_path}/at")
    first, second = run(*line), run(*line)
    assert [(r.code, r.out) for r in (first, second)] == [(0, b"x\n"), (0, b"")]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ("", "--wait 30s"),
        ("--count 2 --for 50ms", "a longer --for"),
        ("--follow --count 2 --idle 50ms", "a longer --idle"),
    ],
)
def test_the_hint_names_the_option_that_ended_the_wait(
    run: Run, channel: str, options: str, hint: str
) -> None:
    assert f"hint: to wait longer: {hint}\n" in run("queue", "receive", channel, *options.split()).err
