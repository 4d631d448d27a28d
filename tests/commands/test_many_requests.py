"""`cmd send` and `query send` with many requests: order, how many at a time, and the exit code."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.fake_server import Abort, fake_server
from tests.support.program import Run, Start
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub, responder
from tests.support.waiting import until

QUERIES, COMMANDS = pb.Subscribe.Queries, pb.Subscribe.Commands
Answer = Callable[[pb.Request], "pb.Response | None"]


def echo(request: pb.Request) -> pb.Response | None:
    """Itself; `no` is refused, `silence` not answered."""
    if request.Body == b"silence":
        return None
    return pb.Response(
        Executed=request.Body != b"no", Body=request.Body, Error="no such" * (request.Body == b"no")
    )


def record_lines(*records: object) -> bytes:
    return b"".join(json.dumps(r).encode() + b"\n" for r in records)


def test_answers_come_in_the_order_of_the_input(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, echo):
        done = run("query", "send", channel, "--lines", stdin=b"a\n\nb\nc")
    assert (done.code, done.out, done.err) == (0, b"a\nb\nc\n", "3 answered, 1 empty skipped\n")


def test_bodies_are_encoded_on_their_way_and_decoded_on_the_way_back(
    run: Run, stub: Stub, channel: str
) -> None:
    words = ("query", "send", channel, "--encode", "base64", "--decode", "base64")
    with responder(stub, QUERIES, channel, echo) as got:
        assert run(*words, "one").out == b"one"
        assert run(*words, "--lines", stdin=b"two\n").out == b"two\n"
    assert [request.Body for request in got] == [b"b25l", b"dHdv"]


def test_separators_hold_for_input_and_output(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, echo):
        assert run("query", "send", channel, "-0", stdin=b"a\nb\0c\0").out == b"a\nb\0c\0"
        assert run("query", "send", channel, "--delimiter", "|", "x|y").out == b"x|y|"


def test_records_have_the_line_that_they_answer(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, echo):
        done = run(
            *("query", "send", channel, "--lines", "--timeout", "200ms", "-o", "json"),
            stdin=b"a\n\nno\nsilence\n",
        )
    assert done.code == 7
    found = [(r["line"], r["executed"], r["body"], r.get("error", "")) for r in done.records()]
    assert found == [
        (1, True, "a", ""),
        (3, False, "no", "no such"),
        (4, False, "", f"nobody answered on {channel} within 0.2 s"),
    ]
    # What nobody answered took no time that could be told.
    assert ["elapsed" in r for r in done.records()] == [True, True, False]
    errors = [json.loads(line) for line in done.err.splitlines()]
    assert [(e["message"].partition(":")[0], e["exit_code"]) for e in errors] == [
        ("line 3", 9),
        ("line 4", 6),
        ("1 answered, 1 refused, 1 not answered, 1 empty skipped", 7),
    ]


def test_records_say_what_is_theirs_and_the_command_line_beats_them(
    run: Run, stub: Stub, channel: str
) -> None:
    lines = record_lines(
        {"body": "a", "timeout": "7s", "cache_key": "k", "cache_ttl": "30s", "tags": {"t": "theirs"}},
        {"body": "b", "metadata": "m", "id": "own", "elapsed": "3ms", "executed": True, "line": 4},
    )
    with responder(stub, QUERIES, channel, echo) as got:
        assert run("query", "send", channel, "--json-lines", "--keep-id", stdin=lines).code == 0
        words = ("--timeout", "3s", "--tag", "t=mine", "--cache-key", "mine", "--cache-ttl", "5s")
        assert run("query", "send", channel, "--json-lines", *words, stdin=lines).code == 0
    first, second, third = got[:3]  # a server with a cache answers the fourth from there
    assert (first.Timeout, first.CacheKey, first.CacheTTL, first.Tags["t"]) == (7000, "k", 30, "theirs")
    assert (second.Timeout, second.CacheKey, second.Metadata, second.RequestID) == (10_000, "", "m", "own")
    assert (third.Timeout, third.CacheKey, third.CacheTTL, third.Tags["t"]) == (3000, "mine", 5, "mine")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (b"", 0),
        (b"no\nno\n", 9),
        (b"silence\nsilence\n", 6),
        (b"no\nsilence\n", 7),
        (b"a\nno\n", 7),
    ],
)
def test_the_exit_code_says_whether_all_ended_alike(
    run: Run, stub: Stub, channel: str, lines: bytes, code: int
) -> None:
    with responder(stub, COMMANDS, channel, echo):
        done = run("cmd", "send", channel, "--lines", "--timeout", "100ms", stdin=lines)
    assert (done.code, done.out) == (code, b"")


def test_a_line_that_is_no_record_is_named_and_the_others_go_on(run: Run, stub: Stub, channel: str) -> None:
    bad = [b"{", b'{"body":"x","timeout":"0s"}', b'{"body":"x","cache_key":"k"}', b'{"body":1}']
    with responder(stub, QUERIES, channel, echo):
        done = run(
            *("query", "send", channel, "--json-lines"), stdin=b"\n".join([b'{"body":"good"}', *bad, b""])
        )
        only_bad = run("query", "send", channel, "--json-lines", stdin=b"{\n")
    assert (done.code, done.out, only_bad.code) == (7, b"good\n", 2)
    assert [line[:13] for line in done.err.splitlines() if line.startswith("error: line")] == [
        f"error: line {n}" for n in (2, 3, 4, 5)
    ]
    assert done.err.endswith("error: 1 answered, 4 invalid\n")


def test_a_bad_field_of_a_record_is_named_under_an_option_that_beats_it_too(run: Run) -> None:
    lines = record_lines(
        {"body": "x", "timeout": "junk"},
        {"body": "x", "cache_key": "k", "cache_ttl": "5"},
        {"body": "x", "cache_key": "k", "cache_ttl": "1.5s"},
    )
    beaten = ("--timeout", "1s", "--cache-key", "k", "--cache-ttl", "5s")
    for options in (), beaten:
        done = run("query", "send", "c", "--json-lines", "-o", "json", *options, stdin=lines)
        assert (done.code, done.out) == (2, b"")
        said = [json.loads(line) for line in done.err.splitlines()[:3]]
        assert [(e["error"], " ".join(e["message"].split()[:6])) for e in said] == [
            ("invalid-record", "line 1: timeout: junk is not"),
            ("invalid-record", "line 2: cache_ttl: 5 has no"),
            ("invalid-record", "line 3: cache_ttl 1.5s is a"),
        ]


class Held:
    """Answers nothing until it is let go; `most` is how many requests were unanswered at a time."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self.release = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> pb.Response:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        # The first one last: its answer is printed before the others all the same.
        assert self.release.wait(10)
        with self._lock:
            self._now -= 1
        return pb.Response(RequestID=request.RequestID, Executed=True, Body=request.Body)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_are_under_way_at_a_time(start: Start, channel: str, concurrency: int) -> None:
    held = Held()
    with fake_server(SendRequest=held) as address:
        words = ("query", "send", channel, "--lines", "--concurrency", str(concurrency))
        asking = start(*words, stdin=subprocess.PIPE, address=address)
        asking.stdin.write(b"".join(b"%d\n" % n for n in range(9)))
        asking.stdin.close()
        until(lambda: held.most == concurrency, "so many are under way")
        held.release.set()
        done = asking.wait()
    assert (done.code, done.out.split()) == (0, [b"%d" % n for n in range(9)])
    assert held.most == concurrency


def test_an_answer_that_is_late_is_printed_before_those_behind_it(start: Start, channel: str) -> None:
    first = threading.Event()
    came: list[bytes] = []

    def answer(request: Any) -> pb.Response:
        if request.Body == b"0":
            assert first.wait(10)
        came.append(request.Body)
        return pb.Response(Executed=True, Body=request.Body)

    with fake_server(SendRequest=answer) as address:
        words = ("query", "send", channel, "--lines", "--concurrency", "2")
        asking = start(*words, stdin=subprocess.PIPE, address=address)
        asking.stdin.write(b"0\n1\n2\n3\n")
        asking.stdin.close()
        until(lambda: len(came) == 3, "the others were answered")
        assert asking.out == b""
        first.set()
        assert asking.wait().out == b"0\n1\n2\n3\n"


def test_a_live_pipe_is_answered_line_by_line(start: Start, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, echo):
        asking = start("query", "send", channel, "--lines", "--concurrency", "4", stdin=subprocess.PIPE)
        for line in (b"one\n", b"two\n"):
            asking.stdin.write(line)
            asking.stdin.flush()
            asking.wait_for_stdout(line)
        asking.stdin.close()
        assert asking.wait().code == 0


LATER = record_lines(
    {"body": "a", "timestamp": "2026-01-01T00:00:00Z"},
    {"body": "b", "received_at": "2026-01-01T01:00:00Z"},
)


@pytest.mark.parametrize(
    ("options", "lines"),
    [(["--json-lines", "--pace", "1x"], LATER), (["--lines", "--rate", "1/h"], b"a\nb\n")],
    ids=["pace", "rate"],
)
def test_an_answer_does_not_wait_until_the_next_request_is_due(
    start: Start, stub: Stub, channel: str, options: list[str], lines: bytes
) -> None:
    words = ("query", "send", channel, *options, "--concurrency", "2")
    with responder(stub, QUERIES, channel, echo):
        asking = start(*words, stdin=subprocess.PIPE)
        asking.stdin.write(lines)
        asking.stdin.close()
        asking.wait_for_stdout(b"a\n")
        asking.send(signal.SIGINT)
        done = asking.wait()
    assert (done.code, done.out) == (130, b"a\n")


def test_a_pace_keeps_the_gaps_between_the_times_of_records(run: Run, stub: Stub, channel: str) -> None:
    came: list[float] = []

    def note(request: pb.Request) -> pb.Response | None:
        came.append(time.monotonic())
        return echo(request)

    with responder(stub, QUERIES, channel, note):
        began = time.monotonic()  # the first may take long to arrive, so its arrival is no beginning
        words = ("query", "send", channel, "--json-lines", "--pace", "9000x")
        bad = record_lines({"body": "c", "timestamp": "yesterday"})
        done = run(*words, stdin=LATER + bad)
    assert (done.code, done.out) == (7, b"a\nb\n")
    assert "line 3: timestamp" in done.err
    assert came[1] - began >= 3600 / 9000


def test_records_can_say_which_channel_they_are_for(run: Run, stub: Stub, channel: str) -> None:
    lines = record_lines(
        {"body": "a", "channel": f"{channel}.1"},
        {"body": "b", "channel": f"{channel}.2"},
        {"body": "c"},
        {"body": "d", "channel": "*"},
    )
    with responder(stub, QUERIES, f"{channel}.*", echo) as got:
        done = run("query", "send", "--json-lines", "--keep-channel", stdin=lines)
    assert (done.code, done.out) == (7, b"a\nb\n")
    assert [request.Channel for request in got] == [f"{channel}.1", f"{channel}.2"]
    assert "line 3: the record names no channel" in done.err
    assert "line 4: channel * contains *" in done.err


def test_a_signal_waits_for_what_is_under_way(start: Start, channel: str) -> None:
    held = Held()
    with fake_server(SendRequest=held) as address:
        asking = start("query", "send", channel, "--lines", stdin=subprocess.PIPE, address=address)
        asking.stdin.write(b"a\nb\n")
        asking.stdin.flush()
        until(lambda: held.most, "one is under way")
        asking.send(signal.SIGINT)
        held.release.set()
        done = asking.wait()
    assert (done.code, done.out) == (130, b"a\n")
    assert "stopped after line 1: 1 answered" in done.err


def lost(_: Any) -> Iterator[Any]:
    import grpc

    raise Abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def test_an_answer_that_was_lost_is_neither_answered_nor_refused_nor_asked_again(
    run: Run, channel: str
) -> None:
    bodies: list[bytes] = []

    def answer(request: Any) -> Any:
        bodies.append(request.Body)
        return lost(request) if request.Body == b"b" else pb.Response(Executed=True, Body=request.Body)

    with fake_server(SendRequest=answer) as address:
        done = run("query", "send", channel, "--lines", "-o", "json", stdin=b"a\nb\nc\n", address=address)
    assert (done.code, bodies) == (7, [b"a", b"b", b"c"])
    assert [r.get("error") for r in done.records()] == [None, "outcome-unknown", None]


@pytest.mark.parametrize(
    "words",
    [
        ["--lines", "--json-lines"],
        ["--lines", "--retry", "1"],
        ["body", "--rate", "5/s"],
        ["body", "--concurrency", "2"],
        ["body", "--keep-id"],
        ["--lines", "--pace", "1x"],
        ["--json-lines", "--pace", "1x", "--rate", "5/s"],
        ["--json-lines", "--keep-channel"],
        ["--lines", "--timeout", "0s"],
        ["--delimiter", ""],
    ],
)
def test_options_that_do_not_fit_are_2(run: Run, words: list[str]) -> None:
    assert run("query", "send", "q", *words, stdin=b"a\n", address="127.0.0.1:1").code == 2


def test_a_server_that_is_not_there_is_5(run: Run) -> None:
    done = run("query", "send", "q", "--lines", stdin=b"a\n", address="127.0.0.1:1")
    assert (done.code, done.out) == (5, b"")


@pytest.mark.builtin
def test_a_server_that_comes_back_is_gone_on_with(start: Start, new_broker: NewBroker, channel: str) -> None:
    broker = new_broker()
    with Proxy(broker.address) as port, Stub(broker.address) as stub, responder(stub, QUERIES, channel, echo):
        asking = start("query", "send", channel, "--lines", stdin=subprocess.PIPE, address=port.address)
        asking.stdin.write(b"before\n")
        asking.stdin.flush()
        asking.wait_for_stdout(b"before\n")
        port.cut()
        asking.stdin.write(b"after\n")
        asking.stdin.flush()
        until(lambda: port.turned_away > 20, "tried again and again")
        port.plug()
        asking.stdin.close()
        done = asking.wait()
    assert (done.code, done.text, done.err) == (0, "before\nafter\n", "2 answered\n")


def test_a_server_that_is_gone_for_good_ends_the_run_and_it_says_where(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    with Proxy(broker.address) as port, Stub(broker.address) as stub, responder(stub, QUERIES, channel, echo):
        asking = start(
            *("query", "send", channel, "--lines", "--connect-timeout", "200ms"),
            stdin=subprocess.PIPE,
            address=port.address,
        )
        asking.stdin.write(b"one\n")
        asking.stdin.flush()
        asking.wait_for_stdout(b"one\n")
        port.close()
        with asking.stdin as pipe:
            pipe.write(b"two\nthree\n")
        done = asking.wait()
    assert (done.code, done.text) == (7, "one\n")
    # The second may have gone into the connection just before its end was seen.
    ends = "2: 1 answered, 1 not sent|3: 1 answered, 1 not sent, 1 with unknown outcome"
    assert re.search(rf"connection refused; stopped after line ({ends})$", done.err, re.M), done.err


def test_a_port_that_is_no_servers_is_5_at_once(run: Run) -> None:
    with Proxy("127.0.0.1:1") as nobody:
        done = run(
            *("query", "send", "q", "--lines", "--connect-timeout", "1h"),
            stdin=b"a\nb\n",
            address=nobody.address,
        )
    assert (done.code, nobody.turned_away < 20) == (5, True)


def test_a_rate_takes_its_time(run: Run, stub: Stub, channel: str) -> None:
    with responder(stub, QUERIES, channel, echo):
        done = run("query", "send", channel, "--lines", "--rate", "10/s", "-o", "json", stdin=b"a\nb\nc\n")
    assert (done.code, len(done.records())) == (0, 3)
