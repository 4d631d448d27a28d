"""Completion in real shells, on real terminals: what is run is what was meant, whatever names there are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import pytest

from kubemqctl.cli.commands.help import TOPICS
from kubemqctl.cli.completion_names import NameCache, flags, usable
from kubemqctl.cli.completion_scripts import FILES, script, tables
from kubemqctl.config.sources import Flags
from tests.support.command_tree import TREE
from tests.support.program import Run, environment
from tests.support.server import SILENT, Broker
from tests.support.terminal.shells import InteractiveShell, missing

SHELLS = tuple(FILES)
Open = Callable[..., InteractiveShell]

# Legal in a channel's name, or printed by a server that lies; each must come out as the one word it is.
HOSTILE = [
    "$(touch${IFS}pwned)",
    "`touch${IFS}pwned`",
    ";touch${IFS}pwned;",
    "&touch${IFS}pwned&",
    "|touch${IFS}pwned",
    "'one",
    '"two',
    "'both\"",
    "back\\slash",
    "end\\",
    "!!",
    "{a,b}",
    "[a-z]",
    "~x",
    "#x",
    "%x",
    "=x",
    "a:b=c",
    "$HOME",
    "two words",
    "(x)",
    "<x>",
    "*?",
    "Äö",
]


@pytest.fixture
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if why := missing(name):
        pytest.skip(why)
    return name


@pytest.fixture
def opened(shell: str, home: Path) -> Iterator[Open]:
    """opened(names=…, address=…): the shell with its completion, at home."""
    under_way: list[InteractiveShell] = []

    def begin(names: list[str] | None = None, address: str = "") -> InteractiveShell:
        text = script(shell, TREE, TOPICS)
        under_way.append(InteractiveShell(shell, text, home, environment(address), names))
        return under_way[-1]

    yield begin
    for terminal in under_way:
        terminal.end()


in_every_shell = pytest.mark.parametrize("shell", SHELLS, indirect=True)


@in_every_shell
def test_words_and_options_are_completed_without_starting_python(
    shell: str, opened: Open, home: Path
) -> None:
    terminal = opened(names=[])
    for keys, line in {
        "prof\tpa\t": "profile path",
        "queue se\tc x --me\tm": "queue send c x --metadata m",
        "queue peek c --ver\t": "queue peek c --verbose",
        "-q --vers\t": "-q --version",
        "--no-inp\tqueue li\t": "--no-input queue list",
        "-p x queue li\t": "-p x queue list",
        "queue list -o js\t": "queue list -o json",
        "queue list --output=js\t": "queue list --output=json",
        "top --sort wa\t": "top --sort waiting",
        "queue receive c --ack af\t": "queue receive c --ack after-output",
        "completion fi\t": "completion fish",
        "help exit\t": "help exit-codes",
        "queue peek c --where siz\t42": "queue peek c --where size=42",
        "queue peek c --where 'body.\tid=1'": "queue peek c --where body.id=1",
        "store sub c --where ta\tkind=new": "store sub c --where tags.kind=new",
        "queue peek c --decode gz\t": "queue peek c --decode gzip",
        "check --critical round\t": "check --critical round_trip>",
        "help queue rec\t": "help queue receive",
        "broker run --like com\t": "broker run --like community-2.4",
        "broker exec --fault lat\t1s -- true": "broker exec --fault latency=1s -- true",
    }.items():
        assert terminal.words(f"kubemqctl {keys}") == line.split()
    assert not (home / "asked").exists()


@in_every_shell
def test_an_option_with_a_value_in_another_word_is_not_taken_for_a_command(
    shell: str, opened: Open, home: Path
) -> None:
    terminal = opened(names=["orders"])
    assert terminal.words("kubemqctl channel delete events or\t")[-1] == "orders"
    assert (home / "asked").read_text() == "events\n"
    assert terminal.words("kubemqctl --format queue queue peek or\t")[-1] == "orders"
    assert terminal.words("kubemqctl queue send --tag queue=send or\t")[-1] == "orders"


@in_every_shell
def test_each_queue_of_a_check_is_completed(shell: str, opened: Open, home: Path) -> None:
    terminal = opened(names=["orders"])
    assert terminal.words("kubemqctl check que\tor\tx or\t") == ["check", "queue", "orders", "x", "orders"]
    assert (home / "asked").read_text() == "queues\nqueues\n"


@in_every_shell
def test_files_are_completed_where_files_are_meant(shell: str, opened: Open, home: Path) -> None:
    terminal = opened(names=[])
    (home / "a file").touch()
    (home / "folder").mkdir()
    (home / "folder-less").touch()
    assert terminal.words("kubemqctl queue send c --file a\\ f\t")[-1] == "a file"
    assert terminal.words("kubemqctl queue send c --file=a\\ f\t")[-1] == "--file=a file"
    assert terminal.words("kubemqctl broker run --data fol\t")[-1].rstrip("/") == "folder"
    assert terminal.words("kubemqctl queue send c --metadata a\\ f\t")[-1].rstrip() == "a f"


@in_every_shell
def test_behind_a_double_dash_a_handler_is_completed_as_a_command(
    shell: str, opened: Open, home: Path
) -> None:
    handler = home / "bin" / "handle-orders"
    handler.parent.mkdir()
    handler.write_text("#!/bin/sh\n")
    handler.chmod(0o755)
    terminal = opened(names=[])
    (home / "argument.txt").touch()
    assert terminal.words("kubemqctl queue receive c -- handle-o\t")[-1] == "handle-orders"
    assert terminal.words("kubemqctl queue receive c -- handle-orders argu\t")[-1] == "argument.txt"
    assert terminal.words("kubemqctl queue send c -- handle-o\t")[-1].rstrip() == "handle-o"


@in_every_shell
def test_a_hostile_name_becomes_the_one_word_that_it_is(shell: str, opened: Open, home: Path) -> None:
    names = [f"n{at:02}{name}" for at, name in enumerate(HOSTILE)]
    terminal = opened(names=names)
    for name in names:
        assert terminal.words(f"kubemqctl queue peek {name[:3]}\t") == ["queue", "peek", name]
    assert not (home / "pwned").exists()


@in_every_shell
@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_name_within_quotes_is_completed_to_the_same_or_not_at_all(
    shell: str, opened: Open, home: Path, quote: str
) -> None:
    names = [f"n{at:02}{name}" for at, name in enumerate(HOSTILE)]
    terminal = opened(names=names)
    completed = []
    for name in names:
        words = terminal.words(f"kubemqctl queue peek {quote}{name[:3]}\t")
        # Where the name cannot be within these quotes, the quote is still open: nothing is run.
        assert words in ([], ["queue", "peek", name])
        completed += [name] if words else []
    assert len(completed) > len(names) // 2
    assert not (home / "pwned").exists()


@in_every_shell
def test_names_come_from_the_server_and_the_profiles_that_the_line_names(
    shell: str, opened: Open, broker: Broker, run: Run, home: Path, channel: str
) -> None:
    assert run("queue", "send", f"{channel}.queue", "x").code == 0
    assert run("store", "pub", f"{channel}.store", "x").code == 0
    assert run("profile", "set", "here-and-now", "--address", broker.address).code == 0
    assert run("profile", "set", "elsewhere", "--address", "127.0.0.1:1", "--current").code == 0
    terminal = opened()

    def last_word(line: str, expected: str) -> str:
        for _ in range(5):  # a busy machine may take longer than completion waits
            rmtree(home / ".cache", ignore_errors=True)
            word = terminal.words(f"kubemqctl {line}\t")[-1].rstrip()
            if word == expected:
                break
        return word

    assert last_word("profile use here", "here-and-now") == "here-and-now"
    assert last_word(f"-p here\tqueue peek {channel}", f"{channel}.queue") == f"{channel}.queue"
    if not SILENT:  # community servers list their queues alone
        line = f"store sub -a {broker.address} {channel}"
        assert last_word(line, f"{channel}.store") == f"{channel}.store"
    assert last_word(f"queue peek {channel}", channel) == channel


@in_every_shell
def test_a_name_with_a_leading_dash_is_completed_behind_a_double_dash_alone(
    shell: str, opened: Open, broker: Broker, run: Run
) -> None:
    name = "-a127.0.0.1"
    assert run("queue", "send", "--", name, "x").code == 0
    terminal = opened(address=broker.address)
    for line in ("queue peek", "queue receive", "queue move --all", "queue receive --wait 1s"):
        assert name not in terminal.words(f"kubemqctl {line} -a\t")
        assert name not in terminal.words(f"kubemqctl {line} \t")
    for line in ("queue peek --", "queue receive --", "queue info -q --"):
        for _ in range(5):  # a busy machine may take longer than completion waits
            if (words := terminal.words(f"kubemqctl {line} -a1\t"))[-1] == name:
                break
        assert words[-2:] == ["--", name]


@pytest.mark.parametrize("options", [[], ["--"]])
def test_no_name_passes_for_an_option(run: Run, options: list[str], channel: str) -> None:
    name = f"-{channel}"
    assert run("queue", "send", "--", name, "x").code == 0
    expected = f"{name}\n" if options else ""
    assert run("__complete", "queue", f"-{channel}", "queue", "peek", *options).text == expected


def test_no_token_is_sent_in_plain_text_for_a_key_that_was_pressed(run: Run) -> None:
    """A command says that it is; the listener would see it on 0.0.0.0, which is no loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        port = listener.getsockname()[1]
        env: dict[str, str | None] = {"KUBEMQ_AUTH_TOKEN": "s3cret"}
        assert run("__complete", "queue", "", address=f"0.0.0.0:{port}", env=env) == (0, b"", "")
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("options", ["set -e", "set -eu", "set -eE; trap 'touch failed' ERR"])
def test_completion_does_not_end_a_bash_that_ends_at_failures(
    options: str, home: Path, tmp_path: Path
) -> None:
    terminal = InteractiveShell(
        "bash", script("bash", TREE, TOPICS), home, environment(""), [], before=f"{options}\n"
    )
    try:
        for keys in ("queue send -\t", "queue receive c -- \t", "nonsense \t", "queue peek n\t", "\t", "-\t"):
            assert terminal.words(f"kubemqctl {keys}x") is not None
        assert terminal.words("kubemqctl prof\tpa\t") == ["profile", "path"]
    finally:
        terminal.end()
    assert not (home / "failed").exists()


def test_completion_does_not_end_a_zsh_that_ends_at_failures(home: Path) -> None:
    if why := missing("zsh"):
        pytest.skip(why)
    terminal = InteractiveShell("zsh", script("zsh", TREE, TOPICS), home, environment(""), [])
    try:
        terminal.type(b"set -e\r")
        for keys in ("queue send -\t", "queue receive c -- \t", "queue peek n\t"):
            assert terminal.words(f"kubemqctl {keys}x") is not None
        assert terminal.words("kubemqctl prof\tpa\t") == ["profile", "path"]
    finally:
        terminal.end()


def test_a_server_that_answers_nothing_costs_a_second_and_says_nothing(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        mute.setblocking(False)
        begun = time.monotonic()
        assert run("__complete", "queues", "", address=address) == (0, b"", "")
        assert time.monotonic() - begun < 5, "the limit is a second; the rest is a busy machine"
        with suppress(BlockingIOError):
            while True:
                mute.accept()[0].close()
        assert run("__complete", "queues", "", address=address) == (0, b"", "")
        with pytest.raises(BlockingIOError):  # what did not answer in time is not asked again at once
            mute.accept()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("profiles",),
        ("profiles", ""),
        ("nonsense", "x", "y"),
        ("queues", "", "-a", "nonsense", "-p"),
        ("queues", "", "-p", "no-such-profile"),
        ("queues", "", "--tls-ca", "/no/such/file"),
        ("events", "", "--address=127.0.0.1:1"),
    ],
)
def test_what_cannot_be_completed_is_silence(run: Run, words: tuple[str, ...]) -> None:
    result = run("__complete", *words, address="127.0.0.1:1")
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_a_broken_configuration_is_silence(run: Run, home: Path) -> None:
    file = home / ".config" / "kubemqctl" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert run("__complete", "profiles", "", address="")[:2] == (0, b"")


def test_a_token_command_is_not_run_for_a_key_that_was_pressed(run: Run, broker: Broker, home: Path) -> None:
    command = f"touch {home / 'ran'}"
    line = ("profile", "set", "p", "--address", broker.address, "--token-command", command)
    assert run(*line, address="").code == 0
    assert run("__complete", "queues", "", "-p", "p", address="").out == b""
    assert not (home / "ran").exists()


def test_names_are_asked_for_once_in_ten_seconds_and_kept_for_the_owner_alone(
    run: Run, home: Path, channel: str
) -> None:
    assert run("queue", "send", f"{channel}.a", "x").code == 0
    assert run("__complete", "queues", channel).text == f"{channel}.a\n"
    assert run("queue", "send", f"{channel}.b", "x").code == 0
    assert run("__complete", "queues", channel).text == f"{channel}.a\n"
    (kept,) = (home / ".cache" / "kubemqctl").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    past = time.time() - 11
    os.utime(kept, (past, past))
    assert run("__complete", "queues", channel).text == f"{channel}.a\n{channel}.b\n"


def test_a_cache_that_is_damaged_or_cannot_be_written_does_no_harm(home: Path) -> None:
    cache = NameCache({"XDG_CACHE_HOME": str(home)}, ("queues", "h:1"), 10.0)
    assert cache.read() is None
    cache.write(["a"])
    assert cache.read() == ["a"]
    for damaged in ("", "{", '{"a": 1}', "\udcff"):
        Path(cache.path).write_text(damaged, errors="surrogateescape")
        assert cache.read() is None
    Path(cache.path).write_text('["a", 1]')
    assert cache.read() == ["a"]
    cache.forget()
    cache.forget()
    nowhere = NameCache({"XDG_CACHE_HOME": "/dev/null"}, ("queues",), 10.0)
    nowhere.write(["a"])
    assert nowhere.read() is None


def test_names_that_no_command_takes_or_that_act_on_a_terminal_are_not_offered() -> None:
    bad = ["two words", "line\nfeed", "\x1b[2J", "tab\tbed", "\u202eevil", "", "a..b", "\ud800", "x" * 300]
    assert usable([*bad, "orders", "$(id)", "orders", "Äö", "a:b"]) == ["$(id)", "a:b", "orders", "Äö"]


def test_the_connection_options_of_an_unfinished_line_are_found() -> None:
    line = "queue -a h:1 --address=h:2 peek -px --no-tls --tls-ca=ca --metadata -q --client-id"
    assert flags(line.split()) == Flags(
        profile="x", addresses=("h:1", "h:2"), tls=False, tls_ca="ca", client_id=""
    )
    assert flags(["queue", "receive", "c", "--", "-a", "h:1"]) == Flags()


@pytest.mark.parametrize(
    ("shell", "changes", "path"),
    [
        ("bash", {}, ".local/share/bash-completion/completions/kubemqctl"),
        ("bash", {"BASH_COMPLETION_USER_DIR": "{home}/own"}, "own/completions/kubemqctl"),
        ("zsh", {}, ".local/share/zsh/site-functions/_kubemqctl"),
        ("zsh", {"XDG_DATA_HOME": "{home}/data"}, "data/zsh/site-functions/_kubemqctl"),
        ("fish", {}, ".config/fish/completions/kubemqctl.fish"),
    ],
)
def test_install_writes_the_script_to_where_the_shell_looks_and_nothing_else(
    run: Run, home: Path, shell: str, changes: dict[str, str], path: str
) -> None:
    env: dict[str, str | None] = {name: value.format(home=home) for name, value in changes.items()}
    env.setdefault("XDG_DATA_HOME", None)
    for _ in range(2):
        result = run("completion", shell, "--install", env=env, address="")
        assert (result.code, result.out) == (0, b"")
    assert [file for file in home.rglob("*") if file.is_file()] == [home / path]
    assert (home / path).read_text() == run("completion", shell, address="").text
    assert result.err.splitlines()[0] == f"wrote {home / path}"
    assert "to use it" in result.err.splitlines()[1]


def test_install_says_what_stands_in_the_way(run: Run) -> None:
    result = run("completion", "fish", "--install", env={"XDG_CONFIG_HOME": "/dev/null"}, address="")
    assert result.code == 1
    assert result.err.startswith("error: cannot write /dev/null/fish/completions/kubemqctl.fish: ")


@in_every_shell
def test_what_install_has_written_works_in_a_new_shell(
    shell: str, run: Run, home: Path, tmp_path: Path
) -> None:
    env: dict[str, str | None] = {"XDG_DATA_HOME": str(home / ".local" / "share")}
    assert run("completion", shell, "--install", env=env, address="").code == 0
    (installed,) = (file for file in home.rglob("*kubemqctl*") if file.is_file())
    text = "true" if shell == "fish" else installed.read_text()
    rc = f"fpath=({installed.parent} $fpath)\n" if shell == "zsh" else ""
    terminal = InteractiveShell(
        shell, "true" if shell == "zsh" else text, home, environment(""), [], before=rc
    )
    try:
        assert terminal.words("kubemqctl prof\tpa\t") == ["profile", "path"]
    finally:
        terminal.end()


def test_the_scripts_in_the_repository_are_what_the_program_prints(run: Run) -> None:
    for shell, name in FILES.items():
        kept = Path(__file__).parents[2] / "completions" / name
        assert run("completion", shell, address="").text == kept.read_text()


def test_an_unknown_shell_is_exit_2(run: Run) -> None:
    result = run("completion", "csh", address="")
    assert (result.code, result.out) == (2, b"")
    assert "bash, zsh, fish" in result.err


REPORT = """
import sys
from kubemqctl.cli.main import main
main(sys.argv[1:])
heavy = {"grpc", "google.protobuf", "rich", "yaml", "asyncio", "sqlite3", "typer"}
print(*sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("line", "loaded"),
    [
        ("completion bash", ["typer"]),
        ("completion zsh --install", ["typer"]),
        ("__complete profiles x", []),
        ("__complete nonsense x", []),
        ("__complete queues x -p nobody", []),
    ],
)
def test_completion_loads_nothing_that_it_does_not_need(line: str, loaded: list[str], home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPORT, *line.split()], capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1].split() == loaded


def test_a_cached_answer_needs_no_grpc(run: Run, broker: Broker, channel: str) -> None:
    assert run("queue", "send", channel, "x").code == 0
    assert run("__complete", "queues", channel).text == f"{channel}\n"
    command = [sys.executable, "-c", REPORT, "__complete", "queues", channel]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment(broker.address)
    )
    assert (done.stdout, done.stderr) == (f"{channel}\n", "\n")


def test_every_level_of_the_tree_has_its_table() -> None:
    found = {table.path: table for table in tables(TREE, TOPICS)}
    assert set(found) == {"", *TREE.groups, *(command.name for command in TREE.commands)}
    for command in TREE.commands:
        names = {name for row in found[command.name].options for name in row.names}
        assert names == {name for option in command.options for name in (*option.names, *option.off)}
