"""Certificates are where podman and docker look for them."""

from __future__ import annotations

import os
import ssl
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest
from cryptography.hazmat.primitives import serialization

from ramalama.errors import ModelPullError
from ramalama.models.transports.oci.client.tls import make_tls
from ramalama_engines import InvokingUser
from tests.lab.certificates import Certificate, make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "localhost:5000"
DIRECTORIES = ["home/.config/containers", "etc/containers", "etc/docker"]


@pytest.fixture
def user(tmp_path: Path) -> InvokingUser:
    return InvokingUser(env={}, home=tmp_path / "home", uid=1000, root=tmp_path)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls") / "made")


def directory(user: InvokingUser, parent: str, host: str = HOST) -> Path:
    path = user.root / parent / "certs.d" / host
    path.mkdir(parents=True)
    return path


def copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def authorities(context: ssl.SSLContext) -> int:
    return len(context.get_ca_certs())


@pytest.mark.parametrize("parent", DIRECTORIES)
def test_an_authority_of_a_registry_is_trusted_beside_the_machines(
    user: InvokingUser, certificate: Certificate, parent: str
) -> None:
    before = authorities(make_tls(HOST, user))
    copy(certificate.ca_file, directory(user, parent) / "ca.crt")

    assert authorities(make_tls(HOST, user)) == before + 1
    assert authorities(make_tls("localhost:5001", user)) == before


def test_only_the_first_directory_counts(user: InvokingUser, certificate: Certificate) -> None:
    before = authorities(make_tls(HOST, user))
    directory(user, DIRECTORIES[0])
    copy(certificate.ca_file, directory(user, DIRECTORIES[1]) / "ca.crt")

    assert authorities(make_tls(HOST, user)) == before


def test_certificates_are_verified_unless_that_is_not_wanted(user: InvokingUser) -> None:
    verified, unverified = make_tls(HOST, user), make_tls(HOST, user, verify=False)

    assert (verified.verify_mode, verified.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (unverified.verify_mode, unverified.check_hostname) == (ssl.CERT_NONE, False)


def test_other_files_are_passed_over(user: InvokingUser, certificate: Certificate) -> None:
    found = directory(user, DIRECTORIES[1])
    (found / "README").write_text("not a certificate")
    copy(certificate.certificate, found / "client.cert")
    copy(certificate.key, found / "client.key")

    make_tls(HOST, user)  # raises where something cannot be used


def make_broken(path: Path) -> None:
    path.write_text("no certificate")


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_broken, make_dangling])
@pytest.mark.parametrize("name", ["ca.crt", "client.cert"])
def test_a_broken_file_is_an_error_that_names_it(
    user: InvokingUser, name: str, make: Callable[[Path], None]
) -> None:
    make(directory(user, DIRECTORIES[1]) / name)

    with pytest.raises(ModelPullError, match=rf"certs\.d/{HOST}/{name} cannot be used"):
        make_tls(HOST, user)


def test_a_certificate_without_its_key_is_an_error(
    user: InvokingUser, certificate: Certificate
) -> None:
    copy(certificate.certificate, directory(user, DIRECTORIES[1]) / "client.cert")

    with pytest.raises(ModelPullError, match=r"client\.cert cannot be used .*No such file"):
        make_tls(HOST, user)


MAKE_TLS = """\
import pathlib, sys
from ramalama.models.transports.oci.client.tls import make_tls
from ramalama_engines import InvokingUser
root = pathlib.Path(sys.argv[1])
make_tls("localhost:5000", InvokingUser(env={}, home=root / "home", uid=1000, root=root))
"""


def test_the_password_of_a_key_is_not_asked_for(
    user: InvokingUser, certificate: Certificate
) -> None:
    found = directory(user, DIRECTORIES[1])
    key = serialization.load_pem_private_key(certificate.key.read_bytes(), password=None)
    copy(certificate.certificate, found / "client.cert")
    (found / "client.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    # OpenSSL asks at the terminal, not the caller; so the test needs a terminal.
    command = ["-c", MAKE_TLS, str(user.root)]
    terminal: pexpect.spawn[str] = pexpect.spawn(
        sys.executable, command, timeout=60, encoding="utf-8"
    )
    told = terminal.read()

    assert "pass phrase" not in told
    assert "client.cert cannot be used as a certificate" in told


def test_a_directory_that_is_a_file_is_none(user: InvokingUser) -> None:
    path = user.root / DIRECTORIES[0] / "certs.d" / HOST
    path.parent.mkdir(parents=True)
    path.write_text("")

    assert make_tls(HOST, user).verify_mode is ssl.CERT_REQUIRED


def test_a_directory_that_cannot_be_listed_is_an_error(user: InvokingUser) -> None:
    path = user.root / DIRECTORIES[0] / "certs.d" / HOST
    path.parent.mkdir(parents=True)
    os.symlink(path, path)  # noqa: PTH211 (a link to itself)

    with pytest.raises(ModelPullError, match=r"certs\.d/localhost:5000 cannot be read: Too many"):
        make_tls(HOST, user)
