"""A registry's double, and a client of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ramalama.models.http.client import open_http
from ramalama.models.http.failures import RetryPolicy
from ramalama.models.transports.oci.client.registry import Access
from ramalama_engines import InvokingUser
from tests.doubles.server import FileServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator
    from pathlib import Path

    import httpx2


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def user(tmp_path: Path) -> InvokingUser:
    return InvokingUser(env={}, home=tmp_path / "home", uid=1000, root=tmp_path)


@pytest.fixture
def access(user: InvokingUser) -> Generator[Access]:
    """Reach registries without TLS, and without patience."""
    with ExitStack() as clients:

        def open_client(*, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
            return clients.enter_context(open_http(verify=verify))

        retry_policy = RetryPolicy(tries=2, sleep=lambda _seconds: None)
        yield Access(open_http=open_client, user=user, tls_verify=False, retry_policy=retry_policy)
