"""`kubemqctl channel`: on a broker that answers channel requests, and on servers that do not, or badly."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.wire import kubemq_pb2 as pb
from tests.support.fake_server import Answer, fake_server, nobody_answers, queues
from tests.support.program import Run
from tests.support.raw_grpc import Stub
from tests.support.server import Broker
from tests.support.terminal.program import ProgramOnTerminal

TYPES = ["queues", "events", "events_store", "commands", "queries"]
JOBS = pb.QueueInfo(Name="jobs", Messages=5, Bytes=90, FirstSequence=1, LastSequence=5, Waiting=2)


def listing(*entries: Any) -> Answer:
    """Channel requests answered with these entries, whatever the type."""
    body = json.dumps(entries).encode()
    return lambda request: pb.Response(RequestID=request.RequestID, Executed=True, Body=body)


def refusing(text: str) -> Answer:
    return lambda request: pb.Response(RequestID=request.RequestID, Executed=False, Error=text)


# --- on a broker that answers ---


@pytest.mark.builtin
@pytest.mark.parametrize("kind", TYPES)
def test_a_channel_of_every_type_is_made_listed_and_deleted(kind: str, run: Run, channel: str) -> None:
    assert run("channel", "create", kind, channel).text == f"{channel}\n"
    [record] = run("channel", "list", kind, "--filter", channel, "-o", "json").records()
    assert (record["name"], record["type"]) == (channel, kind)
    assert run("channel", "delete", kind, channel, "--yes").text == f"{channel}\n"
    assert run("channel", "list", "--filter", channel).out == b""


@pytest.mark.builtin
@pytest.mark.parametrize(
    ("short", "kind"),
    [("queue", "queues"), ("store", "events_store"), ("cmd", "commands"), ("query", "queries")],
)
def test_a_type_may_be_called_as_the_commands_that_work_on_it(
    short: str, kind: str, run: Run, channel: str
) -> None:
    assert run("channel", "create", short, channel, "-o", "json").records() == [
        {"name": channel, "type": kind}
    ]


def test_an_unknown_type_is_a_usage_error_with_a_guess(run: Run) -> None:
    result = run("channel", "list", "evnts")
    assert result.code == 2
    assert "did you mean events?" in result.err


def test_a_queue_of_any_server_is_listed_with_its_numbers(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    stub.receive(channel)
    for words in ("channel list", "channel list queues"):
        [record] = run(*words.split(), "--filter", channel, "-o", "json").records()
        assert (record["name"], record["type"]) == (channel, "queues")
        assert (record["messages"], record["waiting"]) == (3, 2)
        assert (record["first_sequence"], record["last_sequence"]) == (1, 3)


@pytest.mark.builtin
def test_a_queue_is_listed_with_its_last_activity(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    [record] = run("channel", "list", "queues", "--filter", channel, "-o", "json").records()
    assert record["active"] is True
    assert record["last_activity"].startswith(time.strftime("%Y-", time.gmtime()))


@pytest.mark.builtin
def test_the_filter_is_part_of_a_name_of_any_type(run: Run, channel: str) -> None:
    for kind, name in (("queues", f"{channel}.a"), ("events", f"{channel}.b"), ("cmd", f"{channel}.c")):
        run("channel", "create", kind, name)
    listed = [line.split("\t") for line in run("channel", "list", "--filter", channel).text.splitlines()]
    assert [row[:2] for row in listed] == [
        [f"{channel}.a", "queues"],
        [f"{channel}.b", "events"],
        [f"{channel}.c", "commands"],
    ]
    assert {len(row) for row in listed} == {7}, "an absent value is empty, not left out"
    assert run("channel", "list", "--filter", f"{channel}.b").text.startswith(f"{channel}.b\tevents\t")
    assert run("channel", "list", "--filter", f"{channel}.*").text == ""


@pytest.mark.builtin
def test_making_what_is_there_leaves_it_as_it_is(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 3)
    assert run("channel", "create", "queues", channel).code == 0
    assert stub.info(channel).Info.Queues[0].Waiting == 3


@pytest.mark.parametrize("name", ["a b", "a*", ".a", "", "a:b", "\n"])
def test_a_bad_name_is_refused_before_anything_is_sent(name: str, run: Run) -> None:
    assert run("channel", "create", "queues", name, address="127.0.0.1:1").code == 2


@pytest.mark.builtin
def test_a_queue_that_cannot_be_received_from_can_still_be_deleted(run: Run, channel: str) -> None:
    result = run("channel", "delete", "queues", f"{channel}:x", "--yes")
    assert result.code == 3
    assert "colon" not in result.err


@pytest.mark.builtin
def test_deleting_what_is_not_there_is_exit_3(run: Run, channel: str) -> None:
    result = run("channel", "delete", "events", channel, "--yes")
    assert result.code == 3
    assert "channel list" in result.err


@pytest.mark.builtin
def test_deleting_needs_yes_where_nobody_can_be_asked(run: Run, stub: Stub, channel: str) -> None:
    stub.fill(channel, 1)
    result = run("channel", "delete", "queues", channel)
    assert result.code == 2
    assert "--yes" in result.err
    assert run("channel", "delete", "queues", channel, "--confirm", "other").code == 2
    assert stub.info(channel).Info.Queues[0].Waiting == 1


@pytest.mark.builtin
def test_a_protected_profile_wants_the_name(run: Run, broker: Broker, channel: str) -> None:
    run("profile", "set", "prod", "-a", broker.address, "--protected", address="")
    run("channel", "create", "queues", channel, address="")
    delete = ("channel", "delete", "queues", channel)
    result = run(*delete, "--yes", address="")
    assert result.code == 2
    assert f"--confirm {channel}" in result.err
    assert run(*delete, "--confirm", channel, address="").code == 0


@pytest.mark.builtin
@pytest.mark.parametrize(("said", "code"), [(b"y\n", 0), (b"n\n", 2), (b"\n", 2)])
def test_a_terminal_is_asked(
    said: bytes, code: int, run: Run, broker: Broker, channel: str, tmp_path: Path
) -> None:
    run("channel", "create", "queues", channel)
    words = ("channel", "delete", "queues", channel)
    with ProgramOnTerminal(tmp_path, broker.address, *words) as program:
        program.wait_for_text("[y/N]")
        program.type(said)
        assert program.end() == code
    assert (run("channel", "list", "--filter", channel).out == b"") == (code == 0)


# --- on one that does not ---


def test_the_community_server_s_queues_are_listed_with_a_warning_soon(run: Run) -> None:
    with fake_server(SendRequest=nobody_answers, QueuesInfo=queues(JOBS)) as address:
        began = time.monotonic()
        result = run("channel", "list", "-o", "json", address=address)
        took = time.monotonic() - began
    assert result.code == 0
    assert [record["name"] for record in result.records()] == ["jobs"]
    assert result.err.startswith("warning: ")
    assert "only queues" in result.err
    assert took < 4, "the server has 2 s, and this machine may be busy"


def test_asked_for_queues_alone_there_is_nothing_to_warn_of(run: Run) -> None:
    with fake_server(SendRequest=nobody_answers, QueuesInfo=queues(JOBS)) as address:
        result = run("channel", "list", "queues", address=address)
        assert (result.code, result.text.split("\t")[:4]) == (0, ["jobs", "queues", "2", "5"])
        assert "warning" not in result.err
        assert run("channel", "list", "queues", "-q", address=address).err == ""


@pytest.mark.parametrize(
    "line", ["list events", "list cmd", "create queues a", "create events a", "delete queues a --yes"]
)
def test_what_the_community_server_cannot_do_is_exit_2_in_clear_words(line: str, run: Run) -> None:
    with fake_server(SendRequest=nobody_answers, QueuesInfo=queues(JOBS)) as address:
        result = run("channel", *line.split(), "-o", "json", address=address)
    assert (result.code, result.out) == (2, b"")
    error = json.loads(result.err)
    assert error["error"] == "unsupported"
    assert "does not support channel requests" in error["message"]


def test_a_server_that_hangs_on_a_channel_request_is_not_waited_for(run: Run) -> None:
    def hang(request: pb.Request) -> pb.Response:
        time.sleep(5)
        return pb.Response()

    with fake_server(SendRequest=hang, QueuesInfo=queues(JOBS)) as address:
        began = time.monotonic()
        assert run("channel", "list", address=address).text.startswith("jobs\tqueues\t2\t5\t")
        assert time.monotonic() - began < 4


def test_nothing_is_made_on_a_server_before_it_has_answered(run: Run) -> None:
    asked = []

    def record(request: pb.Request) -> pb.Response:
        asked.append(request.Metadata)
        return nobody_answers(request)

    with fake_server(SendRequest=record) as address:
        assert run("channel", "create", "queues", "a", address=address).code == 2
    assert asked == ["list-channels"]


def test_a_server_that_tells_nothing_at_all_is_exit_2(run: Run) -> None:
    with fake_server(SendRequest=nobody_answers) as address:
        result = run("channel", "list", address=address)
    assert result.code == 2
    assert "neither channel requests nor QueuesInfo" in result.err


# --- on one that is not ready, or odd ---


def test_a_server_that_is_not_ready_is_asked_again(run: Run) -> None:
    answers = [refusing("cluster snapshot not ready yet")] * 2
    ready = listing({"name": "ev", "type": "events"})

    def answer(request: pb.Request) -> pb.Response:
        response: pb.Response = (answers.pop() if answers else ready)(request)
        return response

    with fake_server(SendRequest=answer) as address:
        assert run("channel", "list", "events", address=address).text == "ev\tevents\t\t\t\t\t\n"


def test_a_server_that_stays_unready_is_exit_8(run: Run) -> None:
    with fake_server(SendRequest=refusing("cluster snapshot not ready yet")) as address:
        result = run("channel", "list", "events", "-o", "json", address=address)
    assert result.code == 8
    assert json.loads(result.err)["retryable"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b"7",
        b'"x"',
        b"[1]",
        b"[[]]",
        b'[{"name": 7}]',
        b'[{"name": ""}]',
        b'[{"type": "queues"}]',
        b"[" * 100_000,
        b"\xff\xfe",
        b"[NaN]",
        b"[" + b"9" * 5000 + b"]",
        b'[{"name": "a"}] trailing',
    ],
)
def test_what_is_no_list_of_channels_is_one_error_and_no_traceback(body: bytes, run: Run) -> None:
    with fake_server(SendRequest=lambda r: pb.Response(Executed=True, Body=body)) as address:
        result = run("channel", "list", "events", "-o", "json", address=address)
    assert (result.code, result.out) == (1, b"")
    assert json.loads(result.err)["error"] == "invalid-response"


def test_figures_of_a_wrong_type_count_as_not_told(run: Run) -> None:
    odd = {
        "name": "odd\u001b[31m",
        "type": ["nonsense"],
        "lastActivity": 10**30,
        "isActive": "yes",
        "incoming": {"messages": -1, "volume": 1.5, "waiting": True},
        "outgoing": 7,
        "more": {"deep": [1, 2]},
    }
    with fake_server(SendRequest=listing(odd, {"name": "plain"})) as address:
        result = run("channel", "list", "queues", "-o", "json", address=address)
        shown = run("channel", "list", "queues", "-o", "human", address=address)
    assert result.records() == [
        {"name": "odd\u001b[31m", "type": "queues"},
        {"name": "plain", "type": "queues"},
    ]
    assert b"\x1b" not in shown.out
    assert r"odd\x1b[31m" in shown.text


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b" [] \n"])
def test_an_empty_list_is_an_empty_list(body: bytes, run: Run) -> None:
    with fake_server(SendRequest=lambda r: pb.Response(Executed=True, Body=body)) as address:
        result = run("channel", "list", "events", address=address)
    assert (result.code, result.out) == (0, b"")


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_last_activity_is_understood_in_any_unit(unit: int, run: Run) -> None:
    with fake_server(SendRequest=listing({"name": "a", "lastActivity": 1_700_000_000 * unit})) as address:
        [record] = run("channel", "list", "events", "-o", "json", address=address).records()
    assert record["last_activity"] == "2023-11-14T22:13:20.000000000Z"


def test_a_refusal_is_told_in_the_server_s_words(run: Run) -> None:
    def answer(request: pb.Request) -> pb.Response:
        found: Answer = listing() if request.Metadata == "list-channels" else refusing("no more disk")
        response: pb.Response = found(request)
        return response

    with fake_server(SendRequest=answer) as address:
        result = run("channel", "create", "queues", "a", address=address)
    assert result.code == 1
    assert "no more disk" in result.err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("channel a not found", 3),
        ("channel a does not exist", 3),
        ("Error 120: invalid queue name value, cannot be empty", 2),
        ("invalid channel type 'queue'", 2),
        ("something that no version has said before", 1),
    ],
)
def test_a_refused_deletion_is_not_the_user_s_fault_unless_the_server_says_so(
    run: Run, text: str, code: int
) -> None:
    def answer(request: pb.Request) -> pb.Response:
        found: Answer = listing() if request.Metadata == "list-channels" else refusing(text)
        response: pb.Response = found(request)
        return response

    with fake_server(SendRequest=answer) as address:
        result = run("channel", "delete", "queues", "a", "--yes", address=address, timeout=60)
    assert result.code == code
    assert text.split("'")[0] in result.err


def test_who_may_not_is_exit_4(run: Run) -> None:
    with fake_server(SendRequest=refusing("Error 412: access denied to resource")) as address:
        assert run("channel", "list", "events", address=address).code == 4


def test_names_that_queuesinfo_trims_are_told_whole(run: Run) -> None:
    trimmed = pb.QueueInfo(Name="job", Messages=3, LastSequence=3, Waiting=3)
    with fake_server(SendRequest=listing({"name": "jobS"}), QueuesInfo=queues(trimmed)) as address:
        [record] = run("channel", "list", "queues", "-o", "json", address=address).records()
    assert (record["name"], record["waiting"]) == ("jobS", 3)
