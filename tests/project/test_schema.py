"""The schema against the program: every command is run, and what it prints under -o json must be as said."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from kubemqctl.cli.arguments import VALUED
from kubemqctl.cli.command_tree import COMMANDS
from kubemqctl.cli.commands import schema
from kubemqctl.cli.commands.completion import Script
from kubemqctl.cli.commands.help import HelpText
from kubemqctl.cli.commands.profile import PathRecord
from kubemqctl.cli.description import Command
from kubemqctl.config.profile_editing import ProfileRow, StoredProfile, UsedSettings
from kubemqctl.config.sources import DEFAULTS, VARIABLES
from kubemqctl.model import errors, messages, record_parser, records
from kubemqctl.model.channels import CHANNEL_TYPES, TYPE_OF_GROUP
from kubemqctl.model.errors import ExitCode
from kubemqctl.model.record_schema import MEANINGS, NOUNS, schemas
from kubemqctl.model.values import OUTPUT_FORMS
from kubemqctl.output.forms import METRICS, decide
from kubemqctl.output.stderr import error_json
from tests.generated import files
from tests.support.command_tree import TREE
from tests.support.fast_start import PROGRAM
from tests.support.program import Result, Run, Start
from tests.support.server import SILENT, Broker

DOCUMENT = schema.document(TREE)
PACKAGE = Path(__file__).parents[2] / "kubemqctl"
Scenario = Callable[["Bench"], list[Result]]
SCENARIOS: dict[str, Scenario] = {}


class Bench:
    """What a scenario works with; `run` adds `-o json`."""

    def __init__(self, run: Run, start: Start, channel: str, address: str) -> None:
        self.plain = run
        self.start = start
        self.channel = channel
        self.address = address

    def run(self, line: str, *tail: str, stdin: bytes = b"") -> Result:
        words = [self.channel if word == "C" else word for word in line.split()]
        behind = ["--", *tail] if tail else []
        return self.plain(*words, "-o", "json", *behind, stdin=stdin or subprocess.DEVNULL)

    def queue(self, *options: str) -> None:
        done = self.plain("queue", "send", self.channel, "body", "--tag", "k=v", "--metadata", "m", *options)
        assert done.code == 0, done.err

    def store(self) -> None:
        done = self.plain("store", "pub", self.channel, "body", "--tag", "k=v")
        assert done.code == 0, done.err


def scenario(*names: str) -> Callable[[Scenario], Scenario]:
    """Says which commands a function runs."""

    def add(function: Scenario) -> Scenario:
        SCENARIOS.update(dict.fromkeys(names, function))
        return function

    return add


@scenario("queue send")
def _(bench: Bench) -> list[Result]:
    one = bench.run("queue send C body --expire 1h --delay 1s")
    return [one, bench.run("queue send C --lines", stdin=b"a\nb\n")]


@scenario("queue receive")
def _(bench: Bench) -> list[Result]:
    for _ in range(2):
        bench.queue("--expire", "1h", "--max-receives", "3", "--dead-letter", f"{bench.channel}.dead")
    bench.plain("queue", "send", bench.channel, stdin=b"\xff\xfe")
    return [
        bench.run("queue receive C"),
        bench.run("queue receive C", "cat"),
        bench.run("queue receive C"),
    ]


@scenario("queue peek")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    return [bench.run("queue peek C"), bench.run("queue peek C --all")]


@scenario("queue ack-all")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    return [bench.run("queue ack-all C --yes"), bench.run("queue ack-all C --yes")]


@scenario("queue tx")
def _(bench: Bench) -> list[Result]:
    for _ in range(3):
        bench.queue()
    return [
        bench.run("queue tx C --ack"),
        bench.run("queue tx C", "cat"),
        bench.run("queue tx C", stdin=b"extend 30s\nack\n"),
    ]


@scenario("queue move", "queue copy")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    return [bench.run(f"queue {verb} C {bench.channel}.target --all") for verb in ("copy", "move")]


@scenario("queue list", "queue info")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    return [bench.run("queue list"), bench.run("queue info C")]


@scenario("events pub")
def _(bench: Bench) -> list[Result]:
    return [bench.run("events pub C body"), bench.run("events pub C --lines", stdin=b"a\nb\n")]


@scenario("events sub")
def _(bench: Bench) -> list[Result]:
    results = []
    for tail in ((), ("--", "cat")):
        listening = bench.start(
            "events", "sub", bench.channel, "--count", "1", "-o", "json", *tail, ready=True
        )
        bench.plain("events", "pub", bench.channel, "body", "--tag", "k=v")
        results.append(listening.wait())
    return results


@scenario("store pub")
def _(bench: Bench) -> list[Result]:
    return [bench.run("store pub C body"), bench.run("store pub C --lines", stdin=b"a\nb\n")]


@scenario("store copy")
def _(bench: Bench) -> list[Result]:
    bench.store()
    return [bench.run(f"store copy C {bench.channel}.target")]


@scenario("store sub")
def _(bench: Bench) -> list[Result]:
    bench.store()
    line = "store sub C --from first --until now"
    return [bench.run(line), bench.run(line, "cat")]


@scenario("cmd send", "cmd respond")
def _(bench: Bench) -> list[Result]:
    return [
        *_asked(bench, "cmd", "--ok"),
        *_asked(bench, "cmd", "--error", "no"),
        *_asked(bench, "cmd", "--", "cat"),
    ]


@scenario("query send", "query respond")
def _(bench: Bench) -> list[Result]:
    return [
        *_asked(bench, "query", "--echo"),
        *_asked(bench, "query", "--error", "no"),
        *_asked(bench, "query", "--", "cat"),
    ]


def _asked(bench: Bench, group: str, *how: str) -> list[Result]:
    """What the sender prints, then the responder."""
    options = [group, "respond", bench.channel, "--count", "1", "-o", "json"]
    responder = bench.start(*options, *how, ready=True)
    # The community server has no cache.
    caches = group == "query" and "--echo" in how and not SILENT
    cached = " --cache-key k --cache-ttl 1m" if caches else ""
    sent = bench.run(f"{group} send C body --tag k=v{cached}")
    assert sent.code == (9 if "--error" in how else 0), sent.err
    again = [bench.run(f"{group} send C body{cached}")] if cached else []
    return [sent, responder.wait(), *again]


# The community server answers no channel requests.
ASK_FOR_CHANNELS = ("channel create", "channel delete")


@scenario(*ASK_FOR_CHANNELS)
def _(bench: Bench) -> list[Result]:
    created = [bench.run(f"channel create {kind} C") for kind in CHANNEL_TYPES]
    return [*created, bench.run("channel delete queues C --yes")]


@scenario("channel list")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    return [bench.run("channel list")]


@scenario("top")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    return [bench.run("top --interval 100ms")]


@scenario(*(f"bench {pattern}" for pattern in ("queue", "events", "store", "cmd", "query")))
def _(bench: Bench) -> list[Result]:
    patterns = ("queue", "events", "store", "cmd", "query")
    results = [bench.run(f"bench {pattern} --count 40 --warm-up 0s --size 32B") for pattern in patterns]
    assert [result.records()[0]["received"] for result in results] == [40] * 5, results
    return results


@scenario("ping")
def _(bench: Bench) -> list[Result]:
    return [bench.run("ping --count 2 --interval 10ms")]


@scenario("expect queue", "expect events", "expect store")
def _(bench: Bench) -> list[Result]:
    bench.queue()
    bench.plain("store", "pub", bench.channel, "x")
    publish = (*map(str, PROGRAM), "events", "pub", bench.channel, "x")
    return [
        bench.run("expect queue C"),
        bench.run("expect store C --from first"),
        bench.run("expect events C", *publish),
    ]


@scenario("check")
def _(bench: Bench) -> list[Result]:
    bench.plain("queue", "send", bench.channel, "x")
    return [bench.run("check"), bench.run(f"check queue {bench.channel} --warn oldest>1h")]


@scenario("doctor", "profile check")
def _(bench: Bench) -> list[Result]:
    assert bench.plain("profile", "set", "here", "--address", bench.address).code == 0
    return [bench.run("doctor"), bench.run("profile check")]


@scenario(*(f"profile {verb}" for verb in ("list", "show", "set", "use", "remove", "rename", "copy", "path")))
def _(bench: Bench) -> list[Result]:
    lines = [
        "profile list",
        "profile set a --address localhost:50000 --client-id me --protected --default-output json",
        "profile set b --address h:1 --address h:2 --tls-ca ca.pem --token-file token",
        "profile list",
        "profile show a",
        "profile show b",
        "profile show --effective",
        "profile show b --effective",
        "profile use b",
        "profile copy a c",
        "profile rename c d",
        "profile remove d --confirm d",
        "profile path",
    ]
    return [bench.run(line) for line in lines]


@scenario("broker run")
def _(bench: Bench) -> list[Result]:
    words = ["broker", "run", "--listen", "127.0.0.1:0", "--ephemeral", "-o", "json"]
    ended = bench.start(*words, address="", ready=True).stop()
    return [ended._replace(code=0)] if ended.code == 143 else [ended]


@scenario("broker exec")
def _(bench: Bench) -> list[Result]:
    return [bench.run("broker exec", "true")]


@scenario("schema")
def _(bench: Bench) -> list[Result]:
    return [bench.run("schema")]


@scenario("completion")
def _(bench: Bench) -> list[Result]:
    installed = bench.run("completion fish --install")
    assert installed.out == b""
    return [bench.run("completion bash")]


@scenario("help")
def _(bench: Bench) -> list[Result]:
    return [bench.run("help"), bench.run("help streams"), bench.run("help queue send")]


def validator(names: tuple[str, ...]) -> Draft202012Validator:
    known = {**schemas(), "schema": {"required": ["commands", "records"]}}
    return Draft202012Validator({"anyOf": [known[name] for name in names]})


TOGETHER = sorted({tuple(n for n in SCENARIOS if SCENARIOS[n] is f) for f in SCENARIOS.values()})


@pytest.mark.parametrize(
    "names",
    [pytest.param(n, marks=pytest.mark.builtin) if n == ASK_FOR_CHANNELS else n for n in TOGETHER],
    ids=" + ".join,
)
def test_what_a_command_prints_is_what_the_schema_says(
    names: tuple[str, ...], run: Run, start: Start, channel: str, broker: Broker
) -> None:
    results = SCENARIOS[names[0]](Bench(run, start, channel, broker.address))
    printed = [name for command in names for name in schema.PRINTS[command].records]
    records = [record for result in results for record in result.records()]
    assert all(result.code in (0, 9) for result in results), results
    if not printed:
        assert records == []
        return
    check = validator(tuple(dict.fromkeys(printed)))
    for found in records:
        check.validate(found)
    for name in dict.fromkeys(printed):
        assert any(validator((name,)).is_valid(found) for found in records), f"no {name} was printed"


def test_every_command_is_in_the_schema_and_was_run_here() -> None:
    commands = {command.name for command in TREE.commands}
    assert {command.path[0] for command in TREE.commands} == set(COMMANDS)
    assert set(schema.PRINTS) == commands
    assert set(SCENARIOS) == commands


def test_the_schemas_are_schemas_and_refuse_what_is_not_of_them() -> None:
    for name, found in schemas().items():
        Draft202012Validator.check_schema(found)
        assert not Draft202012Validator(found).is_valid({"nonsense": 1}), name
    assert not validator(("message",)).is_valid({"channel": "c"}), "a message has a body"
    assert not validator(("message",)).is_valid({"body": "a", "timestamp": "yesterday"})
    assert not validator(("response",)).is_valid({"body": "a"}), "a response says whether it was executed"
    assert validator(("message",)).is_valid({"body_base64": "/w=="})


def test_every_noun_that_has_a_record_has_a_schema_and_every_field_a_meaning() -> None:
    assert set(NOUNS.values()) == set(records.COLUMNS) - {messages.Message}
    fields = {field for noun in NOUNS.values() for field in records.fields(noun)} | set(record_parser.TYPES)
    assert fields == set(MEANINGS) - ({"body_base64"} - fields)


def test_what_a_schema_says_is_of_the_record_and_not_of_the_code() -> None:
    of_the_code = ("None", "True", "False", "Unix seconds", "nanoseconds")
    said = [schema["description"] for schema in schemas().values()]
    assert [text for text in said if any(word in text for word in of_the_code)] == []


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("profile", ProfileRow),
        ("stored-profile", StoredProfile),
        ("settings", UsedSettings),
        ("path", PathRecord),
        ("script", Script),
        ("help", HelpText),
    ],
)
def test_a_record_that_is_no_noun_has_the_fields_of_its_schema(name: str, record: type) -> None:
    assert set(records.fields(record)) == set(schemas()[name]["properties"])


@pytest.mark.parametrize(
    "line",
    [
        "profile list",
        "profile show dev",
        "profile show --effective",
        "profile path",
        "help",
        "help exit-codes",
        "completion bash",
    ],
)
def test_a_template_with_a_field_that_there_is_not_is_refused_where_no_server_is_asked(
    run: Run, line: str
) -> None:
    assert run("profile", "set", "dev", "-a", "localhost:50000").code == 0
    done = run(*line.split(), "--format", "{adress}")
    assert (done.code, done.out) == (2, b"")
    assert "error: --format: there is no field adress here; use " in done.err


def test_what_a_program_sends_is_described_as_it_is_taken() -> None:
    sent = validator(("sent-message",))
    lines = [
        {"body": "a", "tags": {"k": "v"}, "policy": {"delay": "1s", "max_receives": 3}, "sequence": 4},
        {"metadata": "m"},
        {"body_base64": "/w=="},
        {"body": 1},
        {"body": "a", "nonsense": 1},
        {"body": "a", "tags": {"k": 1}},
        {"body": "a", "policy": {"nonsense": 1}},
        {"body": "a", "body_base64": "YQ=="},
    ]
    for line in lines:
        try:
            record_parser.message_from_record(line, keep_id=False)
            taken = True
        except errors.UsageError:
            taken = False
        assert sent.is_valid(line) is taken, line


def test_an_error_is_as_the_schema_says(run: Run) -> None:
    result = run("queue", "peek", "c", "-o", "json", address="127.0.0.1:1")
    error = json.loads(result.err)
    validator(("error",)).validate(error)
    assert {"error": error["error"], "exit_code": 5, "retryable": True} in DOCUMENT["errors"]
    validator(("error",)).validate(json.loads(error_json(errors.NotFound("x"))))


def test_every_error_code_in_the_code_is_told() -> None:
    told = {entry["error"]: entry["exit_code"] for entry in DOCUMENT["errors"]}
    given = dict(codes_given())
    assert set(schema.GIVEN_CODES) <= set(given) <= set(told)
    assert {code: told[code] for code in given} == {
        code: int(getattr(errors, name).exit_code) for code, name in given.items()
    }
    assert {entry["exit_code"] for entry in DOCUMENT["errors"]} <= {int(code) for code in ExitCode}


def codes_given() -> Iterator[tuple[str, str]]:
    """Every `code="…"` that our code gives to an error, and the class of that."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        yield str(keyword.value.value), node.func.id


def test_every_exit_code_and_every_variable_of_the_code_is_told() -> None:
    assert [entry["code"] for entry in DOCUMENT["exit_codes"]] == [int(code) for code in ExitCode]
    assert {variable.field for variable in VARIABLES} - {""} <= set(DEFAULTS)
    options = {name for option in DOCUMENT["common_options"] for name in option["names"]}
    assert {variable.option for variable in VARIABLES} - {""} <= options


def test_options_are_told_with_type_default_and_variable() -> None:
    options = {option["names"][-1]: option for option in DOCUMENT["common_options"]}
    assert options["--address"]["variable"] == "KUBEMQ_ADDRESS"
    assert options["--address"]["repeatable"] is True
    assert options["--connect-timeout"]["type"] == "duration"
    assert options["--connect-timeout"]["default"] == "5s"
    assert options["--tls"]["type"] == "switch"
    assert options["--tls"]["off"] == ["--no-tls"]
    assert {
        name for option in options.values() if option["type"] != "switch" for name in option["names"]
    } == VALUED
    send = next(command for command in DOCUMENT["commands"] if command["path"] == ["queue", "send"])
    own = {option["names"][-1]: option for option in send["options"]}
    assert own["--file"]["type"] == "file"
    assert own["--max-receives"]["type"] == "integer"
    # Records may say where they go.
    assert [argument["required"] for argument in send["arguments"]] == [False, False]
    move = next(command for command in DOCUMENT["commands"] if command["path"] == ["queue", "move"])
    assert [argument["required"] for argument in move["arguments"]] == [True, True]
    assert send["arguments"][0]["channel_type"] == "queues"


def test_the_words_of_an_option_are_those_that_it_takes() -> None:
    for form in OUTPUT_FORMS:
        decide(form, None, "", False)
    output = next(option for option in TREE.common if "--output" in option.names)
    assert output.value is not None
    assert output.value.words == (*OUTPUT_FORMS, METRICS)
    assert set(TYPE_OF_GROUP.values()) == set(CHANNEL_TYPES)


def test_every_value_that_is_a_path_or_a_channel_is_known_as_one() -> None:
    def values(command: Command) -> Iterator[tuple[str, str]]:
        yield from ((a.metavar.strip("[]"), a.value.kind) for a in command.arguments)
        yield from ((o.metavar, o.value.kind) for o in command.options if o.value)

    kinds = {
        "PATH": "file",
        "FILE": "file",
        "DIR": "directory",
        "CHANNEL": "channel",
        "SHELL": "word",
        "D": "duration",
    }
    for command in TREE.commands:
        for metavar, kind in values(command):
            assert kinds.get(metavar, kind) == kind, (command.name, metavar)


@pytest.mark.parametrize("path", list(files()), ids=lambda path: path.name)
def test_what_is_generated_is_as_it_would_be_generated_now(path: Path) -> None:
    assert path.read_text() == files()[path], "run `make completions`"


def test_the_schema_is_one_document_in_json_and_yaml(run: Run) -> None:
    import yaml

    pretty, line, text = (run("schema", *form, address="") for form in ((), ("-o", "json"), ("-o", "yaml")))
    assert json.loads(pretty.out) == json.loads(line.out) == yaml.safe_load(text.out) == DOCUMENT
    assert line.out.count(b"\n") == 1
    assert run("schema", "--format", "{version}", address="").code == 2
