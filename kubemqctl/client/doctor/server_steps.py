"""The steps of a diagnosis that look at the network and the server."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kubemqctl.client.doctor import steps
from kubemqctl.client.doctor.steps import NO_FIGURES, DiagnosisRun, Figures, Step, StepResult
from kubemqctl.client.doctor.tls_probe import ProbeTarget, look, look_plainly
from kubemqctl.client.endpoint import host_of, look_up, probe, why
from kubemqctl.config.token import Token
from kubemqctl.model.errors import AuthError, KubemqctlError, TimedOut, Unreachable, Unsupported
from kubemqctl.model.limits import SECOND
from kubemqctl.model.text import escaped, second_text, span_text

if TYPE_CHECKING:
    from kubemqctl.client.connection import Client


DAY = 86_400
# A certificate that expires sooner is worth a warning: days.
SOON = 14
PINGS = 5
# Clocks that differ by more make `--from 5m` and expiry mean something else: seconds. Ping tells ±1.
CLOCK = 3


def dns(diagnosis: DiagnosisRun) -> StepResult:
    """Whether the addresses have hosts."""
    _wait_for_server(diagnosis)
    found, failures = [], []
    timeout = diagnosis.settings.connect_timeout
    for address in diagnosis.settings.addresses:
        host = host_of(address)
        try:
            endpoints = look_up(address, timeout, time.sleep)
        except OSError as e:
            failures.append(f"{host}: {why(e, timeout)}")
            continue
        diagnosis.resolved[address] = endpoints
        numbers = [endpoint.number for endpoint in endpoints]
        found.append(host if numbers == [host] else f"{host} is {', '.join(numbers)}")
    if not found:
        hint = "check the name, and that this machine can reach its name server"
        raise Unreachable("; ".join(failures), hint=hint)
    return _some(found, failures)


def _wait_for_server(diagnosis: DiagnosisRun) -> None:
    """Give a server that is not there yet the --connect-wait; what is wrong then is for the steps to say."""
    settings = diagnosis.settings
    if not settings.connect_wait:
        return
    from kubemqctl.client.connect import wait_for_server

    with suppress(KubemqctlError), wait_for_server(settings, settings.connect_wait)[0]:
        pass
    # It is over: the steps tell how the server is now.
    diagnosis.settings = settings._replace(connect_wait=0.0)


def tcp(diagnosis: DiagnosisRun) -> StepResult:
    """Whether something takes connections; the first address that does is looked at from here on."""
    failures = []
    timeout = diagnosis.settings.connect_timeout
    for address, endpoints in diagnosis.resolved.items():
        began = time.monotonic_ns()
        try:
            at = probe(endpoints, timeout, time.sleep)
        except OSError as e:
            failures.append(f"{address}: {why(e, timeout)}")
            continue
        took = time.monotonic_ns() - began
        diagnosis.endpoint = ProbeTarget(address, timeout, at)
        said = f"{address} ({at.number}) accepts connections, within {took / 1e6:.1f} ms"
        return _some([said], failures, {"connect_time": took})
    hint = "check that the server is running, that this is its gRPC port (50000 by default), and firewalls"
    raise Unreachable("; ".join(failures), hint=hint)


def _some(found: list[str], failures: list[str], figures: Figures = NO_FIGURES) -> StepResult:
    """A finding where one address is enough, but every one is worth a word."""
    if not failures:
        return StepResult("; ".join(found), figures=figures)
    advice = "remove or correct this address: it is tried first each time"
    return StepResult("; ".join([*failures, *found]), advice, True, figures)


def tls(diagnosis: DiagnosisRun) -> StepResult:
    """Whether both sides speak TLS, or both do not, and whether the server's certificate is good."""
    if not diagnosis.settings.tls.enabled:
        return _without_tls(diagnosis)
    peer = look(diagnosis.endpoint, diagnosis.settings.tls)
    now = int(time.time())
    found = (
        f"{peer.protocol}; the certificate of {', '.join(map(escaped, peer.names[:8]))} is good until"
        f" {second_text(peer.until)} ({_left(peer.until, now)}), signed by {peer.issuer}"
    )
    if peer.issuer_until and peer.issuer_until < peer.until:
        found += f" (until {second_text(peer.issuer_until)})"
    ends = min(until for until in (peer.until, peer.issuer_until) if until) if peer.until else 0
    is_soon = 0 < ends < now + SOON * DAY
    figures = {"expires_at": ends * SECOND} if ends else {}
    return StepResult(found, "renew it" if is_soon else "", is_soon, figures)


def _left(until: int, now: int) -> str:
    return f"{span_text(until - now)} left" if until > now else f"{span_text(now - until)} ago"


def _without_tls(diagnosis: DiagnosisRun) -> StepResult:
    look_plainly(diagnosis.endpoint)
    return StepResult("off: traffic is not encrypted")


def authentication(diagnosis: DiagnosisRun) -> StepResult:
    """Whether the server takes our calls; asked of a queue that nobody has, which changes nothing."""
    diagnosis.client = diagnosis.connected()
    has_token = diagnosis.client.metadata() is not None
    _harmless(diagnosis, diagnosis.client)
    if not has_token:
        return StepResult("calls are accepted without a token")
    try:
        _harmless(diagnosis, diagnosis.connected(Token()))
    except AuthError:
        return StepResult("the token is accepted, and calls without one are refused")
    return StepResult("calls are accepted, but also without a token: this server checks none")


def _harmless(diagnosis: DiagnosisRun, client: Client) -> None:
    from kubemqctl.client import connection, queues

    try:
        queues.infos(client, client.client_id)
    except Unsupported:
        diagnosis.has_queues_info = False
        connection.ping(client)


def ping(diagnosis: DiagnosisRun) -> StepResult:
    """How long a round trip takes."""
    from kubemqctl.client import connection

    trips = []
    for _ in range(PINGS):
        diagnosis.pong = connection.ping(diagnosis.client)
        diagnosis.pinged_at = time.time()
        trips.append(diagnosis.pong.round_trip / 1e6)
    trips.sort()
    return StepResult(
        f"{PINGS} round trips: at least {trips[0]:.3f} ms, at most {trips[-1]:.3f} ms,"
        f" median {trips[PINGS // 2]:.3f} ms",
        figures={
            name: round(trip * 1e6)
            for name, trip in (("min", trips[0]), ("p50", trips[PINGS // 2]), ("max", trips[-1]))
        },
    )


def clock(diagnosis: DiagnosisRun) -> StepResult:
    """How far the server's clock is from ours, as far as whole seconds of start and uptime tell."""
    if not diagnosis.pong.started_at:
        return StepResult("the server does not report its time")
    # Each of the two whole seconds has lost half a second on average.
    ahead = round(diagnosis.pong.started_at + diagnosis.pong.uptime + 1 - diagnosis.pinged_at)
    figures = {"clock_ahead": ahead}
    if abs(ahead) <= CLOCK:
        return StepResult("the server's clock agrees with this one, to the second", figures=figures)
    where = "ahead of" if ahead > 0 else "behind"
    return StepResult(
        f"the server's clock is {span_text(abs(ahead))} {where} this one, give or take a second",
        "synchronize both by NTP: `--from 5m`, expiry and certificates depend on them",
        True,
        figures,
    )


def server(diagnosis: DiagnosisRun) -> StepResult:
    """Who the server says it is."""
    pong = diagnosis.pong
    version = (
        f"version {escaped(pong.version)}"
        if pong.version
        else "version not reported, as with community builds"
    )
    return StepResult(
        f"{escaped(pong.host) or 'an unnamed host'}, {version}, up {span_text(max(0, pong.uptime))}",
        figures={"host": pong.host, "version": pong.version, "started_at": pong.started_at},
    )


def features(diagnosis: DiagnosisRun) -> StepResult:
    """What this server lacks of what our commands use."""
    from kubemqctl.client.channels import check_answered

    lacks, means = [], []
    if not diagnosis.has_queues_info:
        lacks.append("QueuesInfo")
        means.append("`queue list` and `queue info` do not work")
    try:
        check_answered(diagnosis.client)
    except (Unsupported, TimedOut):
        lacks.append("channel requests")
        means.append(
            "`channel create` and `delete` do not work, and `channel list` and `top` show only queues"
        )
    if lacks:
        return StepResult(f"not supported: {', '.join(lacks)}", "; ".join(means), warning=True)
    return StepResult("QueuesInfo and channel requests are supported")


CONNECTION: tuple[Step, ...] = (
    ("configuration", steps.configuration),
    ("token", steps.token),
    ("certificates", steps.certificates),
    ("dns", dns),
    ("tcp", tcp),
    ("tls", tls),
    ("authentication", authentication),
    ("ping", ping),
)
EVERYTHING: tuple[Step, ...] = (
    ("versions", steps.versions),
    CONNECTION[0],
    ("permissions", steps.permissions),
    *CONNECTION[1:],
    ("clock", clock),
    ("server", server),
    ("features", features),
)
