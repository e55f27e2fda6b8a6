"""Asking a hub."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import ModelPullError
from ramalama.models.http.client import open_http
from ramalama.models.transports.hub import Hub
from tests.doubles.server import FileServer, Reply
from tests.lab.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path


def test_a_hub_does_not_show_by_what_it_knows_us() -> None:
    with open_http() as client:
        hub = Hub(
            endpoint="https://h", client=client, secrets={"authorization": "Bearer hf_secret"}
        )

        assert "hf_secret" not in repr(hub)


def test_an_answer_without_tls_to_a_question_with_it_is_not_believed(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "tls")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate.certificate, certificate.key)
    client_side = ssl.create_default_context(cafile=certificate.ca_file)

    with (
        FileServer({"/": lambda _request: Reply(body=b"{}")}) as plain,
        FileServer(
            {"/": lambda _request: Reply.redirect(f"{plain.url}/x")}, tls=server_side
        ) as tls,
        open_http(verify=client_side) as client,
        pytest.raises(ModelPullError, match="a server without TLS, whose answers are not trusted"),
    ):
        Hub(endpoint=tls.url, client=client).ask("/x")
