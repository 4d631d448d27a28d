"""A secret is shown nowhere: no output of any command, no file, no process list, no child's environment."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import issue
from tests.support.program import Result, Run, Start
from tests.support.server import Broker, start_broker
from tests.support.terminal.in_process import TerminalResult, on_terminal

SECRET = "s3cr3t-Vq9xT2"
OTHER = "0ther-Kk41bZ"


class Place:
    """Where a secret is kept, as people keep it."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch, address: str) -> None:
        self.config = home / ".config" / "kubemqctl" / "config.yaml"
        self.file = home / "token"
        self._patch = patch
        self._address = address

    def put(self, kind: str, secret: str) -> list[str]:
        """Put it there; the options that a command needs to find it."""
        self.file.write_text(f"{secret}\n")
        self.file.chmod(0o600)
        if kind == "variable":
            return self._variables(KUBEMQ_AUTH_TOKEN=secret, KUBEMQ_ADDRESS=self._address)
        if kind == "file option":
            self._variables(KUBEMQ_ADDRESS=self._address)
            return ["--token-file", str(self.file)]
        said = {
            "literal": f"token: {secret}",
            "reference": 'token: "${MY_TOKEN}"',
            "file": f"token_file: {self.file}",
            "command": f"token_command: cat {self.file}",
        }[kind]
        self.write(f"current: p\nprofiles: {{p: {{address: '{self._address}', {said}}}}}\n")
        return self._variables(MY_TOKEN=secret)

    def write(self, text: str) -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)
        self.config.chmod(0o600)

    def _variables(self, **values: str) -> list[str]:
        for name, value in values.items():
            self._patch.setenv(name, value)
        return []


@pytest.fixture
def keep(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Place]:
    return lambda address: Place(home, monkeypatch, address)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that wants SECRET."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(SECRET)
    (folder / "token").chmod(0o600)
    server = start_broker(folder, "--ephemeral", "--token-file", folder / "token")
    try:
        yield server
    finally:
        assert server.process
        server.process.stop()
        assert SECRET not in server.process.err


def hidden(run: TerminalResult | Result, *secrets: str) -> None:
    text = run.written if isinstance(run, TerminalResult) else run.text + run.err
    for secret in secrets or (SECRET, OTHER):
        assert secret not in text, text


LINES = (
    "ping", "doctor", "queue send q x", "queue receive q", "queue peek q --wait 1s", "queue list",
    "channel list", "events sub e --for 1ms", "query send q x --timeout 50ms", "profile list", "profile show",
    "profile show --effective", "profile show --effective -o yaml", "profile check", "profile check -o json",
    "schema", "help connections", "nonsense", "ping --nonsense", "__complete profiles p",
)  # fmt: skip


@pytest.mark.builtin
@pytest.mark.parametrize("kind", ["variable", "file option", "literal", "reference", "file", "command"])
def test_no_command_shows_the_token_be_it_right_or_wrong(
    kind: str, guarded: Broker, keep: Callable[[str], Place]
) -> None:
    place = keep(guarded.address)
    for secret in (SECRET, OTHER):
        options = place.put(kind, secret)
        accepted = on_terminal("-v", "queue", "send", "q", "x", *options)
        assert accepted.code == (0 if secret == SECRET else 4), accepted
        for line in LINES if secret == OTHER else LINES[:4]:
            hidden(on_terminal("-v", *line.split(), *options))


def test_no_error_in_the_configuration_file_shows_what_is_in_it(keep: Callable[[str], Place]) -> None:
    place = keep("localhost:1")
    for said in (
        f"token: [{SECRET}", f"token: [{SECRET}]", f"token: {{{SECRET}: 1}}", f"tokken: {SECRET}",
        f'token: "{SECRET}', f"token: {SECRET}\\x\n\t", f"token: '{SECRET}\\u00e9'",
        f"token: &a {SECRET}\n  token: *b", f"token: !!python {SECRET}", f"token: |\n  {SECRET}\n {SECRET}",
        f"token: {SECRET}\n    token: {OTHER}", f"token: {SECRET}\n    token_file: /x",
        f"token: ${{NO_SUCH}}{SECRET}", f"token: é{SECRET}",
        f"token: @{SECRET}", f"token: %{SECRET}", f"token: {SECRET}: {SECRET}",
    ):  # fmt: skip
        place.write(f"current: p\nprofiles:\n  p:\n    address: localhost:1\n    {said}\n")
        for line in ("queue peek q", "profile list", "profile show", "profile check", "profile set p -a h:1"):
            hidden(on_terminal("-v", *line.split()))


def test_a_literal_token_in_a_file_that_others_can_read_is_refused_unseen(
    keep: Callable[[str], Place],
) -> None:
    place = keep("localhost:1")
    place.put("literal", SECRET)
    place.config.chmod(0o644)
    run = on_terminal("-v", "ping")
    assert run.code == 2
    assert "chmod 600" in run.written
    hidden(run)


@pytest.mark.parametrize("spoilt", [f"{SECRET}\n{OTHER}", f"é{SECRET}", f"{SECRET}\x07"])
def test_a_token_that_cannot_be_one_is_refused_unseen(spoilt: str, keep: Callable[[str], Place]) -> None:
    place = keep("localhost:1")
    for kind in ("variable", "file option", "file", "command"):
        options = place.put(kind, spoilt)
        run = on_terminal("-v", "ping", *options)
        assert run.code == 2, run
        hidden(run)


def test_a_secret_on_the_command_line_is_refused_without_being_repeated() -> None:
    for words in (
        ["ping", "--token", SECRET], ["ping", f"--token={SECRET}"], ["--token", SECRET, "ping"],
        ["ping", "-a", f"user:{SECRET}@example.org:1"], ["ping", "-a", f"kubemq://u:{SECRET}@example.org:1"],
        ["profile", "set", "p", "--token", SECRET], ["broker", "run", "--token", SECRET],
    ):  # fmt: skip
        run = on_terminal(*words)
        assert run.code == 2, run
        hidden(run)


def test_a_secret_in_the_address_variable_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEMQ_ADDRESS", f"kubemq://u:{SECRET}@example.org:1")
    for line in ("ping", "doctor", "profile show --effective"):
        run = on_terminal("-v", *line.split())
        assert run.code == 2, run
        hidden(run)


def test_a_private_key_is_never_shown(tmp_path: Path) -> None:
    certs = issue(tmp_path / "certificates")
    body = certs.client_key.read_text().splitlines()[1]
    options = [
        "--tls-ca",
        certs.ca,
        "--tls-cert",
        certs.client_cert,
        "--tls-key",
        certs.client_key,
    ]
    broken = tmp_path / "broken.pem"
    broken.write_text(f"-----BEGIN NOTHING-----\n{body}\n")
    for key in (certs.client_key, broken):
        options[-1] = key
        for line in ("ping", "doctor"):
            hidden(on_terminal("-v", *line.split(), "-a", "localhost:1", *map(str, options)), body)


# --- other processes ---


def shown_by_proc(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_bytes().replace(b"\0", b"\n").decode(errors="replace")


def command_lines() -> str:
    """Those of every process on this machine that can be seen."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(shown_by_proc(int(pid), "cmdline"))
        except OSError:
            continue  # it has ended meanwhile
    return "\n".join(found)


HANDLER = """
import os, sys
with open(sys.argv[1], "w") as out:
    for name, value in os.environ.items():
        print(name, value, file=out)
    for pid in (os.getpid(), os.getppid()):
        print(open(f"/proc/{pid}/cmdline").read(), file=out)
"""


@pytest.mark.builtin
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc here")
def test_neither_the_process_list_nor_a_handler_gets_to_see_a_token(
    guarded: Broker, start: Start, run: Run, keep: Callable[[str], Place], channel: str, tmp_path: Path
) -> None:
    place = keep(guarded.address)
    options = place.put("file option", SECRET)
    subscriber = start("events", "sub", channel, *options, address=guarded.address, ready=True)
    assert SECRET not in command_lines()
    subscriber.stop()
    run("queue", "send", channel, "x", *options, address=guarded.address)
    place.put("command", SECRET)
    told = tmp_path / "told"
    ours = dict.fromkeys(("KUBEMQ_ADDRESS", "KUBEMQ_AUTH_TOKEN", "MY_TOKEN"))
    handled = run(
        "queue", "receive", channel, "--", sys.executable, "-c", HANDLER, told,
        address="", env=ours,
    )  # fmt: skip
    assert handled.code == 0, handled
    assert f"KUBEMQ_CHANNEL {channel}" in told.read_text()
    assert SECRET not in told.read_text()


@pytest.mark.builtin
def test_broker_exec_clears_the_token_of_somebody_elses_server(run: Run) -> None:
    result = run("broker", "exec", "--", "env", address="", env={"KUBEMQ_AUTH_TOKEN": SECRET})
    assert "KUBEMQ_ADDRESS=" in result.text
    hidden(result)


# --- files ---


@pytest.mark.builtin
def test_what_is_written_down_is_for_its_owner_alone_and_has_no_token_in_it(
    guarded: Broker,
    keep: Callable[[str], Place],
    home: Path,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    place = keep(guarded.address)
    place.put("file", SECRET)
    before = os.umask(0)
    try:
        for line in (
            "profile copy p b", "profile use b", "profile use p", "queue send q x", "store pub s x",
            "store sub s --from first --count 1 --checkpoint checkpoint", "channel list",
        ):  # fmt: skip
            hidden(on_terminal(*line.split()))
        assert b"q\n" in run("__complete", "queues", "q", address="").out
    finally:
        os.umask(before)
    files = [file for file in home.rglob("*") if file.is_file() and file != place.file]
    written = {file.relative_to(home).parts[0] for file in files}
    assert {".config", ".cache", ".local"} <= written, files
    for file in files:
        assert SECRET.encode() not in file.read_bytes(), file
        assert is_private(file) or is_private(file.parent), file
    assert is_private(place.config)


def is_private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
