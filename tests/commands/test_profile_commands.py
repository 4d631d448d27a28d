"""`kubemqctl profile …` as a process, on files in a home of the test's own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubemqctl.config.config_file import load, save
from kubemqctl.config.profiles import Config, Profile, Tls
from tests.support.program import Result, Run
from tests.support.terminal.program import ProgramOnTerminal

Profiles = Callable[..., Result]


@pytest.fixture
def profiles(run: Run) -> Profiles:
    """profiles(ARG…): run `kubemqctl profile ARG…` without any server."""

    def called(*args: str | bytes, code: int = 0, **kwargs: Any) -> Result:
        result = run("profile", *args, address="", **kwargs)
        assert result.code == code, result.err
        return result

    return called


@pytest.fixture
def path(home: Path) -> Path:
    return home / ".config" / "kubemqctl" / "config.yaml"


@pytest.fixture
def two(path: Path) -> Path:
    """A file with prod, which is current and protected, and dev."""
    prod = Profile(
        "prod", ("a:1", "b:2"), token="s3cret", tls=Tls(True, "/ca.pem"), output="json", protected=True
    )
    save(Config(str(path), "prod", {"prod": prod, "dev": Profile("dev", ("localhost:50000",), token="${T}")}))
    return path


def stored(path: Path, name: str) -> Profile:
    return load(str(path)).profiles[name]


# --- list, show, path ---


def test_a_list_has_a_line_for_each_profile_and_marks_the_current_one(two: Path, profiles: Profiles) -> None:
    assert profiles("list").text == (
        "prod\tyes\ta:1,b:2\tyes\tyes\tyes\tno\ndev\tno\tlocalhost:50000\tno\tyes\tno\tno\n"
    )
    assert profiles("list", "-o", "json").records() == [
        {
            "name": "prod",
            "current": True,
            "address": "a:1,b:2",
            "tls": True,
            "token": True,
            "protected": True,
            "read_only": False,
        },
        {
            "name": "dev",
            "current": False,
            "address": "localhost:50000",
            "tls": False,
            "token": True,
            "protected": False,
            "read_only": False,
        },
    ]
    assert "NAME" in profiles("list", "-o", "human").text


def test_no_profiles_are_an_empty_list_and_a_hint_on_stderr(profiles: Profiles) -> None:
    result = profiles("list")
    assert result.out == b""
    assert "profile set NAME" in result.err
    assert profiles("list", "-q").err == ""


def test_a_list_says_when_the_environment_overrides_the_current_profile(
    two: Path, profiles: Profiles
) -> None:
    assert profiles("list", env={"KUBEMQCTL_PROFILE": "dev"}).err == (
        "KUBEMQCTL_PROFILE is set: profile dev is in effect here\n"
    )


def test_show_never_shows_a_token(two: Path, profiles: Profiles) -> None:
    for form in ("json", "yaml", "human", "raw"):
        for more in ([], ["--effective"]):
            result = profiles("show", "prod", "-o", form, *more)
            assert "***" in result.text
            assert "s3cret" not in result.text + result.err


def test_show_has_the_keys_of_the_file(two: Path, profiles: Profiles) -> None:
    assert profiles("show", "prod", "-o", "json").records() == [
        {
            "name": "prod",
            "current": True,
            "address": "a:1,b:2",
            "token": "***",
            "tls": {"enabled": True, "ca": "/ca.pem"},
            "output": "json",
            "protected": True,
        }
    ]
    assert profiles("show", "dev", "-o", "json").records()[0]["token"] == "${T}"


def test_show_without_a_name_shows_what_applies(two: Path, profiles: Profiles) -> None:
    assert profiles("show").text == (
        "name\tprod\ncurrent\tyes\naddress\ta:1,b:2\ntoken\t***\ntls.enabled\tyes\ntls.ca\t/ca.pem\n"
        "output\tjson\nprotected\tyes\n"
    )
    assert profiles("show", env={"KUBEMQCTL_PROFILE": "dev"}).text.startswith("name\tdev\n")
    assert profiles("show", "-p", "dev").text.startswith("name\tdev\n")


def test_show_without_a_name_and_a_current_profile_is_not_found(profiles: Profiles) -> None:
    assert "there is no current profile" in profiles("show", code=3).err


def test_effective_tells_what_counts_and_where_it_comes_from(two: Path, profiles: Profiles) -> None:
    result = profiles("show", "--effective", "-o", "json", env={"KUBEMQ_CLIENT_ID": "me"})
    (record,) = result.records()
    assert record["client_id"] == "me"
    assert record["sources"] == {
        "address": "profile prod (config.yaml line 4)",
        "client_id": "KUBEMQ_CLIENT_ID",
        "token": "profile prod (config.yaml line 7)",
        "tls": "profile prod (config.yaml line 9)",
        "tls_ca": "profile prod (config.yaml line 10)",
        "output": "profile prod (config.yaml line 11)",
        "protected": "profile prod (config.yaml line 12)",
        "read_only": "default",
        "connect_timeout": "default",
        "connect_wait": "default",
        "name": "current profile",
    }


def test_effective_says_that_a_token_is_withheld(two: Path, profiles: Profiles) -> None:
    result = profiles("show", "--effective", "-o", "json", "-a", "other:1")
    (record,) = result.records()
    assert (record["address"], record["token"], record["tls"]) == ("other:1", "", {"enabled": False})
    assert result.err.count("the token of profile prod is withheld") == 1


def test_effective_without_any_profile_shows_the_defaults(profiles: Profiles) -> None:
    (record,) = profiles("show", "--effective", "-o", "json").records()
    assert (record["address"], record["client_id"]) == ("localhost:50000", "kubemqctl-<random>")
    assert set(record["sources"].values()) == {"default"}


def test_effective_shows_a_variable_that_is_not_set(two: Path, profiles: Profiles) -> None:
    (record,) = profiles("show", "dev", "--effective", "-o", "json").records()
    assert record["sources"]["name"] == "argument NAME"
    assert record["token"] == "${T}, which is not set"


def test_an_unknown_name_is_3_and_names_the_nearest(two: Path, profiles: Profiles) -> None:
    for words in (["show", "prdo"], ["use", "prdo"], ["remove", "prdo", "--yes"], ["copy", "prdo", "x"]):
        assert "hint: did you mean prod?" in profiles(*words, code=3).err


def test_the_path_is_printed_whether_the_file_is_there_broken_or_not(path: Path, profiles: Profiles) -> None:
    assert profiles("path").text == f"{path}\n"
    assert profiles("path", env={"KUBEMQCTL_CONFIG": "/x.yaml"}).text == "/x.yaml\n"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert profiles("path", "-o", "json").records() == [{"path": str(path)}]


def test_a_broken_file_is_2_with_its_line(path: Path, profiles: Profiles) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("current: a\nprofile: {}\n")
    for words in (["list"], ["show"], ["set", "a", "-a", "a:1"], ["use", "a"], ["show", "--effective"]):
        assert f"{path} line 2: unknown key 'profile'" in profiles(*words, code=2).err
    assert path.read_text() == "current: a\nprofile: {}\n"


# --- set ---


def test_set_stores_what_every_option_gives(path: Path, profiles: Profiles, tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    options = (
        "--tls-ca ca --tls-cert cert --tls-key key --tls-server-name n --client-id me --protected --read-only"
    )
    more = ["--token-command", "pass 'a b'", "--default-output", "yaml"]
    result = profiles("set", "p", "-a", "a:1", "--address=b:2,c:3", *options.split(), *more)
    assert (result.out, result.err) == (b"", "profile p created, now the current one\n")
    files = [str(tmp_path / name) for name in ("ca", "cert", "key")]
    assert stored(path, "p") == Profile(
        "p",
        ("a:1", "b:2", "c:3"),
        "me",
        "",
        "",
        "pass 'a b'",
        Tls(True, files[0], files[1], files[2], "n"),
        "yaml",
        True,
        True,
    )


def test_set_before_the_group_works_as_well(path: Path, run: Run) -> None:
    assert run("-a", "a:1", "--tls", "profile", "set", "p", address="").code == 0
    assert stored(path, "p") == Profile("p", ("a:1",), tls=Tls(True))


def test_set_changes_only_what_is_given(two: Path, profiles: Profiles) -> None:
    before = stored(two, "prod")
    assert profiles("set", "prod", "--client-id", "me").err == "profile prod changed\n"
    assert stored(two, "prod") == before._replace(client_id="me")
    profiles("set", "prod", "--no-protected", "--no-tls")
    after = before._replace(client_id="me", protected=False, tls=Tls(False, "/ca.pem"))
    assert stored(two, "prod") == after


def test_a_new_source_of_the_token_takes_the_place_of_the_old(
    two: Path, profiles: Profiles, tmp_path: Path
) -> None:
    result = profiles("set", "prod", "--token-file", "t")
    assert f"warning: {tmp_path / 't'} does not exist yet" in result.err
    assert stored(two, "prod")[3:6] == ("", str(tmp_path / "t"), "")
    profiles("set", "prod", "--token-command", "pass")
    assert stored(two, "prod")[3:6] == ("", "", "pass")


def test_unset_takes_keys_out(two: Path, profiles: Profiles) -> None:
    keys = ("token", "tls", "address", "output", "protected")
    profiles("set", "prod", *(f"--unset={key}" for key in keys))
    assert stored(two, "prod") == Profile("prod")


def test_the_first_profile_becomes_current_and_others_when_asked(path: Path, profiles: Profiles) -> None:
    profiles("set", "a", "-a", "a:1")
    profiles("set", "b", "-a", "b:1")
    assert load(str(path)).current == "a"
    profiles("set", "c", "-a", "c:1", "--current")
    assert load(str(path)).current == "c"
    profiles("set", "b", "--current")
    assert load(str(path)).current == "b"


def test_what_set_writes_is_for_its_owner_alone(path: Path, profiles: Profiles) -> None:
    before = os.umask(0)
    try:
        profiles("set", "a", "-a", "a:1")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_to_set_what_is_set_already_is_no_failure_and_leaves_the_file_alone(
    two: Path, profiles: Profiles
) -> None:
    two.write_text("# mine\n" + two.read_text())
    before = two.read_bytes()
    assert profiles("set", "dev", "-a", "localhost:50000").err == "profile dev unchanged\n"
    assert profiles("set", "dev", "--unset", "client_id").err == "profile dev unchanged\n"
    assert profiles("set", "prod", "--current").err == "profile prod unchanged\n"
    assert two.read_bytes() == before


REFUSED = [
    ("-a localhost", "localhost is not HOST:PORT"),
    ("--client-id=", "client ID is empty"),
    ("--token-file=", "--token-file is empty"),
    ("--tls-ca=", "--tls-ca is empty"),
    ("--token-command=", "--token-command is empty"),
    ("--token-command '", "no closing quotation"),
    ("--token-file x --token-command y", "cannot be used together"),
    ("--default-output xml", "--default-output xml is not an output format"),
    ("--no-tls --tls-ca x", "contradict"),
    ("--tls-cert x", "needs its key"),
    ("--unset adress", "no setting adress"),
    ("--connect-timeout 2s", "cannot be stored"),
    ("-p dev", "-p/--profile cannot be used here"),
    ("", "nothing to change"),
    ("--token s3cret", "o such option: --token"),
]


@pytest.mark.parametrize(("options", "says"), REFUSED, ids=[options or "nothing" for options, _ in REFUSED])
def test_set_refuses_what_it_cannot_store(options: str, says: str, two: Path, profiles: Profiles) -> None:
    before = two.read_bytes()
    assert says in profiles("set", "prod", *options.split(" ") if options else [], code=2).err
    assert two.read_bytes() == before


@pytest.mark.parametrize("name", ["-", ".x", "a b", "a/b", "", "é"])
def test_set_refuses_a_bad_name(name: str, profiles: Profiles, path: Path) -> None:
    assert "not a valid profile name" in profiles("set", "-a", "a:1", "--", name, code=2).err
    assert not path.exists()


def test_environment_is_not_stored(path: Path, profiles: Profiles) -> None:
    profiles(
        "set", "p", "-a", "a:1", env={"KUBEMQ_AUTH_TOKEN": "t", "KUBEMQ_ADDRESS": "b:1", "KUBEMQ_TLS_CA": "c"}
    )
    assert stored(path, "p") == Profile("p", ("a:1",))


# --- use, rename, copy, remove ---


def test_use_makes_a_profile_current(two: Path, profiles: Profiles) -> None:
    result = profiles("use", "dev")
    assert (result.out, result.err) == (b"", "profile dev is now the current one\n")
    assert load(str(two)).current == "dev"


def test_use_mends_a_current_profile_that_is_gone(two: Path, profiles: Profiles) -> None:
    two.write_text(two.read_text().replace("current: prod", "current: gone"))
    assert "kubemqctl profile use NAME" in profiles("show", "--effective", code=2).err
    profiles("use", "dev")
    assert profiles("show").text.startswith("name\tdev\n")


def test_rename_keeps_place_and_being_current(two: Path, profiles: Profiles) -> None:
    before = stored(two, "prod")
    profiles("rename", "prod", "live")
    config = load(str(two))
    assert (config.current, list(config.profiles)) == ("live", ["live", "dev"])
    assert config.profiles["live"] == before._replace(name="live")


def test_copy_makes_a_second_one(two: Path, profiles: Profiles) -> None:
    profiles("copy", "prod", "stage")
    config = load(str(two))
    assert config.profiles["stage"] == config.profiles["prod"]._replace(name="stage")
    assert config.current == "prod"


@pytest.mark.parametrize("verb", ["rename", "copy"])
def test_no_profile_takes_the_place_of_another(verb: str, two: Path, profiles: Profiles) -> None:
    before = two.read_bytes()
    assert "profile dev already exists" in profiles(verb, "prod", "dev", code=2).err
    same = profiles(verb, "prod", "prod", code=2).err
    assert ("NAME and NEW are the same" in same, "remove" in same) == (True, False)
    assert "not a valid profile name" in profiles(verb, "prod", "a/b", code=2).err
    assert two.read_bytes() == before


def test_remove_needs_a_word_where_nobody_can_be_asked(two: Path, profiles: Profiles) -> None:
    assert "to confirm, use --yes" in profiles("remove", "dev", code=2).err
    assert set(load(str(two)).profiles) == {"prod", "dev"}
    assert profiles("remove", "dev", "--yes").err == "profile dev deleted\n"
    assert set(load(str(two)).profiles) == {"prod"}


def test_remove_of_a_protected_profile_needs_its_name(two: Path, profiles: Profiles) -> None:
    assert "to confirm, use --confirm prod" in profiles("remove", "prod", "--yes", code=2).err
    assert "is not the name prod" in profiles("remove", "prod", "--confirm", "dev", code=2).err
    result = profiles("remove", "prod", "--confirm", "prod")
    assert result.err == "profile prod deleted; there is no current profile now\n"
    assert load(str(two)).current == ""


def test_another_profile_s_protection_does_not_matter(two: Path, profiles: Profiles) -> None:
    profiles("remove", "dev", "--yes", "-p", "prod")
    assert set(load(str(two)).profiles) == {"prod"}


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, {"prod"}), ("", 2, {"prod", "dev"})])
def test_remove_asks_on_a_terminal(answer: str, code: int, left: set[str], two: Path) -> None:
    with ProgramOnTerminal(two.parent, "", "profile", "remove", "dev", piped=True) as program:
        program.wait_for_text("[y/N]")
        program.type(answer.encode() + b"\n")
        assert (program.end(), program.piped()) == (code, b"")
    assert set(load(str(two)).profiles) == left


# --- a file that KUBEMQCTL_CONFIG names ---


@pytest.mark.parametrize(
    "words",
    [
        ("profile", "list"),
        ("profile", "show"),
        ("profile", "show", "--effective"),
        ("profile", "use", "a"),
        ("profile", "remove", "a", "--yes"),
        ("profile", "rename", "a", "b"),
        ("profile", "copy", "a", "b"),
        ("profile", "check"),
        ("queue", "send", "q", "x"),
        ("queue", "list"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_named_configuration_file_that_is_not_there_is_not_found(
    words: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    named = tmp_path / "no" / "such.yaml"
    result = run(*words, env={"KUBEMQCTL_CONFIG": str(named)}, address="127.0.0.1:1")
    assert result.code == 3
    assert f"KUBEMQCTL_CONFIG names no file: {named}" in result.err + result.text
    assert not named.parent.exists()


@pytest.mark.parametrize(
    "words", [("schema",), ("completion", "bash"), ("help", "recipes"), ("profile", "path")]
)
def test_what_does_not_read_the_configuration_does_not_miss_it(
    words: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    assert run(*words, env={"KUBEMQCTL_CONFIG": str(tmp_path / "typo")}, address="").code == 0


def test_profile_set_makes_the_file_that_is_named(profiles: Profiles, tmp_path: Path) -> None:
    named = tmp_path / "new" / "config.yaml"
    profiles("set", "a", "--address", "h:1", env={"KUBEMQCTL_CONFIG": str(named)})
    assert stored(named, "a").addresses == ("h:1",)


def test_a_path_that_is_no_text_leaves_the_file_as_it_was(two: Path, profiles: Profiles) -> None:
    before = two.read_bytes()
    result = profiles("set", "dev", "--tls-ca", b"ca\xff.pem", code=2)
    assert " cannot be stored as ca: it is not UTF-8" in result.err
    assert two.read_bytes() == before
    profiles("list")
