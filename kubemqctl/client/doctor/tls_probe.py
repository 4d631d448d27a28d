"""A TLS handshake with the server, to find out in words why one fails."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from shlex import quote
from typing import Any, NamedTuple

from kubemqctl.client.endpoint import Endpoint
from kubemqctl.client.tls import context, openssl_words
from kubemqctl.config.profiles import Tls
from kubemqctl.model.errors import KubemqctlError, Unreachable
from kubemqctl.model.text import escaped, reason, second_text, span_text

# The client's half of an HTTP/2 connection: its preface and empty settings. The answer is a settings frame.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4
_EXPIRED, _NOT_YET_VALID = 10, 9
_WRONG_NAME = (62, 64)
_WRONG_PURPOSE = 26
# As they stand in a certificate: the head of a public key, or the number of its curve.
_NOT_OF_GRPC = (
    (bytes.fromhex("302a300506032b6570032100"), "Ed25519"),
    (bytes.fromhex("3043300506032b6571033a00"), "Ed448"),
    (bytes.fromhex("06052b81040023"), "P-521"),
)
_NO_TIME_CHECK = 0x200000
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")


class Peer(NamedTuple):
    """Who answered: names, issuer and dates of its certificate; `issuer_until` is 0 where it is not known."""

    protocol: str
    names: tuple[str, ...]
    issuer: str
    since: int
    until: int
    issuer_until: int = 0


class ProbeTarget(NamedTuple):
    """Where to look, within `timeout` seconds; `at` is the number of it that took a connection."""

    address: str
    timeout: float
    at: Endpoint

    @property
    def host(self) -> str:
        return self.at.host

    def connect(self) -> socket.socket:
        """Raises OSError."""
        return self.at.connect(self.timeout)


def look(at: ProbeTarget, tls: Tls) -> Peer:
    """Who answers there. Raises Unreachable with what is wrong and what to do about it."""
    made = context(tls)
    name = tls.server_name or at.host
    try:
        peer = _looked_at(at, made, name)
    except ssl.SSLCertVerificationError as e:
        if peer_by_number := _named_by_number(e, at, tls, name):
            return peer_by_number
        raise _untrusted(e, at, tls, name) from e
    except ssl.SSLError as e:
        raise _refused(e, at, tls) from e
    except OSError as e:
        raise _hung_up(e, at, tls) from e
    return peer


def _looked_at(at: ProbeTarget, made: ssl.SSLContext, name: str) -> Peer:
    with _secured(at, made, name) as secured:
        _check_key(secured.getpeercert(True) or b"")
        peer = _peer(secured, made)
        _greet(secured)
    return peer


def _check_key(der: bytes) -> None:
    """Refuse a server's key that OpenSSL takes and gRPC, which has BoringSSL, does not."""
    kind = next((kind for identifier, kind in _NOT_OF_GRPC if identifier in der), "")
    if kind:
        raise _failure(
            f"the server's key is {kind}, which gRPC does not accept",
            "the server needs a certificate for an RSA key, or an EC key on P-256 or P-384",
        )


def _named_by_number(
    error: ssl.SSLCertVerificationError, at: ProbeTarget, tls: Tls, name: str
) -> Peer | None:
    """A server whose certificate has the IP address that we use as if it were a name: gRPC takes that."""
    if error.verify_code not in _WRONG_NAME:
        return None
    made = context(tls)
    made.check_hostname = False
    peer = _looked_at(at, made, name)
    return peer if name in peer.names else None


def look_plainly(at: ProbeTarget) -> None:
    """Raise Unreachable when no server without TLS answers there, with what does."""
    if speaks_plainly(at):
        return
    if speaks_tls(at):
        raise _failure(
            "the server uses TLS, but TLS is off here",
            "use --tls, and --tls-ca if its CA is not a public one",
        )
    raise Unreachable(
        f"the service at {at.address} does not use gRPC", hint="check that this is the server's gRPC port"
    )


def explain(error: Unreachable, at: ProbeTarget, tls: Tls) -> Unreachable:
    """`error` of gRPC in our words, where a look at the server tells why it came; else as it is."""
    try:
        look(at, tls) if tls.enabled else look_plainly(at)
    except Unreachable as found:
        what = "no TLS connection to" if tls.enabled else "cannot connect to"
        error.message = f"{what} {at.address}: {found.message}"
        error.hint, error.code = found.hint, found.code
    except KubemqctlError:
        pass
    return error


def speaks_plainly(at: ProbeTarget) -> bool:
    """Whether an HTTP/2 server answers there without TLS."""
    with suppress(OSError), at.connect() as plain:
        return _greet(plain)
    return False


def speaks_tls(at: ProbeTarget) -> bool:
    """Whether a TLS server answers there, trusted or not."""
    with suppress(OSError), _secured(at, _blind(), at.host):
        return True
    return False


def _secured(at: ProbeTarget, made: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    plain = at.connect()
    try:
        return made.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def _greet(connection: socket.socket) -> bool:
    """Open HTTP/2 and take its first frame: under TLS 1.3 only that shows whether the server let us in."""
    connection.sendall(_PREFACE)
    frame = b""
    while len(frame) < 9:
        got = connection.recv(9 - len(frame))
        if not got:
            raise ConnectionResetError
        frame += got
    return frame[3] == _SETTINGS


def _blind() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.set_alpn_protocols(["h2"])
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


# --- the certificate ---


def _peer(secured: ssl.SSLSocket, made: ssl.SSLContext) -> Peer:
    certificate: dict[str, Any] = secured.getpeercert() or {}
    known = [ca for ca in made.get_ca_certs() if ca.get("subject") == certificate.get("issuer")]
    until = min((_seconds(str(ca.get("notAfter", ""))) for ca in known), default=0)
    names = tuple(value for _, value in certificate.get("subjectAltName", ()))
    return Peer(
        secured.version() or "TLS",
        names or (_name(certificate.get("subject", ())),),
        _name(certificate.get("issuer", ())),
        _seconds(certificate.get("notBefore", "")),
        _seconds(certificate.get("notAfter", "")),
        until,
    )


def _name(parts: Any) -> str:
    """A distinguished name's most telling part."""
    said = {key: value for part in parts for key, value in part}
    told = [said[key] for key in ("commonName", "organizationName", "organizationalUnitName") if key in said]
    return escaped(", ".join(told)) or "nobody"


def _seconds(text: str) -> int:
    try:
        return int(ssl.cert_time_to_seconds(text))
    except ValueError:
        return 0


def _seen(at: ProbeTarget, name: str) -> Peer | None:
    """The certificate of a server that is not trusted: for this one look it vouches for itself."""
    with suppress(OSError, ValueError):
        with _secured(at, _blind(), name) as secured:
            der = secured.getpeercert(True)
        believing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        believing.set_alpn_protocols(["h2"])
        believing.check_hostname = False
        believing.verify_flags = ssl.VerifyFlags(_NO_TIME_CHECK | ssl.VERIFY_X509_PARTIAL_CHAIN)
        believing.load_verify_locations(cadata=der or b"")
        with _secured(at, believing, name) as secured:
            return _peer(secured, believing)
    return None


# --- what went wrong ---


def _failure(message: str, hint: str) -> Unreachable:
    return Unreachable(message, hint=hint, code="tls-failed")


def _untrusted(error: ssl.SSLCertVerificationError, at: ProbeTarget, tls: Tls, name: str) -> Unreachable:
    """Why the certificate that the server showed is not good enough."""
    seen = _seen(at, name)
    if error.verify_code in _WRONG_NAME:
        names = ", ".join(map(escaped, seen.names[:8])) if seen else "another name"
        hint = "check the address"
        if seen:
            hint += (
                f"; only if you expect this server there: --tls-server-name {quote(escaped(seen.names[0]))}"
            )
        return _failure(f"the certificate is for {names}, not for {escaped(name)}", hint)
    if error.verify_code == _WRONG_PURPOSE:
        return _failure(
            "the certificate is for clients, not for servers",
            "the server needs one whose extended key usage has server authentication",
        )
    if error.verify_code == _EXPIRED:
        return _expired(seen)
    if error.verify_code == _NOT_YET_VALID:
        when = f"before {second_text(seen.since)}" if seen else "yet"
        return _failure(f"the certificate is not valid {when}", "check the clock of this machine")
    signed = f"the certificate is signed by {seen.issuer}" if seen else "the certificate is signed by a CA"
    trusted = f"which {tls.ca} does not contain" if tls.ca else "which gRPC does not know"
    return _failure(
        f"{signed}, {trusted}",
        "ask whoever runs the server for the certificate of its CA, and give that with --tls-ca",
    )


def _expired(seen: Peer | None) -> Unreachable:
    hint = "the server needs a new certificate, unless the clock of this machine is wrong"
    now = int(time.time())
    if seen and seen.until < now:
        return _failure(
            f"the certificate expired {span_text(now - seen.until)} ago, on {second_text(seen.until)}", hint
        )
    return _failure("a certificate that signed the server's has expired", hint)


def _refused(error: ssl.SSLError, at: ProbeTarget, tls: Tls) -> KubemqctlError:
    """Why there was no TLS at all, or why the server hung up with a reason."""
    said = error.reason or ""
    if said in _NO_TLS and speaks_plainly(at):
        return _failure("the server does not use TLS", "use --no-tls, and leave out the --tls-… options")
    if said in _NO_TLS:
        return _failure(
            "the service there does not use TLS", "check that this is the gRPC port of a KubeMQ server"
        )
    if "ALERT" in said and not any(word in said for word in ("VERSION", "INTERNAL")):
        return _certificate_refused(tls, openssl_words(error))
    if isinstance(error, ssl.SSLEOFError):
        return _hung_up(error, at, tls)
    return _failure(f"the TLS handshake failed: {openssl_words(error)}", "")


def _hung_up(error: OSError, at: ProbeTarget, tls: Tls) -> KubemqctlError:
    if isinstance(error, TimeoutError):
        return _failure(
            f"no TLS answer within {at.timeout:g} s", "check that this is the gRPC port of a KubeMQ server"
        )
    if speaks_tls(at):
        return _certificate_refused(tls, "it closed the connection after the handshake")
    return _failure(
        f"the server closed the connection during the handshake: {reason(error)}", "check that it uses TLS"
    )


def _certificate_refused(tls: Tls, why: str) -> Unreachable:
    if tls.cert:
        until, now = _valid_until(tls.cert), int(time.time())
        if 0 < until < now:
            when = f"{span_text(now - until)} ago, on {second_text(until)}"
            hint = "ask whoever runs the server for a new one, unless the clock of this machine is wrong"
            return _failure(f"the client certificate {tls.cert} expired {when}", hint)
        hint = "it must be signed by a CA that the server trusts, and must not have expired"
        return _failure(f"the server does not accept the client certificate {tls.cert}: {why}", hint)
    return _failure(
        f"the server seems to require a client certificate: {why}", "give one with --tls-cert and --tls-key"
    )


def _valid_until(path: str) -> int:
    """When the first certificate of a file ends; 0 where that cannot be told.

    Of a certificate that is no peer's, Python's ssl tells only by what its own tests use.
    """
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    with suppress(Exception):
        return _seconds(decode(path)["notAfter"]) if decode else 0
    return 0
