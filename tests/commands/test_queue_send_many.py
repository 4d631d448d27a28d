"""`queue send`, many messages: what separates them, records both ways, order, and what a request holds."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pytest

from kubemqctl.model.limits import MAX_BODY
from tests.support.fake_queue_server import Messages, Results, accept, fake_queue_server
from tests.support.program import Run, Start, environment
from tests.support.raw_grpc import Stub


def bodies(stub: Stub, channel: str, count: int) -> list[bytes]:
    """The bodies of all `count` messages of a queue; there are no more."""
    found = [m.Body for m in stub.receive(channel, count).Messages]
    [info] = stub.info(channel).Info.Queues
    assert info.Sent == count
    return found


@pytest.mark.parametrize(
    ("options", "data", "found"),
    [
        (["--lines"], b"a\nb\r\nc", [b"a", b"b\r", b"c"]),
        (["--lines"], b"a\n\n\nb\n", [b"a", b"b"]),
        (["--lines"], b"\xff\x00\n \n", [b"\xff\x00", b" "]),
        (["-0"], b"a\nb\0\0c\0", [b"a\nb", b"c"]),
        (["--delimiter", "::"], b"a:b::c::::d", [b"a:b", b"c", b"d"]),
        (["--delimiter", r"\xff\n"], b"a\n\xff\nb", [b"a\n", b"b"]),
    ],
)
def test_pieces_are_exact(
    run: Run, stub: Stub, channel: str, options: list[str], data: bytes, found: list[bytes]
) -> None:
    sent = run("queue", "send", channel, *options, stdin=data)
    assert sent.code == 0
    assert bodies(stub, channel, len(found)) == found


def test_ids_come_in_the_order_of_the_input(run: Run, stub: Stub, channel: str) -> None:
    lines = [b"%d" % n for n in range(2500)]
    sent = run("queue", "send", channel, "--lines", stdin=b"\n".join(lines))
    assert (sent.code, sent.err) == (0, "2,500 sent\n")
    taken = [m for _ in range(5) for m in stub.receive(channel, 500).Messages]
    assert [m.Body for m in taken] == lines
    assert [m.MessageID for m in taken] == sent.text.split()


def test_empty_pieces_are_counted_in_the_summary(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "--lines", stdin=b"a\n\nb\n\n").err == (
        "2 sent, 2 empty pieces skipped\n"
    )


@pytest.mark.parametrize("options", [["--lines"], ["-0"], ["--json-lines"]])
def test_an_empty_input_is_no_message_and_no_failure(run: Run, channel: str, options: list[str]) -> None:
    sent = run("queue", "send", channel, *options, stdin=b"")
    assert (sent.code, sent.out, sent.err) == (0, b"", "0 sent\n")


def test_quiet_leaves_the_summary_out(run: Run, channel: str) -> None:
    assert run("queue", "send", channel, "--lines", "-q", stdin=b"a\n").err == ""


@pytest.mark.parametrize("source", ["argument", "file", "dash"])
def test_pieces_come_from_every_source(
    run: Run, stub: Stub, channel: str, source: str, tmp_path: Path
) -> None:
    (tmp_path / "input").write_bytes(b"a\nb")
    words: dict[str, list[str | bytes | Path]] = {
        "argument": [b"a\nb"],
        "file": ["--file", tmp_path / "input"],
        "dash": ["-"],
    }
    stdin = b"a\nb" if source == "dash" else b"not this"
    assert run("queue", "send", channel, "--lines", *words[source], stdin=stdin).code == 0
    assert bodies(stub, channel, 2) == [b"a", b"b"]


def test_several_files_are_a_message_each(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("one", "two")]
    names[0].write_bytes(b"1\n2\n")
    names[1].write_bytes(b"\xff\0")
    sent = run("queue", "send", channel, "--file", names[0], "--file", names[1], "--tag", "a=1")
    assert sent.code == 0
    messages = stub.receive(channel, 2).Messages
    assert [(m.Body, dict(m.Tags)) for m in messages] == [(b"1\n2\n", {"a": "1"}), (b"\xff\0", {"a": "1"})]


def test_one_bad_file_of_several_sends_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"x")
    with fake_queue_server() as server:
        done = run(
            "queue", "send", "q", "--file", tmp_path / "good", "--file", "missing", address=server.address
        )
    assert (done.code, server.calls) == (3, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lines", "--id", "x"], "--id can only be used for a single message"),
        (["--json-lines", "--id", "x"], "--keep-id"),
        (["--lines", "-0"], "cannot be used together"),
        (["--lines", "--json-lines"], "cannot be used together"),
        (["--lines", "--keep-id"], "--keep-id needs --json-lines"),
        (["--lines", "--file", "a", "--file", "b"], "cannot be split"),
        (["body", "--file", "a", "--file", "b"], "twice"),
        (["--delimiter", ""], "--delimiter is empty"),
        (["--delimiter", r"\q"], "not an escape"),
        (["--lines", "--rate", "0/s"], "would send nothing"),
        (["--lines", "--rate", "5"], "no unit"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_a_connection(
    run: Run, words: list[str], said: str
) -> None:
    done = run("queue", "send", "q", *words, stdin=b"a\n", address="127.0.0.1:1")
    assert done.code == 2
    assert said in done.err


def record_lines(*records: object) -> bytes:
    return b"".join(json.dumps(r).encode() + b"\n" for r in records)


def test_what_receive_prints_send_takes_and_nothing_is_lost(run: Run, stub: Stub, channel: str) -> None:
    odd = bytes(range(256))
    tags = {"k": "v", "ü": "\t\u202e"}
    policy = {"ExpirationSeconds": 3600, "MaxReceiveCount": 7, "MaxReceiveQueue": "dead"}
    stub.send(channel, odd, MessageID="own", Metadata="m\n", Tags=tags, Policy=policy)
    stub.send(channel, "text\r\n\x7f\x85")
    stub.send(channel, b"", Metadata="only metadata")
    received = run("queue", "receive", channel, "--all", "-o", "json")
    assert received.code == 0
    copy = f"{channel}-copy"
    sent = run("queue", "send", copy, "--json-lines", "--keep-id", stdin=received.out)
    assert (sent.code, sent.text.split()[0]) == (0, "own")
    first, second, third = stub.receive(copy, 3).Messages
    assert (first.Body, first.MessageID, first.Metadata, dict(first.Tags)) == (odd, "own", "m\n", tags)
    assert first.Policy.ExpirationSeconds == 3600
    assert (first.Policy.MaxReceiveCount, first.Policy.MaxReceiveQueue) == (7, "dead")
    assert (second.Body, third.Body, third.Metadata) == (b"text\r\n\x7f\xc2\x85", b"", "only metadata")


def test_a_record_that_is_longer_than_any_body_is_sent(run: Run, stub: Stub, channel: str) -> None:
    body = b"\x01" * 18_000_000  # six characters each: a line of 108 MB
    line = record_lines({"body": body.decode()})
    assert len(line) > MAX_BODY
    assert run("queue", "send", channel, "--json-lines", stdin=line).code == 0
    assert bodies(stub, channel, 1) == [body]


def test_each_record_goes_to_the_channel_that_it_names(run: Run, stub: Stub, channel: str) -> None:
    one, two = f"{channel}-1", f"{channel}-2"
    lines = record_lines(
        {"channel": one, "body": "a"},
        {"channel": two, "body": "b", "tags": {"k": "theirs"}},
        {"body": "nowhere"},
        {"channel": "a b", "body": "bad name"},
        {"channel": one, "body": "c"},
    )
    done = run(
        *("queue", "send", "--json-lines", "--keep-channel", "--tag", "k=v", "-o", "json"), stdin=lines
    )
    assert done.code == 7
    assert [(r["channel"]) for r in done.records()] == [one, two, one]
    assert [json.loads(line)["message"].partition(":")[0] for line in done.err.splitlines()[:2]] == [
        "line 3",
        "line 4",
    ]
    assert [m.Body for m in stub.receive(one, 2).Messages] == [b"a", b"c"]
    assert [(m.Body, m.Tags["k"]) for m in stub.receive(two).Messages] == [(b"b", "v")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["q", "--json-lines", "--keep-channel"], "contradict each other"),
        (["--keep-channel"], "--keep-channel needs --json-lines"),
        (["--json-lines"], "missing argument 'CHANNEL'"),
        (["q", "--lines", "--pace", "1x"], "--pace needs --json-lines"),
        (["q", "body", "--pace", "1x"], "--pace needs --json-lines"),
        (["q", "--json-lines", "--pace", "1x", "--rate", "5/s"], "--pace and --rate"),
        (["q", "--json-lines", "--pace", "1"], "is not a pace"),
        (["q", "--json-lines", "--pace", "0x"], "would never send"),
    ],
)
def test_keeping_channels_and_gaps_is_for_records(run: Run, words: list[str], said: str) -> None:
    done = run("queue", "send", *words, stdin=b"", address="127.0.0.1:1")
    assert (done.code, said in done.err) == (2, True), done.err


def test_a_pace_keeps_the_gaps_between_the_times_of_records(run: Run) -> None:
    arrived: list[tuple[float, list[bytes]]] = []

    def act(messages: Messages) -> Results:
        arrived.append((time.monotonic(), [m.Body for m in messages]))
        return accept(messages)

    def at(seconds: float) -> str:
        return f"2024-05-31T08:30:{seconds:04.1f}Z"

    lines = record_lines(
        {"body": "a", "timestamp": at(0)},
        {"body": "b", "received_at": at(30)},
        {"body": "no time"},
        {"body": "earlier", "timestamp": at(5)},
        {"body": "c", "timestamp": at(50), "received_at": at(59)},
        {"body": "bad", "timestamp": "noon"},
    )
    begun = time.monotonic()
    with fake_queue_server(*[act] * 9) as server:
        done = run(
            "queue", "send", "q", "--json-lines", "--pace", "100x", stdin=lines, address=server.address
        )
    assert done.code == 7
    assert "line 6: timestamp" in done.err
    assert [bodies for _, bodies in arrived] == [[b"a"], [b"b", b"no time", b"earlier"], [b"c"]]
    # Not before their time; what a busy machine adds is far from the 50 s that they are apart.
    came = [moment - begun for moment, _ in arrived]
    assert came[1] >= 0.3, came
    assert 0.5 <= came[2] < 25, came


def test_bodies_are_encoded_one_way_or_several_and_decoded_again(run: Run, stub: Stub, channel: str) -> None:
    words = ("queue", "send", channel, "--encode", "gzip", "--encode", "base64")
    assert run(*words, "one").code == 0
    assert run(*words, "--lines", stdin=b"two\nthree").code == 0
    assert run(*words, "--json-lines", stdin=record_lines({"body": "four"})).code == 0
    peeked = run("queue", "peek", channel, "--all", "--decode", "base64", "--decode", "gzip")
    assert peeked.out == b"one\ntwo\nthree\nfour\n"
    packed = stub.receive(channel).Messages[0].Body
    assert gzip.decompress(base64.b64decode(packed)) == b"one"
    assert run(*words, "--encode", "zip", "x", address="127.0.0.1:1").code == 2


def test_ids_of_records_are_new_unless_they_are_kept(run: Run, channel: str) -> None:
    line = record_lines({"id": "own", "body": "x"})
    assert run("queue", "send", channel, "--json-lines", stdin=line).text != "own\n"
    assert run("queue", "send", channel, "--json-lines", "--keep-id", stdin=line).text == "own\n"


def test_the_command_line_beats_the_record(run: Run, stub: Stub, channel: str) -> None:
    line = record_lines(
        {
            "channel": "elsewhere",
            "body": "x",
            "metadata": "theirs",
            "tags": {"a": "theirs", "b": "theirs"},
            "policy": {"expiration": "1h", "max_receives": 3},
        }
    )
    options = ["--metadata", "mine", "--tag", "a=mine", "--expire", "2h"]
    assert run("queue", "send", channel, "--json-lines", *options, stdin=line).code == 0
    [message] = stub.receive(channel).Messages
    assert (message.Metadata, dict(message.Tags)) == ("mine", {"a": "mine", "b": "theirs"})
    assert (message.Policy.ExpirationSeconds, message.Policy.MaxReceiveCount) == (7200, 3)


GOOD = {"body": "good"}
BAD = [
    (b"{", "not JSON"),
    (b"[1]", "a record is a JSON object"),
    (b'{"body":"x","tgas":{}}', "unknown field tgas"),
    (b'{"body":1}', "body must be a string"),
    (b'{"body":"x","policy":{"dead_letter":"a\\tb"}}', "policy.dead_letter"),
    (b'{"body":"x","policy":{"delay":"13h"}}', "policy.delay"),
    (b'{"tags":{"a":"b"}}', "neither body nor metadata"),
    (b'{"body":"\xff"}', "UTF-8"),
    (b'{"body_base64":"?"}', "base64"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_a_bad_line_is_named_and_the_others_go_on(
    run: Run, stub: Stub, channel: str, line: bytes, said: str
) -> None:
    stdin = record_lines(GOOD) + line + b"\n\n" + record_lines(GOOD)
    done = run("queue", "send", channel, "--json-lines", stdin=stdin)
    assert done.code == 7
    assert "error: line 2: " in done.err
    assert said in done.err
    assert done.err.endswith("error: 2 sent, 1 failed, 1 empty piece skipped\n")
    assert bodies(stub, channel, 2) == [b"good", b"good"]


def test_no_good_line_at_all_is_exit_2(run: Run, channel: str) -> None:
    done = run("queue", "send", channel, "--json-lines", stdin=b"{\n}\n")
    assert (done.code, done.out) == (2, b"")
    assert "error: line 2: " in done.err


def test_of_many_bad_lines_twenty_are_named(run: Run, channel: str) -> None:
    done = run("queue", "send", channel, "--json-lines", stdin=b"{\n" * 25)
    named = [line for line in done.err.splitlines() if line.startswith("error: line ")]
    assert len(named) == 20
    assert "error: 5 more\n" in done.err


def test_under_json_every_failure_is_an_object_on_stderr(run: Run, channel: str) -> None:
    stdin = record_lines(GOOD) + b"{\n"
    done = run("queue", "send", channel, "--json-lines", "-o", "json", stdin=stdin)
    told = [json.loads(line) for line in done.err.splitlines()]
    assert [error["error"] for error in told] == ["invalid-record", "partly-done"]
    assert told[0]["message"].startswith("line 2: ")
    assert (told[1]["message"], told[1]["exit_code"]) == ("1 sent, 1 failed", 7)


def test_a_line_over_the_limit_is_named_and_the_others_go_on(start: Start, stub: Stub, channel: str) -> None:
    sending = start("queue", "send", channel, "--lines", stdin=subprocess.PIPE)
    with sending.stdin as pipe:
        pipe.write(b"first\n")
        for _ in range(101):
            pipe.write(b"x" * (1 << 20))
        pipe.write(b"\nlast\n")
    done = sending.wait(60)
    assert done.code == 7
    assert "error: line 2: too large" in done.err
    assert bodies(stub, channel, 2) == [b"first", b"last"]


def test_requests_are_bounded_by_count(run: Run) -> None:
    with fake_queue_server() as server:
        assert run("queue", "send", "q", "--lines", stdin=b"x\n" * 2500, address=server.address).code == 0
    assert set(server.methods) == {"SendQueueMessagesBatch"}
    assert max(map(len, server.bodies)) == 1000
    assert sum(map(len, server.bodies)) == 2500


def test_requests_are_bounded_by_bytes(run: Run) -> None:
    with fake_queue_server() as server:
        stdin = (b"x" * (1 << 20) + b"\n") * 10
        assert run("queue", "send", "q", "--lines", stdin=stdin, address=server.address).code == 0
    assert max(sum(map(len, each)) for each in server.bodies) <= 4 << 20
    assert sum(map(len, server.bodies)) == 10


def test_what_every_message_carries_counts_in_the_size_of_a_request(run: Run) -> None:
    with fake_queue_server() as server:
        metadata = "m" * 100_000
        done = run(
            "queue",
            "send",
            "q",
            "--lines",
            "--metadata",
            metadata,
            stdin=b"x\n" * 100,
            address=server.address,
        )
    assert done.code == 0
    assert max(map(len, server.bodies)) <= (4 << 20) // 100_000
    assert sum(map(len, server.bodies)) == 100


def feed(pipe: IO[bytes], total: int) -> None:
    chunk = (b"x" * 1023 + b"\n") * 256
    with pipe:
        for _ in range(total // len(chunk)):
            pipe.write(chunk)


def peak(total: int, address: str) -> int:
    """The most memory that the program held while it sent so many bytes of lines, in KiB."""
    argv = [sys.executable, "-m", "kubemqctl", "queue", "send", "q", "--lines", "-q"]
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=null, env=environment(address))
        assert process.stdin is not None
        feeder = threading.Thread(target=feed, args=(process.stdin, total))
        feeder.start()
        _, status, used = os.wait4(process.pid, 0)
        feeder.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_maxrss


def test_memory_stays_flat_whatever_comes_in() -> None:
    with fake_queue_server() as server:
        server.keeps = False
        few, many = (peak(size << 20, server.address) for size in (10, 60))
    assert many < 1.2 * few
