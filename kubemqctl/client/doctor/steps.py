"""A connection examined step by step, so that the step that fails is the one to mend.

Each step tells what it found, or raises what a command would have ended with; behind a failure the other
steps are skipped. Here are the steps that look at this machine alone. Nothing prints, and no token is
shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from shlex import quote
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kubemqctl.client.endpoint import Endpoint
from kubemqctl.client.tls import context
from kubemqctl.config.config_file import config_path
from kubemqctl.config.files import changeable, readable_by_others
from kubemqctl.config.settings import Settings, plain_text_addresses, read_token, resolve
from kubemqctl.config.sources import Flags
from kubemqctl.config.token import Token
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.reports import Check, Pong
from kubemqctl.model.text import count_text

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client
    from kubemqctl.client.doctor.tls_probe import ProbeTarget


Figures = Mapping[str, Any]
"""Fields of Check, by their names."""
NO_FIGURES: Figures = MappingProxyType({})


class StepResult(NamedTuple):
    """What a step found, what to do about it, and the figures of it for programs."""

    found: str
    advice: str = ""
    warning: bool = False
    figures: Figures = NO_FIGURES


class DiagnosisRun:
    """What is known so far; a context manager, for the connection that it opens."""

    settings: Settings
    endpoint: ProbeTarget
    client: Client
    pong: Pong
    pinged_at: float

    def __init__(self, flags: Flags, environ: Mapping[str, str]) -> None:
        self.flags = flags
        self.environ = environ
        self.resolved: dict[str, list[Endpoint]] = {}
        self.has_queues_info = True
        self._open = ExitStack()

    def __enter__(self) -> DiagnosisRun:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def connected(self, token: Token | None = None) -> Client:
        """A new client of the address that was found to answer, with another token where one is given."""
        from kubemqctl.client.connect import connect

        settings = self.settings._replace(addresses=(self.endpoint.address,))
        client = connect(settings if token is None else settings._replace(token=token))
        return self._open.enter_context(client)


Step = tuple[str, Callable[[DiagnosisRun], StepResult]]


def diagnose(
    flags: Flags, environ: Mapping[str, str], steps: Sequence[Step], show: Callable[[Check], None]
) -> None:
    """Take the steps, and show what each found as it comes. Raises the error of the one that failed."""
    failed = None
    with DiagnosisRun(flags, environ) as diagnosis:
        for check in run_steps(diagnosis, steps):
            show(check)
            failed = failed or (check if check.status == "failed" else None)
    if failed and isinstance(failed.error, KubemqctlError):
        failed.error.message = f"{failed.name}: {failed.error.message}"
        raise failed.error


def run_steps(diagnosis: DiagnosisRun, steps: Sequence[Step]) -> Iterator[Check]:
    """Take the steps in their order; what comes behind a failed one is skipped."""
    failed = ""
    for name, step in steps:
        if failed:
            yield Check(name, "skipped", f"{failed} failed")
            continue
        try:
            found, advice, warning, figures = step(diagnosis)
        except KubemqctlError as e:
            failed = name
            yield Check(name, "failed", e.message, e.hint, e)
        else:
            yield Check(name, "warning" if warning else "ok", found, advice, **figures)


PACKAGES = ("grpcio", "protobuf", "typer", "rich", "PyYAML")


def versions(diagnosis: DiagnosisRun) -> StepResult:
    """Our own version and those of what we stand on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from kubemqctl import __version__

    said = [f"kubemqctl {__version__}", f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            said.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            said.append(f"{package} of unknown version")
    return StepResult(f"{', '.join(said)}; {platform.platform()}")


def configuration(diagnosis: DiagnosisRun) -> StepResult:
    """What holds for a command, and which source each value comes from."""
    diagnosis.settings = settings = resolve(diagnosis.flags, diagnosis.environ)
    path = config_path(diagnosis.environ)
    sources = settings.sources
    file = path if os.path.lexists(path) else f"{path}, which does not exist" if path else "no home directory"
    profile = f"profile {settings.profile}" if settings.profile else "no profile"
    chosen = f", by {sources['profile']}" if sources["profile"] == "KUBEMQCTL_PROFILE" else ""
    values = [f"address {', '.join(settings.addresses)} from {_from(sources['addresses'])}"]
    for field, where in sources.items():
        if where != "default" and field not in ("profile", "addresses"):
            values.append(f"{field.replace('_', ' ')} from {_from(where)}")
    found = f"{file}; {profile}{chosen}; {', '.join(values)}"
    return StepResult(found, "; ".join(settings.notes), warning=bool(settings.notes))


def _from(where: str) -> str:
    return "the default" if where == "default" else where.removeprefix("flag ")


def permissions(diagnosis: DiagnosisRun) -> StepResult:
    """Whether others can read or change what is for us alone."""
    settings = diagnosis.settings
    tls = settings.tls
    path = config_path(diagnosis.environ)
    weak: dict[str, str] = {}
    for file in filter(None, (path, settings.token.file, tls.ca, tls.cert, tls.key)):
        weak.update(changeable(file))
    for file in filter(None, (settings.token.file, tls.key)):
        if readable_by_others(file):
            weak[f"others can read {file}"] = f"chmod 600 {quote(file)}"
    if weak:
        mending = " && ".join(dict.fromkeys(filter(None, weak.values())))
        return StepResult("; ".join(weak), f"to fix it: {mending}" if mending else "", warning=True)
    return StepResult("no file of this program can be changed by others")


def token(diagnosis: DiagnosisRun) -> StepResult:
    """Whether there is a token to send, and whether it would be seen on its way."""
    settings = diagnosis.settings
    where = settings.sources["token"]
    if not read_token(settings):
        return StepResult("none is used")
    if seen := plain_text_addresses(settings):
        return StepResult(
            f"set by {where}, and sent to {seen[0]} in plain text",
            "use TLS, so that it is encrypted",
            warning=True,
        )
    return StepResult(f"set by {where}")


def certificates(diagnosis: DiagnosisRun) -> StepResult:
    """Whether the files that TLS needs can be used."""
    tls = diagnosis.settings.tls
    if not tls.enabled:
        return StepResult("not needed: TLS is off")
    made = context(tls)
    trusted = tls.ca or "the CAs that gRPC includes"
    certificates = count_text(made.cert_store_stats()["x509_ca"], "certificate")
    return StepResult(f"trusted: {trusted} ({certificates}); client certificate: {tls.cert or 'none'}")
