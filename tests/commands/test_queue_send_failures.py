"""`queue send`, many messages, when it goes wrong: what is known of each one, and where it is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import NewBroker
from tests.support.fake_queue_server import (
    FakeQueueServer,
    Messages,
    Results,
    accept,
    deny,
    fake_queue_server,
    lose_the_answer,
    overload,
    refuse,
    refuse_some,
)
from tests.support.program import Result, Run, Start, environment
from tests.support.proxy import Proxy
from tests.support.raw_grpc import Stub
from tests.support.waiting import until

# One message a request, so that a script decides over each.
EACH_ALONE = ("--lines", "--rate", "10/s")


class Kept(NamedTuple):
    """The two files of a run."""

    failed: Path
    unknown: Path

    @property
    def options(self) -> list[str | Path]:
        return ["--failed", self.failed, "--unknown", self.unknown]

    def bodies(self, path: Path) -> list[str]:
        return [json.loads(line)["body"] for line in path.read_text().splitlines()]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "failed", tmp_path / "unknown")


def send(run: Run, server: FakeQueueServer, *options: str | Path, stdin: bytes = b"a\nb\nc\n") -> Result:
    return run(
        "queue", "send", "q", *options, "--connect-timeout", "500ms", stdin=stdin, address=server.address
    )


def test_a_refused_message_is_named_by_its_line_and_kept(run: Run, kept: Kept) -> None:
    with fake_queue_server(refuse(b"b", "Error 133: no\x1b[31m")) as server:
        done = send(run, server, "--lines", "--tag", "k=v", *kept.options, stdin=b"a\n\nb\nc")
    assert (done.code, done.text) == (7, "id of a\nid of c\n")
    assert "error: line 3: Error 133: no\\x1b[31m\n" in done.err
    assert done.err.endswith("error: 2 sent, 1 failed, 1 empty piece skipped\n")
    assert kept.failed.read_text() == '{"channel":"q","body":"b","tags":{"k":"v"}}\n'
    assert kept.unknown.read_text() == ""


def test_json_tells_of_every_message_and_raw_of_the_accepted(run: Run) -> None:
    with fake_queue_server(refuse(b"b", "no")) as server:
        done = send(run, server, "--lines", "-o", "json")
    assert [record.get("error") for record in done.records()] == [None, "no", None]
    assert [record["id"] for record in done.records()] == ["id of a", "id of b", "id of c"]


def test_the_failed_file_can_be_sent_as_it_is(run: Run, kept: Kept) -> None:
    with fake_queue_server(refuse(b"\xff", "no")) as server:
        body = {
            "body_base64": "/w==",
            "metadata": "m",
            "tags": {"a": "b"},
            "policy": {"delay": "1m"},
            "id": "own",
        }
        line = json.dumps(body).encode()
        assert send(run, server, "--json-lines", "--keep-id", *kept.options, stdin=line).code == 7
        again = send(run, server, "--json-lines", "--keep-id", "--file", kept.failed)
        assert (again.code, again.text) == (0, "own\n")
    (_, [first]), (_, [second]) = server.calls
    first.ClientID = second.ClientID
    assert first == second


def test_a_lost_answer_leaves_its_messages_in_doubt_and_the_rest_goes_on(run: Run, kept: Kept) -> None:
    with fake_queue_server(accept, lose_the_answer) as server:
        done = send(run, server, *EACH_ALONE, *kept.options, "-o", "json")
    assert done.code == 7
    assert server.bodies == [[b"a"], [b"b"], [b"c"]]
    assert [r.get("error") for r in done.records()] == [None, "outcome-unknown", None]
    assert (kept.bodies(kept.failed), kept.bodies(kept.unknown)) == ([], ["b"])


def test_doubt_is_worded_for_one_and_for_many(run: Run) -> None:
    with fake_queue_server(lose_the_answer) as server:
        one = send(run, server, "--lines", stdin=b"a")
    with fake_queue_server(lose_the_answer) as server:
        many = send(run, server, "--lines")
    assert "error: line 1: the connection" in one.err
    assert "it is unknown whether the server accepted it" in one.err
    assert "error: lines 1 to 3: the connection" in many.err
    assert "it is unknown whether the server accepted them" in many.err


def test_nothing_taken_before_the_connection_was_lost_is_exit_5(run: Run, kept: Kept) -> None:
    with fake_queue_server(lose_the_answer) as server:
        done = send(run, server, "--lines", *kept.options)
    assert (done.code, done.out) == (5, b"")
    assert kept.bodies(kept.unknown) == ["a", "b", "c"]


def test_a_lost_answer_is_asked_for_again_only_with_retry(run: Run) -> None:
    with fake_queue_server(lose_the_answer) as server:
        done = send(run, server, "--lines", "--retry", "1")
    assert (done.code, done.text) == (0, "id of a\nid of b\nid of c\n")
    assert server.bodies == [[b"a", b"b", b"c"]] * 2


def test_a_doubt_stays_one_when_the_retry_is_refused(run: Run, kept: Kept) -> None:
    with fake_queue_server(lose_the_answer, overload) as server:
        done = send(run, server, "--lines", "--retry", "1", *kept.options)
    assert done.code == 5
    assert (kept.bodies(kept.failed), kept.bodies(kept.unknown)) == ([], ["a", "b", "c"])


# Of 302 the client itself makes a few calls more, whatever --retry says.
NOT_NOW = "grpc server is not ready to accept requests"


def test_a_retry_sends_again_what_was_refused_for_now_and_prints_in_the_order_of_the_input(
    run: Run, kept: Kept
) -> None:
    acts = refuse_some([b"a", b"c"], NOT_NOW), refuse(b"c", NOT_NOW)
    with fake_queue_server(*acts) as server:
        done = send(run, server, "--lines", "--retry", "2", *kept.options)
    assert (done.code, done.text, done.err) == (0, "id of a\nid of b\nid of c\n", "3 sent\n")
    assert server.bodies == [[b"a", b"b", b"c"], [b"a", b"c"], [b"c"]]
    assert kept.failed.read_text() == kept.unknown.read_text() == ""


def test_what_is_refused_for_good_is_not_sent_again_and_what_stays_refused_has_failed(
    run: Run, kept: Kept
) -> None:
    refusing = refuse_some([b"b", b"d"], NOT_NOW)

    def act(messages: Messages) -> Results:
        results = refusing(messages)
        for message, result in zip(messages, results, strict=True):
            if message.Body == b"c":
                result.IsError, result.Error = True, "Error 133: no"
        return results

    with fake_queue_server(act, act) as server:
        done = send(
            run, server, "--lines", "--retry", "1", *kept.options, "-o", "json", stdin=b"a\nb\nc\nd\n"
        )
    assert done.code == 7
    assert server.bodies == [[b"a", b"b", b"c", b"d"], [b"b", b"d"]]
    assert [r.get("error") for r in done.records()] == [None, NOT_NOW, "Error 133: no", NOT_NOW]
    told = [json.loads(line) for line in done.err.splitlines()]
    assert [(error["message"].partition(":")[0], error["error"]) for error in told[:2]] == [
        ("line 3", "invalid-request"),
        ("lines 2, 4", "not-ready"),
    ]
    assert sorted(kept.bodies(kept.failed)) == ["b", "c", "d"]


def test_an_answer_lost_on_a_retry_leaves_in_doubt_only_what_was_sent_again(run: Run, kept: Kept) -> None:
    with fake_queue_server(refuse(b"b", NOT_NOW), lose_the_answer) as server:
        done = send(run, server, "--lines", "--retry", "1", *kept.options)
    assert (done.code, done.text) == (7, "id of a\nid of c\n")
    assert (kept.bodies(kept.failed), kept.bodies(kept.unknown)) == ([], ["b"])


def test_a_server_that_does_not_know_what_became_of_a_message_leaves_it_in_doubt(
    run: Run, kept: Kept
) -> None:
    with fake_queue_server(refuse(b"b", "stan: publish ack timeout")) as server:
        many = send(run, server, "--lines", *kept.options, "-o", "json")
    with fake_queue_server(refuse(b"b", "stan: publish ack timeout")) as server:
        one = send(run, server, "b", "-o", "json")
    assert (many.code, one.code) == (7, 6)
    assert [r.get("error") for r in many.records()] == [None, "outcome-unknown", None]
    assert [r.get("error") for r in one.records()] == ["outcome-unknown"]
    assert "line 2: " in many.err
    assert (kept.bodies(kept.failed), kept.bodies(kept.unknown)) == ([], ["b"])


def test_without_retry_a_refusal_for_now_is_a_failure(run: Run, kept: Kept) -> None:
    with fake_queue_server(refuse(b"b", NOT_NOW)) as server:
        done = send(run, server, "--lines", *kept.options)
    assert (done.code, server.bodies) == (7, [[b"a", b"b", b"c"]])
    assert kept.bodies(kept.failed) == ["b"]


def test_a_server_that_is_not_ready_fails_what_it_refused_and_no_more(run: Run, kept: Kept) -> None:
    with fake_queue_server(overload) as server:
        done = send(run, server, *EACH_ALONE, *kept.options)
    assert (done.code, done.text) == (7, "id of b\nid of c\n")
    assert kept.bodies(kept.failed) == ["a"]


def test_a_server_that_never_answers_ends_the_run(run: Run, kept: Kept) -> None:
    with fake_queue_server(*[lose_the_answer] * 10) as server:
        done = send(run, server, *EACH_ALONE, *kept.options, stdin=b"a\nb\nc\nd\ne\n")
    assert done.code == 5
    assert len(server.calls) == 3
    assert (kept.bodies(kept.unknown), kept.bodies(kept.failed)) == (["a", "b", "c"], ["d", "e"])


def test_a_refused_token_ends_the_run_with_4_and_asks_once(run: Run, kept: Kept) -> None:
    with fake_queue_server(*[deny] * 10) as server:
        done = send(run, server, *EACH_ALONE, *kept.options)
    assert (done.code, done.out) == (4, b"")
    assert len(server.calls) == 1
    assert kept.bodies(kept.failed) == ["a", "b", "c"]


def test_a_token_refused_in_the_middle_is_partly_done(run: Run) -> None:
    with fake_queue_server(accept, deny, deny) as server:
        done = send(run, server, *EACH_ALONE)
    assert (done.code, done.text) == (7, "id of a\n")
    assert "stopped after line " in done.err


def test_of_many_refused_messages_twenty_are_named(run: Run) -> None:
    with fake_queue_server(refuse(b"x", "no")) as server:
        done = send(run, server, "--lines", stdin=b"x\n" * 50)
    assert done.code == 7
    assert done.err.count("error: line ") == 20
    assert "error: 30 more\n" in done.err


def test_a_server_that_is_not_there_is_exit_5_and_the_input_is_kept_where_that_was_wanted(
    run: Run, kept: Kept
) -> None:
    words = ("queue", "send", "q", "--lines", "-o", "json")
    plain = run(*words, stdin=b"a\nb\n", address="127.0.0.1:1")
    assert (plain.code, plain.out) == (5, b"")
    keeping = run(*words, *kept.options, stdin=b"a\nb\n", address="127.0.0.1:1")
    assert keeping.code == 5
    assert kept.bodies(kept.failed) == ["a", "b"]
    assert ["cannot connect" in record["error"] for record in keeping.records()] == [True, True]


def test_a_file_cannot_be_input_and_keep_what_failed(run: Run, tmp_path: Path) -> None:
    line = b'{"body":"x"}\n'
    path = tmp_path / "records"
    path.write_bytes(line)
    with open(path, "rb") as stdin:
        as_stdin = run(
            "queue", "send", "q", "--json-lines", "--failed", path, stdin=stdin, address="127.0.0.1:1"
        )
    as_file = run(
        "queue", "send", "q", "--json-lines", "--file", path, "--unknown", path, address="127.0.0.1:1"
    )
    assert (as_stdin.code, as_file.code) == (2, 2)
    assert "the input itself" in as_stdin.err
    assert "the input itself" in as_file.err
    assert path.read_bytes() == line


def test_files_that_cannot_be_written_end_the_run_before_anything_is_sent(run: Run, tmp_path: Path) -> None:
    with fake_queue_server() as server:
        assert send(run, server, "--lines", "--failed", "/missing/x").code == 3
        assert send(run, server, "--lines", "--failed", tmp_path).code == 2
        assert send(run, server, "--lines", "--failed", "x", "--unknown", "x").code == 2
    assert server.calls == []


def test_a_pipe_can_keep_what_failed(start: Start) -> None:
    read, write = os.pipe()
    with fake_queue_server(refuse(b"x", "no")) as server:
        argv = [
            sys.executable,
            "-m",
            "kubemqctl",
            "queue",
            "send",
            "q",
            "--lines",
            "--failed",
            f"/dev/fd/{write}",
        ]
        done = subprocess.run(
            argv,
            input=b"x\n",
            pass_fds=[write],
            env=environment(server.address),
            capture_output=True,
            check=False,
        )
    os.close(write)
    with open(read, "rb") as kept:
        assert kept.read() == b'{"channel":"q","body":"x"}\n'
    assert done.returncode == 7


def test_a_full_disk_under_the_kept_ones_is_exit_1_and_says_so(run: Run) -> None:
    with fake_queue_server(refuse(b"b", "no")) as server:
        done = send(run, server, "--lines", "--failed", "/dev/full")
    assert done.code == 1
    assert "cannot write /dev/full: no space left" in done.err
    assert "2 sent, 1 failed" in done.err
    assert done.text == "id of a\nid of c\n"


def test_a_full_disk_under_the_ids_is_exit_1_and_says_how_many_were_sent(start: Start) -> None:
    with fake_queue_server() as server, open("/dev/full", "wb") as full:
        sending = start(
            "queue", "send", "q", "--lines", stdin=subprocess.PIPE, stdout=full, address=server.address
        )
        with sending.stdin as pipe:
            pipe.write(b"a\nb\n")
        done = sending.wait()
    assert done.code == 1
    assert done.err.startswith("2 sent\nerror: cannot write to standard output: no space left")


def test_a_reader_that_goes_away_ends_the_run_with_141_quietly(start: Start) -> None:
    with fake_queue_server() as server:
        read, write = os.pipe()
        sending = start(
            "queue", "send", "q", "--lines", stdin=subprocess.PIPE, stdout=write, address=server.address
        )
        os.close(write)
        sending.stdin.write(b"a\n")
        sending.stdin.flush()
        assert os.read(read, 100) == b"id of a\n"
        os.close(read)
        sending.stdin.write(b"b\n")
        sending.stdin.flush()
        done = sending.wait()
    assert (done.code, done.err) == (141, "")


def test_input_that_breaks_off_leaves_nothing_unanswered(run: Run, tmp_path: Path) -> None:
    # A file that is longer than a message may be, found out only when it is read.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "good").write_bytes(b"good")
    with open(fifo, "r+b", buffering=0) as end:
        writer = subprocess.Popen(["head", "-c", "110000000", "/dev/zero"], stdout=end)
        try:
            with fake_queue_server() as server:
                done = run(
                    "queue", "send", "q", "--file", tmp_path / "good", "--file", fifo, address=server.address
                )
        finally:
            writer.kill()
            writer.wait()
    assert (done.code, done.text) == (2, "id of good\n")
    assert "1 sent\n" in done.err


@pytest.mark.builtin
def test_a_connection_that_comes_back_is_gone_on_with(
    start: Start, new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker("--data", tmp_path / "data")
    sending = start("queue", "send", channel, "--lines", stdin=subprocess.PIPE, address=broker.address)
    sending.stdin.write(b"before\n")
    sending.stdin.flush()
    sending.wait_for_stdout(b"\n")
    assert broker.process
    broker.process.kill()
    again = new_broker("--data", tmp_path / "data", listen=broker.address)
    with sending.stdin as pipe:
        pipe.write(b"after\n")
    done = sending.wait()
    assert (done.code, done.err) == (0, "2 sent\n")
    with Stub(again.address) as stub:
        assert [m.Body for m in stub.receive(channel, 2).Messages] == [b"before", b"after"]


@pytest.mark.builtin
@pytest.mark.parametrize("verb", [("queue", "send"), ("store", "pub"), ("events", "pub")], ids=" ".join)
def test_a_server_whose_port_is_answered_for_while_it_is_away_is_waited_for(
    start: Start, new_broker: NewBroker, channel: str, verb: tuple[str, str]
) -> None:
    with Proxy(new_broker().address) as published_port:
        sending = start(*verb, channel, "--lines", stdin=subprocess.PIPE, address=published_port.address)
        sending.stdin.write(b"before\n")
        sending.stdin.flush()
        sending.wait_for_stdout(b"\n")
        published_port.cut()
        sending.stdin.write(b"after\n")
        sending.stdin.flush()
        # A run that gives up after a try or two, and looks at what answers there, makes half as many.
        until(lambda: published_port.turned_away > 20, "tried again and again")
        published_port.plug()
        sending.stdin.close()
        done = sending.wait()
    assert (done.code, done.err) == (0, "2 sent\n")


@pytest.mark.builtin
def test_reconnecting_tries_the_addresses_in_order(start: Start, new_broker: NewBroker, channel: str) -> None:
    first, second = new_broker(), new_broker()
    addresses: list[Any] = ["-a", first.address, "-a", second.address]
    # The second line may be under way before the loss is seen: then its fate is unknown, and it is retried.
    words = ["--lines", "--retry", "1", *addresses]
    sending = start("queue", "send", channel, *words, stdin=subprocess.PIPE, address="")
    sending.stdin.write(b"one\n")
    sending.stdin.flush()
    sending.wait_for_stdout(b"\n")
    assert first.process
    first.process.kill()
    with sending.stdin as pipe:
        pipe.write(b"two\n")
    assert sending.wait().code == 0
    with Stub(second.address) as stub:
        assert [m.Body for m in stub.receive(channel).Messages] == [b"two"]
