"""TLS is judged as gRPC's BoringSSL does it, and what fails is told in words that say what to do."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import AF_INET, SHUT_RDWR, create_server, socket
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubemqctl.client.doctor.tls_probe import ProbeTarget, look
from kubemqctl.client.endpoint import Endpoint
from kubemqctl.client.error_translation import rpc_error
from kubemqctl.config.profiles import Tls
from kubemqctl.model.errors import ExitCode, Unreachable
from tests.conftest import NewBroker
from tests.support.certificates import Certificates, issue
from tests.support.program import Result, Run
from tests.unit.client.test_credentials import secret

pytestmark = pytest.mark.builtin

Begin = Callable[..., tuple[ProbeTarget, Tls]]


def certificate(folder: Path, key: Any, name: str, *uses: x509.ObjectIdentifier) -> tuple[Path, Path]:
    """A certificate that signs itself, for a DNS name, and its key."""
    now = datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")])
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    plain = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    made = builder.sign(key, None if plain else hashes.SHA256())
    cert, pem = folder / "self.pem", folder / "self.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret(pem, key.private_bytes(serialization.Encoding.PEM, *private).decode())
    return cert, pem


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """begin(KEY, NAME, USE…): a server of OpenSSL's with such a certificate, and TLS that trusts it."""
    with ExitStack() as stack:

        def started(key: Any, name: str, *uses: x509.ObjectIdentifier) -> tuple[ProbeTarget, Tls]:
            cert, pem = certificate(tmp_path, key, name, *uses)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, pem)
            context.set_alpn_protocols(["h2"])
            listener = create_server(("127.0.0.1", 0))
            thread = threading.Thread(target=serve, args=(listener, context))
            thread.start()
            stack.callback(thread.join, 20)
            stack.callback(listener.close)
            stack.callback(listener.shutdown, SHUT_RDWR)
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            at = Endpoint(address, AF_INET, listener.getsockname())
            return ProbeTarget(address, 5.0, at), Tls(True, str(cert))

        yield started


def serve(listener: socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            with (
                closing(listener.accept()[0]) as plain,
                suppress(OSError),
                context.wrap_socket(plain, server_side=True) as secured,
            ):
                secured.recv(99)
                secured.sendall(b"\0\0\0\4\0\0\0\0\0")


def test_the_certificate_of_the_server_alone_may_be_what_is_trusted(begin: Begin) -> None:
    at, tls = begin(ec.generate_private_key(ec.SECP256R1()), "localhost")
    assert look(at, tls._replace(server_name="localhost")).names == ("localhost",)


def test_an_ip_address_may_stand_in_a_certificate_like_a_name(begin: Begin) -> None:
    at, tls = begin(ec.generate_private_key(ec.SECP256R1()), "127.0.0.1")
    assert look(at, tls).names == ("127.0.0.1",)
    with pytest.raises(Unreachable, match=r"for 127\.0\.0\.1, not for other"):
        look(at, tls._replace(server_name="other"))


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
        (ed448.Ed448PrivateKey.generate, "Ed448"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "P-521"),
    ],
    ids=["Ed25519", "Ed448", "P-521"],
)
def test_a_key_that_grpc_does_not_take_is_told(key: Callable[[], Any], kind: str, begin: Begin) -> None:
    at, tls = begin(key(), "127.0.0.1")
    with pytest.raises(Unreachable, match=f"the server's key is {kind}, which gRPC does not accept"):
        look(at, tls._replace(server_name="127.0.0.1"))


def test_a_certificate_for_clients_is_told_as_one(begin: Begin) -> None:
    at, tls = begin(ec.generate_private_key(ec.SECP256R1()), "localhost", ExtendedKeyUsageOID.CLIENT_AUTH)
    with pytest.raises(Unreachable, match="the certificate is for clients, not for servers"):
        look(at, tls._replace(server_name="localhost"))


# --- with gRPC itself ---


@pytest.fixture
def certs(tmp_path: Path) -> Certificates:
    return issue(tmp_path / "certificates", "localhost")


def secured(new_broker: NewBroker, certs: Certificates) -> str:
    address = new_broker("--ephemeral", "--tls-cert", certs.cert, "--tls-key", certs.key).address
    return f"localhost:{address.rpartition(':')[2]}"


@pytest.mark.parametrize("what", ["a byte order mark", "the server's certificate alone"])
def test_what_grpc_can_do_with_a_ca_file_doctor_passes_and_a_call_does(
    what: str, run: Run, new_broker: NewBroker, certs: Certificates, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    source = certs.ca if what == "a byte order mark" else certs.cert
    ca.write_bytes((b"\xef\xbb\xbf" if what == "a byte order mark" else b"") + source.read_bytes())
    line = ("--tls-ca", ca, "-a", secured(new_broker, certs))
    assert run("ping", *line, address="").code == 0
    assert run("profile", "set", "p", *line, address="").code == 0
    assert run("profile", "check", "p", address="").code == 0


def test_outside_doctor_a_failure_has_its_words(
    run: Run, new_broker: NewBroker, certs: Certificates, tmp_path: Path
) -> None:
    address = secured(new_broker, certs)
    plain = new_broker("--ephemeral").address
    trust = ("--tls-ca", certs.ca)

    def said(result: Result) -> str:
        assert result.code == 5
        lines = result.err.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["error", "hint"], result.err
        return result.err

    for words in (("queue", "send", "q", "x"), ("events", "sub", "e"), ("queue", "list")):
        assert "the server uses TLS, but TLS is off here" in said(run(*words, address=address))
    assert "the server does not use TLS" in said(run("ping", *trust, "-a", plain, address=""))
    wrong = said(run("queue", "list", *trust, "-a", f"127.0.0.1:{address.rpartition(':')[2]}", address=""))
    assert "the certificate is for localhost, not for 127.0.0.1" in wrong
    other = issue(tmp_path / "other")
    assert "does not contain" in said(run("ping", "--tls-ca", other.ca, "-a", address, address=""))
    assert "signed by" in said(run("ping", "--connect-wait", "1m", "--tls", "-a", address, address=""))


class Failed(grpc.RpcError):
    def __init__(self, status: grpc.StatusCode, details: str) -> None:
        self._said = status, details

    def code(self) -> grpc.StatusCode:
        return self._said[0]

    def details(self) -> str:
        return self._said[1]


@pytest.mark.parametrize(
    "details",
    ["Hostname Verification Check failed.", "Peer name x is not in peer certificate"],
)
def test_a_refusal_by_grpc_itself_is_not_one_of_the_token(details: str) -> None:
    error = rpc_error(Failed(grpc.StatusCode.UNAUTHENTICATED, details), "h:1")
    assert (error.code, error.exit_code) == ("tls-failed", ExitCode.UNREACHABLE)
    refused = rpc_error(Failed(grpc.StatusCode.UNAUTHENTICATED, "invalid token"), "h:1")
    assert refused.exit_code == ExitCode.AUTH


def test_a_token_that_is_too_long_is_not_worth_another_try(run: Run) -> None:
    result = run("queue", "list", env={"KUBEMQ_AUTH_TOKEN": "t" * 20_000})
    assert result.code == 2
    assert "the server does not take a token as long as this one" in result.err
