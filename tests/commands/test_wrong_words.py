"""Words that are no command or option here: what other tools call it, typos, and data with a dash."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from kubemqctl.cli.did_you_mean import foreign_option, misspelt_option, nearest_command
from kubemqctl.cli.foreign_commands import AT_THE_TOP, GROUPS, IN_A_GROUP, OWN
from kubemqctl.cli.foreign_options import OF_COMMAND, OPTIONS
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
        ("context use dev", "profile use"),
        ("context", "profile set|profile use|profile list"),
        ("events_store sub c", "store sub"),
        ("stream", "store pub|store sub"),
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
        ("queues list", "queue list"),
        ("queues", "queue list|queue send|queue receive"),
        ("queue sned c x", "queue send"),
        ("qeue send c x", "queue"),
        ("stream ls", "channel list events_store"),
        ("context add dev", "profile set"),
        ("ctx list", "profile list"),
        ("config use-context dev", "profile use"),
        ("topic create c", "channel create"),
        ("declare queue name=c", "channel create queues"),
        ("get queue=c", "queue peek|queue receive|store sub"),
        ("purge queue name=c", "queue ack-all"),
        ("list-queues", "queue list"),
        ("send-message", "queue send"),
        ("delete-message", "queue tx CHANNEL --ack"),
        ("lpush c x", "queue send"),
        ("llen c", "queue info"),
        ("xadd c", "store pub"),
        ("server check", "check|ping"),
        ("events request c", "query send"),
        ("queue mv c d", "queue move"),
        ("queue dlq c", "queue peek|queue move"),
        ("store ls", "channel list events_store"),
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
    assert set(GROUPS.values()) | set(OWN) <= {path.partition(" ")[0] for path in PATHS}
    assert {f"{group} {word}" for group, words in OWN.items() for word in words} <= PATHS
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
        ("queue send loop --mistake", "see `kubemqctl queue send --help`; a CHANNEL or a BODY that begins"),
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


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("broker run --port 50001", "--listen HOST:PORT"),
        ("broker run --detach", "--background"),
        ("broker run --in-memory", "--ephemeral"),
        ("queue list --port 50001", "-a HOST:PORT"),
        ("queue list --insecure", "--tls-ca PATH (a certificate is always checked; --no-tls is without TLS)"),
        ("queue send c --body x", "the argument BODY, or --file PATH"),
        ("queue send --queue c x", "the argument CHANNEL"),
        ("queue send c x --key k", "--tag K=V"),
        ("queue send c x -n 5", "--lines, which sends a message for each line of stdin"),
        ("query respond c --body x", "--reply BODY"),
        ("query respond c --file f", "--reply-file PATH"),
        ("events sub c --queue g", "--group G"),
        ("queue receive c --timeout 3s", "--wait D"),
        ("expect queue c --timeout 3s", "--within D"),
        ("cmd send c x --wait 3s", "--timeout D"),
        ("queue list --timeout 3s", "--connect-timeout D"),
        ("queue receive c -f", "--follow"),
        ("queue ack-all c -f", "--yes"),
        ("queue send c -f x", "--file PATH"),
        ("queue tx c --nack", "--reject"),
        ("queue tx c --requeue", "--reject"),
        ("queue ack-all c --no-confirm", "--yes"),
        ("store sub c --since 1h", "--from START"),
        ("store sub c --tail 5", "--from -N"),
        ("queue move --from c --to d", "the argument SOURCE"),
        ("queue move c --to d", "the argument TARGET"),
        ("queue receive c --exec x", "-- COMMAND, behind all options"),
        ("channel list --type queues", "the argument TYPE"),
        ("check queue c -w 'waiting>1'", "--warn EXPR"),
        ("bench queue --clients 4", "--producers N"),
    ],
)
def test_an_option_of_another_tool_is_answered_with_what_to_write_here(
    hint: Hint, words: str, meant: str
) -> None:
    assert hint(*words.split()) == f"did you mean {meant}?"


@pytest.mark.parametrize(
    "words",
    [
        "queue list --region x",
        "queue list --all",
        "queue send c x --priority 3",
        "queue receive c --id x",
        "queue receive c --group g",
        "queue peek c --last 3",
        "top --type queues",
        "broker exec --name x",
    ],
)
def test_an_option_that_nothing_here_does_gets_no_hint_but_where_to_look(hint: Hint, words: str) -> None:
    assert "did you mean" not in hint(*words.split())


def test_every_meaning_of_an_option_is_one_that_there_is() -> None:
    own = {name for c in TREE.commands for option in c.options for name in option.names}
    common = {name for option in TREE.common for name in (*option.names, *option.off)}
    arguments = {a.metavar.strip("[]…").split()[-1] for c in TREE.commands for a in c.arguments}
    for meant in {one for meanings in OPTIONS.values() for one in meanings.split("|") if meanings}:
        first = meant.replace(",", "").split()
        if first[0] == "the":
            assert first[2] in arguments, meant
        elif first[0].startswith("-") and first[0] != "--":
            assert first[0] in own | common, meant
    for paths, words in OF_COMMAND.items():
        for path in paths:
            assert path in PATHS | {""}, path
            for c in TREE.commands:
                of_it = {name for option in c.options for name in option.names}
                assert c.name != path or not of_it & set(words), path


def test_an_option_of_another_command_is_never_taken_for_a_misspelling() -> None:
    everywhere = {name for c in TREE.commands for option in c.options for name in option.names}
    common = [name for option in TREE.common for name in (*option.names, *option.off)]
    for c in TREE.commands:
        known = [name for option in c.options for name in option.names] + common
        for name in everywhere - set(known):
            if foreign_option(name, c.name, known, ()) is None:
                assert misspelt_option(name, known) == "", (c.name, name)


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("--cuont", ["--count", "--wait"], "--count"),
        ("--concurency", ["--concurrency"], "--concurrency"),
        ("--meta", ["--metadata"], "--metadata"),
        ("--dead-letter-queue", ["--dead-letter"], "--dead-letter"),
        ("--tls-c", ["--tls-ca", "--tls-cert", "--tls-key"], "--tls-ca or --tls-cert"),
        ("--port", ["--format"], ""),
        ("--queue", ["--quiet"], ""),
        ("--filter", ["--profile"], ""),
        ("--tail", ["--tls"], ""),
        ("--forever", ["--for"], ""),
        ("--to", ["--to-profile"], ""),
    ],
)
def test_a_misspelling_is_a_letter_or_two_or_a_beginning(typed: str, known: list[str], meant: str) -> None:
    assert misspelt_option(typed, known) == (f"did you mean {meant}?" if meant else "")


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
        ("queue list x", "unexpected argument: x", "did you mean `kubemqctl queue info x`?"),
        ("schema x", "unexpected argument: x", "see `kubemqctl schema --help`"),
        ("queue send q two words here", "unexpected argument: words here", "put quotes around a body"),
        ("queue sned q", "no such command: sned", "did you mean `kubemqctl queue send`?"),
        ("queue receive q --cou", "no such option: --cou", "did you mean --count?"),
        (
            "help queue sned",
            "there is no help topic or command queue sned",
            "did you mean `kubemqctl queue se",
        ),
        (
            "help patterm",
            "there is no help topic or command patterm",
            "did you mean `kubemqctl help patterns`",
        ),
        ("help dlq", "there is no help topic or command dlq", "did you mean `kubemqctl help transactions`"),
        ("queue list h:5", "unexpected argument: h:5", "did you mean -a h:5?"),
        ("queue receive q --format {{.Body}}", "--format: {{.Body}} is no field", "write it as {body}"),
        (
            "queue receive q --on-fail resend -- cat",
            "--on-fail takes reject, stop, resend=CHANNEL or retry=DELAY[..MAX], not resend",
            "",
        ),
        ("queue peek q -count 3", "no such option: -count", "did you mean --count?"),
        ("-help", "no such option: -help", "did you mean --help?"),
        ("queue --hlep", "no such option: --hlep", "did you mean --help?"),
        ("--ver", "no such option: --ver", "did you mean --verbose or --version?"),
        ("broker run --listen :7", "--listen: :7 is not HOST:PORT", "write 127.0.0.1:7 for this machine"),
        (
            "queue list --format json",
            "--format takes a template with fields, not json",
            "did you mean -o json?",
        ),
        ("broker run 50001", "unexpected argument: 50001", "did you mean --listen 127.0.0.1:50001?"),
        (
            "broker run -p 50001",
            "broker run uses no profile, which is what -p names",
            "to listen on a port: --l",
        ),
        (
            "broker exec make -j4",
            "no such option: -j4",
            "the command goes after `--`: kubemqctl broker exec --",
        ),
        (
            "broker exec make all",
            "unexpected argument: make all",
            "the command goes after `--`: kubemqctl brok",
        ),
        ("ping nats://h:4222", "unexpected argument: nats://h:4222", "did you mean -a h:4222?"),
        ("queue receive q 5", "unexpected argument: 5", "did you mean --count 5?"),
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
    error, told = [*capfd.readouterr().err.splitlines(), "hint: "][:2]
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
