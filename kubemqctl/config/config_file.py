"""The configuration file, both ways: YAML to profiles and back, with the line of every error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from kubemqctl.config.directories import config_home, make_private, without_tilde
from kubemqctl.config.files import read_file, readable_by_others, write_whole
from kubemqctl.config.profiles import Config, Profile, Tls, parse_addresses
from kubemqctl.config.token import variable_in
from kubemqctl.model.errors import ConfigError, NotFound
from kubemqctl.model.text import quoted, reason
from kubemqctl.model.values import OUTPUT_FORMS

KEYS = (
    "address",
    "client_id",
    "token",
    "token_file",
    "token_command",
    "tls",
    "output",
    "protected",
    "read_only",
)
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


def check_name(name: str) -> None:
    """Raises ConfigError for a name that no profile can have."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]*", name):
        raise ConfigError(
            f"{quoted(name)} is not a valid profile name",
            hint="use letters and digits, and after the first character also . _ - @",
        )


def _text(path: str) -> str:
    try:
        return read_file(path, "configuration file").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} line {line}: not UTF-8") from error


def _compose(path: str, text: str) -> Any:
    import yaml

    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        says = str(error.problem)
        if says.startswith("but "):  # the end of a sentence that the context begins
            says = f"{error.context}, {says}"
        raise ConfigError(f"{path} line {mark.line + 1 if mark else 1}: {says}") from error
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ConfigError(f"{path} line {line}: a character that YAML does not allow") from error
    except RecursionError:
        raise ConfigError(f"{path} line 1: nested too deeply") from None


class _Reader:
    """Walks the nodes of one file; `lines` grows as it goes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.folder = os.path.dirname(os.path.abspath(path))
        self.lines: dict[tuple[str, ...], int] = {}

    def config(self, root: Any) -> Config:
        current, profiles = "", {}
        for key, _, node in self.items(root, "the file", ("current", "profiles"), ()):
            if key == "current":
                current = self.text(node, key)
            else:
                profiles = {
                    name: self.profile(name, name_node, body)
                    for name, name_node, body in self.items(node, key, (), (key,))
                }
        return Config(self.path, current, profiles, self.lines)

    def profile(self, name: str, name_node: Any, node: Any) -> Profile:
        try:
            check_name(name)
        except ConfigError as error:
            raise self.error(name_node, error.message, error.hint) from None
        said = {
            key: self.value(name, key, value)
            for key, _, value in self.items(node, f"profile {name}", KEYS, ("profiles", name))
        }
        tokens = [key for key in ("token", "token_file", "token_command") if said.get(key)]
        if len(tokens) > 1:
            raise self.error(name_node, f"profile {name} has both {' and '.join(tokens)}", "keep only one")
        said["addresses"] = said.pop("address", ())
        return Profile(name, **said)

    def value(self, name: str, key: str, node: Any) -> Any:
        if key == "address":
            return self.addresses(node)
        if key == "tls":
            return self.tls(name, node)
        if key in ("protected", "read_only"):
            return self.on_or_off(node, key) is True
        text = self.text(node, key)
        if key == "output" and text and text not in OUTPUT_FORMS:
            raise self.error(node, f"output is {text!r}", f"use one of {', '.join(OUTPUT_FORMS)}")
        if key == "token" and "${" in text and not variable_in(text):
            raise self.error(
                node, "the token contains ${", "to use a variable, write ${NAME} and nothing else"
            )
        return self.file(text, node) if key == "token_file" else text

    def addresses(self, node: Any) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        for one in node.value if node.id == "sequence" else [node]:
            if text := self.text(one, "address"):
                found += parse_addresses([text], self.place(one))
        return found

    def tls(self, name: str, node: Any) -> Tls:
        said: dict[str, Any] = {}
        for key, _, value in self.items(node, "tls", Tls._fields, ("profiles", name, "tls")):
            text = (
                self.on_or_off(value, "tls.enabled") if key == "enabled" else self.text(value, f"tls.{key}")
            )
            said[key] = self.file(text, value) if key in ("ca", "cert", "key") else text
        return Tls(**said)

    def file(self, text: Any, node: Any) -> str:
        """A path in the file: `~` is the home, and a relative one starts where the file lies."""
        path = without_tilde(text, os.environ) if text else ""
        if text and not path:
            raise self.error(node, f"{text} begins with ~, and there is no such home", "write the path out")
        return os.path.join(self.folder, path) if path else ""

    def items(
        self, node: Any, what: str, known: tuple[str, ...], above: tuple[str, ...]
    ) -> Iterator[tuple[str, Any, Any]]:
        """Key, key node and value node of a mapping (null is an empty one), none twice or outside `known`.

        `above` are the keys that lead here, for `lines`.
        """
        if node is None or node.tag.endswith(":null"):
            return
        if node.id != "mapping":
            raise self.error(node, f"{what} should be a mapping, of lines like `key: value`")
        seen: set[str] = set()
        for key_node, value in node.value:
            key = self.text(key_node, "a key")
            if key in seen:
                raise self.error(key_node, f"{key!r} is given twice in {what}")
            if known and key not in known:
                raise self.error(
                    key_node, f"unknown key {key!r} in {what}", f"known keys: {', '.join(known)}"
                )
            seen.add(key)
            place = (*above, key)
            self.lines[place] = key_node.start_mark.line + 1
            yield key, key_node, value

    def text(self, node: Any, what: str) -> str:
        if node.id != "scalar":
            raise self.error(node, f"{what} should be a single value")
        return "" if node.tag.endswith(":null") else str(node.value)

    def on_or_off(self, node: Any, what: str) -> bool | None:
        text = self.text(node, what).lower()
        if text not in ("", *_TRUE, *_FALSE):
            raise self.error(node, f"{what} is {text!r}", "use true or false")
        return text in _TRUE if text else None

    def place(self, node: Any) -> str:
        return f"{self.path} line {node.start_mark.line + 1}"

    def error(self, node: Any, why: str, hint: str = "") -> ConfigError:
        return ConfigError(f"{self.place(node)}: {why}", hint=hint)


@contextmanager
def changing(path: str) -> Iterator[Config]:
    """The file's content, with every other change held back until the block, and its save(), is over."""
    import fcntl

    real = os.path.realpath(path)
    with _cannot_write(path):
        make_private(os.path.dirname(real))
        folder = os.open(os.path.dirname(real), os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: then the last one wins
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield load(path)
    finally:
        os.close(folder)


@contextmanager
def _cannot_write(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write the configuration file {path}: {reason(error)}") from error


def save(config: Config) -> None:
    """Write `config` to its path whole or not at all, for its owner's eyes only.

    Raises ConfigError when it cannot be written, or when it could not be read again.
    """
    path = os.path.realpath(config.path)
    if os.path.exists(path) and not os.path.isfile(path):
        hint = "inside `broker exec` no profile applies" if path == os.devnull else ""
        raise ConfigError(
            f"cannot write the configuration file {config.path}: it is not a regular file", hint=hint
        )
    text = _yaml(config)
    _check_readable(config, text)
    with _cannot_write(config.path):
        make_private(os.path.dirname(path))
        write_whole(path, text.encode(), 0o600, sync=True)


def _check_readable(config: Config, text: str) -> None:
    """Raises ConfigError when `text` would not give `config` back: then no command could work any more."""
    for key, value in _texts(config):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"{quoted(value)} cannot be stored as {key}: it is not UTF-8", hint="use a path that is"
            ) from None
    again = _Reader(config.path).config(_compose(config.path, text))
    if (again.current, again.profiles) != (config.current, config.profiles):
        raise ConfigError("the settings cannot be stored: reading them again would give others")


def _texts(config: Config) -> Iterator[tuple[str, str]]:
    """Every text of every profile, with its key."""
    for profile in config.profiles.values():
        for key, value in {**profile._asdict(), **profile.tls._asdict()}.items():
            if isinstance(value, str):
                yield key, value


def _yaml(config: Config) -> str:
    import yaml

    tree: dict[str, Any] = {"current": config.current} if config.current else {}
    tree["profiles"] = {name: as_mapping(profile) for name, profile in config.profiles.items()}
    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, default_flow_style=False))


def as_mapping(profile: Profile) -> dict[str, Any]:
    """A profile by the keys of the file, in their order, without those that say nothing."""
    one = len(profile.addresses) == 1
    tls = {key: value for key, value in profile.tls._asdict().items() if value not in ("", None)}
    said = {
        **profile._asdict(),
        "address": profile.addresses[0] if one else list(profile.addresses),
        "tls": tls,
    }
    return {key: said[key] for key in KEYS if said[key]}


def config_path(environ: Mapping[str, str]) -> str:
    """The configuration file's path, whether it exists or not; empty when there is no home to have it."""
    if chosen := environ.get("KUBEMQCTL_CONFIG"):
        return chosen
    base = config_home(environ)
    return os.path.join(base, "kubemqctl", "config.yaml") if base else ""


def required_path(environ: Mapping[str, str]) -> str:
    """The same, for what cannot do without one. Raises ConfigError when there is no home."""
    if path := config_path(environ):
        return path
    raise ConfigError(
        "there is no home directory, and so no configuration file",
        hint="set HOME, or name a file in KUBEMQCTL_CONFIG",
    )


def load_current(environ: Mapping[str, str]) -> Config:
    """The configuration of this run, as `load` reads it.

    Raises NotFound when KUBEMQCTL_CONFIG names no file: whoever set it meant one, and a command that
    ignored a typing error would talk to the default address.
    """
    path = config_path(environ)
    if environ.get("KUBEMQCTL_CONFIG") and not os.path.lexists(path):
        raise NotFound(
            f"KUBEMQCTL_CONFIG names no file: {path}",
            hint="correct it, or make the file: kubemqctl profile set NAME --address HOST:PORT",
        )
    return load(path)


def load(path: str) -> Config:
    """The file at `path`; an empty Config when there is none.

    Raises ConfigError for a file that is broken, unreadable, or holds a token that others can read.
    """
    text = _text(path) if path and os.path.lexists(path) else ""
    if not text or text.isspace():
        return Config(path, "", {})
    config = _Reader(path).config(_compose(path, text))
    literal = any(profile.token and not variable_in(profile.token) for profile in config.profiles.values())
    if literal and readable_by_others(path):
        raise ConfigError(
            f"{path} contains a token and can be read by others", hint=f"to fix it: chmod 600 {path}"
        )
    return config
