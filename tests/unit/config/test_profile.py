from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kubemqctl.config import token
from kubemqctl.config.config_file import changing, config_path, load, save
from kubemqctl.config.profiles import Config, Profile, Tls, find
from kubemqctl.config.settings import Settings, read_token, resolve, wished_output
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import AuthError, ConfigError, KubemqctlError, NotFound, UsageError

Write = Callable[..., Path]

PROD = """\
current: prod
profiles:
  prod:
    address: prod:50000
    client_id: prod-id
    token: ${PROD_TOKEN}
    tls:
      ca: /etc/prod-ca.pem
    output: json
    protected: true
  dev:
    address: [dev-a:50000, dev-b:50001]
    token: ${DEV_TOKEN}
"""


NO_FLAGS = Flags()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(TEXT, mode=0o600): the configuration file with that text."""

    def written(text: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return written


def settings(path: Path, flags: Flags = NO_FLAGS, **environ: str) -> Settings:
    """What comes out of the file at `path`, with both tokens of PROD at hand."""
    tokens = {"PROD_TOKEN": "prod-secret", "DEV_TOKEN": "dev-secret"}
    return resolve(flags, {"KUBEMQCTL_CONFIG": str(path), **tokens, **environ})


def failure(kind: type[KubemqctlError], act: Callable[[], object]) -> KubemqctlError:
    with pytest.raises(kind) as raised:
        act()
    return raised.value


# --- precedence ---


class Case(NamedTuple):
    says: str
    field: str
    expect: object
    source: str
    flags: Flags = Flags()
    environ: Mapping[str, str] = {}


DEV = Flags(profile="dev")
PRECEDENCE = [
    Case(
        "the current profile's address beats the default",
        "addresses",
        ("prod:50000",),
        "profile prod (config.yaml line 4)",
    ),
    Case(
        "KUBEMQCTL_PROFILE beats the current profile",
        "addresses",
        ("dev-a:50000", "dev-b:50001"),
        "profile dev (config.yaml line 12)",
        environ={"KUBEMQCTL_PROFILE": "dev"},
    ),
    Case(
        "the environment beats the current profile",
        "addresses",
        ("env:1", "env:2"),
        "KUBEMQ_ADDRESS",
        environ={"KUBEMQ_ADDRESS": "env:1, env:2"},
    ),
    Case(
        "the environment beats the profile of KUBEMQCTL_PROFILE",
        "addresses",
        ("env:1",),
        "KUBEMQ_ADDRESS",
        environ={"KUBEMQ_ADDRESS": "env:1", "KUBEMQCTL_PROFILE": "dev"},
    ),
    Case(
        "the profile named with -p beats the environment",
        "addresses",
        ("dev-a:50000", "dev-b:50001"),
        "profile dev (config.yaml line 12)",
        DEV,
        {"KUBEMQ_ADDRESS": "env:1", "KUBEMQCTL_PROFILE": "prod"},
    ),
    Case(
        "a flag beats the profile named with -p",
        "addresses",
        ("flag:1", "flag:2"),
        "flag --address",
        Flags(profile="dev", addresses=("flag:1", "flag:2")),
    ),
    Case(
        "an empty variable counts as none",
        "addresses",
        ("prod:50000",),
        "profile prod (config.yaml line 4)",
        environ={"KUBEMQ_ADDRESS": "", "KUBEMQCTL_PROFILE": ""},
    ),
    Case("the profile's client id is used", "client_id", "prod-id", "profile prod (config.yaml line 5)"),
    Case(
        "the client id of the environment beats that of the current profile",
        "client_id",
        "env-id",
        "KUBEMQ_CLIENT_ID",
        environ={"KUBEMQ_CLIENT_ID": "env-id"},
    ),
    Case(
        "what the profile of -p does not say, the environment does",
        "client_id",
        "env-id",
        "KUBEMQ_CLIENT_ID",
        DEV,
        {"KUBEMQ_CLIENT_ID": "env-id"},
    ),
    Case("a client id flag wins", "client_id", "flag-id", "flag --client-id", Flags(client_id="flag-id")),
    Case("the output is the profile's", "output", "json", "profile prod (config.yaml line 9)"),
    Case("protection is the profile's", "protected", True, "profile prod (config.yaml line 10)"),
    Case("another profile is not protected", "protected", False, "default", DEV),
    Case("the name of the current profile is told", "profile", "prod", "current profile"),
    Case("the name of the profile of -p is told", "profile", "dev", "flag --profile", DEV),
    Case(
        "the name of the profile of the environment is told",
        "profile",
        "dev",
        "KUBEMQCTL_PROFILE",
        environ={"KUBEMQCTL_PROFILE": "dev"},
    ),
    Case("connecting takes five seconds by default", "connect_timeout", 5.0, "default"),
    Case(
        "or what the flag says", "connect_timeout", 0.5, "flag --connect-timeout", Flags(connect_timeout=0.5)
    ),
    Case(
        "a profile keeps its protection and its other words at another address",
        "protected",
        True,
        "profile prod (config.yaml line 10)",
        Flags(addresses=("flag:1",)),
    ),
]


@pytest.mark.parametrize("case", PRECEDENCE, ids=lambda case: case.says)
def test_precedence(case: Case, write: Write) -> None:
    found = settings(write(PROD), case.flags, **case.environ)
    assert getattr(found, case.field) == case.expect
    assert found.sources[case.field] == case.source


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = settings(tmp_path / "none.yaml")
    assert found._replace(client_id="", sources={}) == Settings(
        ("localhost:50000",), "", found.token, Tls(False), "", False, "", 5.0, {}, ()
    )
    assert set(found.sources.values()) == {"default"}
    assert read_token(found) == ""


def test_the_default_client_id_is_new_each_time(tmp_path: Path) -> None:
    ids = {settings(tmp_path / "none.yaml").client_id for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch("kubemqctl-[a-z0-9]{12}", one) for one in ids)


# --- credentials travel with their address only ---


class Travel(NamedTuple):
    says: str
    token: str
    tls: Tls
    note: str = ""
    flags: Flags = Flags()
    environ: Mapping[str, str] = {}


OFF = Tls(False)
PROD_TLS = Tls(True, "/etc/prod-ca.pem")
ELSEWHERE = Flags(addresses=("evil:1",))
WITHHELD = "the token of profile prod is withheld: it is for that profile's address, and {} gives another"
TRAVELS = [
    Travel("a profile's token and TLS go to its own address", "prod-secret", PROD_TLS),
    Travel("they go to it with -p as well", "prod-secret", PROD_TLS, "", Flags(profile="prod")),
    Travel(
        "with -p they go to the profile's address although KUBEMQ_ADDRESS is set",
        "prod-secret",
        PROD_TLS,
        "",
        Flags(profile="prod"),
        {"KUBEMQ_ADDRESS": "evil:1"},
    ),
    Travel(
        "an exported KUBEMQ_ADDRESS gets neither",
        "",
        OFF,
        WITHHELD.format("KUBEMQ_ADDRESS"),
        environ={"KUBEMQ_ADDRESS": "evil:1"},
    ),
    Travel(
        "not even when it is the profile's own",
        "",
        OFF,
        WITHHELD.format("KUBEMQ_ADDRESS"),
        environ={"KUBEMQ_ADDRESS": "prod:50000"},
    ),
    Travel("an --address flag gets neither", "", OFF, WITHHELD.format("--address"), ELSEWHERE),
    Travel(
        "an --address flag gets neither with -p",
        "",
        OFF,
        WITHHELD.format("--address"),
        Flags(profile="prod", addresses=("evil:1",)),
    ),
    Travel(
        "the environment's token goes to any address, with no note where it wins anyway",
        "env-secret",
        OFF,
        "",
        ELSEWHERE,
        {"KUBEMQ_AUTH_TOKEN": "env-secret"},
    ),
    Travel(
        "the environment's token stands in for one of -p that is withheld, and that is said",
        "env-secret",
        OFF,
        WITHHELD.format("--address"),
        Flags(profile="prod", addresses=("evil:1",)),
        {"KUBEMQ_AUTH_TOKEN": "env-secret"},
    ),
    Travel(
        "the environment's token beats that of the current profile",
        "env-secret",
        PROD_TLS,
        "",
        environ={"KUBEMQ_AUTH_TOKEN": "env-secret"},
    ),
    Travel(
        "the token of -p beats the environment's",
        "prod-secret",
        PROD_TLS,
        "",
        Flags(profile="prod"),
        {"KUBEMQ_AUTH_TOKEN": "env-secret"},
    ),
    Travel(
        "TLS of the environment goes to any address",
        "",
        Tls(True, "/env-ca.pem"),
        WITHHELD.format("KUBEMQ_ADDRESS"),
        environ={"KUBEMQ_ADDRESS": "evil:1", "KUBEMQ_TLS_CA": "/env-ca.pem"},
    ),
    Travel(
        "TLS of a flag goes to any address",
        "",
        Tls(True, server_name="me"),
        WITHHELD.format("--address"),
        Flags(addresses=("evil:1",), tls_server_name="me"),
    ),
    Travel("--no-tls beats the profile's TLS", "prod-secret", OFF, "", Flags(tls=False)),
    Travel(
        "TLS off in the environment beats the current profile's",
        "prod-secret",
        OFF,
        "",
        environ={"KUBEMQ_TLS_ENABLED": "false"},
    ),
    Travel(
        "TLS on by -p beats TLS off in the environment",
        "prod-secret",
        PROD_TLS,
        "",
        Flags(profile="prod"),
        {"KUBEMQ_TLS_ENABLED": "no"},
    ),
    Travel(
        "each TLS file comes from the first source that has it",
        "prod-secret",
        Tls(True, "/etc/prod-ca.pem", "/flag.crt", "/flag.key", "me"),
        "",
        Flags(tls_cert="/flag.crt", tls_key="/flag.key", tls_server_name="me"),
    ),
]


@pytest.mark.parametrize("case", TRAVELS, ids=lambda case: case.says)
def test_credentials(case: Travel, write: Write) -> None:
    found = settings(write(PROD), case.flags, **case.environ)
    assert read_token(found) == case.token
    assert found.tls == case.tls
    assert found.notes == ((case.note,) if case.note else ())


def test_a_profile_without_an_address_is_for_the_default_one(write: Write) -> None:
    path = write("profiles: {local: {token: '${PROD_TOKEN}'}}")
    assert read_token(settings(path, Flags(profile="local"))) == "prod-secret"
    assert read_token(settings(path, Flags(profile="local"), KUBEMQ_ADDRESS="evil:1")) == ""


def test_a_withheld_token_command_is_not_run(write: Write, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    path = write(f"current: a\nprofiles: {{a: {{address: 'a:1', token_command: touch {trace}}}}}")
    assert read_token(settings(path, ELSEWHERE)) == ""
    assert not trace.exists()


def test_no_representation_shows_a_token(write: Write) -> None:
    path = write("current: a\nprofiles: {a: {token: s3cret}}")
    assert "s3cret" not in repr(settings(path))
    assert "s3cret" not in repr(load(str(path)))


# --- tokens ---


def with_token(write: Write, line: str) -> Settings:
    return settings(write(f"current: a\nprofiles:\n  a:\n    {line}\n"))


def test_a_literal_token_is_used_as_it_is(write: Write) -> None:
    assert read_token(with_token(write, "token: abc$def")) == "abc$def"


def test_a_variable_that_is_not_set_is_named(write: Write) -> None:
    found = with_token(write, "token: ${NOT_SET}")
    error = failure(ConfigError, lambda: read_token(found))
    assert "line 4" in error.message
    assert "${NOT_SET}" in error.message


def test_a_variable_is_not_needed_when_its_token_is_not(write: Write) -> None:
    path = write("current: a\nprofiles: {a: {address: 'a:1', token: '${NOT_SET}'}}")
    assert settings(path, KUBEMQ_AUTH_TOKEN="other").token.value == "other"
    assert settings(path, ELSEWHERE).token.value == ""


def test_the_token_of_the_environment_is_no_reference(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", KUBEMQ_AUTH_TOKEN="${PROD_TOKEN}")
    assert read_token(found) == "${PROD_TOKEN}"


@pytest.mark.parametrize("text", ["${}", "a${B}", "${A}${B}", "${A-B}", "${A"])
def test_half_a_reference_is_refused(text: str, write: Write) -> None:
    assert "line 4" in failure(ConfigError, lambda: with_token(write, f"token: '{text}'")).message


def test_a_token_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    file.chmod(0o600)
    found = settings(tmp_path / "none", Flags(token_file=str(file)))
    assert (read_token(found), found.notes) == ("abc", ())
    assert found.sources["token"] == "flag --token-file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_token_file_that_others_can_read_is_a_warning(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc")
    file.chmod(mode)
    found = settings(tmp_path / "none", Flags(token_file=str(file)))
    assert read_token(found) == "abc"
    assert f"chmod 600 {file}" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"a\nb\n", "one line"),
        (b"\xff\xfe", "ASCII"),
        ("ключ".encode(), "ASCII"),
    ],
)
def test_a_token_file_without_a_token_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    found = settings(tmp_path / "none", Flags(token_file=str(file)))
    error = failure(ConfigError, lambda: read_token(found))
    assert says in error.message
    assert str(file) in error.message


def test_a_token_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", Flags(token_file=str(tmp_path / "gone")))
    assert "no such token file" in failure(NotFound, lambda: read_token(found)).message


def test_a_directory_is_no_token_file(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", Flags(token_file=str(tmp_path)))
    assert "is a directory" in failure(ConfigError, lambda: read_token(found)).message


def test_a_token_file_in_the_file_starts_where_the_file_lies(
    write: Write, tmp_path: Path, home: Path
) -> None:
    assert with_token(write, "token_file: secrets/t").token.file == str(tmp_path / "secrets/t")
    assert with_token(write, "token_file: ~/t").token.file == str(home / "t")
    assert with_token(write, "token_file: /t").token.file == "/t"


def command(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_a_token_command_prints_the_token(write: Write) -> None:
    found = with_token(write, f"token_command: {command('print(chr(97) * 3)')!r}")
    assert read_token(found) == "aaa"


def test_a_token_command_gets_no_shell_and_no_stdin(write: Write) -> None:
    code = "import sys; print(sys.argv[1] + str(len(sys.stdin.read())))"
    found = with_token(write, f"token_command: |\n      {command(code)} '$HOME;x|y'")
    assert read_token(found) == "$HOME;x|y0"


def test_a_token_command_that_does_not_end_is_given_up(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token, "LONGEST_COMMAND", 0.1)
    found = with_token(write, "token_command: sleep 60")
    assert "sleep printed no token within 0.1 s" in failure(AuthError, lambda: read_token(found)).message


def test_a_token_command_is_not_run_before_the_token_is_needed(write: Write, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    found = with_token(write, f"token_command: touch {trace}")
    assert not trace.exists()
    assert "printed is empty" in failure(ConfigError, lambda: read_token(found)).message
    assert trace.exists()


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ("sh -c 'echo s3cret; exit 3'", AuthError, "exit code 3"),
        ("sh -c 'kill -9 $$'", AuthError, "signal 9"),
        ("/no/such/command", NotFound, "/no/such/command"),
        ("/", ConfigError, "permission denied"),
        ("'unclosed", ConfigError, "no closing quotation"),
        ("sh -c 'printf \"s3cret\\nmore\"'", ConfigError, "one line"),
    ],
)
def test_a_token_command_that_fails_says_how(
    line: str, kind: type[KubemqctlError], says: str, write: Write
) -> None:
    found = with_token(write, f"token_command: |\n      {line}")
    error = failure(kind, lambda: read_token(found))
    assert type(error) is kind
    assert says in error.message
    assert "s3cret" not in error.message + error.hint


# --- TLS ---


@pytest.mark.parametrize("word", ["true", "TRUE", "1", "yes", "Yes", "on"])
def test_words_that_turn_tls_on(word: str, tmp_path: Path) -> None:
    assert settings(tmp_path / "none", KUBEMQ_TLS_ENABLED=word).tls == Tls(True)


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "OFF"])
def test_words_that_turn_tls_off(word: str, tmp_path: Path) -> None:
    assert settings(tmp_path / "none", KUBEMQ_TLS_ENABLED=word, KUBEMQ_TLS_CA="/ca").tls == Tls(False)


@pytest.mark.parametrize("word", ["maybe", "2", " ", "truefalse"])
def test_other_words_are_refused(word: str, tmp_path: Path) -> None:
    error = failure(ConfigError, lambda: settings(tmp_path / "none", KUBEMQ_TLS_ENABLED=word))
    assert error.message == f"KUBEMQ_TLS_ENABLED is {word!r}"


@pytest.mark.parametrize("option", ["tls_ca", "tls_server_name"])
def test_any_tls_option_turns_tls_on(option: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {option: "x"}
    flags = Flags(**given)
    found = settings(tmp_path / "none", flags, KUBEMQ_TLS_ENABLED="false")
    assert found.tls.enabled is True


def test_no_tls_with_a_tls_option_is_refused(tmp_path: Path) -> None:
    error = failure(UsageError, lambda: settings(tmp_path / "none", Flags(tls=False, tls_ca="x")))
    assert error.message == "--no-tls and --tls-ca contradict each other"


def test_no_tls_beats_the_files_of_the_environment(tmp_path: Path) -> None:
    assert settings(tmp_path / "none", Flags(tls=False), KUBEMQ_TLS_CERT="x").tls == Tls(False)


@pytest.mark.parametrize(
    ("flags", "environ", "says"),
    [
        (Flags(tls_cert="c"), {}, "--tls-cert: a client cert needs its key too"),
        (Flags(tls_key="k"), {}, "--tls-key: a client key needs its cert too"),
        (Flags(), {"KUBEMQ_TLS_CERT": "c"}, "KUBEMQ_TLS_CERT: a client cert needs its key too"),
    ],
)
def test_half_a_client_certificate_is_refused(
    flags: Flags, environ: Mapping[str, str], says: str, tmp_path: Path
) -> None:
    assert failure(UsageError, lambda: settings(tmp_path / "none", flags, **environ)).message == says


def test_a_certificate_and_its_key_may_come_from_two_sources(tmp_path: Path) -> None:
    found = settings(tmp_path / "none", Flags(tls_key="k"), KUBEMQ_TLS_CERT="c")
    assert found.tls == Tls(True, "", "c", "k")


def test_a_profile_can_turn_its_tls_off_and_keep_its_files(write: Write) -> None:
    path = write("current: a\nprofiles: {a: {tls: {enabled: no, ca: /ca}}}")
    assert settings(path).tls == Tls(False)


# --- addresses ---


@pytest.mark.parametrize(
    "text", ["localhost:1", "10.0.0.1:65535", "[::1]:50000", "my_host.example.com:080", "[fe80::1%eth0]:5"]
)
def test_addresses_that_are_taken(text: str, tmp_path: Path) -> None:
    assert settings(tmp_path / "none", KUBEMQ_ADDRESS=text).addresses == (text,)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("localhost", "its port is missing: localhost:50000"),
        ("[::1]", "its port is missing: [::1]:50000"),
        ("::1", "an IPv6 address goes in brackets: [::1]:50000"),
        ("http://localhost:9090/x", "without http://: localhost:9090"),
        ("kubemq://prod", "without kubemq://: prod:50000"),
        ("localhost:0", "a port is a number from 1 to 65535"),
        ("localhost:65536", "a port is a number from 1 to 65535"),
        ("localhost:-1", "a port is a number from 1 to 65535"),
        ("localhost:", "for instance localhost:50000 or [::1]:50000"),
        (":50000", "for instance localhost:50000 or [::1]:50000"),
        ("a b:1", "for instance localhost:50000 or [::1]:50000"),
        ("user@host:1", "who you are is told by a token or a client certificate, not in the address"),
        ("unix:/tmp/x", "for instance localhost:50000 or [::1]:50000"),
        ("localhost:٣", "for instance localhost:50000 or [::1]:50000"),
        ("\x1b[31mhost:1", "for instance localhost:50000 or [::1]:50000"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_to_write(text: str, hint: str, tmp_path: Path) -> None:
    error = failure(UsageError, lambda: settings(tmp_path / "none", Flags(addresses=("ok:1", text))))
    assert error.hint == hint
    assert "\x1b" not in error.message
    assert type(error) is UsageError
    assert type(failure(ConfigError, lambda: settings(tmp_path / "none", KUBEMQ_ADDRESS=text))) is ConfigError


def test_empty_pieces_of_a_list_are_skipped_but_not_an_empty_list(tmp_path: Path) -> None:
    assert settings(tmp_path / "none", KUBEMQ_ADDRESS="a:1,,b:2,").addresses == ("a:1", "b:2")
    assert "is empty" in failure(ConfigError, lambda: settings(tmp_path / "none", KUBEMQ_ADDRESS=",")).message


@pytest.mark.parametrize("field", ["client_id", "token_file", "tls_ca"])
def test_an_empty_flag_is_refused(field: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {field: ""}
    flags = Flags(**given)
    error = failure(UsageError, lambda: settings(tmp_path / "none", flags))
    assert error.message == f"--{field.replace('_', '-')} is empty"


# --- which profile ---


@pytest.mark.parametrize(
    ("flags", "environ"), [(Flags(profile="prud"), {}), (Flags(), {"KUBEMQCTL_PROFILE": "prud"})]
)
def test_an_unknown_profile_is_not_found_and_its_neighbours_are_named(
    flags: Flags, environ: Mapping[str, str], write: Write
) -> None:
    path = write(PROD)
    error = failure(NotFound, lambda: settings(path, flags, **environ))
    assert error.message == f"no profile 'prud' in {path}"
    assert error.hint == "did you mean prod?"


def test_a_profile_that_resembles_none_gets_all_names(write: Write) -> None:
    error = failure(NotFound, lambda: settings(write(PROD), Flags(profile="xyz")))
    assert error.hint == "there is: prod, dev"


def test_the_first_profile_is_told_how_to_be_made(tmp_path: Path) -> None:
    error = failure(NotFound, lambda: settings(tmp_path / "none", Flags(profile="prod")))
    assert "profile set" in error.hint


def test_a_current_profile_that_is_gone_is_an_error_with_its_line(write: Write) -> None:
    path = write("\ncurrent: gone\nprofiles: {a: {}}\n")
    error = failure(ConfigError, lambda: settings(path))
    assert error.message == f"{path} line 2: current is 'gone', which is none of the profiles"
    assert settings(path, Flags(profile="a")).profile == "a"


def test_the_output_that_a_profile_wishes_needs_no_file_in_order(write: Write, tmp_path: Path) -> None:
    environ = {"KUBEMQCTL_CONFIG": str(write(PROD))}
    assert wished_output(NO_FLAGS, environ) == "json"
    assert wished_output(DEV, environ) == ""
    assert wished_output(Flags(profile="nobody"), environ) == ""
    assert wished_output(NO_FLAGS, {"KUBEMQCTL_CONFIG": str(tmp_path / "none")}) == ""
    write("broken: [")
    assert wished_output(NO_FLAGS, environ) == ""


# --- the file ---


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
    ("a key twice", "profiles:\n  a: {}\n  a: {}\n", 3, "'a' stands twice in profiles"),
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
    ("a bad name", "profiles:\n  -a: {}\n", 2, "'-a' is no name for a profile"),
    ("a tabulator", "profiles:\n\ta: {}\n", 2, "found character that cannot start any token"),
    ("an open bracket", "profiles:\n  a: {\n", 3, ""),
    ("a NUL", "profiles:\n  a: {}\n  b: \0\n", 3, "a character that YAML does not allow"),
    ("two documents", "profiles: {}\n---\nprofiles: {}\n", 2, ""),
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
    assert "no such file" in failure(ConfigError, lambda: load(str(tmp_path / "link"))).message


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
    assert error.message == f"{path} holds a token and others can read it"
    assert error.hint == f"mend it with: chmod 600 {path}"
    path.chmod(0o600)
    assert load(str(path)).profiles["a"].token == "s3cret"


def test_a_file_without_a_literal_token_may_be_read_by_others(write: Write) -> None:
    path = write("profiles: {a: {token: '${X}', token_file: ''}, b: {token_file: f}}", 0o644)
    assert list(load(str(path)).profiles) == ["a", "b"]


# --- writing ---

FULL = Profile(
    name="full",
    addresses=("a:1", "[::1]:2"),
    client_id="é: #no",
    token_command="op read 'op://x/y z'",
    tls=Tls(True, "/ca", "/cert", "/key", "name"),
    output="yaml",
    protected=True,
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


def test_a_device_is_never_replaced() -> None:
    error = failure(ConfigError, lambda: save(Config(os.devnull, "", {})))
    assert "no plain file" in error.message
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


# --- start-up ---


def imported(*lines: str) -> set[str]:
    code = "; ".join(["import sys", *lines, "print(*sys.modules)"])
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_resolving_without_a_file_imports_next_to_nothing(tmp_path: Path) -> None:
    call = f"resolve(Flags(), {{'KUBEMQCTL_CONFIG': {str(tmp_path / 'none')!r}}})"
    modules = imported("from kubemqctl.config.settings import Flags, resolve", call)
    assert not modules & {
        "yaml",
        "grpc",
        "subprocess",
        "shlex",
        "difflib",
        "dataclasses",
    }


def test_an_empty_file_needs_no_yaml() -> None:
    modules = imported("from kubemqctl.config.config_file import load", "load('/dev/null')")
    assert "yaml" not in modules
