"""What is wrong with the machine, or with a text that was given, is said as that and not as a bug."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import tempfile
from pathlib import Path

import pytest

from kubemqctl.cli import main
from tests.support.fast_start import PROGRAM
from tests.support.program import Run, environment
from tests.support.server import Broker

NOT_UTF8 = b"a\xff"

FAULTS: list[tuple[Exception, str, str]] = [
    (OSError(errno.EMFILE, "Too many open files"), "too many open files", "ulimit -n"),
    (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "no space left on device: /tmp/x", "TMPDIR"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk quota exceeded", "TMPDIR"),
    (OSError(errno.ENOENT, "No usable temporary directory found in ['/t']"), "no usable temporary", "TMPDIR"),
    (PermissionError(errno.EACCES, "Permission denied", b"/x\xff"), "permission denied: /x\\xff", ""),
    (RuntimeError("can't start new thread"), "no more threads", "ulimit -u"),
    (MemoryError(), "not enough memory", ""),
]


@pytest.mark.parametrize(("fault", "says", "hint"), FAULTS, ids=[says for _, says, _ in FAULTS])
def test_a_fault_of_the_machine_is_no_bug(
    fault: Exception,
    says: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def failing(*_: object) -> int:
        raise fault

    monkeypatch.setattr(main, "_run", failing)
    assert main.main(["ping"]) == 1
    said = capfd.readouterr().err
    assert says in said
    assert hint in said.partition("hint: ")[2]
    assert "bug" not in said


def test_where_memory_is_bounded_that_limit_is_named_for_threads(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(main, "_run", failing)
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (1 << 28, 1 << 28))
    assert main.main(["ping"]) == 1
    assert "hint: raise the limit of memory: ulimit -v" in capfd.readouterr().err


def test_the_text_that_python_has_for_no_temporary_directory_is_the_one_we_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/no/such/folder"])
    with pytest.raises(FileNotFoundError, match="No usable temporary directory"):
        tempfile.gettempdir()


def test_a_text_that_is_not_utf8_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_run", lambda *_: "\udcff".encode())
    assert main.main(["ping"]) == 2
    assert capfd.readouterr().err == "error: \\xff is not valid UTF-8\n"


@pytest.mark.parametrize(
    "words",
    ["queue send q x", "events sub e --for 1ms", "queue receive q", "ping", "broker exec -- true"],
)
def test_too_few_files_are_an_error_and_no_abort_of_grpc(words: str, broker: Broker) -> None:
    line = ["sh", "-c", 'ulimit -n 14; exec "$@"', "sh", *map(str, PROGRAM), *words.split()]
    done = subprocess.run(line, env=environment(broker.address), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr == (
        "error: the system refuses to go on: too many open files\n"
        "hint: raise the limit of open files: ulimit -n 4096\n"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--client-id", NOT_UTF8), "client ID a\\xff is not valid UTF-8"),
        (("--client-id", "a\nb"), "client ID a\\nb contains a control character"),
        (("--tls-server-name", NOT_UTF8), "--tls-server-name: a\\xff is not a valid host name"),
        (
            ("--tls-server-name", "bücher.example"),
            "--tls-server-name: bücher.example is not a valid host name",
        ),
        (("-a", "a..b:1"), "--address: a..b is not a valid host name"),
        (("--tls-server-name", ".."), "--tls-server-name: .. is not a valid host name"),
    ],
)
def test_a_connection_option_that_no_server_can_be_told_is_a_usage_error(
    options: tuple[str | bytes, ...], says: str, run: Run
) -> None:
    for words in (("queue", "send", "q", "x"), ("profile", "set", "p", "--address", "h:1")):
        result = run(*words, *options, address="")
        assert (result.code, says in result.err) == (2, True), words


def test_a_client_id_of_the_environment_is_looked_at_too(run: Run) -> None:
    result = run("queue", "send", "q", "x", env={"KUBEMQ_CLIENT_ID": os.fsdecode(NOT_UTF8)})
    assert result.code == 2
    assert "client ID a\\xff is not valid UTF-8" in result.err


NAMED_FILES = [
    ("queue", "send", "q", "--lines", "--failed"),
    ("store", "pub", "s", "--lines", "--unknown"),
    ("events", "sub", "e", "--for", "1s", "--ready-file"),
    ("store", "sub", "s", "--until", "now", "--checkpoint"),
    ("store", "copy", "s", "t", "--checkpoint"),
    ("cmd", "respond", "c", "--ok", "--count", "1", "--ready-file"),
    ("query", "respond", "c", "--echo", "--background", "--log"),
    ("broker", "run", "--ephemeral", "--listen", "127.0.0.1:0", "--background", "--log"),
    ("broker", "run", "--ephemeral", "--listen", "127.0.0.1:0", "--ready-file"),
]


@pytest.mark.parametrize("words", NAMED_FILES, ids=" ".join)
def test_a_file_to_write_in_no_directory_is_not_found_and_a_directory_is_a_usage_error(
    run: Run, broker: Broker, tmp_path: Path, words: tuple[str, ...]
) -> None:
    option, env = words[-1], {"KUBEMQ_ADDRESS": broker.address}
    missing = run(*words, tmp_path / "none" / "file", env=env, stdin=b"x\n")
    assert (missing.code, missing.out) == (3, b"")
    assert f"error: {option}: there is no directory {tmp_path / 'none'}\n" in missing.err
    folder = run(*words, tmp_path, env=env, stdin=b"x\n")
    assert (folder.code, folder.out) == (2, b"")
    assert f"error: {option}: cannot write {tmp_path}: is a directory\n" in folder.err
