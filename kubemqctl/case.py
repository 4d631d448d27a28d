"""A connection that is looked at step by step, so that the step that fails is the one to mend.

Each step is a function of a Case that tells what it found, or raises what a command would have ended with;
behind a failure the other steps are skipped. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from kubemqctl.config.settings import Settings
from kubemqctl.config.sources import Flags
from kubemqctl.config.token import Token
from kubemqctl.model.errors import KubemqctlError
from kubemqctl.model.reports import Check, Pong

if TYPE_CHECKING:
    from kubemqctl.client.call import Client
    from kubemqctl.handshake import Endpoint


class Finding(NamedTuple):
    """What a step found, and what to do about it."""

    found: str
    advice: str = ""
    warning: bool = False


class Case:
    """What is known so far; a context manager, for the connection that it opens."""

    settings: Settings
    resolved: tuple[str, ...] = ()
    endpoint: Endpoint
    client: Client
    pong: Pong
    pinged_at: float

    def __init__(self, flags: Flags, environ: Mapping[str, str]) -> None:
        self.flags = flags
        self.environ = environ
        self.has_queues_info = True
        self._open = ExitStack()

    def __enter__(self) -> Case:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def connected(self, token: Token | None = None) -> Client:
        """A new client of the address that was found to answer, with another token where one is given."""
        from kubemqctl.connect import connect

        settings = self.settings._replace(addresses=(self.endpoint.address,))
        client = connect(settings if token is None else settings._replace(token=token))
        return self._open.enter_context(client)


Step = tuple[str, Callable[[Case], Finding]]


def diagnose(
    flags: Flags, environ: Mapping[str, str], steps: Sequence[Step], show: Callable[[Check], None]
) -> None:
    """Take the steps, and show what each found as it comes. Raises the error of the one that failed."""
    failed = None
    with Case(flags, environ) as case:
        for check in examine(case, steps):
            show(check)
            failed = failed or (check if check.outcome == "failed" else None)
    if failed and isinstance(failed.error, KubemqctlError):
        failed.error.message = f"{failed.name}: {failed.error.message}"
        raise failed.error


def examine(case: Case, steps: Sequence[Step]) -> Iterator[Check]:
    """Take the steps in their order; what comes behind a failed one is skipped."""
    failed = ""
    for name, step in steps:
        if failed:
            yield Check(name, "skipped", f"{failed} failed")
            continue
        try:
            found, advice, warning = step(case)
        except KubemqctlError as e:
            failed = name
            yield Check(name, "failed", e.message, e.hint, e)
        else:
            yield Check(name, "warning" if warning else "ok", found, advice)
