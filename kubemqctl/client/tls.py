"""TLS as gRPC does it: the credentials of a channel, and the same as an OpenSSL context for the doctor."""

from __future__ import annotations

import os
import ssl
from contextlib import ExitStack
from importlib.util import find_spec

import grpc

from kubemqctl.config.files import BYTE_ORDER_MARK, read_file, read_pem, unnamed_copy
from kubemqctl.config.profiles import Tls
from kubemqctl.model.errors import ConfigError
from kubemqctl.model.text import reason


def channel_credentials(tls: Tls) -> grpc.ChannelCredentials:
    """What gRPC takes. Raises NotFound and ConfigError for files that cannot be used."""
    ca, key, cert = (
        read_pem(path, what).removeprefix(BYTE_ORDER_MARK) if path else None
        for path, what in (
            (tls.ca, "CA certificate"),
            (tls.key, "client key"),
            (tls.cert, "client certificate"),
        )
    )
    if ca or cert:
        # Python's own TLS says what is wrong with a file; gRPC says "handshaker", and only when it connects.
        context(tls)
    return grpc.ssl_channel_credentials(ca, key, cert)


def context(tls: Tls) -> ssl.SSLContext:
    """What `tls` trusts and shows. Raises NotFound and ConfigError for files that cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.set_alpn_protocols(["h2"])
    if tls.ca:
        # As gRPC does it: an intermediate, or the server's own certificate, may be what is trusted.
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        _trust(made, read_file(tls.ca, "CA certificate"), tls.ca)
    else:
        _trust_the_usual(made)
    if tls.cert:
        _show(made, tls)
    return made


def _trust(made: ssl.SSLContext, pem: bytes, path: str) -> None:
    try:
        # Bundles name their authorities in comments, and not all of these are ASCII.
        made.load_verify_locations(cadata=pem.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as e:
        raise ConfigError(
            f"{path} holds no CA certificate", hint="it takes PEM: -----BEGIN CERTIFICATE-----"
        ) from e


def _trust_the_usual(made: ssl.SSLContext) -> None:
    """The authorities that gRPC trusts: its own list, unless a variable names another."""
    package = find_spec("grpc")
    places = (package.submodule_search_locations or []) if package else []
    own = [os.path.join(place, "_cython", "_credentials", "roots.pem") for place in places]
    for path in (os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", ""), *own):
        if path and os.path.isfile(path):
            made.load_verify_locations(path)
            return
    made.load_default_certs()


def _show(made: ssl.SSLContext, tls: Tls) -> None:
    try:
        with ExitStack() as opened:
            cert = _path(tls.cert, read_file(tls.cert, "client certificate"), opened)
            key = _path(tls.key, read_file(tls.key, "client key"), opened)
            made.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as e:
        if e.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"the key {tls.key} is not that of the certificate {tls.cert}") from e
        hint = "both take PEM, and the key no pass phrase"
        raise ConfigError(f"{tls.cert} and {tls.key} cannot be used: {openssl_words(e)}", hint=hint) from e
    except OSError as e:
        raise ConfigError(f"{tls.cert} and {tls.key} cannot be used: {reason(e)}") from e


def _path(path: str, content: bytes, opened: ExitStack) -> str:
    """A path for OpenSSL, which reads files only: of what can be read once, such as a pipe, one of a copy."""
    if os.path.isfile(path) and not content.startswith(BYTE_ORDER_MARK):
        return path
    return unnamed_copy(content.removeprefix(BYTE_ORDER_MARK), opened)


def openssl_words(error: ssl.SSLError) -> str:
    """OpenSSL's reason for a failure, as a phrase."""
    return (error.reason or str(error)).replace("_", " ").lower()
