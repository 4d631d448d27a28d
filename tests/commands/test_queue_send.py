"""`queue send`, one message: exact bytes from every source, and everything that travels with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_queue_server import deny, fake_queue_server, lose_the_answer, overload
from tests.support.program import Run, Start, environment
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.terminal.pseudo_terminal import PseudoTerminal

ODD = bytes(range(256)) + b"\r\n\x00last, no newline"


def only(stub: Stub, channel: str) -> pb.QueueMessage:
    """The one message of a queue."""
    answer = stub.receive(channel)
    assert len(answer.Messages) == 1
    message: pb.QueueMessage = answer.Messages[0]
    return message


def shell(script: str, broker: Broker, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script that calls the program as $K."""
    env = {**environment(broker.address), "K": f"{sys.executable} -m kubemqctl"}
    return subprocess.run(
        ["sh", "-c", script], env=env, cwd=folder, capture_output=True, timeout=60, check=False
    )


def test_an_argument_is_sent_and_the_servers_id_printed(run: Run, stub: Stub, channel: str) -> None:
    sent = run("queue", "send", channel, "hello")
    message = only(stub, channel)
    assert (sent.code, sent.err) == (0, "")
    assert message.Body == b"hello"
    assert sent.text == f"{message.MessageID}\n"


def test_an_argument_that_is_no_text_is_sent_byte_for_byte(run: Run, stub: Stub, channel: str) -> None:
    body = bytes(range(1, 256))
    assert run("queue", "send", channel, "--", body).code == 0
    assert only(stub, channel).Body == body


def test_a_body_that_looks_like_an_option_stands_behind_two_dashes(
    run: Run, stub: Stub, channel: str
) -> None:
    assert run("queue", "send", channel, "--", "--lines").code == 0
    assert only(stub, channel).Body == b"--lines"


@pytest.mark.parametrize("dash", [[], ["-"]])
def test_stdin_is_sent_byte_for_byte(run: Run, stub: Stub, channel: str, dash: list[str]) -> None:
    assert run("queue", "send", channel, *dash, stdin=ODD).code == 0
    assert only(stub, channel).Body == ODD


def test_a_file_is_sent_byte_for_byte(run: Run, stub: Stub, channel: str, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(ODD)
    assert run("queue", "send", channel, "--file", tmp_path / "body").code == 0
    assert only(stub, channel).Body == ODD


def test_all_that_a_message_can_carry_arrives(run: Run, stub: Stub, channel: str) -> None:
    options = ["--metadata", "ü m", "--tag", "a=1", "--tag", "b=x=y", "--id", "mine", "--expire", "1h"]
    options += ["--max-receives", "3", "--dead-letter", "dead"]
    sent = run("queue", "send", channel, "body", *options)
    message = only(stub, channel)
    assert sent.text == "mine\n"
    assert (message.MessageID, message.Metadata, dict(message.Tags)) == (
        "mine",
        "ü m",
        {"a": "1", "b": "x=y"},
    )
    assert message.Policy.ExpirationSeconds == 3600
    assert (message.Policy.MaxReceiveCount, message.Policy.MaxReceiveQueue) == (3, "dead")


def test_the_record_of_a_send_has_the_servers_times(run: Run, channel: str) -> None:
    sent = run("queue", "send", channel, "body", "--expire", "1h", "--delay", "1m", "-o", "json")
    [record] = sent.records()
    assert set(record) == {"id", "channel", "sent_at", "expires_at", "delayed_to"}
    assert record["channel"] == channel
    assert record["sent_at"] < record["delayed_to"] < record["expires_at"]


def test_metadata_alone_makes_a_message(run: Run, stub: Stub, channel: str) -> None:
    assert run("queue", "send", channel, "--metadata", "m", stdin=b"").code == 0
    message = only(stub, channel)
    assert (message.Metadata, message.Body) == ("m", b"")


def test_a_lone_message_costs_one_unary_call(run: Run) -> None:
    with fake_queue_server() as server:
        assert run("queue", "send", "q", "hello", address=server.address).text == "id of hello\n"
    assert server.methods == ["SendQueueMessage"]


def test_a_loop_that_reads_lines_keeps_its_stdin(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    (tmp_path / "names").write_text("one\ntwo\nthree\n")
    done = shell(
        f'while read -r name; do $K queue send {channel} "$name" >/dev/null; done < names', broker, tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert [m.Body for m in stub.receive(channel, 3).Messages] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("many", ["", "--lines"])
def test_a_closed_stdin_is_no_body(broker: Broker, channel: str, tmp_path: Path, many: str) -> None:
    done = shell(f"$K queue send {channel} {many} <&-", broker, tmp_path)
    assert done.returncode == 2
    assert b"stdin is closed" in done.stderr


def test_a_closed_stdin_does_not_matter_to_a_command_with_a_body(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    done = shell(f"$K queue send {channel} hello --failed failed <&-", broker, tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert only(stub, channel).Body == b"hello"


def test_without_a_body_on_a_terminal_the_three_ways_are_named(start: Start, channel: str) -> None:
    with PseudoTerminal() as terminal:
        ended = start("queue", "send", channel, stdin=terminal.slave).wait()
    assert ended.code == 2
    assert "argument" in ended.err
    assert "--file" in ended.err
    assert "stdin" in ended.err


def test_a_dash_reads_a_terminal(start: Start, stub: Stub, channel: str) -> None:
    with PseudoTerminal() as terminal:
        sending = start("queue", "send", channel, "-", stdin=terminal.slave)
        terminal.type(b"typed\n\x04")
        assert sending.wait().code == 0
    assert only(stub, channel).Body == b"typed\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([""], 2, "empty"),
        (["x", "--file", "y"], 2, "twice"),
        (["--file", "missing"], 3, "does not exist"),
        (["--file", "/"], 2, "directory"),
        (["x", "--tag", "novalue"], 2, "KEY=VALUE"),
        (["x", "--tag", "a=1", "--tag", "a=2"], 2, "twice"),
        (["x", "--metadata", b"\xff"], 2, "UTF-8"),
        (["x", "--expire", "1.5s"], 2, "whole seconds"),
        (["x", "--expire", "13h"], 2, "maximum"),
        (["x", "--delay", "30"], 2, "no unit"),
        (["x", "--max-receives", "1025"], 2, "1024"),
        (["x", "--dead-letter", "a b"], 2, "white space"),
        (["x", "--retry", "-1"], 2, "--retry"),
        (["x", "--rate", "5/s"], 2, "many"),
        (["x", "--keep-id"], 2, "--json-lines"),
        (["x", "--failed", "/missing/failed"], 3, "no directory"),
        (["x", "--unknown", "/"], 2, "directory"),
        (["x", "--failed", "both", "--unknown", "both"], 2, "--failed"),
        (["x", "--format", "{nothing}"], 2, "nothing"),
    ],
)
def test_what_is_wrong_as_written_is_refused_before_a_connection(
    run: Run, words: list[str | bytes], code: int, said: str
) -> None:
    # Nobody listens there: trying would end with 5.
    done = run("queue", "send", "q", *words, address="127.0.0.1:1")
    assert (done.code, done.out) == (code, b"")
    assert said in done.err


@pytest.mark.parametrize("name", ["a b", "a\tb", "a\nb", "*", "a.>", ".a", "a..b", "a/b", "a:b", "x" * 241])
def test_a_channel_that_would_break_the_server_is_refused(run: Run, name: str) -> None:
    assert run("queue", "send", name, "x", address="127.0.0.1:1").code == 2


def test_a_message_over_the_limit_is_refused_before_a_connection(run: Run, tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as file:
        file.truncate(100 << 20)
    done = run("queue", "send", "q", "--file", tmp_path / "large", address="127.0.0.1:1")
    assert done.code == 2
    assert "too large" in done.err


def test_a_server_that_is_not_there_is_exit_5_with_a_hint(run: Run) -> None:
    done = run("queue", "send", "q", "x", address="127.0.0.1:1")
    assert (done.code, done.out) == (5, b"")
    assert done.err.startswith("error: cannot connect to 127.0.0.1:1")
    assert "hint: check that the server is running" in done.err


def test_a_refused_token_is_exit_4(run: Run) -> None:
    with fake_queue_server(deny) as server:
        done = run("queue", "send", "q", "x", address=server.address)
    assert (done.code, done.out) == (4, b"")


def test_a_server_that_is_not_ready_is_exit_8_and_no_doubt(run: Run, tmp_path: Path) -> None:
    with fake_queue_server(overload) as server:
        done = run("queue", "send", "q", "x", "--failed", tmp_path / "failed", address=server.address)
    assert done.code == 8
    assert (tmp_path / "failed").read_text() == '{"channel":"q","body":"x"}\n'


def test_a_lost_answer_is_neither_sent_nor_failed(run: Run, tmp_path: Path) -> None:
    keep: list[str | Path] = ["--failed", tmp_path / "failed", "--unknown", tmp_path / "unknown"]
    with fake_queue_server(lose_the_answer) as server:
        done = run("queue", "send", "q", "x", "--tag", "a=1", "-o", "json", *keep, address=server.address)
    assert done.code == 5
    assert done.records() == [{"channel": "q", "error": "outcome-unknown"}]
    assert "it is unknown whether the server accepted it" in done.err
    assert (tmp_path / "failed").read_text() == ""
    assert (tmp_path / "unknown").read_text() == '{"channel":"q","body":"x","tags":{"a":"1"}}\n'
    assert len(server.calls) == 1


def test_a_lost_answer_is_asked_for_again_where_that_was_wanted(run: Run) -> None:
    with fake_queue_server(lose_the_answer, lose_the_answer) as server:
        done = run("queue", "send", "q", "x", "--retry", "2", address=server.address)
    assert (done.code, done.text) == (0, "id of x\n")
    assert len(server.calls) == 3


def test_a_doubt_stays_one_whatever_comes_of_the_second_try(run: Run, tmp_path: Path) -> None:
    with fake_queue_server(lose_the_answer, deny) as server:
        done = run(
            "queue",
            "send",
            "q",
            "x",
            "--retry",
            "1",
            "--unknown",
            tmp_path / "unknown",
            address=server.address,
        )
    assert done.code == 5
    assert (tmp_path / "unknown").read_text() == '{"channel":"q","body":"x"}\n'


def test_addresses_are_tried_in_order(run: Run, broker: Broker, stub: Stub, channel: str) -> None:
    done = run("queue", "send", channel, "x", "-a", "127.0.0.1:1", "-a", broker.address, address="")
    assert done.code == 0
    assert only(stub, channel).Body == b"x"


def test_a_full_disk_under_the_ids_is_exit_1(start: Start, channel: str) -> None:
    with open("/dev/full", "wb") as full:
        ended = start("queue", "send", channel, "x", stdout=full).wait()
    assert ended.code == 1
    assert "no space left" in ended.err


def test_nobody_who_reads_the_id_is_exit_141_quietly(start: Start, channel: str) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ended = start("queue", "send", channel, "x", stdout=write).wait()
    finally:
        os.close(write)
    assert (ended.code, ended.err) == (141, "")
