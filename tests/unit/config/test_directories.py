"""Where a user's files lie, and that somebody without a home has none, not under `~` either."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from kubemqctl.cli import main
from kubemqctl.cli.commands.broker import default_data
from kubemqctl.cli.commands.completion import place
from kubemqctl.cli.completion_names import NameCache
from kubemqctl.config.config_file import config_path, load, required_path
from kubemqctl.config.directories import home, make_private, without_tilde
from kubemqctl.config.profile_editing import previous, remember
from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from tests.unit.config.settings_of import failure

VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current directory of a user who has no home, as one with a random id in a container has none."""

    def no_entry(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planted(folder: Path) -> Path:
    """A configuration that runs a command, and the file that the command would leave."""
    trace = folder.parent / "ran"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"current: p\nprofiles:\n  p:\n    address: 127.0.0.1:1\n    token_command: touch {trace}\n"
    )
    (folder / "config.yaml").chmod(0o600)
    return trace


@pytest.mark.parametrize(
    "environ",
    [{}, {"HOME": ""}, {"HOME": "~"}, {"HOME": "."}, {"XDG_CONFIG_HOME": "~/.config"}],
    ids=lambda environ: repr(environ),
)
@pytest.mark.parametrize("place", ["~/.config/kubemqctl", ".config/kubemqctl", "kubemqctl"])
def test_without_a_home_no_configuration_of_the_current_directory_is_read(
    environ: dict[str, str], place: str, nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = planted(nobody / place)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main.main(["queue", "send", "q", "x", "-a", "127.0.0.1:1"]) == 5
    assert main.main(["profile", "show"]) == 3
    assert not trace.exists()


def test_without_a_home_nothing_is_written_into_the_current_directory(
    nobody: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["profile", "set", "a", "--address", "h:1"],
        ["profile", "path"],
        ["completion", "bash", "--install"],
        ["completion", "zsh", "--install"],
        ["completion", "fish", "--install"],
        ["broker", "run", "--listen", "127.0.0.1:0"],
    ):
        assert main.main(words) == 2, words
        assert "there is no home directory" in capfd.readouterr().err
    assert main.main(["profile", "use", "a"]) == 2
    assert main.main(["profile", "list"]) == 0
    NameCache({}, ("queues",), 10.0).write(["a"])
    assert NameCache({}, ("queues",), 10.0).read() is None
    assert failure(ConfigError, lambda: remember({}, "/c.yaml", "a"))
    assert failure(NotFound, lambda: previous({}, "/c.yaml"))
    assert failure(UsageError, lambda: default_data({})).hint == "use --data DIR, or --ephemeral"
    assert os.listdir(nobody) == []


def test_a_base_directory_needs_no_home(nobody: Path) -> None:
    assert config_path({"XDG_CONFIG_HOME": "/x"}) == "/x/kubemqctl/config.yaml"
    assert str(default_data({"XDG_STATE_HOME": "/x"})) == "/x/kubemqctl/broker"
    assert str(place("zsh", {"XDG_DATA_HOME": "/x"})) == "/x/zsh/site-functions/_kubemqctl"
    assert failure(ConfigError, lambda: required_path({})).hint


def test_a_relative_home_counts_as_none() -> None:
    theirs = pwd.getpwuid(os.getuid()).pw_dir
    assert {home({"HOME": "."}), home({"HOME": "~"}), home({})} == {theirs}
    assert home({"HOME": "/h"}) == "/h"


def test_a_tilde_in_a_profile_is_the_home_and_an_error_without_one(nobody: Path) -> None:
    assert without_tilde("~/t", {"HOME": "/h"}) == "/h/t"
    assert without_tilde("~", {"HOME": "/h"}) == "/h/"
    assert without_tilde("~no-such-user/t", {"HOME": "/h"}) == without_tilde("~/t", {}) == ""
    path = nobody / "c.yaml"
    path.write_text("profiles:\n  a:\n    token_file: ~/t\n")
    error = failure(ConfigError, lambda: load(str(path)))
    assert error.message == f"{path} line 3: ~/t begins with ~, and there is no such home"


@pytest.mark.parametrize("umask", [0, 0o022, 0o177, 0o777])
def test_new_directories_are_for_this_user_alone_and_usable_whatever_the_umask(
    umask: int, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(umask)
    try:
        make_private(str(tmp_path / "a" / "b" / "c"))
        make_private(str(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    for made in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((tmp_path / made).stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
