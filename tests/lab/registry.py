"""Registries on loopback: Debian's docker-registry, with or without TLS, a password, tokens."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx2

from tests.lab.service import program, running
from tests.lab.token_server import ISSUER, SERVICE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.certificates import Certificate
    from tests.lab.token_server import TokenServer

_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who may use a registry."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A running registry.

    Attributes:
        address: what image references begin with, ``127.0.0.1:41234``.
        certificate: None where it speaks plain HTTP.
        login: who may use it, if it asks for a password itself.
        tokens: the service whose tokens it wants, if it does.
    """

    address: str
    certificate: Certificate | None = None
    login: Login | None = None
    tokens: TokenServer | None = None

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"{'https' if self.certificate else 'http'}://{self.address}"

    def client(self) -> httpx2.Client:
        """Open a connection to its API, with its certificate trusted and its password known."""
        verify = ssl.create_default_context()
        if self.certificate:
            verify.load_verify_locations(self.certificate.ca_file)
        auth = (self.login.username, self.login.password) if self.login else None
        return httpx2.Client(base_url=self.url, verify=verify, auth=auth, trust_env=False)

    def answers(self) -> bool:
        """Whether it takes requests yet."""
        with self.client() as client:
            try:
                answer = client.get("/v2/")
            except httpx2.TransportError:
                return False
        return answer.is_success or (bool(self.tokens) and answer.status_code == _UNAUTHORIZED)


@contextmanager
def serve_registry(
    directory: Path,
    *,
    certificate: Certificate | None = None,
    login: Login | None = None,
    tokens: TokenServer | None = None,
) -> Generator[Registry]:
    """Run a registry that keeps its images below *directory*."""
    directory.mkdir()
    registry = Registry(
        address=f"127.0.0.1:{free_port()}", certificate=certificate, login=login, tokens=tokens
    )
    settings = directory / "registry.yml"
    settings.write_text(json.dumps(_settings(directory, registry)))  # JSON is YAML, too
    with running(
        (program("docker-registry"), "serve", str(settings)),
        log=directory / "log",
        ready=registry.answers,
        env={"PATH": os.environ["PATH"]},
    ):
        yield registry


def _settings(directory: Path, registry: Registry) -> dict[str, object]:
    http: dict[str, object] = {"addr": registry.address}
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": f"{directory}/data"},
            "delete": {"enabled": True},
        },
        "http": http,
    }
    if registry.certificate:
        http["tls"] = {
            "certificate": str(registry.certificate.certificate),
            "key": str(registry.certificate.key),
        }
    if registry.login:
        passwords = directory / "htpasswd"
        passwords.write_text(_htpasswd(registry.login))
        settings["auth"] = {"htpasswd": {"realm": "test realm", "path": str(passwords)}}
    if registry.tokens:
        settings["auth"] = {
            "token": {
                "realm": registry.tokens.url,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(registry.tokens.signer.ca_file),
            }
        }
    return settings


def _htpasswd(login: Login) -> str:
    # The registry knows bcrypt alone, which the standard library does not.
    command = [program("htpasswd"), "-niB", login.username]
    done = subprocess.run(command, input=login.password, capture_output=True, text=True, check=True)
    return done.stdout


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
