"""What people read of commands that change something: what was done, to what, and said once."""

from __future__ import annotations

import contextlib
import shlex
import threading
from pathlib import Path

import grpc
import pytest

from tests.support.program import Run
from tests.support.raw_grpc import QUERY, Stub, ask
from tests.support.server import Broker
from tests.support.terminal.in_process import TerminalResult, on_terminal
from tests.support.terminal.program import ProgramOnTerminal
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def _plainly(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("KUBEMQ_ADDRESS", broker.address)
    monkeypatch.delenv("CI", raising=False)


def lines(run: TerminalResult) -> list[str]:
    assert run.code == 0, run
    return run.foreign.splitlines()


@pytest.mark.builtin
def test_a_channel_was_created_and_deleted(channel: str) -> None:
    assert lines(on_terminal("channel", "create", "queues", channel)) == [f"created {channel} (queues)"]
    assert lines(on_terminal("channel", "delete", "queues", channel, "--yes")) == [
        f"deleted {channel} (queues)"
    ]


def test_messages_were_moved_and_acknowledged(stub: Stub, channel: str) -> None:
    stub.send(channel, "a")
    stub.send(channel, "b")
    target = f"{channel}-target"
    assert lines(on_terminal("queue", "move", channel, target, "--all", "--dry-run")) == [
        f"2 messages would be moved from {channel} to {target}",
        f"{channel} to {target}: 2 messages",
    ]
    assert lines(on_terminal("queue", "move", channel, target, "--all")) == [
        f"{channel} to {target}: 2 messages"
    ]
    assert lines(on_terminal("queue", "ack-all", target, "--yes")) == [f"{target}: 2 messages acknowledged"]


def test_a_decision_says_where_the_message_is_now(stub: Stub, channel: str) -> None:
    for _ in range(3):
        stub.send(channel, "x")
    assert lines(on_terminal("queue", "tx", channel, "--ack"))[-1].endswith(" acked")
    assert lines(on_terminal("queue", "tx", channel, "--resend", "there"))[-1].endswith(
        " resent: it is on there"
    )
    modified = on_terminal("queue", "tx", channel, "--modify", "--body", "y", "--to", "here")
    assert lines(modified)[-1].endswith(" modified: it is on here")


def test_a_json_body_is_laid_out_for_people_and_only_for_them(stub: Stub, channel: str, run: Run) -> None:
    body = '{"order":1234,"items":[' + ",".join('{"sku":"A-1","price":9.90}' for _ in range(4)) + "]}"
    stub.send(channel, body)
    shown = lines(on_terminal("queue", "peek", channel))
    assert shown[1:4] == ["  {", '    "order": 1234,', '    "items": [']
    assert on_terminal("queue", "peek", channel, "-o", "raw").written == body
    assert run("queue", "peek", channel, "-o", "human").text.endswith(f"\n  {body}\n")


def test_a_send_that_failed_is_told_once(channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEMQ_ADDRESS", "127.0.0.1:1")
    failed = on_terminal("queue", "send", channel, "x")
    assert failed.code == 5
    assert failed.written.count("connection refused") == 1


def test_top_with_a_form_is_printed_once() -> None:
    once = on_terminal("top", "-o", "human", "--interval", "100ms")
    assert once.code == 0
    assert "\x1b" not in once.written
    assert "NAME" in once.written


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("events sub {} --for 200ms", "subscribed to {}"),
        ("store sub {} --for 200ms", "subscribed to {}"),
        ("queue receive {} --follow --for 200ms", "waiting for messages on {}"),
        ("queue receive {} --follow --for 200ms -- cat", "waiting for messages on {}"),
    ],
)
def test_whoever_watches_is_told_that_it_is_live(words: str, told: str, channel: str, run: Run) -> None:
    line = f"{told.format(channel)}; press Ctrl-C to stop"
    command = words.format(channel).split()
    assert line in lines(on_terminal(*command))
    assert line not in run(*command).err


def test_a_responder_says_that_it_is_live(channel: str, stub: Stub) -> None:
    def answered() -> bool:
        with contextlib.suppress(grpc.RpcError):  # nobody is there yet
            return ask(stub, QUERY, channel, b"x", Timeout=300).Executed
        return False

    thread = threading.Thread(target=until, args=(answered, "an answer", 15), daemon=True)
    thread.start()
    told = lines(on_terminal("query", "respond", channel, "--echo", "--count", "1"))
    thread.join(15)
    assert told[0] == f"responding on {channel}; press Ctrl-C to stop"


def test_a_list_on_a_narrow_terminal_says_what_it_has_no_room_for(stub: Stub, channel: str) -> None:
    name = f"{channel}.with-a-name-that-is-longer-than-half-of-it"
    stub.send(name, "x")
    shown = lines(on_terminal("queue", "list", size=(60, 40)))
    assert name in shown
    assert shown[-1].startswith("no room for ")
    assert "no room" not in on_terminal("queue", "list", "-q", size=(60, 40)).written
    assert "no room" not in on_terminal("queue", "list", size=(300, 40)).written


@pytest.mark.parametrize("verb", ["queue send", "events pub", "store pub"])
def test_of_many_sends_people_see_the_first_ten_and_a_sum(
    verb: str, channel: str, tmp_path: Path, run: Run
) -> None:
    many = tmp_path / "many"
    many.write_text("".join(f"{n}\n" for n in range(30)))
    line = [*verb.split(), channel, "--lines", "--file", str(many)]
    shown = [text for text in on_terminal(*line).foreign.splitlines() if text]
    assert [text.split()[0] for text in shown[:-1]] == ["sent"] * 10
    assert shown[-1].endswith("30 sent")
    assert on_terminal(*line, "-q").written == ""
    assert len(run(*line).text.splitlines()) == 30
    assert len(run(*line, "-o", "json").records()) == 30


@pytest.mark.parametrize(
    ("words", "until_it_says", "then"),
    [
        ("events sub {}", "press Ctrl-C to stop\r\n", "0 received\r\n"),
        ("queue receive {} --follow", "press Ctrl-C to stop\r\n", "0 messages received, 0 acknowledged\r\n"),
        ("ping --wait 30s -a 127.0.0.1:1 -v", "127.0.0.1:1", ""),
        ("queue ack-all {}", "[y/N] ", ""),
        ("broker run --ephemeral --listen 127.0.0.1:0", "memory only\r\n", "stopped: 0 messages wait"),
        ("broker exec -- sh -c 'echo up; exec sleep 20'", "up\r\n", ""),
    ],
)
def test_behind_ctrl_c_a_line_begins(
    words: str, until_it_says: str, then: str, channel: str, broker: Broker, tmp_path: Path
) -> None:
    args = shlex.split(words.format(channel))
    with ProgramOnTerminal(tmp_path, broker.address, *args, env={"CI": None}) as terminal:
        terminal.wait_for_text(until_it_says)
        terminal.type(b"\x03")
        assert terminal.process.wait(20) == 130
        shown = terminal.close()
    said = shown[shown.rindex(b"^C") :].decode()
    assert said.startswith(f"^C\r\n{then}")
    assert said.endswith("\r\n")
    assert "\r\n\r\n" not in said


def test_a_question_without_an_answer_ends_its_line(channel: str, broker: Broker, tmp_path: Path) -> None:
    words = ("queue", "ack-all", channel)
    with ProgramOnTerminal(tmp_path, broker.address, *words, env={"CI": None, "NO_COLOR": "1"}) as terminal:
        terminal.wait_for_text("[y/N] ")
        terminal.type(b"\x04")
        assert terminal.process.wait(20) == 2
        terminal.wait_for_text("\r\nerror: not confirmed, nothing was done\r\n")
