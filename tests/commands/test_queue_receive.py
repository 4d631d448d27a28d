"""`kubemqctl queue receive`: what comes out, when it ends, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub
from tests.support.server import SILENT, Broker
from tests.support.waiting import until

RANDOM_20_MB = 20_000_000


def bodies(stub: Stub, channel: str, count: int = 1000) -> list[bytes]:
    """What is left in a queue, taken for good."""
    return [m.Body for m in stub.receive(channel, count).Messages]


def waiting(stub: Stub, channel: str) -> int:
    return sum(q.Waiting for q in stub.info(channel).Info.Queues)


class Timed:
    """How long a block took, in seconds."""

    def __enter__(self) -> Timed:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began


# --- what is printed ---


@pytest.mark.parametrize(
    "body", [b"hello", b"with newline\n", b"\x00\xff\xfe", b"\r\n\r\n", "é\u202e".encode(), b" "]
)
def test_one_message_is_its_exact_bytes(run: Run, stub: Stub, channel: str, body: bytes) -> None:
    stub.send(channel, body)
    result = run("queue", "receive", channel)
    assert (result.code, result.out, result.err) == (0, body, "")
    assert waiting(stub, channel) == 0


def test_an_empty_body_is_printed_as_nothing(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, b"", Metadata="only metadata")
    result = run("queue", "receive", channel)
    assert (result.code, result.out) == (0, b"")
    assert waiting(stub, channel) == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--count", "1"], b"1"),
        (["--count", "1", "-0"], b"1\0"),
        (["--delimiter=--"], b"1--"),
        (["--follow", "--count", "1"], b"1"),
        (["--for", "5s"], b"1"),
        (["--count", "2"], b"1\n2\n"),
        (["--count", "2", "-0"], b"1\0002\0"),
        (["--count", "2", "--delimiter", r"\t|\x41"], b"1\t|A2\t|A"),
        (["--count", "3", "--delimiter", ""], b"123"),
        (["--all"], b"1\n2\n3\n"),
        (["--follow", "--count", "3"], b"1\n2\n3\n"),
        (["--all", "--format", "{sequence}:{body}"], b"1:1\n2:2\n3:3\n"),
    ],
)
def test_many_messages_are_each_followed_by_the_delimiter(
    run: Run, stub: Stub, channel: str, options: list[str], expected: bytes
) -> None:
    stub.fill(channel, 3)
    result = run("queue", "receive", channel, *options)
    assert (result.code, result.out) == (0, expected)


def test_a_record_has_what_the_server_told(run: Run, stub: Stub, channel: str) -> None:
    policy = pb.QueueMessagePolicy(
        ExpirationSeconds=600, MaxReceiveCount=3, MaxReceiveQueue=f"{channel}.dead"
    )
    stub.send(channel, b"\xff", MessageID="m1", Metadata="meta", Tags={"k": "v"}, Policy=policy)
    record = run("queue", "receive", channel, "-o", "json").records()[0]
    assert record["body_base64"] == "/w=="
    assert (record["id"], record["channel"], record["metadata"]) == ("m1", channel, "meta")
    assert (record["client_id"], record["tags"], record["sequence"]) == ("raw", {"k": "v"}, 1)
    assert record["receive_count"] == 1
    assert record["policy"] == {"expiration": "600s", "max_receives": 3, "dead_letter": f"{channel}.dead"}
    assert {"timestamp", "expires_at"} <= record.keys()


def test_yaml_is_a_stream_of_documents(run: Run, stub: Stub, channel: str) -> None:
    import yaml

    stub.fill(channel, 2)
    result = run("queue", "receive", channel, "--all", "-o", "yaml")
    assert [document["body"] for document in yaml.safe_load_all(result.text)] == ["1", "2"]


def test_what_people_see_cannot_drive_their_terminal(run: Run, stub: Stub, channel: str) -> None:
    stub.send(channel, b"\x1b[2J[red]x[/red]", Metadata="\x1b]0;title\x07")
    out = run("queue", "receive", channel, "-o", "human").text
    assert "\x1b" not in out
    assert "[red]x[/red]" in out


def test_a_bad_template_is_refused_before_anything_is_taken(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    result = run("queue", "receive", channel, "--format", "{nosuch}")
    assert result.code == 2
    assert "nosuch" in result.err
    assert bodies(stub, channel) == [b"1"]


# --- how long it waits ---


def test_nothing_within_the_wait_is_6(run: Run, channel: str) -> None:
    result = run("queue", "receive", channel)
    assert (result.code, result.out) == (6, b"")
    assert result.err.startswith(f"error: nothing arrived on {channel}\nhint: ")


@pytest.mark.parametrize(
    "options", [["--all"], ["--for", "1s"], ["--follow", "--idle", "1s"], ["--follow", "--for", "1s"]]
)
def test_an_empty_result_is_0_when_that_is_a_good_one(run: Run, channel: str, options: list[str]) -> None:
    result = run("queue", "receive", channel, *options)
    assert (result.code, result.out) == (0, b"")


@pytest.mark.parametrize("options", [["--count", "5"], ["--count", "5", "--idle", "1s"]])
def test_fewer_than_the_count_is_0_and_none_is_6(
    run: Run, stub: Stub, channel: str, options: list[str]
) -> None:
    assert run("queue", "receive", channel, *options).code == 6
    stub.fill(channel, 2)
    result = run("queue", "receive", channel, *options)
    assert (result.code, result.out) == (0, b"1\n2\n")
    assert result.err == "2 messages received, 2 acknowledged\n"


def test_the_wait_lasts_until_the_first_message(start: Start, stub: Stub, channel: str) -> None:
    started = start("queue", "receive", channel, "--wait", "30s")
    until(lambda: channel in {q.Name for q in stub.info().Info.Queues}, "it waits")
    stub.send(channel, "late")
    with Timed() as timed:
        assert started.wait().out == b"late"
    assert timed.seconds < 5


def test_after_the_first_message_idle_ends_the_run(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    with Timed() as timed:
        result = run("queue", "receive", channel, "--count", "5", "--wait", "1m", "--idle", "1s")
    assert (result.code, result.out) == (0, b"1\n")
    assert timed.seconds < 10


def test_idle_without_wait_also_counts_from_the_beginning(run: Run, channel: str) -> None:
    with Timed() as timed:
        assert run("queue", "receive", channel, "--idle", "2s").code == 6
    assert timed.seconds > 2


def test_for_bounds_the_whole_run(start: Start, stub: Stub, channel: str) -> None:
    started = start("queue", "receive", channel, "--follow", "--for", "1s")

    def one_more() -> None:
        before = started.out
        stub.send(channel, "x")
        until(lambda: started.out != before or not started.running, "it came")

    while started.running:
        one_more()
    assert started.wait().code == 0
    assert started.out.startswith(b"x\n")


def test_wait_beside_follow_is_refused_because_it_would_do_nothing(run: Run, channel: str) -> None:
    result = run("queue", "receive", channel, "--follow", "--wait", "1s")
    assert result.code == 2
    assert "--idle" in result.err


@pytest.mark.parametrize(
    "options",
    [
        ["--all", "--count", "2"],
        ["--all", "--follow"],
        ["--count", "0"],
        ["--ack", "never"],
        ["-0", "--delimiter", "x"],
        ["--wait", "5"],
        ["--idle", "x"],
    ],
)
def test_options_that_make_no_sense_are_refused_and_nothing_is_taken(
    run: Run, stub: Stub, channel: str, options: list[str]
) -> None:
    stub.fill(channel, 1)
    result = run("queue", "receive", channel, *options)
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert waiting(stub, channel) == 1


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "a*", ">", ".a", "a.", "a..b", "a/b", "a:b", "x" * 300])
def test_a_channel_that_the_server_would_choke_on_is_refused(run: Run, name: str) -> None:
    result = run("queue", "receive", name, address="127.0.0.1:1")
    assert result.code == 2
    assert "channel" in result.err


# --- at once ---


def test_what_is_there_is_printed_though_more_was_asked_for(start: Start, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    started = start("queue", "receive", channel, "--count", "10", "--wait", "1m")
    started.wait_for_stdout(b"1\n2\n3\n", timeout=20)
    stub.send(channel, "4")
    started.wait_for_stdout(b"4\n", timeout=20)
    started.send(signal.SIGINT)
    assert started.wait().code == 130
    assert waiting(stub, channel) == 0


def test_messages_are_printed_the_moment_they_come(start: Start, stub: Stub, channel: str) -> None:
    started = start("queue", "receive", channel, "--follow", "--idle", "3s", "-o", "json")
    stub.send(channel, "first")
    started.wait_for_stdout(b"first")
    delays = []
    for n in range(20):
        with Timed() as timed:
            stub.send(channel, f"<{n}>")
            started.wait_for_stdout(b"<%d>" % n, timeout=5)
        delays.append(timed.seconds)
    assert sorted(delays)[10] < 0.2, delays
    assert started.wait().code == 0


def test_beside_a_consumer_that_holds_messages_it_takes_at_most_a_second(
    start: Start, stub: Stub, channel: str
) -> None:
    stub.fill(channel, 8)
    other = stub.downstream()
    held = other.get(channel, 5)
    assert len(held.Messages) == 5
    started = start("queue", "receive", channel, "--count", "8", "--wait", "20s")
    started.wait_for_stdout(b"6\n7\n8\n")
    other.cancel()
    result = started.wait()
    assert (result.code, result.out) == (0, b"6\n7\n8\n1\n2\n3\n4\n5\n")


def test_all_goes_without_what_others_hold(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 8)
    other = stub.downstream()
    other.get(channel, 5)
    result = run("queue", "receive", channel, "--all", "-q")
    assert (result.code, result.out) == (0, b"6\n7\n8\n")
    assert "warning: the server counts 5 more messages and gives none" in result.err
    other.cancel()
    until(lambda: len(stub.peek(channel, 5).Messages) == 5, "the others are back")


def test_a_reader_slower_than_the_wait_does_not_end_the_run(start: Start, stub: Stub, channel: str) -> None:
    stub.batch([stub.message(channel, b"x" * 100_000) for _ in range(100)])
    reader, writer = os.pipe()
    started = start("queue", "receive", channel, "--count", "100", "--wait", "1s", stdout=writer)
    os.close(writer)
    with open(reader, "rb") as out:
        got = [out.readline()]
        time.sleep(1.5)  # a reader that takes its time
        got += out.readlines()
    assert started.wait().code == 0
    assert len(got) == 100


# --- all ---


def test_all_takes_what_waits_when_it_begins_and_no_more(start: Start, stub: Stub, channel: str) -> None:
    stub.fill(channel, 20_000)
    reader, writer = os.pipe()
    started = start("queue", "receive", channel, "--all", stdout=writer)
    os.close(writer)
    with open(reader, "rb") as out:
        got = [out.readline()]
        # It is under way, held up by us: these came too late for it.
        for n in range(50):
            stub.send(channel, f"later {n}")
        got += out.readlines()
    assert started.wait().code == 0
    # 2.4.0 gives part of it later when it is busy: what one of our streams holds, it puts others aside for.
    came = sorted(got, key=int) if SILENT else got
    assert came == [b"%d\n" % n for n in range(1, 20_001)]
    assert bodies(stub, channel) == [b"later %d" % n for n in range(50)]


def test_all_leaves_what_came_later_though_it_might_have_had_more(
    start: Start, stub: Stub, channel: str
) -> None:
    stub.batch([stub.message(channel, b"x" * 5000) for _ in range(30)])
    soon = pb.QueueMessagePolicy(ExpirationSeconds=1)
    stub.batch([stub.message(channel, "old", Policy=soon) for _ in range(50)])
    time.sleep(1.1)  # what expires does so by the clock
    reader, writer = os.pipe()
    started = start("queue", "receive", channel, "--all", stdout=writer)
    os.close(writer)
    with open(reader, "rb") as out:
        got = [out.readline()]
        # Eighty waited when it began, thirty came: it would take fifty more if it did not know better.
        stub.fill(channel, 5)
        got += out.readlines()
    assert started.wait().code == 0
    assert got == [b"x" * 5000 + b"\n"] * 30
    assert bodies(stub, channel, 5) == [b"1", b"2", b"3", b"4", b"5"]


def test_all_ends_beside_a_sender_that_never_does(start: Start, stub: Stub, channel: str) -> None:
    stub.fill(channel, 100)
    started = start("queue", "receive", channel, "--all")
    sent = 0
    while started.running:
        stub.send(channel, "more")
        sent += 1
    result = started.wait()
    taken = result.out.splitlines()
    assert taken[:100] == [b"%d" % n for n in range(1, 101)]
    assert waiting(stub, channel) == 100 + sent - len(taken)


def test_expired_messages_neither_end_a_run_early_nor_hold_it_up(run: Run, stub: Stub, channel: str) -> None:
    soon = pb.QueueMessagePolicy(ExpirationSeconds=1)
    stub.batch([stub.message(channel, "old", Policy=soon) for _ in range(4000)])
    stub.fill(channel, 2)
    stub.batch([stub.message(channel, "old", Policy=soon) for _ in range(4000)])
    stub.fill(channel, 1)
    time.sleep(1.1)  # what expires does so by the clock
    with Timed() as timed:
        one = run("queue", "receive", channel)
    assert (one.code, one.out) == (0, b"1")
    rest = run("queue", "receive", channel, "--all")
    assert (rest.code, rest.out) == (0, b"2\n1\n")
    assert timed.seconds < 10
    assert waiting(stub, channel) == 0


def test_all_of_only_expired_messages_is_nothing_and_soon(run: Run, stub: Stub, channel: str) -> None:
    soon = pb.QueueMessagePolicy(ExpirationSeconds=1)
    stub.batch([stub.message(channel, "old", Policy=soon) for _ in range(100)])
    time.sleep(1.1)  # what expires does so by the clock
    result = run("queue", "receive", channel, "--all")
    assert (result.code, result.out, result.err) == (0, b"", "0 messages received, 0 acknowledged\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["receive", "{}", "--all"], b"1\n2\n3\n"),
        (["peek", "{}", "--all"], b"1\n2\n3\n"),
        (["receive", "{}", "--all", "--", "cat"], b"123"),
        (["move", "{}", "elsewhere", "--all"], b"3\n"),
        (["info", "{}", "--format", "{{waiting}}"], b"3\n"),
    ],
)
def test_a_queue_whose_name_the_server_takes_for_two_is_found(
    run: Run, stub: Stub, channel: str, words: list[str], expected: bytes
) -> None:
    name = f"{channel};b"
    stub.fill(name, 3)
    stub.fill(channel, 1)
    result = run("queue", *(word.format(name) for word in words))
    assert (result.code, result.out) == (0, expected)


# --- acknowledging ---


def test_what_was_received_is_gone_for_everybody(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 5)
    assert run("queue", "receive", channel, "--count", "2").out == b"1\n2\n"
    assert bodies(stub, channel) == [b"3", b"4", b"5"]


def test_ack_auto_leaves_acknowledging_to_the_server(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 5)
    result = run("queue", "receive", channel, "--count", "3", "--ack", "auto")
    assert (result.code, result.out, result.err) == (0, b"1\n2\n3\n", "3 messages received\n")
    assert bodies(stub, channel) == [b"4", b"5"]


def test_ack_auto_takes_all(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3000)
    result = run("queue", "receive", channel, "--all", "--ack", "auto")
    assert result.out == b"".join(b"%d\n" % n for n in range(1, 3001))
    assert waiting(stub, channel) == 0


@pytest.mark.parametrize(
    ("sent", "options", "said"),
    [
        (1, ["--count", "1"], ""),
        (1, ["--all"], "1 message received, 1 acknowledged\n"),
        (2, ["--all"], "2 messages received, 2 acknowledged\n"),
        (2, ["--all", "-q"], ""),
    ],
)
def test_a_summary_on_stderr_counts_in_the_right_words(
    run: Run, stub: Stub, channel: str, sent: int, options: list[str], said: str
) -> None:
    stub.fill(channel, sent)
    assert run("queue", "receive", channel, *options).err == said


# --- many and much ---


def test_twenty_megabytes_of_random_bytes_come_back_unchanged(run: Run, tmp_path: Path, channel: str) -> None:
    data = os.urandom(RANDOM_20_MB)
    (tmp_path / "data").write_bytes(data)
    assert run("queue", "send", channel, "--file", tmp_path / "data").code == 0
    assert run("queue", "receive", channel).out == data
    assert run("queue", "send", channel, stdin=data).code == 0
    assert run("queue", "receive", channel).out == data


def test_messages_too_great_for_one_answer_come_in_several(run: Run, stub: Stub, channel: str) -> None:
    great = os.urandom(20_000_000)
    for n in range(6):
        assert not stub.send(channel, b"%02d" % n + great).IsError
    result = run("queue", "receive", channel, "--all", "--delimiter", "", timeout=60)
    assert result.code == 0
    assert result.out == b"".join(b"%02d" % n + great for n in range(6))


def test_great_messages_behind_many_small_ones_are_not_lost(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 4000)
    great = b"x" * 30_000_000
    for _ in range(4):
        stub.send(channel, great)
    stub.fill(channel, 10)
    result = run("queue", "receive", channel, "--all", timeout=60)
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line for line in lines if len(line) < 100] == [
        b"%d" % n for n in [*range(1, 4001), *range(1, 11)]
    ]
    assert lines[4000:4004] == [great] * 4
    assert waiting(stub, channel) == 0


def test_records_go_through_a_pipe_of_two_processes_unchanged(
    start: Start, stub: Stub, channel: str, broker: Broker
) -> None:
    sent: list[dict[str, Any]] = [
        {"Body": b"\xff\x00\xfe not UTF-8"},
        {"Body": "text é\n".encode(), "Metadata": "m\té", "Tags": {"a": "1", "ü": ""}},
        {"Body": b"p", "Policy": pb.QueueMessagePolicy(ExpirationSeconds=99, MaxReceiveCount=7)},
    ]
    for n, fields in enumerate(sent):
        stub.send(channel, fields.pop("Body"), MessageID=f"id-{n}", **fields)
    original = stub.peek(channel, 3).Messages
    reader, writer = os.pipe()
    receiver = start("queue", "receive", channel, "--all", "-o", "json", stdout=writer)
    os.close(writer)
    sender = start("queue", "send", f"{channel}.copy", "--json-lines", "--keep-id", stdin=reader)
    os.close(reader)
    assert (receiver.wait().code, sender.wait().code) == (0, 0)
    for before, after in zip(original, stub.receive(f"{channel}.copy", 3).Messages, strict=True):
        for field in ("MessageID", "Metadata", "Body", "Tags", "Policy"):
            assert getattr(before, field) == getattr(after, field)


def test_stdin_is_never_read(start: Start, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    reader, writer = os.pipe()
    os.write(writer, b"the loop's next line\n")
    assert start("queue", "receive", channel, stdin=reader).wait().out == b"1"
    assert os.read(reader, 100) == b"the loop's next line\n"
    os.close(reader)
    os.close(writer)


def test_the_common_options_work_at_both_ends(run: Run, stub: Stub, channel: str, broker: Broker) -> None:
    stub.fill(channel, 2)
    where = ["-a", broker.address]
    assert run(*where, "-o", "json", "queue", "receive", channel, address="").records()[0]["body"] == "1"
    assert run("queue", "receive", channel, "-o", "json", *where, address="").records()[0]["body"] == "2"


# --- a server that has stopped answering ---


def frozen(broker: Broker, begin: bool) -> None:
    assert broker.process
    broker.process.send(signal.SIGSTOP if begin else signal.SIGCONT)


@pytest.mark.builtin
def test_a_server_that_pauses_has_not_said_that_there_is_nothing(
    start: Start, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    with Stub(broker.address) as stub:
        stub.fill(channel, 5)
    with Proxy(broker.address) as proxy:
        frozen(broker, True)
        started = start("queue", "receive", channel, "--all", address=proxy.address)
        until(lambda: proxy._open, "it has connected")
        time.sleep(1.2)  # longer than it would wait for a message
        frozen(broker, False)
        result = started.wait()
    assert (result.code, result.out) == (0, b"1\n2\n3\n4\n5\n")


@pytest.mark.builtin
@pytest.mark.parametrize("handler", [[], ["--", "true"]])
def test_a_stop_does_not_wait_long_for_a_server_that_does_not_answer(
    start: Start, new_broker: NewBroker, channel: str, handler: list[str]
) -> None:
    broker = new_broker()
    started = start("queue", "receive", channel, "--follow", *handler, address=broker.address)
    with Stub(broker.address) as stub:
        until(lambda: stub.info(channel).Info.Queues, "it waits for messages")
    frozen(broker, True)
    with Timed() as timed:
        assert started.stop().code == 143
    assert timed.seconds < 8
    frozen(broker, False)


# --- no server ---


def test_without_a_server_it_is_5_with_a_hint(run: Run, channel: str) -> None:
    result = run("queue", "receive", channel, address="127.0.0.1:1")
    assert (result.code, result.out) == (5, b"")
    assert "cannot connect to 127.0.0.1:1" in result.err
    assert "hint: " in result.err


def test_an_error_is_one_json_object_under_json(run: Run, channel: str) -> None:
    result = run("queue", "receive", channel, "-o", "json")
    assert result.code == 6
    told = json.loads(result.err)
    assert (told["error"], told["exit_code"], told["retryable"]) == ("nothing-arrived", 6, True)


def test_the_second_address_serves_when_the_first_does_not(
    run: Run, stub: Stub, channel: str, broker: Broker
) -> None:
    stub.fill(channel, 1)
    assert run("queue", "receive", channel, address=f"127.0.0.1:1,{broker.address}").out == b"1"


def test_its_help_shows_examples(run: Run) -> None:
    result = run("queue", "receive", "--help", address="")
    assert result.code == 0
    assert "Examples:" in result.text
    assert "kubemqctl queue receive orders --all -o json | head -n 3" in result.text
