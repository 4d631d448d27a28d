"""`queue tx` with control lines on stdin, and with the same words at a prompt."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conformance.reading import bodies, counts
from tests.conftest import NewBroker
from tests.support.fake_server import fake_server
from tests.support.program import Run, Start, Started
from tests.support.raw_grpc import Stub
from tests.support.server import OTHER_SERVER, Broker
from tests.support.terminal.program import ProgramOnTerminal
from tests.support.waiting import until


def waiting(stub: Stub, channel: str) -> int:
    return sum(q.Waiting for q in stub.info(channel).Info.Queues)


def rest(stub: Stub, channel: str) -> list[pb.QueueMessage]:
    """All that is in a queue, taken out of it."""
    count = waiting(stub, channel)
    return list(stub.receive(channel, count).Messages) if count else []


def outcomes(records: list[dict[str, Any]]) -> list[str]:
    """What was answered to each line; a message, to `next`, by its body."""
    return [record.get("outcome") or record["body"] for record in records]


class Coprocess:
    """A transaction that is talked to line by line."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self._seen = 0

    def answer(self) -> dict[str, Any]:
        """The next line of its output."""
        lines = until(lambda: self._lines(), "an answer")
        self._seen += 1
        record: dict[str, Any] = json.loads(lines[self._seen - 1])
        return record

    def _lines(self) -> list[bytes]:
        lines = self.started.out.split(b"\n")[:-1]
        return lines if len(lines) > self._seen else []

    def say(self, line: str) -> None:
        self.started.stdin.write(line.encode() + b"\n")
        self.started.stdin.flush()

    def end(self) -> int:
        self.started.stdin.close()
        return self.started.wait().code


Talk = Callable[..., Coprocess]


@pytest.fixture
def talk(start: Start, channel: str) -> Talk:
    """talk(OPTIONS…): a transaction over the test's channel."""

    def begin(*options: str, **given: Any) -> Coprocess:
        words = ["queue", "tx", channel, "-o", "json", *options]
        return Coprocess(start(*words, stdin=subprocess.PIPE, **given))

    return begin


def test_the_message_comes_first_and_each_line_is_answered(stub: Stub, channel: str, talk: Talk) -> None:
    stub.fill(channel, 2)
    tx = talk()
    first = tx.answer()
    assert (first["body"], first["sequence"]) == ("1", 1)
    tx.say("extend 5m")
    assert tx.answer() == {"id": first["id"], "sequence": 1, "outcome": "extended"}
    tx.say("ack")
    assert tx.answer() == {"id": first["id"], "sequence": 1, "outcome": "acked"}
    tx.say("next")
    assert tx.answer()["body"] == "2"
    tx.say("reject")
    assert tx.answer()["outcome"] == "rejected"
    assert tx.end() == 0
    (left,) = rest(stub, channel)
    assert (left.Body, left.Attributes.ReceiveCount) == (b"2", 2)


def test_extending_reaches_past_the_first_visibility(stub: Stub, channel: str, talk: Talk) -> None:
    stub.send(channel)
    tx = talk("--visibility", "1s")
    tx.answer()
    tx.say("extend 30s")
    tx.answer()
    # The first visibility is over once a receive has waited for it in vain.
    assert stub.receive(channel, wait=2).MessagesReceived == 0
    tx.say("ack")
    assert tx.answer()["outcome"] == "acked"
    assert tx.end() == 0
    assert waiting(stub, channel) == 0


def test_resend_and_modify(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    other = f"{channel}-other"
    record = {"channel": other, "metadata": "m", "tags": {"k": "v"}}
    lines = f"resend {other}\nnext\nmodify {json.dumps(record)}\n"
    done = run("queue", "tx", channel, "-o", "json", stdin=lines.encode())
    assert (done.code, outcomes(done.records())) == (0, ["1", "resent", "2", "modified"])
    one, two = rest(stub, other)
    assert (one.Body, one.Metadata, two.Body, two.Metadata, dict(two.Tags)) == (
        b"1",
        "",
        b"2",
        "m",
        {"k": "v"},
    )
    assert waiting(stub, channel) == 0


def test_modify_goes_to_the_same_queue_and_keeps_what_it_does_not_name(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, b"\xff", MessageID="m", Metadata="meta", Tags={"k": "v"})
    assert run("queue", "tx", channel, stdin=b'modify {"body":"new"}\n').code == 0
    (there,) = rest(stub, channel)
    assert (there.MessageID, there.Body, there.Metadata, dict(there.Tags)) == (
        "m",
        b"new",
        "meta",
        {"k": "v"},
    )


def test_raw_separates_bodies(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    assert run("queue", "tx", channel, "--delimiter", "|", stdin=b"ack\nnext\nack\n").out == b"1|2|"


def test_running_out_after_next_is_0(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    done = run("queue", "tx", channel, stdin=b"ack\nnext\nack\n")
    assert (done.code, done.out) == (0, b"1\n")


def test_nothing_at_all_is_6(run: Run, channel: str) -> None:
    assert run("queue", "tx", channel, stdin=b"ack\n").code == 6


def test_input_that_ends_without_a_decision_gives_it_back(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    done = run("queue", "tx", channel, "-o", "json", stdin=b"extend 1m\n")
    assert (done.code, outcomes(done.records())) == (2, ["1", "extended", "returned"])
    assert "given back" in done.err
    left = rest(stub, channel)
    assert (bodies(left), counts(left)) == (["2", "1"], [1, 2])


@pytest.mark.parametrize("dead", ["", "-dead"])
def test_giving_back_at_the_maximum_says_where_it_went(dead: str, run: Run, stub: Stub, channel: str) -> None:
    queue = channel + dead if dead else ""
    stub.send(channel, "a", Policy=pb.QueueMessagePolicy(MaxReceiveCount=1, MaxReceiveQueue=queue))
    done = run("queue", "tx", channel)
    assert done.code == 2
    if not (OTHER_SERVER and "when the server notices" in done.err):  # its last answer may be lost
        assert (f"it is now in {queue}" if dead else "it was discarded by the server") in done.err
    assert waiting(stub, channel) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("akc", "akc is not a control line"),
        ("extend", "is not a duration"),
        ("extend 1.5s", "fraction"),
        ("extend 0s", "too short"),
        ("resend", "channel name is empty"),
        ("resend a b", "white space"),
        ("ack now", "takes no arguments"),
        ("next", "has no decision yet"),
        ("modify", "needs a record"),
        ("modify {", "not JSON"),
        ('modify {"bdy":"x"}', "unknown field"),
        ('modify {"channel":"a/b"}', "/"),
        ('modify {"policy":{"dead_letter":"a/b"}}', "policy.dead_letter"),
        ("\x1b[31m", "\\x1b"),
    ],
)
def test_a_line_that_cannot_be_done_is_named_and_the_message_stays_held(
    line: str, words: str, run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel)
    done = run("queue", "tx", channel, stdin=f"\n{line}\nack\n".encode())
    assert done.code == 7
    assert "line 2: " in done.err
    assert words in done.err
    assert waiting(stub, channel) == 0


def test_a_decision_without_a_message_is_a_bad_line(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 2)
    done = run("queue", "tx", channel, stdin=b"ack\nack\n")
    assert (done.code, "line 2: there is no message to ack" in done.err) == (7, True)
    assert bodies(rest(stub, channel)) == ["2"]


def refusing_to_send(requests: Iterator[Any]) -> Iterator[Any]:
    """A queue of one message, which cannot be sent anywhere."""
    for request in requests:
        answer = pb.StreamQueueMessagesResponse(
            RequestID=request.RequestID, StreamRequestTypeData=request.StreamRequestTypeData
        )
        if request.StreamRequestTypeData == pb.ReceiveMessage:
            answer.Message.Body = b"a"
            answer.Message.Attributes.Sequence = 1
        elif request.StreamRequestTypeData == pb.ResendMessage:
            answer.IsError, answer.Error = True, "Error 130: error during send message to queue"
        yield answer


def test_what_the_server_refuses_is_a_bad_line_too(run: Run, channel: str) -> None:
    with fake_server(StreamQueueMessage=refusing_to_send) as address:
        done = run("queue", "tx", channel, "-o", "json", stdin=b"resend other\nack\n", address=address)
    assert (done.code, outcomes(done.records())) == (7, ["a", "acked"])
    refused, end = (json.loads(line) for line in done.err.splitlines())
    assert (refused["message"], refused["error"]) == (
        "line 1: Error 130: error during send message to queue",
        "resend-refused",
    )
    assert (end["message"], end["exit_code"]) == ("1 control line carried out, 1 failed", 7)


def test_when_no_line_could_be_done_the_last_error_says_so_with_the_exit_code(
    run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, "a")
    done = run("queue", "tx", channel, "-o", "json", stdin=b"akc\n")
    assert done.code == json.loads(done.err.splitlines()[-1])["exit_code"] == 2


@pytest.mark.parametrize(
    ("lines", "code", "left", "cut"),
    [
        ("resend OTHER", 2, ["a"], 1),
        ("extend 1m\nack", 2, ["a"], 2),
        ("ack\nnex", 7, [], 2),
        ("ack\n \t", 0, [], 0),
    ],
)
def test_a_line_without_its_newline_is_no_decision(
    lines: str, code: int, left: list[str], cut: int, run: Run, stub: Stub, channel: str
) -> None:
    stub.send(channel, "a")
    other = f"{channel}-other"
    done = run("queue", "tx", channel, stdin=lines.replace("OTHER", other).encode())
    assert done.code == code
    assert (f"line {cut} has no newline at its end, and was not carried out" in done.err) == bool(cut)
    assert (bodies(rest(stub, channel)), waiting(stub, other)) == (left, 0)


def test_visibility_that_runs_out_ends_it_with_6_at_once(stub: Stub, channel: str, talk: Talk) -> None:
    stub.send(channel, "a")
    tx = talk("--visibility", "1s")
    tx.answer()
    # stdin stays open: the end comes from the server.
    ended = tx.started.wait()
    assert ended.code == 6
    error = json.loads(ended.err.splitlines()[-1])
    assert (error["error"], error["exit_code"]) == ("visibility-expired", 6)
    assert rest(stub, channel)[0].Attributes.ReceiveCount == 2


def test_a_decision_that_comes_too_late_is_6(stub: Stub, channel: str, talk: Talk) -> None:
    stub.send(channel, "a")
    tx = talk("--visibility", "1s")
    tx.answer()
    tx.started.send(signal.SIGSTOP)
    until(lambda: stub.peek(channel).Messages, "the message is visible again")
    tx.say("ack")
    tx.started.send(signal.SIGCONT)
    ended = tx.started.wait()
    assert (ended.code, b"acked" in ended.out) == (6, False)
    assert waiting(stub, channel) == 1


def test_a_signal_gives_it_back(stub: Stub, channel: str, talk: Talk) -> None:
    stub.send(channel, "a")
    tx = talk()
    tx.answer()
    tx.started.send(signal.SIGINT)
    ended = tx.started.wait()
    assert (ended.code, "given back" in ended.err) == (130, True)
    assert rest(stub, channel)[0].Attributes.ReceiveCount == 2


@pytest.mark.builtin
def test_a_server_that_goes_away_ends_it_with_5_at_once(
    talk: Talk, new_broker: NewBroker, channel: str
) -> None:
    broker = new_broker()
    with Stub(broker.address) as stub:
        stub.send(channel, "a")
    tx = talk(address=broker.address)
    tx.answer()
    assert broker.process
    broker.process.kill()
    ended = tx.started.wait()
    assert (ended.code, "was not decided" in ended.err) == (5, True)


# ---- the prompt ----


def prompt(folder: Path, broker: Broker, *words: str, term: str = "xterm") -> ProgramOnTerminal:
    """`queue tx` on a terminal of its own, stdout to a pipe."""
    env = {"TERM": term}
    return ProgramOnTerminal(folder, broker.address, "queue", "tx", *words, env=env, piped=True)


def test_a_prompt_understands_the_same_words(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 2)
    with prompt(tmp_path, broker, channel) as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"what\n")
        terminal.wait_for_text("is not a control line")
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"extend 1m\n")
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"ack\n")
        terminal.wait_for_text("next, or Ctrl-D to end> ")
        terminal.type(b"next\n")
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"reject\n")
        terminal.wait_for_text("next, or Ctrl-D to end> ")
        terminal.type(b"\x04")
        assert (terminal.end(), terminal.piped()) == (0, b"1\n2\n")
    (left,) = rest(stub, channel)
    assert (left.Body, left.Attributes.ReceiveCount) == (b"2", 2)


def test_an_end_at_the_prompt_without_a_decision_gives_it_back(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    with prompt(tmp_path, broker, channel) as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"\x04")
        terminal.wait_for_text("given back")
        assert terminal.end() == 2
    assert rest(stub, channel)[0].Attributes.ReceiveCount == 2


def test_a_line_at_the_prompt_can_be_edited_and_help_and_quit_are_understood(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.fill(channel, 2)
    with prompt(tmp_path, broker, channel) as terminal:
        terminal.wait_for_text("help,")
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"help\n")
        terminal.wait_for_text("return it to the end of its queue")
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"ak\x1b[Dc\n")
        terminal.wait_for_text("acked")
        terminal.wait_for_text("next, or Ctrl-D to end> ")
        terminal.type(b"quit\n")
        assert terminal.end() == 0
    with prompt(tmp_path, broker, channel) as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"quit\n")
        terminal.wait_for_text("given back")
        assert terminal.end() == 2
    assert [m.Body for m in rest(stub, channel)] == [b"2"]


def test_what_is_typed_when_the_visibility_runs_out_does_not_go_to_the_shell(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    with prompt(tmp_path, broker, channel, "--visibility", "1s") as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"rejec")
        terminal.wait_for_text("press Enter to end> ")
        assert terminal.process.poll() is None
        terminal.type(b"t\n")
        terminal.wait_for_text("ran out: it is at the end of")
        assert terminal.end() == 6
        assert select.select([terminal.slave], [], [], 0)[0] == [], "nothing is left to read"


def test_a_signal_at_the_prompt_leaves_the_terminal_as_it_was(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    with prompt(tmp_path, broker, channel) as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"ac\x03")
        assert terminal.end() == 130
    assert [m.Body for m in rest(stub, channel)] == [b"a"]


@pytest.mark.builtin
def test_a_second_signal_leaves_the_terminal_as_it_was(
    new_broker: NewBroker, channel: str, tmp_path: Path
) -> None:
    broker = new_broker("--ephemeral")
    assert broker.process
    with Stub(broker.address, client="raw") as stub:
        stub.send(channel, "a")
    with prompt(tmp_path, broker, channel) as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        broker.process.send(signal.SIGSTOP)
        try:
            terminal.type(b"ack\n")
            terminal.wait_for_text("> ack")
            # Two of one kind at the same time would be one.
            terminal.process.send_signal(signal.SIGINT)
            terminal.process.send_signal(signal.SIGTERM)
            assert terminal.end() == 143
        finally:
            broker.process.send(signal.SIGCONT)


def test_a_terminal_that_cannot_move_its_cursor_has_plain_lines(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    with prompt(tmp_path, broker, channel, term="dumb") as terminal:
        terminal.wait_for_text("Ctrl-D to end> ")
        terminal.type(b"ack\n")
        terminal.wait_for_text("next, or Ctrl-D to end> ")
        terminal.type(b"\x04")
        assert terminal.end() == 0
        assert b"\x1b[K" not in terminal.written


def test_a_signal_ends_the_wait_for_enter(broker: Broker, stub: Stub, channel: str, tmp_path: Path) -> None:
    stub.send(channel, "a")
    with prompt(tmp_path, broker, channel, "--visibility", "1s") as terminal:
        terminal.wait_for_text("press Enter to end> ")
        terminal.type(b"\x03")
        assert terminal.end() == 6


def test_a_terminal_that_may_not_be_asked_is_2_and_takes_nothing(
    broker: Broker, stub: Stub, channel: str, tmp_path: Path
) -> None:
    stub.send(channel, "a")
    with prompt(tmp_path, broker, channel, "--no-input") as terminal:
        terminal.wait_for_text("--ack, --reject")
        assert terminal.end() == 2
    assert rest(stub, channel)[0].Attributes.ReceiveCount == 1
