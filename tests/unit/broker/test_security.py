"""Tokens, TLS and client certificates: checked when the broker was told to, on every call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from kubemqctl.wire import kubemq_pb2 as pb
from tests.conftest import NewBroker
from tests.support.program import Run
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
    assert "TLS" in result.err
    assert len(result.err.splitlines()) <= 2
