"""The files that a broker speaks TLS with, checked before it listens: gRPC says nothing of bad ones."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import grpc

from kubemqctl.config.files import read_file
from kubemqctl.model.errors import ConfigError


class Tls(NamedTuple):
    """PEM data: our certificate chain and key; with `ca`, clients must show a certificate that it signed."""

    cert: bytes
    key: bytes
    ca: bytes = b""


def load(cert: str, key: str, ca: str = "") -> Tls:
    """Read the files at these paths. Raises NotFound when one is missing, ConfigError when one is no use."""
    tls = Tls(
        read_file(cert, "certificate"),
        read_file(key, "private key"),
        read_file(ca, "CA certificate") if ca else b"",
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password, so that an encrypted key is an error and not a question.
        context.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as e:
        raise ConfigError(f"the TLS certificate {cert} and key {key} cannot be used: {_why(e)}") from e
    try:
        if ca:
            context.load_verify_locations(ca)
    except (ssl.SSLError, OSError) as e:
        raise ConfigError(f"the TLS CA certificate {ca} cannot be used: {_why(e)}") from e
    return tls


def credentials(tls: Tls) -> grpc.ServerCredentials:
    """`tls` as gRPC takes it."""
    return grpc.ssl_server_credentials(
        [(tls.key, tls.cert)], root_certificates=tls.ca or None, require_client_auth=bool(tls.ca)
    )


def _why(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return str(reason).replace("_", " ").lower()
