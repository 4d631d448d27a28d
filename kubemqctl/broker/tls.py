"""The broker's certificate and key: read once, and refused when no gRPC client could connect.

gRPC says nothing of files that it cannot use until a client fails, and OpenSSL, which Python has, accepts
more than BoringSSL, which gRPC has.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from contextlib import ExitStack
from typing import NamedTuple

import grpc

from kubemqctl.config.files import BYTE_ORDER_MARK, read_pem, unnamed_copy
from kubemqctl.model.errors import ConfigError

_PRIVATE_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----(.*?)-----END", re.DOTALL)
# Object identifiers, as they stand in a key, of what BoringSSL's clients take from a server by default.
_TAKEN = (
    bytes.fromhex("06092a864886f70d010101"),  # RSA
    bytes.fromhex("06082a8648ce3d030107"),  # P-256
    bytes.fromhex("06052b81040022"),  # P-384
)
_NAMED = {
    bytes.fromhex("06032b6570"): "Ed25519",
    bytes.fromhex("06032b6571"): "Ed448",
    bytes.fromhex("06052b81040023"): "P-521",
    bytes.fromhex("06052b8104000a"): "secp256k1",
    bytes.fromhex("06092a864886f70d01010a"): "RSA-PSS",
}
_HEAD = 64  # bytes of a key that hold its identifiers, unless its form has them at the end


class ServerTls(NamedTuple):
    """PEM data: our certificate chain and key; with `ca`, clients must show a certificate that it signed."""

    cert: bytes
    key: bytes
    ca: bytes = b""


def load(cert: str, key: str, ca: str = "") -> ServerTls:
    """Read the files at these paths. Raises NotFound when one is missing, ConfigError when one is no use."""
    tls = ServerTls(
        _pem(cert, "certificate"), _pem(key, "private key"), _pem(ca, "CA certificate") if ca else b""
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # From copies: a path may be a pipe, which can be read once.
    with ExitStack() as opened:
        copies = unnamed_copy(tls.cert, opened), unnamed_copy(tls.key, opened)
        try:
            # An empty password, so that an encrypted key is an error and not a question.
            context.load_cert_chain(copies[0], copies[1], password="")
        except (ssl.SSLError, OSError) as e:
            raise ConfigError(f"the TLS certificate {cert} and key {key} cannot be used: {_why(e)}") from e
    _check_kind(tls.key, key)
    try:
        if ca:
            context.load_verify_locations(cadata=tls.ca.decode("ascii", "replace"))
    except (ssl.SSLError, OSError, ValueError) as e:
        raise ConfigError(f"the TLS CA certificate {ca} cannot be used: {_why(e)}") from e
    return tls


def credentials(tls: ServerTls, *, ask_clients: bool = True) -> grpc.ServerCredentials:
    """`tls` as gRPC takes it; `ask_clients`: for a certificate, when there is a CA to check it with."""
    ask = bool(tls.ca) and ask_clients
    return grpc.ssl_server_credentials(
        [(tls.key, tls.cert)], root_certificates=tls.ca if ask else None, require_client_auth=ask
    )


def _pem(path: str, what: str) -> bytes:
    data = read_pem(path, what)
    if data.startswith(BYTE_ORDER_MARK):
        raise ConfigError(
            f"the {what} {path} begins with a byte order mark, which gRPC does not accept",
            hint="save it again as plain ASCII, without a BOM",
        )
    return data


def _check_kind(key: bytes, path: str) -> None:
    found = _PRIVATE_KEY.search(key)
    if found is None or found[1] == b"RSA PRIVATE KEY":
        return
    try:
        der = base64.b64decode(found[2])
    except binascii.Error:
        return  # OpenSSL took it, so its form is one that we do not know
    # EC PRIVATE KEY has the curve behind the number.
    searched = der if found[1] == b"EC PRIVATE KEY" else der[:_HEAD]
    if any(taken in searched for taken in _TAKEN):
        return
    kind = next((name for identifier, name in _NAMED.items() if identifier in searched), "another kind")
    raise ConfigError(
        f"the private key {path} is {kind}, which gRPC clients do not accept from a server",
        hint="use an RSA key, or an EC key on P-256 or P-384",
    )


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).replace("_", " ").lower()
