"""The steps of a diagnosis, and the look at a server's TLS, in real handshakes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import MappingProxyType

import pytest

from kubemqctl.client.doctor.server_steps import CONNECTION, EVERYTHING, clock
from kubemqctl.client.doctor.steps import DiagnosisRun, StepResult, run_steps
from kubemqctl.client.doctor.tls_probe import Endpoint, Peer, look, speaks_plainly, speaks_tls
from kubemqctl.client.tls import context
from kubemqctl.config.profiles import Tls
from kubemqctl.config.sources import Flags
from kubemqctl.model.errors import ConfigError, KubemqctlError, NotFound, Unreachable
from kubemqctl.model.reports import Check, Pong
from tests.support.certificates import Papers, issue

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
Behaviour = Callable[[socket.socket], None]
Serve = Callable[[Behaviour], Endpoint]


def case() -> DiagnosisRun:
    return DiagnosisRun(Flags(), MappingProxyType({}))


# --- taking steps ---


def found(text: str, advice: str = "", warning: bool = False) -> Callable[[DiagnosisRun], StepResult]:
    return lambda case: StepResult(text, advice, warning)


def failing(error: KubemqctlError) -> Callable[[DiagnosisRun], StepResult]:
    def step(case: DiagnosisRun) -> StepResult:
        raise error

    return step


def test_a_step_is_ok_or_a_warning_and_the_others_go_on() -> None:
    steps = [
        ("one", found("good")),
        ("two", found("so so", "mend it", warning=True)),
        ("three", found("fine")),
    ]
    assert list(run_steps(case(), steps)) == [
        Check("one", "ok", "good"),
        Check("two", "warning", "so so", "mend it"),
        Check("three", "ok", "fine"),
    ]


def test_behind_a_failure_everything_is_skipped_and_says_why() -> None:
    error = Unreachable("refused", hint="start it")
    steps = [("one", found("good")), ("two", failing(error)), ("three", found("fine")), ("four", found(""))]
    assert list(run_steps(case(), steps))[1:] == [
        Check("two", "failed", "refused", "start it", error),
        Check("three", "skipped", "two failed"),
        Check("four", "skipped", "two failed"),
    ]


def test_a_step_is_taken_when_it_is_asked_for() -> None:
    taken = []

    def step(case: DiagnosisRun) -> StepResult:
        taken.append(1)
        return StepResult("")

    checks = run_steps(case(), [("one", step), ("two", step)])
    next(checks)
    assert len(taken) == 1


def test_the_check_of_a_profile_is_part_of_the_doctor_s() -> None:
    names = [name for name, _ in EVERYTHING]
    assert set(CONNECTION) <= set(EVERYTHING)
    assert [name for name in names if name in dict(CONNECTION)] == [name for name, _ in CONNECTION]


# --- single steps ---


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (1000.0, "agrees"),
        (1002.5, "agrees"),
        (998.0, "agrees"),
        (1060.5, "1m ahead of"),
        (940.5, "1m behind"),
    ],
)
def test_a_clock_that_is_off_by_more_than_whole_seconds_can_hide_is_a_warning(
    server: float, says: str
) -> None:
    a_case = case()
    a_case.pinged_at = 1000.0
    a_case.pong = Pong("", "", int(server) - 61, 60, 1)
    finding = clock(a_case)
    assert says in finding.found
    assert finding.warning is (says != "agrees")


def test_a_server_that_tells_no_time_has_no_clock_to_compare() -> None:
    a_case = case()
    a_case.pong = Pong("", "", 0, 0, 1)
    assert clock(a_case) == StepResult("the server does not tell its time")


# --- the look at TLS ---


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return issue(tmp_path / "papers")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(behaviour): where `behaviour` is called for each connection, in threads of the test's own."""
    with ExitStack() as stack:

        def begin(behaviour: Behaviour) -> Endpoint:
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
            return Endpoint(f"localhost:{listener.getsockname()[1]}", 5.0)

        yield begin


def http2(connection: socket.socket) -> None:
    """Take the client's opening and answer with settings."""
    connection.recv(64)
    connection.sendall(SETTINGS)
    connection.recv(64)


def secured(papers: Papers, *, wants: Path | None = None, oldest: bool = False) -> Behaviour:
    """A TLS server; `wants` is the authority of the client certificates that it demands."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(papers.cert, papers.key)
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


def trusting(papers: Papers, **more: str) -> Tls:
    return Tls(True, str(papers.ca), **more)


def refusal(at: Endpoint, tls: Tls) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        look(at, tls)
    assert caught.value.code == "tls-failed"
    assert caught.value.exit_code == 5
    return caught.value


def test_a_good_certificate_is_told_with_names_issuer_and_dates(serve: Serve, tmp_path: Path) -> None:
    papers = issue(tmp_path / "p", "localhost", "broker.example.org", since=-1, until=30)
    peer = look(serve(secured(papers)), trusting(papers))
    assert isinstance(peer, Peer)
    assert peer.names == ("localhost", "broker.example.org")
    assert "Testing CA" in peer.issuer
    assert peer.since < time.time() < peer.until < time.time() + 31 * 86_400
    assert peer.issuer_until > peer.until


def test_an_unknown_authority_is_named(serve: Serve, papers: Papers, tmp_path: Path) -> None:
    other = issue(tmp_path / "other")
    at = serve(secured(papers))
    for tls in (trusting(other), Tls(True)):
        error = refusal(at, tls)
        assert "signed by trustme" in error.message
        assert "--tls-ca" in error.hint


def test_a_wrong_name_is_told_with_the_right_one(serve: Serve, tmp_path: Path) -> None:
    papers = issue(tmp_path / "p", "broker.example.org")
    at = serve(secured(papers))
    error = refusal(at, trusting(papers))
    assert error.message == "the certificate is for broker.example.org, not for localhost"
    assert "--tls-server-name broker.example.org" in error.hint
    assert look(at, trusting(papers, server_name="broker.example.org")).names == ("broker.example.org",)


def test_an_expired_certificate_is_told_with_its_day(serve: Serve, tmp_path: Path) -> None:
    papers = issue(tmp_path / "p", since=-30, until=-3)
    assert "expired 3d ago, on 20" in refusal(serve(secured(papers)), trusting(papers)).message


def test_a_certificate_that_is_not_valid_yet_is_told_with_its_day(serve: Serve, tmp_path: Path) -> None:
    papers = issue(tmp_path / "p", since=3, until=30)
    error = refusal(serve(secured(papers)), trusting(papers))
    assert "not valid before 20" in error.message
    assert "clock" in error.hint


@pytest.mark.parametrize("oldest", [False, True])
def test_a_server_that_wants_a_client_certificate_is_said_to(
    oldest: bool, serve: Serve, papers: Papers, tmp_path: Path
) -> None:
    at = serve(secured(papers, wants=papers.ca, oldest=oldest))
    error = refusal(at, trusting(papers))
    assert "wants a client certificate" in error.message
    assert "--tls-cert" in error.hint
    stranger = issue(tmp_path / "stranger")
    shown = trusting(papers, cert=str(stranger.client_cert), key=str(stranger.client_key))
    assert "does not take the client certificate" in refusal(at, shown).message
    mine = trusting(papers, cert=str(papers.client_cert), key=str(papers.client_key))
    assert look(at, mine).names == ("localhost",)


def test_a_server_without_tls_is_said_to_be_one(serve: Serve, papers: Papers) -> None:
    error = refusal(serve(http2), trusting(papers))
    assert error.message == "the server speaks without TLS"
    assert "--no-tls" in error.hint


def test_something_else_that_listens_is_told_apart(serve: Serve, papers: Papers) -> None:
    at = serve(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n"))
    assert refusal(at, trusting(papers)).message == "what listens there does not speak TLS"


def test_one_that_hangs_up_and_one_that_says_nothing_end_in_time(serve: Serve, papers: Papers) -> None:
    assert "hung up" in refusal(serve(lambda connection: None), trusting(papers)).message
    over = threading.Event()

    def wait(connection: socket.socket) -> None:
        over.wait(20)

    silent = serve(wait)
    began = time.monotonic()
    error = refusal(silent._replace(timeout=0.2), trusting(papers))
    over.set()
    assert error.message == "no TLS answer within 0.2 s"
    assert time.monotonic() - began < 3


def test_plain_and_tls_servers_are_known_apart(serve: Serve, papers: Papers) -> None:
    plain, tls = serve(http2), serve(secured(papers))
    assert (speaks_plainly(plain), speaks_tls(plain)) == (True, False)
    assert (speaks_plainly(tls), speaks_tls(tls)) == (False, True)


# --- the files of TLS ---


def test_files_that_are_not_there_are_named(papers: Papers) -> None:
    for tls in (Tls(True, "/nowhere.pem"), trusting(papers, cert="/nowhere.pem", key=str(papers.client_key))):
        with pytest.raises(NotFound, match=r"nowhere\.pem"):
            context(tls)


def test_a_file_without_a_certificate_is_said_to_have_none(tmp_path: Path, papers: Papers) -> None:
    for junk in (b"", b"not a certificate", b"\xff\xfe", papers.client_key.read_bytes()):
        file = tmp_path / "junk.pem"
        file.write_bytes(junk)
        with pytest.raises(ConfigError, match="holds no CA certificate"):
            context(Tls(True, str(file)))


def test_comments_of_a_bundle_need_not_be_ascii(tmp_path: Path, papers: Papers) -> None:
    file = tmp_path / "bundle.pem"
    file.write_bytes("# Főtanúsítvány\n".encode() + papers.ca.read_bytes())
    assert context(Tls(True, str(file))).cert_store_stats()["x509_ca"] == 1


def test_a_key_of_another_certificate_is_told(papers: Papers, tmp_path: Path) -> None:
    other = issue(tmp_path / "other")
    with pytest.raises(ConfigError, match="is not that of the certificate"):
        context(trusting(papers, cert=str(papers.client_cert), key=str(other.client_key)))


def test_a_key_with_a_pass_phrase_is_refused_without_asking_for_it(papers: Papers, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(papers.client_key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(ConfigError, match="cannot be used"):
        context(trusting(papers, cert=str(papers.client_cert), key=str(locked)))
