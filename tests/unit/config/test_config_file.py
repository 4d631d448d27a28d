"""The configuration file, read with the line of every error and written whole."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from kubemqctl.config.config_file import changing, config_path, load, save
from kubemqctl.config.profiles import Config, Profile, Tls, find
from kubemqctl.model.errors import ConfigError, NotFound
from tests.unit.config.settings_of import PROD, Write, failure, imported, settings


def test_the_path_follows_the_variables() -> None:
    assert config_path({"HOME": "/h"}) == "/h/.config/kubemqctl/config.yaml"
    assert config_path({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}) == "/x/kubemqctl/config.yaml"
    assert config_path({"HOME": "/h", "XDG_CONFIG_HOME": "rel"}) == "/h/.config/kubemqctl/config.yaml"
    assert config_path({"HOME": "/h", "XDG_CONFIG_HOME": "/x", "KUBEMQCTL_CONFIG": "/c.yaml"}) == "/c.yaml"


BROKEN: list[tuple[str, str, int, str]] = [
    ("an unknown key", "current: a\nprofil: {}\n", 2, "unknown key 'profil' in the file"),
    (
        "an unknown key of a profile",
        "profiles:\n  a:\n    adress: x:1\n",
        3,
        "unknown key 'adress' in profile a",
    ),
    ("an unknown key of tls", "profiles:\n  a:\n    tls:\n      x: y\n", 4, "unknown key 'x' in tls"),
    ("a key twice", "profiles:\n  a: {}\n  a: {}\n", 3, "'a' is given twice in profiles"),
    ("a list of profiles", "profiles:\n- a\n", 2, "profiles should be a mapping"),
    ("a text for a file", "hello\n", 1, "the file should be a mapping"),
    ("a text for a profile", "profiles:\n\n  a: b:1\n", 3, "profile a should be a mapping"),
    ("a mapping for a name", "current: {a: b}\n", 1, "current should be a single value"),
    ("a bad address", "profiles:\n  a:\n    address: host\n", 3, ": host is not HOST:PORT"),
    (
        "a bad address in a list",
        "profiles:\n  a:\n    address:\n    - a:1\n    - b:x\n",
        5,
        ": b:x is not HOST:PORT",
    ),
    ("a bad output", "profiles:\n  a:\n    output: xml\n", 3, "output is 'xml'"),
    ("a bad switch", "profiles:\n  a:\n    protected: maybe\n", 3, "protected is 'maybe'"),
    ("a bad tls switch", "profiles:\n  a:\n    tls: {enabled: 2}\n", 3, "tls.enabled is '2'"),
    ("two tokens", "profiles:\n  a:\n    token: x\n    token_file: y\n", 2, "both token and token_file"),
    ("a bad name", "profiles:\n  -a: {}\n", 2, "-a is not a valid profile name"),
    ("a tabulator", "profiles:\n\ta: {}\n", 2, "found character that cannot start any token"),
    ("an open bracket", "profiles:\n  a: {\n", 3, ""),
    ("a NUL", "profiles:\n  a: {}\n  b: \0\n", 3, "a character that YAML does not allow"),
    (
        "two documents",
        "profiles: {}\n---\nprofiles: {}\n",
        2,
        "line 2: expected a single document in the stream, but found another",
    ),
    ("an undefined alias", "current: *a\n", 1, "found undefined alias"),
]


@pytest.mark.parametrize(("text", "line", "says"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_broken_file_is_refused_with_its_line(text: str, line: int, says: str, write: Write) -> None:
    path = write(text)
    error = failure(ConfigError, lambda: load(str(path)))
    assert error.message.startswith(f"{path} line {line}: ")
    assert says in error.message
    assert error.exit_code == 2


def test_bytes_that_are_no_text_are_refused_with_their_line(write: Write) -> None:
    path = write(b"current: a\n# \xff\n")
    assert failure(ConfigError, lambda: load(str(path))).message == f"{path} line 2: not UTF-8"


def test_a_directory_in_the_file_s_place_is_said(tmp_path: Path) -> None:
    assert "is a directory" in failure(ConfigError, lambda: load(str(tmp_path))).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_that_cannot_be_read_is_said(write: Write) -> None:
    assert "permission denied" in failure(ConfigError, lambda: load(str(write(PROD, 0)))).message


def test_a_link_to_nowhere_is_said(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    error = failure(NotFound, lambda: load(str(tmp_path / "link")))
    assert error.message == f"no such configuration file: {tmp_path / 'link'}"


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing\n", "---\n", "profiles:\n", "current:\nprofiles: {}\n", "\ufeff"]
)
def test_an_empty_file_is_an_empty_configuration(text: str, write: Write) -> None:
    assert load(str(write(text)))[1:3] == ("", {})


def test_the_null_device_is_an_empty_configuration() -> None:
    assert load(os.devnull) == Config(os.devnull, "", {})


def test_texts_are_what_was_written_whatever_yaml_makes_of_them(write: Write) -> None:
    config = load(str(write("current: no\nprofiles: {no: {client_id: 0123, token: 1e3}, 7: {}}")))
    assert config.profiles["no"].client_id == "0123"
    assert config.profiles["no"].token == "1e3"
    assert (config.current, list(config.profiles)) == ("no", ["no", "7"])


def test_a_profile_may_be_called_like_a_key(write: Write) -> None:
    path = write("current: current\nprofiles:\n  current:\n    address: a:1\n")
    assert settings(path).sources["addresses"] == "profile current (config.yaml line 4)"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_literal_token_that_others_can_read_is_refused(mode: int, write: Write) -> None:
    path = write("profiles: {a: {token: s3cret}}", mode)
    error = failure(ConfigError, lambda: load(str(path)))
    assert error.message == f"{path} contains a token and can be read by others"
    assert error.hint == f"to fix it: chmod 600 {path}"
    path.chmod(0o600)
    assert load(str(path)).profiles["a"].token == "s3cret"


def test_a_file_without_a_literal_token_may_be_read_by_others(write: Write) -> None:
    path = write("profiles: {a: {token: '${X}', token_file: ''}, b: {token_file: f}}", 0o644)
    assert list(load(str(path)).profiles) == ["a", "b"]


FULL = Profile(
    name="full",
    addresses=("a:1", "[::1]:2"),
    client_id="é: #no",
    token_command="op read 'op://x/y z'",
    tls=Tls(True, "/ca", "/cert", "/key", "name"),
    output="yaml",
    protected=True,
    read_only=True,
)


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "deep" / "config.yaml")
    off = Profile("off", ("a:1",), token="0123", tls=Tls(False, "/ca"))
    config = Config(path, "full", {"full": FULL, "off": off, "no": Profile("no", token_file="/t")})
    save(config)
    assert load(path)._replace(lines=config.lines) == config


def test_a_saved_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.yaml"
    before = os.umask(0)
    try:
        save(Config(str(path), "", {"full": FULL}))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_saving_closes_a_file_that_was_open_to_others(write: Write) -> None:
    path = write("profiles: {}", 0o644)
    save(Config(str(path), "", {"a": Profile("a", token="s3cret")}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_saving_leaves_nothing_else_behind(write: Write) -> None:
    path = write("profiles: {}")
    save(Config(str(path), "", {"full": FULL}))
    assert os.listdir(path.parent) == ["config.yaml"]


def test_a_link_stays_a_link(write: Write, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(write("profiles: {}"))
    save(Config(str(link), "", {"full": FULL}))
    assert link.is_symlink()
    assert "full" in load(str(tmp_path / "config.yaml")).profiles


@pytest.mark.parametrize("umask", [0, 0o177])
def test_a_saved_file_can_be_used_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "config.yaml"
    before = os.umask(umask)
    try:
        save(Config(str(path), "", {"full": FULL}))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(p.stat().st_mode) for p in (path, *path.parents[:2])] == [0o600, 0o700, 0o700]


UNSTORABLE = [
    ("a path", Profile("bad", tls=Tls(True, ca="/ca\udcff.pem")), "/ca\\xff.pem cannot be stored as ca"),
    ("a command", Profile("bad", token_command="cat \udcff"), "cat \\xff cannot be stored as token_command"),
    ("a form", Profile("bad", output="xml"), "output is 'xml'"),
    ("two tokens", Profile("bad", token="x", token_file="/t"), "both token and token_file"),
    ("a relative path", Profile("bad", token_file="t"), "reading them again would give others"),
]


@pytest.mark.parametrize(("profile", "says"), [u[1:] for u in UNSTORABLE], ids=[u[0] for u in UNSTORABLE])
def test_what_could_not_be_read_again_replaces_nothing(profile: Profile, says: str, write: Write) -> None:
    path = write(PROD)
    config = load(str(path))
    changed = config._replace(profiles={**config.profiles, "bad": profile})
    error = failure(ConfigError, lambda: save(changed))
    assert says in error.message
    assert path.read_text() == PROD


def test_a_device_is_never_replaced() -> None:
    error = failure(ConfigError, lambda: save(Config(os.devnull, "", {})))
    assert "not a regular file" in error.message
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_place_that_cannot_be_written_is_said(write: Write) -> None:
    path = write("profiles: {}") / "under" / "config.yaml"
    assert "cannot write" in failure(ConfigError, lambda: save(Config(str(path), "", {}))).message


def test_changes_of_many_at_once_are_all_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "config.yaml")

    def add(name: str) -> None:
        with changing(path) as config:
            save(config._replace(profiles={**config.profiles, name: Profile(name)}))

    threads = [threading.Thread(target=add, args=(f"p{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(load(path).profiles) == {f"p{n}" for n in range(12)}


def test_a_found_profile_is_the_one_of_that_name(write: Write) -> None:
    assert find(load(str(write(PROD))), "dev").addresses == ("dev-a:50000", "dev-b:50001")


def test_an_empty_file_needs_no_yaml() -> None:
    modules = imported("from kubemqctl.config.config_file import load", "load('/dev/null')")
    assert "yaml" not in modules
