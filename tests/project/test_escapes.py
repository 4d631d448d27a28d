"""Nothing that a stranger wrote acts on the terminal: every field, every command, both streams."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import grpc
import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.fuzz.hostile import HostileServer, Move, Plan, hostile_server
from tests.support.terminal.in_process import ACTING, TerminalResult, on_terminal
from tests.support.terminal.program import TopOnTerminal

# A colour, a title, a bell, C1's CSI and DCS, overrides, isolates, marks, DEL, backspace, a line separator.
ACTS = "\x1b[31m\x1b]0;t\x07\x9b1m\x90q\x9c\u202e\u2066\u200f\x7f\x08\r\u2028\ufeff"
TAIL = "z"
MANY = 20


def evil(field: str) -> str:
    """A value that names its field, and would do harm."""
    return f"<{field}>{ACTS}{TAIL}"


def instead(message: object, times: int = MANY) -> list[Move]:
    return [Move("instead", message.SerializeToString())] * times  # type: ignore[attr-defined]


TAGS = {evil("tag-name"): evil("tag-value")}
MESSAGE = pb.QueueMessage(
    MessageID=evil("id"),
    ClientID=evil("client"),
    Channel=evil("channel"),
    Metadata=evil("metadata"),
    Body=evil("body").encode(),
    Tags=TAGS,
    Attributes=pb.QueueMessageAttributes(
        Timestamp=1, Sequence=1, ReceiveCount=2, ReRouted=True, ReRoutedFromQueue=evil("re-routed"),
    ),
    Policy=pb.QueueMessagePolicy(MaxReceiveCount=3, MaxReceiveQueue=evil("dead-letter")),
)  # fmt: skip
JSON_BODY = json.dumps({evil("json-name"): [evil("json-value"), {"escaped": ACTS}]}, ensure_ascii=False)
MESSAGE_OF_JSON = pb.QueueMessage(
    MessageID="1", Channel="q", Body=JSON_BODY.replace("\x1b", "\\u001b").replace("\x07", "").encode(),
    Attributes=pb.QueueMessageAttributes(Timestamp=1, Sequence=1, ReceiveCount=1),
)  # fmt: skip
EVENT = pb.EventReceive(
    EventID=evil("id"),
    Channel=evil("channel"),
    Metadata=evil("metadata"),
    Body=evil("body").encode(),
    Tags=TAGS,
)
STORED = pb.EventReceive(
    EventID=evil("id"),
    Metadata=evil("metadata"),
    Body=evil("body").encode(),
    Tags=TAGS,
    Sequence=1,
    Timestamp=1,
)
REQUEST = pb.Request(
    RequestID=evil("id"), ClientID=evil("client"), Channel=evil("channel"), Metadata=evil("metadata"),
    Body=evil("body").encode(), Tags=TAGS, ReplyChannel="reply", Timeout=1000,
    CacheKey=evil("key"), CacheTTL=1,
)  # fmt: skip
ANSWER = pb.Response(
    ClientID=evil("client"), RequestID=evil("id"), Metadata=evil("metadata"), Body=evil("body").encode(),
    Executed=True, Tags=TAGS, Timestamp=1, CacheHit=True,
)  # fmt: skip
NO = pb.Response(Executed=False, Error=evil("error"), ClientID=evil("client"))
PONG = pb.PingResult(Host=evil("host"), Version=evil("version"), ServerStartTime=1, ServerUpTimeSeconds=1)
QUEUES = pb.QueuesInfoResponse(
    Info=pb.QueuesInfo(Queues=[pb.QueueInfo(Name=evil("queue-name"), Messages=1, Waiting=1, LastSequence=1)])
)
CHANNELS = pb.Response(
    Executed=True,
    Body=json.dumps([{"name": evil("channel-name"), "type": "queues", "isActive": True}]).encode(),
)
SENT = pb.SendQueueMessageResult(MessageID=evil("id"), SentAt=1)
UNSENT = pb.SendQueueMessageResult(MessageID=evil("id"), IsError=True, Error=evil("error"))
UNACKED = pb.AckAllQueueMessagesResponse(IsError=True, Error=evil("error"))


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileServer]:
    with hostile_server() as server:
        yield server


@pytest.fixture
def terminal(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[HostileServer]:
    """The hostile server as the one in force, for a person with a colourful terminal."""
    monkeypatch.setenv("KUBEMQ_ADDRESS", hostile.address)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield hostile
    hostile.plan.end()


def assert_harmless(run: TerminalResult, *fields: str) -> None:
    """Nothing acts, and each of `fields` was there, with what would have acted written out."""
    assert not ACTING.search(run.foreign), repr(run.written)
    assert "bug in kubemqctl" not in run.written, run.written
    # Long lines are folded, wherever that falls.
    unfolded = re.sub(r"\n {2,3}(?=\S)", "", run.foreign)
    for field in fields:
        assert f"<{field}>" in unfolded, (field, run.written)
    assert "\\x1b[31m" in run.foreign or "\\u001b[31m" in run.foreign, run.written


Case = tuple[Sequence[str], Plan, Sequence[str]]
HELD = ("id", "metadata", "tag-name", "tag-value", "body", "re-routed", "dead-letter")
CASES: Mapping[str, Case] = {
    "ping": (["ping"], Plan({"Ping": instead(PONG)}), ["host", "version"]),
    "doctor": (["doctor"], Plan({"Ping": instead(PONG)}), ["host", "version"]),
    "queue list": (["queue", "list"], Plan({"QueuesInfo": instead(QUEUES)}), ["queue-name"]),
    "channel list": (["channel", "list"], Plan({"SendRequest": instead(CHANNELS)}), ["channel-name"]),
    "queue peek": (["queue", "peek", "q"], Plan({}, [MESSAGE.SerializeToString()]), HELD),
    "queue peek of JSON": (
        ["queue", "peek", "q"],
        Plan({}, [MESSAGE_OF_JSON.SerializeToString()]),
        ["json-name", "json-value"],
    ),
    "queue peek --format": (
        ["queue", "peek", "q", "--format", "{id} {metadata} {tags} {re_routed_from} {policy.dead_letter}"],
        Plan({}, [MESSAGE.SerializeToString()]),
        ["id", "metadata", "tag-name", "tag-value", "re-routed", "dead-letter"],
    ),
    "queue receive": (["queue", "receive", "q"], Plan({}, [MESSAGE.SerializeToString()]), HELD),
    "queue receive -- false": (
        ["queue", "receive", "q", "--", "false"], Plan({}, [MESSAGE.SerializeToString()]), ["id"]
    ),
    "queue tx": (["queue", "tx", "q", "--ack"], Plan({}, [MESSAGE.SerializeToString()]), HELD),
    "queue send": (["queue", "send", "q", "x"], Plan({"SendQueueMessage": instead(SENT)}), ["id"]),
    "queue send, refused": (
        ["queue", "send", "q", "x"], Plan({"SendQueueMessage": instead(UNSENT)}), ["error"]
    ),
    "events sub": (
        ["events", "sub", "e", "--count", "1"],
        Plan({}, events=[EVENT.SerializeToString()]),
        ["id", "channel", "metadata", "tag-name", "tag-value", "body"],
    ),
    "store sub": (
        ["store", "sub", "e", "--count", "1", "--from", "first"],
        Plan({}, events=[STORED.SerializeToString()]),
        ["id", "metadata", "tag-name", "tag-value", "body"],
    ),
    "store pub, refused": (
        ["store", "pub", "e", "x"],
        Plan({"SendEvent": instead(pb.Result(EventID=evil("id"), Error=evil("error")))}),
        ["error"],
    ),
    "query send": (
        ["query", "send", "q", "x"],
        Plan({"SendRequest": instead(ANSWER)}),
        ["id", "metadata", "tag-name", "tag-value", "body"],
    ),
    "query send, refused": (["query", "send", "q", "x"], Plan({"SendRequest": instead(NO)}), ["error"]),
    "cmd send": (
        ["cmd", "send", "c", "x"],
        Plan({"SendRequest": instead(pb.Response(Executed=True, ClientID=evil("client")))}),
        ["client"],
    ),
    "cmd send, refused": (["cmd", "send", "c", "x"], Plan({"SendRequest": instead(NO)}), ["error"]),
    "cmd respond": (
        ["cmd", "respond", "c", "--ok", "--count", "1"],
        Plan({}, requests=[REQUEST.SerializeToString()]),
        ["id", "channel", "metadata", "tag-name", "tag-value", "body"],
    ),
    "query respond": (
        ["query", "respond", "c", "--error", "no", "--count", "1"],
        Plan({}, requests=[REQUEST.SerializeToString()]),
        ["id", "channel", "metadata", "tag-name", "tag-value", "body"],
    ),
    "channel create, refused": (
        ["channel", "create", "queues", "c"], Plan({"SendRequest": instead(NO)}), ["error"]
    ),
    "queue ack-all, refused": (
        ["queue", "ack-all", "q", "--yes"],
        Plan({"AckAllQueueMessages": instead(UNACKED)}),
        ["error"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_no_field_of_an_answer_acts_on_the_terminal(name: str, terminal: HostileServer) -> None:
    words, terminal.plan, fields = CASES[name]
    assert_harmless(on_terminal(*words), *fields)


def test_top_shows_the_names_of_channels_and_obeys_none(terminal: HostileServer, tmp_path: Path) -> None:
    terminal.plan = Plan({"SendRequest": instead(CHANNELS, 1000)})
    with TopOnTerminal(tmp_path, terminal.address, "top", "--interval", "100ms") as top:
        top.wait_for_line("<channel-name>")
        top.type(b"q")
        assert_harmless(TerminalResult(top.end(), top.written.decode()), "channel-name")


def test_a_prompt_shows_the_message_and_obeys_none_of_it(terminal: HostileServer) -> None:
    terminal.plan = Plan({}, [MESSAGE.SerializeToString()])
    assert_harmless(on_terminal("queue", "tx", "q", keys=b"nonsense\x1b[31m\nack\n\x04"), *HELD)


REFUSED_LINES = (
    "ping", "queue list", "queue peek q", "queue receive q", "queue tx q --ack", "queue send q x",
    "queue ack-all q --yes", "queue move q r --all", "queue copy q r --all",
    "events pub e x", "events sub e --no-reconnect", "store pub e x",
    "cmd send c x", "query send c x", "cmd respond c --ok", "channel list", "top", "doctor",
)  # fmt: skip


@pytest.mark.parametrize("line", REFUSED_LINES)
def test_no_word_of_a_refusal_acts_on_the_terminal(line: str, terminal: HostileServer) -> None:
    refusal = Move("status", status=grpc.StatusCode.INVALID_ARGUMENT, details=evil("details"))
    terminal.plan = Plan(
        {method: [refusal] * MANY for method in pb.DESCRIPTOR.services_by_name["kubemq"].methods_by_name}
    )
    assert_harmless(on_terminal("-v", *line.split()), "details")


# Each EVIL is one word that would do harm.
WRONG_LINES = """
    EVIL | queue EVIL | queue send EVIL x | --EVIL | ping --EVIL | ping -o EVIL | ping --format {EVIL}
    ping -a EVIL | ping -p EVIL | ping --count EVIL | ping --wait EVIL | ping --token-file EVIL
    ping --tls-ca EVIL | help EVIL | schema EVIL | completion EVIL | __complete EVIL
    profile show EVIL | profile set EVIL | profile remove EVIL | profile use EVIL | profile check EVIL
    profile set p --default-output EVIL | profile set p --unset EVIL
    channel list EVIL | channel create EVIL n | channel create queues EVIL
    channel delete queues n --confirm EVIL | queue ack-all q --confirm EVIL
    queue send q --file EVIL | queue send q x --tag EVIL | queue send q x --expire EVIL
    queue send q x --dead-letter EVIL | queue send q x --delimiter \\EVIL | queue send q x --rate EVIL
    queue receive q -- EVIL | queue receive q --ack EVIL | queue receive q --on-fail EVIL -- true
    queue receive q --handler-input EVIL -- true | queue tx q --resend EVIL
    queue peek q --where EVIL | queue peek q --decode EVIL | queue send q x --encode EVIL
    queue send q --json-lines --pace EVIL | queue send EVIL --json-lines --keep-channel
    queue copy q r --all --to-profile EVIL | query send q --lines --concurrency EVIL
    queue move q r --all --where EVIL | queue move q EVIL --all
    store sub s --from EVIL | store sub s --until EVIL | store sub s --durable EVIL | store sub s --group EVIL
    store sub s --checkpoint EVIL/x | events sub EVIL | events sub e --ready-file EVIL/x
    query respond q --reply-file EVIL | query send q x --cache-ttl EVIL | top --sort EVIL
    broker run --listen EVIL | broker run --ephemeral --token-file EVIL | broker exec -- EVIL
"""


def test_no_word_of_a_wrong_command_line_acts_on_the_terminal(terminal: HostileServer) -> None:
    terminal.plan = Plan({})
    for line in re.split(r"[|\n]", WRONG_LINES.strip()):
        words = [word.replace("EVIL", evil("word")) for word in line.split()]
        run = on_terminal(*words)
        assert not ACTING.search(run.foreign), (words, run.written)
        assert "bug in kubemqctl" not in run.written, (words, run.written)
        assert run.code in (2, 3) or words[0] == "__complete", (words, run)


def test_no_variable_acts_on_the_terminal(terminal: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.plan = Plan({})
    for name in (
        "KUBEMQ_ADDRESS", "KUBEMQ_CLIENT_ID", "KUBEMQ_AUTH_TOKEN", "KUBEMQ_TLS_ENABLED", "KUBEMQ_TLS_CA",
        "KUBEMQCTL_PROFILE", "KUBEMQCTL_CONFIG",
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setenv(name, evil("value"))
            for line in ("queue peek q", "profile path", "profile show --effective"):
                run = on_terminal(*line.split())
                assert not ACTING.search(run.foreign), (name, line, run.written)
                assert "bug in kubemqctl" not in run.written, (name, line, run.written)


def test_no_word_of_the_configuration_file_acts_on_the_terminal(terminal: HostileServer, home: Path) -> None:
    terminal.plan = Plan({})
    file = home / ".config" / "kubemqctl" / "config.yaml"
    file.parent.mkdir(parents=True)
    text = json.dumps(evil("text")).replace("\\u2028", "\\L")
    contents = [
        f"current: {text}\n",
        f"{text}: 1\n",
        f"profiles: {{{text}: {{address: 'h:1'}}}}\n",
        f"profiles: {{p: {{{text}: 1}}}}\n",
        f"profiles: {text}\n",
        "current: p\nprofiles: {p: {address: 'h:1', token: "
        + '"${NO}"'
        + f", client_id: {text}, tls: {{ca: {text}}}}}}}\n",
        *(
            f"current: p\nprofiles: {{p: {{address: 'h:1', {key}: {text}}}}}\n"
            for key in (
                "address",
                "token",
                "token_file",
                "token_command",
                "output",
                "protected",
                "tls",
                "client_id",
            )
        ),
    ]
    for content in contents:
        file.write_text(content)
        file.chmod(0o600)
        for line in (
            "profile list",
            "profile show",
            "profile show --effective",
            "profile check",
            "profile use p",
            "queue peek q -p p",
        ):
            run = on_terminal(*line.split())
            assert not ACTING.search(run.foreign), (content, line, run.written)
            assert "bug in kubemqctl" not in run.written, (content, line, run.written)
