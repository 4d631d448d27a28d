"""Errors of servers and of gRPC, translated to ours by tables.

The server's error number is looked up first, then its known texts, then the gRPC status: server 2.4.0
reports most refusals as INTERNAL or in-band with status OK, so the status alone says little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from kubemqctl.client.endpoint import down_hint
from kubemqctl.model.errors import (
    AuthError,
    ConnectionLost,
    InvalidRequest,
    KubemqctlError,
    NotFound,
    NothingArrived,
    NotReady,
    TimedOut,
    TooLarge,
    Unreachable,
    Unsupported,
)

Kind = tuple[type[KubemqctlError], str]
_INVALID: Kind = (InvalidRequest, "invalid-request")
UNKNOWN: Kind = (KubemqctlError, "server-error")
BY_NUMBER: dict[int, Kind] = {
    **dict.fromkeys((*range(101, 124), *range(131, 137), 206, 207), _INVALID),
    124: (InvalidRequest, "nothing-held"),
    125: (InvalidRequest, "wrong-sequence"),
    126: (InvalidRequest, "nothing-held"),
    127: _INVALID,
    128: (InvalidRequest, "already-receiving"),
    129: (TimedOut, "visibility-expired"),
    130: (InvalidRequest, "resend-refused"),
    137: (InvalidRequest, "nothing-held"),
    138: (NothingArrived, "nothing-arrived"),
    301: (TimedOut, "timeout"),
    302: (NotReady, "not-ready"),
    303: (KubemqctlError, "invalid-response"),
    409: (NotReady, "shutting-down"),
    412: (AuthError, "permission-denied"),
    421: (AuthError, "unauthenticated"),
}
# What the server's inner connection says while it is out of order; its time-outs leave the outcome open.
_BROKEN: Kind = (NotReady, "server-broken")
_NOT_YET: Kind = (NotReady, "not-ready")
_NO_ANSWER: Kind = (TimedOut, "timeout")
BY_TEXT: tuple[tuple[str, Kind], ...] = (
    ("grpc server is not ready", _NOT_YET),
    ("cluster snapshot not ready", _NOT_YET),
    ("stan: clientID already registered", (NotReady, "client-id-in-use")),
    ("nats: connection closed", _BROKEN),
    ("nats: invalid connection", _BROKEN),
    ("nats: connection ", _NOT_YET),
    ("nats: no servers available", _NOT_YET),
    ("nats: maximum connections", _NOT_YET),
    ("nats: outbound buffer limit", _NOT_YET),
    ("nats: slow consumer", _NOT_YET),
    ("nats: stale connection", _NOT_YET),
    ("nats: timeout", _NO_ANSWER),
    ("nats: maximum payload", (TooLarge, "message-too-large")),
    ("stan: connection closed", _BROKEN),
    ("stan: invalid connection", _BROKEN),
    ("stan: connection lost", _NO_ANSWER),
    ("stan: publish ack timeout", _NO_ANSWER),
    ("stan: timeout", _NO_ANSWER),
    ("request timeout", _NOT_YET),
    ("stan: invalid ", _INVALID),
    ("stan: durable name", _INVALID),
    ("nats: invalid ", _INVALID),
    ("file name too long", _INVALID),
    ("larger than max", (TooLarge, "message-too-large")),
    ("empty messages batch", _INVALID),
    ("no messages to send", _INVALID),
    ("invalid channel type", _INVALID),
)
BY_STATUS: dict[grpc.StatusCode, Kind] = {
    grpc.StatusCode.UNAUTHENTICATED: (AuthError, "unauthenticated"),
    grpc.StatusCode.PERMISSION_DENIED: (AuthError, "permission-denied"),
    grpc.StatusCode.UNIMPLEMENTED: (Unsupported, "unsupported"),
    grpc.StatusCode.INVALID_ARGUMENT: _INVALID,
    grpc.StatusCode.OUT_OF_RANGE: _INVALID,
    grpc.StatusCode.NOT_FOUND: (NotFound, "not-found"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (NotReady, "overloaded"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (TimedOut, "timeout"),
    grpc.StatusCode.UNAVAILABLE: (ConnectionLost, "connection-lost"),
    grpc.StatusCode.CANCELLED: (ConnectionLost, "connection-lost"),
}
HINTS = {
    "unauthenticated": "give the token of this server: --token-file, KUBEMQ_AUTH_TOKEN or in the profile",
    "not-ready": "the server is starting; try again, or wait for it: kubemqctl ping --wait 30s",
    "client-id-in-use": "a --durable name has one subscriber at a time: wait for it, or use another name",
    "server-broken": "the server has lost its internal connection; it must be restarted",
    "unsupported": "this server lacks the feature; to show its version: kubemqctl ping",
    "message-too-large": "a KubeMQ server accepts messages of up to 100 MiB by default",
}
# Where the server's own words are no sentence for people; they are kept as `server_message`.
SENTENCES = {
    "unauthenticated": "authentication failed: the token is missing, or not the right one",
    "client-id-in-use": "another subscription uses this client ID already",
    "server-broken": "the server is out of order",
    "message-too-large": "the message is too large",
}
_SIZES = re.compile(r"larger than max \(([0-9]+) vs\. ([0-9]+)\)")
# Three digits as a rule; int() refuses thousands of them.
_NUMBER = re.compile(r"Error ([0-9]{1,9}):")
_NEVER_SENT = ("failed to connect to all addresses", "Connection refused", "DNS resolution failed")
# Of a peer that took the connection and said nothing for the whole time-out.
_MUTE = ("before receiving SETTINGS frame", "Handshake read failed (Endpoint closing)")
# gRPC has its own failures to connect come with these; a server's UNAUTHENTICATED has none of the texts.
_OF_GRPC_ITSELF = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNKNOWN,
)
TLS_HINT = "check --tls-ca and --tls-server-name; to diagnose: kubemqctl doctor"
PORT_HINT = "check the port, TLS and client certificate; to diagnose: kubemqctl doctor"
_LONG_TOKEN = "metadata size exceeds"
# What grpc makes of an answer that our decoder refuses.
_NOT_DECODED = "Exception deserializing response!"
_TLS_FAILED = (
    "CERTIFICATE_VERIFY_FAILED",
    "SSL_ERROR",
    "Handshake",
    "handshake",
    "Hostname Verification",
    "is not in peer certificate",
)
_TLS_REASONS = (
    ("certificate has expired", "the server's certificate has expired"),
    ("Hostname Verification", "the server's certificate is for another name"),
    ("is not in peer certificate", "the server's certificate is for another name"),
    ("issuer certificate", "the server's certificate is signed by an authority that is not trusted"),
    ("self signed certificate", "the server's certificate is signed by an authority that is not trusted"),
    ("self-signed certificate", "the server's certificate is signed by an authority that is not trusted"),
    ("WRONG_VERSION_NUMBER", "the server does not speak TLS"),
)
# What grpc makes of a web server's 404: its own status for that is the one of a method that a server lacks.
_NO_GRPC = "Received http2 header with status"


def server_error(text: str, status: grpc.StatusCode | None = None) -> KubemqctlError:
    """The error for a text that the server sent, in-band or as the details of `status`."""
    cls, code = _kind(text, status)
    message = text.strip(" ,\n") or (status.name if status else "the server gave no reason")
    if code in SENTENCES:
        message = SENTENCES[code]
    if sizes := _SIZES.search(text):
        message += f": {sizes[1]} bytes with all that goes with it, the maximum is {sizes[2]}"
    return cls(
        message,
        code=code,
        hint=HINTS.get(code, ""),
        grpc_status=status.name if status else "OK",
        server_message=text,
    )


def _kind(text: str, status: grpc.StatusCode | None) -> Kind:
    if (found := _NUMBER.search(text)) and int(found[1]) in BY_NUMBER:
        return BY_NUMBER[int(found[1])]
    for part, kind in BY_TEXT:
        if part in text:
            return kind
    # A text that is in no table says nothing about who is to blame for it.
    return BY_STATUS.get(status, UNKNOWN) if status else UNKNOWN


def rpc_error(error: grpc.RpcError, address: str) -> KubemqctlError:
    """The error for a call that ended with a gRPC status other than OK."""
    status, details = error.code(), error.details() or ""
    if status in _OF_GRPC_ITSELF and (found := _unreachable(details, address)):
        return found
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and _LONG_TOKEN in details:
        return InvalidRequest(
            "the server does not take a token as long as this one",
            hint="check that the token is what it should be",
            grpc_status=status.name,
            server_message=details,
        )
    if status is grpc.StatusCode.INTERNAL and details == _NOT_DECODED:
        return unreadable(address)
    if status is grpc.StatusCode.UNIMPLEMENTED and _NO_GRPC in details:
        return _no_grpc(address, status, details)
    out = server_error(details, status)
    if isinstance(out, ConnectionLost):
        out.message = f"the connection to {address} was lost"
    elif status is grpc.StatusCode.DEADLINE_EXCEEDED:
        out.message = f"{address} did not answer in time"
    return out


def unreadable(address: str) -> KubemqctlError:
    """The error for an answer that is none: what it means for the request is not known."""
    return KubemqctlError(
        f"an answer of {address} cannot be read",
        code="invalid-response",
        hint="check that this is the gRPC port of a KubeMQ server",
        grpc_status="INTERNAL",
    )


def unasked(address: str) -> KubemqctlError:
    """The error for an answer to nothing that was asked, or for more than was asked for."""
    return KubemqctlError(
        f"{address} sends what was not asked for",
        code="invalid-response",
        hint="check that this is the gRPC port of a KubeMQ server",
        grpc_status="OK",
    )


def _unreachable(details: str, address: str) -> Unreachable | None:
    """The error when a call never left this machine; None when it may have been carried out."""
    if any(part in details for part in _MUTE):
        return Unreachable(
            f"cannot connect to {address}: it takes connections, but did not answer in time",
            code="no-answer",
            hint=PORT_HINT,
            grpc_status="UNAVAILABLE",
            server_message=details,
        )
    if any(part in details for part in _TLS_FAILED):
        why = next((why for part, why in _TLS_REASONS if part in details), details)
        return Unreachable(
            f"no TLS connection to {address}: {why}",
            code="tls-failed",
            hint=TLS_HINT,
            grpc_status="UNAVAILABLE",
            server_message=details,
        )
    if "Connection refused" in details:
        return Unreachable(
            f"cannot connect to {address}: connection refused",
            hint=down_hint(address),
            grpc_status="UNAVAILABLE",
            server_message=details,
        )
    if any(part in details for part in _NEVER_SENT):
        return _no_grpc(address, grpc.StatusCode.UNAVAILABLE, details)
    return None


def _no_grpc(address: str, status: grpc.StatusCode, details: str) -> Unreachable:
    """The error for an address that, as a rule, takes connections (that was tried first) but no gRPC."""
    return Unreachable(
        f"cannot connect to {address}",
        hint=PORT_HINT,
        grpc_status=status.name,
        server_message=details,
    )


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Translates errors of gRPC that are raised inside."""
    try:
        yield
    except grpc.RpcError as e:
        raise rpc_error(e, address) from e
    except ValueError as e:
        # grpc says so when a call is made on a closed channel.
        raise ConnectionLost(f"the connection to {address} was closed") from e
