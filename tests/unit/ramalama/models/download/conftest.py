from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from ramalama.models.download.partial import Partial
from ramalama.models.http.client import open_http
from tests.doubles.server import FileServer
from tests.lab.certificates import Certificate, make_certificate
from tests.unit.ramalama.models.download.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def kit(server: FileServer, tmp_path: Path) -> Generator[Kit]:
    with open_http() as client:
        yield Kit(server, client, tmp_path / "store")


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path / "certificate")


@pytest.fixture
def secure_server(certificate: Certificate) -> Generator[FileServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with FileServer(tls=context) as running:
        yield running


@pytest.fixture
def partial(tmp_path: Path) -> Generator[Partial]:
    opened = Partial(tmp_path, "key")
    yield opened
    opened.close()
