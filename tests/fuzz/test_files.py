"""Files that were damaged, or written by somebody else: read for what they say, or refused by name."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kubemqctl.cli.completion_names import NameCache
from kubemqctl.config import config_file
from kubemqctl.config.config_file import KEYS, load, save
from kubemqctl.config.profile_editing import previous, state_path
from kubemqctl.config.profiles import Config, Profile, Tls
from kubemqctl.config.settings import resolve
from kubemqctl.config.sources import Flags
from kubemqctl.messaging.events.checkpoint import Checkpoint
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.messages import Event
from tests.fuzz.examples import examples
from tests.fuzz.test_parsers import refusal
from tests.fuzz.texts import INT64, STRINGS, TEXTS

KEY = st.sampled_from([*KEYS, "current", "profiles", "enabled", "ca", "dev", "<<", "no", "? ", "&a", "*a"])
SCALAR = (
    st.sampled_from(
        [
            "",
            "~",
            "null",
            "true",
            "0123",
            "dev",
            "localhost:50000",
            "[a:1, b:2]",
            "{enabled: maybe}",
            "${TOKEN}",
            "${A} ${B}",
            "!!python/object:os.system x",
            "!!binary aGk=",
            "2024-01-01",
            "&a [*a]",
            "|\n  x",
            "'",
            '"\\q"',
            "x: y: z",
            "\t",
            "%TAG",
            "---",
            "...",
            "json",
            "no-form",
            "*a",
            "1e3",
            ".inf",
        ],
    )
    | STRINGS
)


def indented(key: str, value: str, depth: int) -> str:
    return f"{'  ' * depth}{key}: {value}\n"


YAMLISH = (
    st.lists(st.builds(indented, KEY, SCALAR, st.integers(0, 4)), max_size=12).map("".join).map(str.encode)
)
WHOLE = b"""current: dev
profiles:
  dev:
    address: [localhost:50000, other:1]
    client_id: me
    token: ${TOKEN}
    tls: {enabled: true, ca: ca.pem}
    output: json
    protected: yes
  other: {address: a:1, token_file: t}
"""
DAMAGED = st.builds(
    lambda at, change, width: WHOLE[:at] + change + WHOLE[at + width :],
    st.integers(0, len(WHOLE)),
    st.binary(max_size=4)
    | st.sampled_from([b"\t", b"'", b"{", b"[", b"&x ", b"*x", b"\xff", b"\0", b"!!", b": "]),
    st.integers(0, 30),
)
DEEP = st.sampled_from([50, 900, 20_000]).map(lambda depth: b"profiles: " + b"[" * depth)
LAUGHS = st.just(
    b"a: &a [x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in b"bcdefghij")
)


@examples(60)
@given(st.one_of(st.binary(max_size=60), YAMLISH, DAMAGED, DEEP, LAUGHS))
def test_any_configuration_file_is_read_or_refused_with_its_line(data: bytes) -> None:
    path = Path("config.yaml").absolute()
    path.write_bytes(data)
    path.chmod(0o600)

    def read() -> None:
        config = load(str(path))
        assert all(isinstance(profile, Profile) for profile in config.profiles.values())
        for name in config.profiles:
            flags = Flags(profile=name)
            assert resolve(flags, {"KUBEMQCTL_CONFIG": str(path), "TOKEN": "t"}).addresses

    error = refusal_of_any(read)
    assert error is None or "line " in error.message or "token" in error.message or error.code == "not-found"


def refusal_of_any(act: object) -> KubemqctlError | None:
    try:
        return refusal(act)  # type: ignore[arg-type]
    except KubemqctlError as e:
        return e


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,5}", fullmatch=True) | st.sampled_from(
    ["no", "1", "0x1", "1e3"]
)
PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), max_size=8)
PROFILES = st.builds(
    Profile,
    NAMES,
    st.lists(st.sampled_from(["a:1", "[::1]:2", "localhost:50000"]), max_size=3).map(tuple),
    PRINTABLE,
    st.just("") | st.just("${TOKEN}"),
    st.just(""),
    st.just(""),
    st.builds(Tls, st.none() | st.booleans(), st.just(""), st.just(""), st.just(""), PRINTABLE),
    st.sampled_from(["", "json", "raw"]),
    protected=st.booleans(),
    read_only=st.booleans(),
)


@examples(25)
@given(st.lists(PROFILES, max_size=3))
def test_profiles_come_back_from_their_file_as_they_were(profiles: list[Profile]) -> None:
    path = os.path.abspath("written.yaml")
    config = Config(path, "", {profile.name: profile for profile in profiles})
    save(config)
    assert load(path).profiles == config.profiles


@examples(15)
@given(name=TEXTS)
def test_a_profile_of_any_name_is_refused_or_comes_back(name: str) -> None:
    def keep() -> None:
        config_file.check_name(name)
        path = os.path.abspath("named.yaml")
        save(Config(path, name, {name: Profile(name)}))
        assert list(load(path).profiles) == [name]

    refusal(keep)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=5,
).map(lambda value: json.dumps(value).encode())
POSITIONISH = st.fixed_dictionaries(
    {
        "channel": STRINGS | st.just("c"),
        "sequence": INT64 | STRINGS,
        "id": STRINGS | st.none(),
        "timestamp": INT64,
    }
).map(lambda value: json.dumps(value).encode())
NESTED = st.sampled_from([b"[" * 20_000, b'{"a":' * 4_000, b"9" * 10_000])
CONTENTS = st.one_of(st.binary(max_size=60), JSONISH, POSITIONISH, NESTED)


@examples(40)
@given(CONTENTS)
def test_any_checkpoint_file_is_a_position_or_refused(data: bytes) -> None:
    Path("checkpoint").write_bytes(data)

    def read() -> None:
        with closing(Checkpoint("checkpoint", "c")) as checkpoint:
            position = checkpoint.position
        assert position is not None
        assert position.channel == "c"
        assert 0 <= position.sequence < 2**63 - 1

    refusal(read)


@examples(15)
@given(STRINGS, st.integers(0, 2**63 - 2), INT64, STRINGS)
def test_a_checkpoint_comes_back_as_it_was(id: str, sequence: int, timestamp: int, channel: str) -> None:
    Path("kept").unlink(missing_ok=True)
    event = Event(channel, id, "", b"", {}, timestamp, sequence)
    with closing(Checkpoint("kept", channel)) as checkpoint:
        checkpoint.save(event)
    with closing(Checkpoint("kept", channel)) as checkpoint:
        position = checkpoint.position
    assert position
    assert position.is_of(event)


@examples(25)
@given(CONTENTS)
def test_any_cache_of_names_gives_names_or_none(data: bytes) -> None:
    environ = {"XDG_CACHE_HOME": os.path.abspath("cache")}
    cache = NameCache(environ, ("queues", "dev"), 60)
    os.makedirs(os.path.dirname(cache.path), exist_ok=True)
    Path(cache.path).write_bytes(data)
    names = cache.read()
    assert names is None or all(isinstance(name, str) for name in names)
    cache.write(["a"])
    assert cache.read() == ["a"]


@examples(25)
@given(CONTENTS)
def test_any_memory_of_the_profile_before_is_a_name_or_none(data: bytes) -> None:
    environ = {"XDG_STATE_HOME": os.path.abspath("state")}
    path = state_path(environ)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(data)
    error = refusal_of_any(lambda: previous(environ, "config.yaml"))
    assert error is None or error.code == "not-found"
