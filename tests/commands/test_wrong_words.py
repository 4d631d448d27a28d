"""Words that are no command or option here: what other tools call it, typos, and data with a dash."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from kubemqctl.cli.did_you_mean import AT_THE_TOP, IN_A_GROUP, OPTIONS, nearest_command
from kubemqctl.cli.main import main
from tests.support.command_tree import TREE
from tests.support.program import Run

PATHS = {command.name for command in TREE.commands}
Hint = Callable[..., str]
TAKING = ("queue receive", "queue tx", "queue ack-all", "queue move")


@pytest.fixture
def hint(capfd: pytest.CaptureFixture[str]) -> Hint:
    """What is hinted at when these words are refused."""

    def of(*words: str) -> str:
        assert main(list(words)) == 2
        _, _, told = capfd.readouterr().err.partition("\nhint: ")
        return told.rstrip("\n")

    return of


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("publish c x", "events pub|store pub"),
        ("subscribe c", "events sub|store sub"),
        ("get c", "queue peek|queue receive|store sub"),
        ("consume c", "queue receive"),
        ("pop c", "queue receive"),
        ("purge c", "queue ack-all"),
        ("clear c", "queue ack-all"),
        ("requeue c d", "queue move"),
        ("redrive c d", "queue move"),
        ("add c", "channel create|profile set"),
        ("create c", "channel create|profile set"),
        ("context use dev", "profile set|profile use|profile list"),
        ("events_store sub c", "store pub|store sub"),
        ("send c x", "queue send|cmd send|query send"),
        ("receive c", "queue receive"),
        ("peek c", "queue peek"),
        ("list", "channel list|queue list|profile list"),
        ("queue redrive c", "queue move"),
        ("queue requeue c", "queue move"),
        ("queue publish c x", "queue send"),
        ("queue get c", "queue peek|queue receive"),
        ("queue consume c", "queue receive"),
        ("queue pop c", "queue receive"),
        ("queue purge c", "queue ack-all"),
        ("queue clear c", "queue ack-all"),
        ("queue create c", "channel create"),
        ("queue subscribe c", "queue receive"),
        ("profile create dev", "profile set"),
        ("profile add dev", "profile set"),
        ("channel add queues c", "channel create"),
        ("channel purge c", "queue ack-all"),
        ("events publish c x", "events pub"),
        ("store subscribe c", "store sub"),
        ("query call c", "query send"),
        ("queues list", "queue list|queue send|queue receive"),
        ("queue sned c x", "queue send"),
        ("qeue send c x", "queue"),
    ],
)
def test_a_word_of_another_tool_is_answered_with_the_command_that_does_it(
    hint: Hint,
    words: str,
    meant: str,
) -> None:
    told = re.findall(r"`kubemqctl ([^`]*)`", hint(*words.split()))
    for wanted, found in zip(meant.split("|"), told, strict=True):
        assert found.startswith(wanted)


def test_every_answer_is_a_command_that_there_is() -> None:
    for group, words in {"": AT_THE_TOP, **IN_A_GROUP}.items():
        for word, answers in words.items():
            for answer in answers.split("|"):
                typed = answer.partition(" (")[0]
                named = [path for path in PATHS if typed == path or typed.startswith(f"{path} ")]
                assert named or typed == "--version", (group, word, answer)


def test_a_word_that_only_looks_is_never_answered_with_a_command_that_takes_alone() -> None:
    for words in (AT_THE_TOP, *IN_A_GROUP.values()):
        for word in ("get", "read", "fetch", "show", "look", "browse", "view", "list", "cat", "stats"):
            answers = words.get(word, "").split("|")
            assert not answers[0].startswith(TAKING), (word, answers)


@pytest.mark.parametrize("word", ["redrive", "relieve", "clean", "replay"])
def test_a_command_that_changes_something_is_no_answer_to_a_word_that_is_far_from_it(word: str) -> None:
    assert nearest_command(word, ["receive", "create", "delete", "remove", "peek"]) == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("queue send loop -5", "a CHANNEL or a BODY that begins with a dash goes after `--`"),
        ("queue peek -x", "a CHANNEL that begins with a dash goes after `--`"),
        ("queue receive -x", "a CHANNEL that begins with a dash goes after `--`"),
        ("queue move -a -b", "a SOURCE or a TARGET that begins with a dash goes after `--`"),
        ("profile use -x", "a NAME that begins with a dash goes after `--`"),
        ("queue send loop -p", "an argument that begins with a dash goes after `--`"),
        ("queue send loop --tag", "an argument that begins with a dash goes after `--`"),
        ("queue move --all -- -a -b --dry-run", "options go before `--`"),
        ("queue send loop --quite", "did you mean --quiet? A CHANNEL or a BODY that begins with a dash"),
        ("queue send loop -d", "the argument BODY, or --file PATH? A CHANNEL or a BODY that begins"),
    ],
)
def test_data_that_looks_like_an_option_is_told_where_it_belongs(
    hint: Hint,
    words: str,
    said: str,
) -> None:
    assert said in hint(*words.split())


def test_a_cluster_is_named_as_it_was_typed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "send", "loop", "-qx"]) == 2
    assert capfd.readouterr().err.startswith("error: no such option: -qx\n")


def test_an_option_is_suggested_only_to_a_command_that_has_it(hint: Hint) -> None:
    assert "--yes" in hint("channel", "delete", "queues", "c", "-y")
    assert "--yes" not in hint("query", "send", "c", "-y")
    assert "did you mean -a HOST:PORT?" in hint("queue", "list", "--host", "h")
    assert "did you mean --count N?" in hint("queue", "peek", "c", "--limit", "3")
    own = {name for c in TREE.commands for option in c.options for name in option.names}
    common = {name for option in TREE.common for name in (*option.names, *option.off)}
    for meant in OPTIONS.values():
        assert meant.startswith("the argument") or meant.partition(" ")[0] in own | common, meant


@pytest.mark.parametrize(
    ("words", "handled"),
    [
        (("queue", "receive", "--", "NAME"), b"one"),
        (("queue", "receive", "--wait", "2s", "--", "NAME"), b"one"),
        (("queue", "receive", "--", "NAME", "--", "tr", "a-z", "A-Z"), b"ONE"),
        (("queue", "peek", "--", "NAME"), b"one"),
        (("queue", "tx", "--ack", "--", "NAME"), b"one"),
    ],
)
def test_a_channel_that_begins_with_a_dash_can_be_received_from(
    run: Run, channel: str, words: tuple[str, ...], handled: bytes
) -> None:
    name = f"-{channel}"
    assert run("queue", "send", "--", name, "one").code == 0
    result = run(*(name if word == "NAME" else word for word in words))
    assert (result.code, result.out) == (0, handled)


def test_behind_a_channel_all_is_the_handler_whatever_it_begins_with(run: Run, channel: str) -> None:
    result = run("queue", "receive", channel, "--", "-x")
    assert result.code == 3
    assert "-x" in result.err
    empty = run("queue", "receive", "--", f"-{channel}", "--")
    assert (empty.code, "the command after -- is missing" in empty.err) == (2, True)
    without = run("queue", "receive", "--", "./handle")
    assert (without.code, without.err.startswith("error: missing argument 'CHANNEL'")) == (2, True)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("queue receive q -n x", "--count: x is not a whole number"),
        ("queue receive q --count=", "--count: '' is not a whole number"),
        ("expect queue q --exactly -1", "--exactly: -1 is too small: the minimum is 0"),
        (
            "queue send q x --max-receives 1025",
            "--max-receives: 1025 is out of range: the range is 0 to 1024",
        ),
        (
            "query respond q --echo --concurrency 0",
            "--concurrency: 0 is out of range: the range is 1 to 1024",
        ),
        ("broker run --fault-seed 1.5", "--fault-seed: 1.5 is not a whole number"),
        ("ping --connect-timeout 0s", "--connect-timeout: 0s is too short: the minimum is 1ms"),
        ("queue receive q --handler-timeout 0s", "--handler-timeout: 0s is too short: the minimum is 1ms"),
    ],
)
def test_a_bad_number_is_refused_in_plain_words(run: Run, line: str, says: str) -> None:
    done = run(*line.split())
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {says}")


@pytest.mark.parametrize(
    ("line", "says", "hints"),
    [
        ("queue peek q --count", "option --count needs a value", "see `kubemqctl queue peek --help`; an"),
        ("queue peek q --all=3", "option --all takes no value", "see `kubemqctl queue peek --help`"),
        ("queue list x", "unexpected argument: x", "see `kubemqctl queue list --help`"),
        ("queue send q two words here", "unexpected argument: words here", "put quotes around a body"),
        ("queue sned q", "no such command: sned", "did you mean `kubemqctl queue send`?"),
        ("queue receive q --c", "no such option: --c", "did you mean --count?"),
        (
            "help queue sned",
            "there is no help topic or command queue sned",
            "did you mean `kubemqctl queue se",
        ),
        ("help patterm", "there is no help topic or command patterm", "did you mean patterns?"),
        (
            "help queue purge",
            "there is no help topic or command queue purge",
            "did you mean `kubemqctl queue ac",
        ),
    ],
)
def test_what_cannot_be_parsed_is_refused_in_plain_words(
    line: str, says: str, hints: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    error, told = capfd.readouterr().err.splitlines()
    assert (error, told.startswith(f"hint: {hints}")) == (f"error: {says}", True), told


LONG = "y" * 500


@pytest.mark.parametrize(
    "line",
    [
        LONG,
        f"queue {LONG}",
        f"queue send q x {LONG}",
        f"queue peek q --{LONG}",
        f"queue peek q --count {LONG}",
        f"queue peek q -o {LONG}",
        f"queue receive q --ack {LONG}",
        f"queue receive q --on-fail {LONG} -- cat",
        f"queue receive q -- {LONG}",
        f"broker exec -- {LONG}",
        f"broker run --listen {LONG}",
        f"broker run --like {LONG}",
        f"channel list {LONG}",
        f"completion {LONG}",
        f"help {LONG}",
        f"top --sort {LONG}",
        f"profile set p --unset {LONG}",
        f"profile set -- -{LONG}",
        f"-p {LONG} ping",
        f"-a {LONG} ping",
    ],
)
def test_a_word_that_never_ends_is_cut_in_what_is_said_of_it(
    line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) in (2, 3)
    said = capfd.readouterr().err
    assert ("y" * 50 in said, "y" * 201 in said) == (True, False), said
