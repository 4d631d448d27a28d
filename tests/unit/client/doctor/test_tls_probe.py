"""The look at a server's TLS, in real handshakes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from kubemqctl.client.doctor.tls_probe import Peer, ProbeTarget, look, speaks_plainly, speaks_tls
from kubemqctl.client.endpoint import Endpoint
from kubemqctl.config.profiles import Tls
from kubemqctl.model.errors import Unreachable
from tests.support.certificates import Certificates, issue, trusting

SETTINGS = b"\0\0\0\4\0\0\0\0\0"

Behaviour = Callable[[socket.socket], None]

Serve = Callable[[Behaviour], ProbeTarget]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(behaviour): where `behaviour` is called for each connection, in threads of the test's own."""
    with ExitStack() as stack:

        def begin(behaviour: Behaviour) -> ProbeTarget:
            listener = socket.create_server(("127.0.0.1", 0))
            threads: list[threading.Thread] = []

            def accept() -> None:
                with suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        thread = threading.Thread(target=behave, args=(connection,))
                        threads.append(thread)
                        thread.start()

            def behave(connection: socket.socket) -> None:
                with closing(connection), suppress(OSError):
                    behaviour(connection)

            accepting = threading.Thread(target=accept)
            accepting.start()

            def end() -> None:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
                for thread in (accepting, *threads):
                    thread.join(20)
                    assert not thread.is_alive(), "a server that does not end"

            stack.callback(end)
            address = f"localhost:{listener.getsockname()[1]}"
            at = Endpoint(address, socket.AF_INET, listener.getsockname())
            return ProbeTarget(address, 5.0, at)

        yield begin


def http2(connection: socket.socket) -> None:
    """Take the client's opening and answer with settings."""
    connection.recv(64)
    connection.sendall(SETTINGS)
    connection.recv(64)


def secured(certs: Certificates, *, wants: Path | None = None, oldest: bool = False) -> Behaviour:
    """A TLS server; `wants` is the authority of the client certificates that it demands."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certs.cert, certs.key)
    made.set_alpn_protocols(["h2"])
    if oldest:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    if wants:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(wants)

    def behave(connection: socket.socket) -> None:
        with made.wrap_socket(connection, server_side=True) as tls:
            http2(tls)

    return behave


def refusal(at: ProbeTarget, tls: Tls) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        look(at, tls)
    assert caught.value.code == "tls-failed"
    assert caught.value.exit_code == 5
    return caught.value


def test_a_good_certificate_is_told_with_names_issuer_and_dates(serve: Serve, tmp_path: Path) -> None:
    certs = issue(tmp_path / "p", "localhost", "broker.example.org", since=-1, until=30)
    peer = look(serve(secured(certs)), trusting(certs))
    assert isinstance(peer, Peer)
    assert peer.names == ("localhost", "broker.example.org")
    assert "Testing CA" in peer.issuer
    assert peer.since < time.time() < peer.until < time.time() + 31 * 86_400
    assert peer.issuer_until > peer.until


def test_an_unknown_authority_is_named(serve: Serve, certs: Certificates, tmp_path: Path) -> None:
    other = issue(tmp_path / "other")
    at = serve(secured(certs))
    for tls in (trusting(other), Tls(True)):
        error = refusal(at, tls)
        assert "signed by trustme" in error.message
        assert "--tls-ca" in error.hint


def test_a_wrong_name_is_told_with_the_right_one(serve: Serve, tmp_path: Path) -> None:
    certs = issue(tmp_path / "p", "broker.example.org")
    at = serve(secured(certs))
    error = refusal(at, trusting(certs))
    assert error.message == "the certificate is for broker.example.org, not for localhost"
    assert "--tls-server-name broker.example.org" in error.hint
    assert look(at, trusting(certs, server_name="broker.example.org")).names == ("broker.example.org",)


def test_an_expired_certificate_is_told_with_its_day(serve: Serve, tmp_path: Path) -> None:
    certs = issue(tmp_path / "p", since=-30, until=-3)
    assert "expired 3d ago, on 20" in refusal(serve(secured(certs)), trusting(certs)).message


def test_a_client_certificate_that_has_expired_is_told_with_its_day(serve: Serve, tmp_path: Path) -> None:
    certs = issue(tmp_path / "p", client_until=-2)
    shown = trusting(certs, cert=str(certs.client_cert), key=str(certs.client_key))
    error = refusal(serve(secured(certs, wants=certs.ca)), shown)
    assert error.message.startswith(f"the client certificate {certs.client_cert} expired 2d ago, on 20")
    assert "clock" in error.hint


def test_a_certificate_that_is_not_valid_yet_is_told_with_its_day(serve: Serve, tmp_path: Path) -> None:
    certs = issue(tmp_path / "p", since=3, until=30)
    error = refusal(serve(secured(certs)), trusting(certs))
    assert "not valid before 20" in error.message
    assert "clock" in error.hint


@pytest.mark.parametrize("oldest", [False, True])
def test_a_server_that_wants_a_client_certificate_is_said_to(
    oldest: bool, serve: Serve, certs: Certificates, tmp_path: Path
) -> None:
    at = serve(secured(certs, wants=certs.ca, oldest=oldest))
    error = refusal(at, trusting(certs))
    assert "require a client certificate" in error.message
    assert "--tls-cert" in error.hint
    stranger = issue(tmp_path / "stranger")
    shown = trusting(certs, cert=str(stranger.client_cert), key=str(stranger.client_key))
    assert "does not accept the client certificate" in refusal(at, shown).message
    mine = trusting(certs, cert=str(certs.client_cert), key=str(certs.client_key))
    assert look(at, mine).names == ("localhost",)


def test_a_server_without_tls_is_said_to_be_one(serve: Serve, certs: Certificates) -> None:
    error = refusal(serve(http2), trusting(certs))
    assert error.message == "the server does not use TLS"
    assert "--no-tls" in error.hint


def test_something_else_that_listens_is_told_apart(serve: Serve, certs: Certificates) -> None:
    at = serve(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n"))
    assert refusal(at, trusting(certs)).message == "the service there does not use TLS"


def test_one_that_hangs_up_and_one_that_says_nothing_end_in_time(serve: Serve, certs: Certificates) -> None:
    assert (
        "closed the connection during the handshake"
        in refusal(serve(lambda connection: None), trusting(certs)).message
    )
    over = threading.Event()

    def wait(connection: socket.socket) -> None:
        over.wait(20)

    silent = serve(wait)
    began = time.monotonic()
    error = refusal(silent._replace(timeout=0.2), trusting(certs))
    over.set()
    assert error.message == "no TLS answer within 0.2 s"
    assert time.monotonic() - began < 3


def test_plain_and_tls_servers_are_known_apart(serve: Serve, certs: Certificates) -> None:
    plain, tls = serve(http2), serve(secured(certs))
    assert (speaks_plainly(plain), speaks_tls(plain)) == (True, False)
    assert (speaks_plainly(tls), speaks_tls(tls)) == (False, True)
