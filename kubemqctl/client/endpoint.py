"""Where a server is: its name looked up once, and every address that the name leads to tried.

gRPC has a resolver of its own, which knows other names than the system's and other schemes (to it `unix:1`
is a socket in the current directory). So gRPC is given the very address that was probed here, as a number,
and the name only for the certificate and the HTTP/2 authority.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from selectors import EVENT_WRITE, DefaultSelector
from typing import Any, NamedTuple

from kubemqctl.config.settings import is_loopback
from kubemqctl.model.errors import Unreachable
from kubemqctl.model.text import reason

STAGGER = 0.25
"""Seconds after which the next address of a name is tried beside one that has not answered (RFC 8305)."""
_TICK = 0.05  # seconds between two looks at whether a signal came


class Endpoint(NamedTuple):
    """An address of a server: `address` as it was given, HOST:PORT, and one number that HOST stands for."""

    address: str
    family: int
    where: Any

    @property
    def host(self) -> str:
        """The host as it was given, an IPv6 address without its brackets."""
        return host_of(self.address)

    @property
    def number(self) -> str:
        """The numeric address, of IPv6 with its zone."""
        zone = self.where[3] if self.family == socket.AF_INET6 else 0
        return f"{self.where[0]}%{zone}" if zone else str(self.where[0])

    @property
    def target(self) -> str:
        """What gRPC takes, and looks nothing up for."""
        if self.family == socket.AF_INET6:
            return f"ipv6:[{self.number.replace('%', '%25')}]:{self.where[1]}"
        return f"ipv4:{self.number}:{self.where[1]}"

    def connect(self, timeout: float) -> socket.socket:
        """A connection to it, whose calls have the same limit in seconds. Raises OSError."""
        connection = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(0.001, timeout))
            connection.connect(self.where)
        except BaseException:
            connection.close()
            raise
        return connection


Pause = Callable[[float], None]
"""Sleeps for so many seconds; raises when a signal asks for the end."""


def host_of(address: str) -> str:
    """The host of HOST:PORT, an IPv6 address without its brackets."""
    return address.rpartition(":")[0].strip("[]")


def reach(
    addresses: Sequence[str],
    timeout: float,
    pause: Pause,
    serves: Callable[[Endpoint, float], bool] = lambda at, left: True,
) -> Endpoint:
    """The first that takes a TCP connection and `serves`, each address tried for `timeout` seconds.

    gRPC itself tries for 20 s and says little of why; a probe of 0.1 ms knows at once, and tells.
    Where one takes connections but none serves, that one: the first call tells what is wrong with it.
    Raises Unreachable, or what `pause` raises.
    """
    failures, hints, deaf = [], [], []
    for address in addresses:
        deadline = time.monotonic() + timeout
        try:
            at = probe(look_up(address, timeout, pause), deadline - time.monotonic(), pause)
        except OSError as e:
            failures.append(f"{address}: {why(e, timeout)}")
            named = not isinstance(e, NotFoundError)
            hints.append(down_hint(address) if named else UNKNOWN_HOST_HINT)
            continue
        if serves(at, deadline - time.monotonic()):
            return at
        deaf.append(at)
    if deaf:
        return deaf[0]
    raise Unreachable(f"cannot connect to {'; '.join(failures)}", hint=hints[0])


UNKNOWN_HOST_HINT = "check the name of the host, and that this machine can reach its name server"


def down_hint(address: str) -> str:
    """What to do where nobody listens: on this machine a server can be started, others have firewalls."""
    if is_loopback(host_of(address)):
        return "check that the server is running; to start one for development: kubemqctl broker run"
    return "check that the server is running, that this is its gRPC port (50000 by default), and firewalls"


class NotFoundError(OSError):
    """The name of the host leads nowhere."""


def why(error: OSError, timeout: float) -> str:
    """Why an address cannot be reached, in words; `timeout` is what it had."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} s"
    return reason(error)


def look_up(address: str, timeout: float, pause: Pause) -> list[Endpoint]:
    """All that HOST:PORT may stand for, in the system's order of preference; at least one.

    Raises NotFoundError, or TimeoutError after `timeout` seconds: the system's own look-up knows no limit
    and no signals, so it runs in a thread.
    """
    try:
        return _known(address, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    answer: list[list[Endpoint] | OSError] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            answer.append(_known(address, 0))
        except (OSError, UnicodeError) as e:
            answer.append(NotFoundError(_words(e)))
        answered.set()

    threading.Thread(target=ask, name="name look-up", daemon=True).start()
    deadline = time.monotonic() + timeout
    while not answered.wait(min(_TICK, max(0.0, deadline - time.monotonic()))):
        pause(0)
        if time.monotonic() >= deadline:
            raise TimeoutError
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]


def _known(address: str, flags: int) -> list[Endpoint]:
    host, port = host_of(address), int(address.rpartition(":")[2])
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [Endpoint(address, family, where) for family, _, _, _, where in dict.fromkeys(found)]


def _words(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not a valid host name"
    number = error.args[0] if error.args else 0
    if number in (socket.EAI_AGAIN, socket.EAI_FAIL):
        return "its name cannot be looked up now"
    if number in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return "no such host"
    return reason(error)


def probe(endpoints: Sequence[Endpoint], timeout: float, pause: Pause) -> Endpoint:
    """The first of `endpoints` that takes a connection, which is closed again.

    They are tried in their order, the next one beside those that do not answer at once. Raises OSError
    when none does within `timeout` seconds in all.
    """
    deadline = time.monotonic() + timeout
    left = list(endpoints)
    errors: list[tuple[Endpoint, OSError]] = []
    next_at = 0.0
    with DefaultSelector() as selector, ExitStack() as opened:
        while left or selector.get_map():
            now = time.monotonic()
            if now >= deadline:
                errors += [(key.data, TimeoutError()) for key in selector.get_map().values()]
                break
            if left and (now >= next_at or not selector.get_map()):
                endpoint = left.pop(0)
                next_at = now + STAGGER
                try:
                    connection = opened.enter_context(_begun(endpoint))
                    selector.register(connection, EVENT_WRITE, endpoint)
                except OSError as e:
                    errors.append((endpoint, e))
                continue
            until = min(deadline, next_at) if left else deadline
            for key, _ in selector.select(min(_TICK, max(0.0, until - now))):
                selector.unregister(key.fileobj)
                code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # type: ignore[union-attr]
                if not code:
                    return key.data  # type: ignore[no-any-return]
                errors.append((key.data, OSError(code, os.strerror(code))))
            pause(0)
    raise _summed_up(errors, timeout)


def _begun(endpoint: Endpoint) -> socket.socket:
    """A connection under way."""
    connection = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.connect(endpoint.where)
    except BlockingIOError:
        pass
    except BaseException:
        connection.close()
        raise
    return connection


def _summed_up(errors: Sequence[tuple[Endpoint, OSError]], timeout: float) -> OSError:
    """One error for all addresses of a name: which number failed of what, where that is not the same."""
    if not errors:
        return TimeoutError()
    if len({why(e, timeout) for _, e in errors}) == 1:
        return errors[0][1]
    return OSError(", ".join(f"{endpoint.number}: {why(e, timeout)}" for endpoint, e in errors))
