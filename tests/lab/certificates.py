"""Certificate authorities for the registries and the engines."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_Use = x509.oid.ExtendedKeyUsageOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate and its key, and the authority that signed it; all in PEM files."""

    certificate: Path
    key: Path
    ca_file: Path


class Authority:
    """An authority of its own, whose files are in a new *directory*."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.ca_file = directory / "ca.crt"
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"RamaLama test authority {directory.name}")
        basic = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(self._name, self._name, self._key, days=1)
        own = builder.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())
        self.ca_file.write_bytes(_pem(own))

    def issue(
        self,
        name: str,
        *,
        hosts: Sequence[str] = ("localhost", "127.0.0.1"),
        expired: bool = False,
        password: bytes | None = None,
    ) -> Certificate:
        """Sign a certificate, good for a server and for a client, and write it as NAME.crt.

        The key, NAME.key, is encrypted if there is a *password*.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        uses = x509.ExtendedKeyUsage([_Use.SERVER_AUTH, _Use.CLIENT_AUTH])
        signed = (
            _builder(_name(name), self._name, key, days=-1 if expired else 1)
            .add_extension(names, critical=False)
            .add_extension(uses, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        made = Certificate(
            certificate=self._directory / f"{name}.crt",
            key=self._directory / f"{name}.key",
            ca_file=self.ca_file,
        )
        made.certificate.write_bytes(_pem(signed))
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        made.key.write_bytes(encoded)
        return made


def make_certificate(directory: Path) -> Certificate:
    """Make an authority, and with it a certificate for a server on this machine."""
    return Authority(directory).issue("server")


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
) -> x509.CertificateBuilder:
    """Begin a certificate that is valid until so many *days* from now; 2 days in all."""
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - dt.timedelta(days=2))
        .not_valid_after(end)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
