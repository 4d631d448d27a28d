"""The files of TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubemqctl.client.tls import context
from kubemqctl.config.profiles import Tls
from kubemqctl.model.errors import ConfigError, NotFound
from tests.support.certificates import Certificates, issue, trusting


def test_files_that_are_not_there_are_named(certs: Certificates) -> None:
    for tls in (
        Tls(True, "/nowhere.pem"),
        trusting(certs, cert="/nowhere.pem", key=str(certs.client_key)),
    ):
        with pytest.raises(NotFound, match=r"nowhere\.pem"):
            context(tls)


def test_a_file_without_a_certificate_is_said_to_have_none(tmp_path: Path, certs: Certificates) -> None:
    for junk in (b"", b"not a certificate", b"\xff\xfe", certs.client_key.read_bytes()):
        file = tmp_path / "junk.pem"
        file.write_bytes(junk)
        with pytest.raises(ConfigError, match="holds no CA certificate"):
            context(Tls(True, str(file)))


def test_comments_of_a_bundle_need_not_be_ascii(tmp_path: Path, certs: Certificates) -> None:
    file = tmp_path / "bundle.pem"
    file.write_bytes("# Főtanúsítvány\n".encode() + certs.ca.read_bytes())
    assert context(Tls(True, str(file))).cert_store_stats()["x509_ca"] == 1


def test_a_key_of_another_certificate_is_told(certs: Certificates, tmp_path: Path) -> None:
    other = issue(tmp_path / "other")
    with pytest.raises(ConfigError, match="is not that of the certificate"):
        context(trusting(certs, cert=str(certs.client_cert), key=str(other.client_key)))


def test_a_key_with_a_pass_phrase_is_refused_without_asking_for_it(
    certs: Certificates, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(certs.client_key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(ConfigError, match="cannot be used"):
        context(trusting(certs, cert=str(certs.client_cert), key=str(locked)))
