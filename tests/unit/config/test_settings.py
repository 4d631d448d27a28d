"""Which source of a setting wins, and what a profile keeps for its own address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kubemqctl.config.config_file import load
from kubemqctl.config.profiles import Tls
from kubemqctl.config.settings import Settings, read_token, resolve, wished_output
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import ConfigError, NotFound, UsageError
from tests.unit.config.settings_of import DEV, ELSEWHERE, NO_FLAGS, PROD, Write, failure, imported, settings


class Case(NamedTuple):
    says: str
    field: str
    expect: object
    source: str
    flags: Flags = Flags()
    environ: Mapping[str, str] = {}


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
        ("localhost:50000",), "", found.token, Tls(False), "", False, False, "", 5.0, 0.0, {}, ()
    )
    assert set(found.sources.values()) == {"default"}
    assert read_token(found) == ""


def test_the_default_client_id_is_new_each_time(tmp_path: Path) -> None:
    ids = {settings(tmp_path / "none.yaml").client_id for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch("kubemqctl-[a-z0-9]{12}", one) for one in ids)


class Travel(NamedTuple):
    says: str
    token: str
    tls: Tls
    note: str = ""
    flags: Flags = Flags()
    environ: Mapping[str, str] = {}


OFF = Tls(False)

PROD_TLS = Tls(True, "/etc/prod-ca.pem")


WITHHELD = (
    "the token of profile prod is withheld: it is only for that profile's address,"
    " and {} gives a different one"
)

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
        "TLS on by -p beats TLS off in the environment",
        "prod-secret",
        PROD_TLS,
        "",
        Flags(profile="prod"),
        {"KUBEMQ_TLS_ENABLED": "no"},
    ),
    Travel(
        "a variable does not turn TLS off under the profile's token",
        "prod-secret",
        PROD_TLS,
        "KUBEMQ_TLS_ENABLED is ignored: without TLS the token of profile prod could be read",
        NO_FLAGS,
        {"KUBEMQ_TLS_ENABLED": "no"},
    ),
    Travel(
        "nor under that of the profile that a variable names",
        "prod-secret",
        PROD_TLS,
        "KUBEMQ_TLS_ENABLED is ignored: without TLS the token of profile prod could be read",
        NO_FLAGS,
        {"KUBEMQ_TLS_ENABLED": "0", "KUBEMQCTL_PROFILE": "prod"},
    ),
    Travel(
        "a flag does",
        "prod-secret",
        Tls(False),
        "",
        Flags(tls=False),
    ),
    Travel(
        "and a variable where the token is another one",
        "mine",
        Tls(False),
        "",
        NO_FLAGS,
        {"KUBEMQ_TLS_ENABLED": "no", "KUBEMQ_AUTH_TOKEN": "mine"},
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


@pytest.mark.parametrize(
    ("flags", "environ"), [(Flags(profile="prud"), {}), (Flags(), {"KUBEMQCTL_PROFILE": "prud"})]
)
def test_an_unknown_profile_is_not_found_and_its_neighbours_are_named(
    flags: Flags, environ: Mapping[str, str], write: Write
) -> None:
    path = write(PROD)
    error = failure(NotFound, lambda: settings(path, flags, **environ))
    assert error.message == f"no profile prud in {path}"
    assert error.hint == "did you mean prod?"


def test_a_profile_that_resembles_none_gets_all_names(write: Write) -> None:
    error = failure(NotFound, lambda: settings(write(PROD), Flags(profile="xyz")))
    assert error.hint == "profiles: prod, dev"


def test_the_first_profile_is_told_how_to_be_made(tmp_path: Path) -> None:
    error = failure(NotFound, lambda: settings(tmp_path / "none", Flags(profile="prod")))
    assert "profile set" in error.hint


def test_a_current_profile_that_is_gone_is_an_error_with_its_line(write: Write) -> None:
    path = write("\ncurrent: gone\nprofiles: {a: {}}\n")
    error = failure(ConfigError, lambda: settings(path))
    assert error.message == f"{path} line 2: current is 'gone', which is not a profile"
    assert settings(path, Flags(profile="a")).profile == "a"


def test_the_output_that_a_profile_wishes_needs_no_file_in_order(write: Write, tmp_path: Path) -> None:
    environ = {"KUBEMQCTL_CONFIG": str(write(PROD))}
    assert wished_output(NO_FLAGS, environ) == "json"
    assert wished_output(DEV, environ) == ""
    assert wished_output(Flags(profile="nobody"), environ) == ""
    assert wished_output(NO_FLAGS, {"KUBEMQCTL_CONFIG": str(tmp_path / "none")}) == ""

    write("broken: [")
    assert wished_output(NO_FLAGS, environ) == ""


def test_resolving_without_a_file_imports_next_to_nothing(tmp_path: Path) -> None:
    call = f"resolve(Flags(), {{'HOME': {str(tmp_path)!r}}})"
    modules = imported("from kubemqctl.config.settings import Flags, resolve", call)
    assert not modules & {
        "yaml",
        "grpc",
        "subprocess",
        "shlex",
        "difflib",
        "dataclasses",
    }


def test_a_configuration_file_that_is_named_and_not_there_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    error = failure(NotFound, lambda: resolve(NO_FLAGS, {"KUBEMQCTL_CONFIG": str(path)}))
    assert error.message == f"KUBEMQCTL_CONFIG names no file: {path}"
    assert error.exit_code == 3
    assert resolve(NO_FLAGS, {"KUBEMQCTL_CONFIG": "", "HOME": str(tmp_path)}).profile == ""
