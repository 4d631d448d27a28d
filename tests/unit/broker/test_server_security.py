"""Tokens, TLS and client certificates: checked when the broker was told to, on every call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kubemqctl.broker import tls
from kubemqctl.model.errors import ConfigError
from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.program import Run, Start
from tests.support.raw_grpc import Stub

pytestmark = pytest.mark.builtin

REFUSED = "Error 421: authentication verification failed"


class Files:
    """A CA, a server's and a client's certificate, and a stranger's, as PEM files."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        self.ca = self._write(folder / "ca.pem", ca.cert_pem.bytes())
        self.cert, self.key = self._issue(folder, "server", ca)
        self.client_cert, self.client_key = self._issue(folder, "client", ca)
        self.strange_cert, self.strange_key = self._issue(folder, "stranger", trustme.CA())

    def _issue(self, folder: Path, name: str, ca: trustme.CA) -> tuple[Path, Path]:
        issued = ca.issue_cert("localhost", "127.0.0.1")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        key = issued.private_key_pem.bytes()
        return self._write(folder / f"{name}.pem", chain), self._write(folder / f"{name}.key", key)

    def _write(self, path: Path, data: bytes) -> Path:
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("pem"))


@contextmanager
def secure(address: str, files: Files, *pair: Path) -> Iterator[grpc.Channel]:
    """A channel that trusts the CA and shows the certificate and key of `pair`, if any."""
    cert, key = (path.read_bytes() for path in pair) if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(files.ca.read_bytes(), key, cert)
    with grpc.secure_channel(address, credentials) as channel:
        yield channel


def ping(channel: grpc.Channel, *metadata: tuple[str, str]) -> pb.PingResult:
    call = channel.unary_unary("/kubemq.kubemq/Ping", pb.Empty.SerializeToString, pb.PingResult.FromString)
    answer: pb.PingResult = call(pb.Empty(), timeout=10, metadata=metadata)
    return answer


def code_of(error: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str | None]:
    return error.value.code(), error.value.details()


# ---- tokens ----


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


def send(channel: grpc.Channel, *metadata: tuple[str, str]) -> pb.SendQueueMessageResult:
    call = channel.unary_unary(
        "/kubemq.kubemq/SendQueueMessage",
        pb.QueueMessage.SerializeToString,
        pb.SendQueueMessageResult.FromString,
    )
    message = pb.QueueMessage(ClientID="me", Channel="q", Body=b"x")
    answer: pb.SendQueueMessageResult = call(message, timeout=10, metadata=metadata)
    return answer


@pytest.mark.parametrize("given", [[], ["wrong"], ["Bearer s3cret"], ["s3cret "], [""]])
def test_a_call_without_the_token_is_refused_and_does_nothing(
    given: list[str], token_file: Path, new_broker: NewBroker
) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file)
    with grpc.insecure_channel(broker.address) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            send(channel, *(("authorization", token) for token in given))
        assert code_of(refused) == (grpc.StatusCode.UNAUTHENTICATED, REFUSED)
        assert not send(channel, ("authorization", "s3cret")).IsError
        call = channel.unary_unary(
            "/kubemq.kubemq/QueuesInfo",
            pb.QueuesInfoRequest.SerializeToString,
            pb.QueuesInfoResponse.FromString,
        )
        info = call(pb.QueuesInfoRequest(), timeout=10, metadata=(("authorization", "s3cret"),))
        assert info.Info.Sent == 1


def test_a_stream_without_the_token_is_refused(token_file: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file)
    with Stub(broker.address) as stub:
        stream = stub.downstream()
        stream.ask_for("q")
        assert stream.status() == grpc.StatusCode.UNAUTHENTICATED


def test_ping_needs_no_token_but_a_wrong_one_is_refused(token_file: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file)
    with grpc.insecure_channel(broker.address) as channel:
        assert ping(channel).Host
        assert ping(channel, ("authorization", "s3cret")).Host
        with pytest.raises(grpc.RpcError) as refused:
            ping(channel, ("authorization", "wrong"))
        assert code_of(refused) == (grpc.StatusCode.UNAUTHENTICATED, REFUSED)


@pytest.mark.parametrize(("content", "code"), [(None, 3), ("", 2), ("\n", 2)])
def test_a_token_file_that_holds_none_is_an_error(
    content: str | None, code: int, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    result = run("broker", "run", "--listen", "127.0.0.1:0", "--ephemeral", "--token-file", path, address="")
    assert result.code == code
    assert str(path) in result.err


def test_the_token_is_never_said(token_file: Path, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral", "--token-file", token_file, "-v")
    broker.stop()
    assert broker.process
    assert "s3cret" not in broker.process.err


# ---- TLS ----


def test_tls_without_a_ca_takes_clients_without_certificates(files: Files, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", files.cert, "--tls-key", files.key)
    with secure(broker.address, files) as channel:
        assert ping(channel).Host


def test_a_plain_client_cannot_reach_a_tls_port(files: Files, new_broker: NewBroker) -> None:
    broker = new_broker("--ephemeral", "--tls-cert", files.cert, "--tls-key", files.key)
    with grpc.insecure_channel(broker.address) as channel, pytest.raises(grpc.RpcError) as refused:
        ping(channel)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def mutual(files: Files) -> tuple[str | Path, ...]:
    return ("--ephemeral", "--tls-cert", files.cert, "--tls-key", files.key, "--tls-ca", files.ca)


def test_with_a_ca_a_client_shows_a_certificate_of_it(files: Files, new_broker: NewBroker) -> None:
    broker = new_broker(*mutual(files))
    with secure(broker.address, files, files.client_cert, files.client_key) as channel:
        assert ping(channel).Host


def test_with_a_ca_a_client_without_a_certificate_is_refused(files: Files, new_broker: NewBroker) -> None:
    broker = new_broker(*mutual(files))
    with secure(broker.address, files) as channel, pytest.raises(grpc.RpcError) as refused:
        ping(channel)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_with_a_ca_a_strangers_certificate_is_refused(files: Files, new_broker: NewBroker) -> None:
    broker = new_broker(*mutual(files))
    with secure(broker.address, files, files.strange_cert, files.strange_key) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            ping(channel)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_tls_and_a_token_together(files: Files, token_file: Path, new_broker: NewBroker) -> None:
    broker = new_broker(*mutual(files), "--token-file", token_file)
    with secure(broker.address, files, files.client_cert, files.client_key) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            send(channel)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert not send(channel, ("authorization", "s3cret")).IsError


def test_a_missing_certificate_file_is_not_found(run: Run, files: Files, tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    result = run(
        "broker", "run", "--listen", "127.0.0.1:0", "--ephemeral",
        "--tls-cert", missing, "--tls-key", files.key, address="",
    )  # fmt: skip
    assert result.code == 3
    assert str(missing) in result.err


@pytest.mark.parametrize("broken", ["cert", "key", "ca", "other-key"])
def test_files_that_are_no_pem_or_do_not_fit_are_one_clear_error(
    broken: str, run: Run, files: Files, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("not PEM at all")
    given = {"cert": files.cert, "key": files.key, "ca": files.ca}
    given["key" if broken == "other-key" else broken] = (
        files.client_key if broken == "other-key" else nonsense
    )
    result = run(
        "broker", "run", "--listen", "127.0.0.1:0", "--ephemeral",
        "--tls-cert", given["cert"], "--tls-key", given["key"], "--tls-ca", given["ca"], address="",
    )  # fmt: skip
    assert result.code == 2
    says = "cannot be used: key values mismatch" if broken == "other-key" else f"{nonsense} is not PEM"
    assert says in result.err
    assert len(result.err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "P-521"),
    ],
)
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_that_no_grpc_client_accepts_is_refused_at_the_start(
    make: Any, kind: str, form: PrivateFormat, run: Run, tmp_path: Path
) -> None:
    key = make()
    if kind == "Ed25519":
        form = PrivateFormat.PKCS8
    cert, file = self_signed(key, form, tmp_path)
    result = run(
        "broker", "run", "--ephemeral", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", file
    )
    assert result.code == 2
    assert f"is {kind}, which gRPC clients do not accept" in result.err


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_the_keys_that_grpc_clients_accept_are_taken(
    curve: ec.EllipticCurve, form: PrivateFormat, tmp_path: Path
) -> None:
    cert, file = self_signed(ec.generate_private_key(curve), form, tmp_path)
    assert tls.load(str(cert), str(file)).key == file.read_bytes()


def test_pem_files_with_a_byte_order_mark_are_refused_at_the_start(files: Files, tmp_path: Path) -> None:
    marked = tmp_path / "cert.pem"
    marked.write_bytes(b"\xef\xbb\xbf" + files.cert.read_bytes())
    with pytest.raises(ConfigError, match="byte order mark"):
        tls.load(str(marked), str(files.key))


def test_files_are_read_once(files: Files) -> None:
    """They may be pipes, as `<(pass show key)` is."""
    ends = [os.pipe() for _ in range(3)]
    for (_, end), file in zip(ends, (files.cert, files.key, files.ca), strict=True):
        os.write(end, file.read_bytes())
        os.close(end)
    loaded = tls.load(*(f"/dev/fd/{end}" for end, _ in ends))
    for end, _ in ends:
        os.close(end)
    assert loaded == (files.cert.read_bytes(), files.key.read_bytes(), files.ca.read_bytes())


def self_signed(key: Any, form: PrivateFormat, folder: Path) -> tuple[Path, Path]:
    """A certificate of that key, and the key, as files."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    cert, file = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(built.public_bytes(Encoding.PEM))
    file.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
    file.chmod(0o600)
    return cert, file


# ---- what others can read ----


def test_secrets_that_others_can_read_are_warned_of(
    token_file: Path, files: Files, start: Start, tmp_path: Path
) -> None:
    token_file.chmod(0o644)
    files.key.chmod(0o644)
    options = ("--token-file", token_file, "--tls-cert", files.cert, "--tls-key", files.key)
    started = start("broker", "run", "--ephemeral", "--listen", "127.0.0.1:0", *options, address="")
    started.wait_for_stderr("listening on")
    err = started.stop().err
    assert f"warning: others can read {token_file} (--token-file); to fix it: chmod 600 {token_file}\n" in err
    assert f"warning: others can read {files.key} (--tls-key)" in err
    assert err.count("warning: ") == 2


@pytest.mark.parametrize(("listen", "warned"), [("0.0.0.0:0", True), ("127.0.0.1:0", False)])
def test_a_token_in_plain_text_is_warned_of_where_others_can_connect(
    listen: str, warned: bool, token_file: Path, start: Start
) -> None:
    token_file.chmod(0o600)
    started = start(
        "broker", "run", "--ephemeral", "--listen", listen, "--token-file", token_file, address=""
    )
    started.wait_for_stderr("listening on")
    assert ("plain text" in started.stop().err) == warned
