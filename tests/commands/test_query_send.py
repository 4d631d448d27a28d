"""`kubemqctl query send`: the answer's exact bytes, the whole response, and the server's cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kubemqctl.model.values import parse_duration
from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub, responder

QUERIES = pb.Subscribe.Queries


@pytest.mark.parametrize(
    "body", [b"42", b"with newline\n", b"\x00\xff\xfe", b"", "é\u202e".encode(), bytes(range(256))]
)
def test_the_answer_is_its_exact_bytes(run: Run, stub: Stub, channel: str, body: bytes) -> None:
    with responder(stub, QUERIES, channel, lambda _: pb.Response(Executed=True, Body=body)):
        result = run("query", "send", channel, "?")
    assert (result.code, result.out, result.err) == (0, body, "")


def test_the_response_is_the_record(run: Run, stub: Stub, channel: str) -> None:
    def answer(_: pb.Request) -> pb.Response:
        return pb.Response(
            Executed=True, Body=b"\xff", Metadata="m", Tags={"k": "v"}, ClientID="shop", RequestID="r"
        )

    with responder(stub, QUERIES, channel, answer):
        (record,) = run("query", "send", channel, "?", "-o", "json").records()
    assert parse_duration(record.pop("elapsed")) > 0
    assert record == {
        "id": "r",
        "channel": channel,
        "metadata": "m",
        "client_id": "shop",
        "body_base64": "/w==",
        "tags": {"k": "v"},
        "executed": True,
    }


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_a_responder_may_give_its_time_in_any_unit(run: Run, stub: Stub, channel: str, unit: int) -> None:
    said = pb.Response(Executed=True, Body=b"x", Timestamp=1_717_144_200 * unit)
    with responder(stub, QUERIES, channel, lambda _: said):
        (record,) = run("query", "send", channel, "?", "-o", "json").records()
    assert record["timestamp"].startswith("2024-05-31T08:30:00")


def test_a_template_prints_what_it_names(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, lambda r: pb.Response(Executed=True, Body=r.Body, Metadata="m")):
        result = run("query", "send", channel, "tea", "--format", "{metadata}:{body}:{executed}:{cache_hit}")
    assert result.out == b"m:tea:true:\n"


def test_a_refusal_is_9_with_the_responders_own_words(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, lambda _: pb.Response(Error="no such tea")):
        result = run("query", "send", channel, "?")
        record = run("query", "send", channel, "?", "-o", "json").records()[0]
    assert (result.code, result.out, result.err) == (9, b"", "error: no such tea\n")
    assert (record["executed"], record["error"], record["body"]) == (False, "no such tea", "")


def test_nobody_there_is_6(run: Run, channel: str) -> None:
    result = run("query", "send", channel, "?", "--timeout", "100ms")
    assert (result.code, result.out) == (6, b"")
    assert "nobody answered" in result.err


def test_the_cache_fields_travel(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, lambda _: pb.Response(Executed=True, Body=b"a")) as got:
        run("query", "send", channel, "?", "--cache-key", channel, "--cache-ttl", "1d")
    assert (got[0].CacheKey, got[0].CacheTTL) == (channel, 86400)


@pytest.mark.builtin
def test_a_cached_answer_says_so_and_needs_no_responder(run: Run, stub: Stub, channel: str) -> None:
    words = ["query", "send", channel, "?", "--cache-key", channel, "--cache-ttl", "30s", "-o", "json"]
    with responder(stub, QUERIES, channel, lambda _: pb.Response(Executed=True, Body=b"a")) as got:
        (first,) = run(*words).records()
    (second,) = run(*words).records()
    assert len(got) == 1
    assert "cache_hit" not in first
    assert (second["cache_hit"], second["body"]) == (True, "a")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cache-key", "k"], "--cache-key and --cache-ttl must be used together"),
        (["--cache-ttl", "5s"], "--cache-key and --cache-ttl must be used together"),
        (["--cache-key", "k", "--cache-ttl", "1.5s"], "whole seconds"),
        (["--cache-key", "k", "--cache-ttl", "0s"], "too short"),
        (["--cache-key", "k", "--cache-ttl", "5"], "has no unit"),
        (["--timeout", "0ms"], "--timeout must be between 1ms and 24d"),
    ],
)
def test_what_is_wrong_is_refused_before_it_connects(run: Run, words: list[str], said: str) -> None:
    result = run("query", "send", "c", "?", *words, address="127.0.0.1:1")
    assert result.code == 2
    assert said in result.err


def test_fifty_megabytes_go_both_ways(start: Start, run: Run, channel: str, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(hashlib.shake_128(b"seed").digest(50_000_000))
    responding = start("query", "respond", channel, "--echo", "--count", "1", ready=True)
    result = run("query", "send", channel, "--file", path)
    assert result.code == 0
    assert result.out == path.read_bytes()
    assert responding.wait().code == 0
