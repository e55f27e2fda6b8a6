"""The way to an engine over TCP and TLS, and what is said when there is none."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.address import EngineAddress, TlsFiles
from ramalama_engines.discovery.identify import identify
from ramalama_engines.docker.engine import DockerEngine
from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.podman.engine import PodmanEngine
from ramalama_engines.rest.tls import TlsRoute
from tests.lab.certificates import Authority
from tests.unit.engines.unix_service import DOCKER_ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.lab.certificates import Certificate

ANSWER = f"HTTP/1.1 {DOCKER_ANSWER}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK".encode()
ISSUED: dict[str, Callable[[Authority, Authority], Certificate]] = {
    "expired": lambda own, _: own.issue("expired", expired=True),
    "another name": lambda own, _: own.issue("name", hosts=["gpu"]),
    "another address": lambda own, _: own.issue("address", hosts=["10.0.0.1"]),
    "another authority": lambda _, other: other.issue("other"),
}
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "other")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Certificate:
    return authority.issue("engine")


@pytest.fixture(scope="module")
def files(authority: Authority) -> TlsFiles:
    user = authority.issue("user", hosts=["user"])
    return TlsFiles(ca=user.ca_file, cert=user.certificate, key=user.key)


@dataclass
class Server:
    """A server with one certificate; `asked` has the first bytes of each request."""

    context: ssl.SSLContext
    listener: socket.socket
    port: int
    asked: list[bytes] = field(default_factory=list[bytes])

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(10)
        try:
            with self.context.wrap_socket(client.dup(), server_side=True) as wire:
                self.asked.append(wire.recv(65536))
                wire.sendall(ANSWER)
                wire.recv(1)  # until the client hangs up
        except OSError:
            return


@contextmanager
def serving(
    certificate: Certificate, *, user_ca: Path | None = None, version: ssl.TLSVersion = V13
) -> Generator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.load_cert_chain(certificate.certificate, certificate.key)
    if user_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(user_ca)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(context, listener, listener.getsockname()[1])
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def route(port: int, tls: TlsFiles | None, *, host: str = "127.0.0.1") -> TlsRoute:
    return TlsRoute(EngineAddress(url=f"tcp://{host}:{port}", tls=tls))


def refusal(port: int, tls: TlsFiles | None, *, host: str = "127.0.0.1") -> str:
    with pytest.raises(EngineUnavailable) as caught:
        identify(route(port, tls, host=host))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_engine_answers_over_tls(
    server: Certificate, files: TlsFiles, version: ssl.TLSVersion, host: str
) -> None:
    with serving(server, user_ca=files.ca, version=version) as at:
        assert identify(route(at.port, files, host=host)) is EngineKind.DOCKER

    assert f"Host: {host}:{at.port}\r\n".encode() in at.asked[0]


def test_both_adapters_ask_the_host_of_the_address(server: Certificate, files: TlsFiles) -> None:
    with serving(server) as at:
        for adapter in (PodmanEngine, DockerEngine):
            url = f"tcp://localhost:{at.port}"
            with (
                adapter(url, route=route(at.port, files, host="localhost")) as engine,
                pytest.raises(EngineError, match="JSON"),
            ):
                engine.list({})

    assert len(at.asked) == 2
    for request in at.asked:
        assert f"Host: localhost:{at.port}\r\n".encode() in request


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("expired", "of the engine has expired"),
        ("another name", "is not for 127.0.0.1"),
        ("another address", "is not for 127.0.0.1"),
        ("another authority", "ca.crt has no authority that has signed"),
    ],
)
def test_an_engine_whose_certificate_is_wrong_is_refused(  # noqa: PLR0913, PLR0917
    authority: Authority,
    stranger: Authority,
    files: TlsFiles,
    version: ssl.TLSVersion,
    wrong: str,
    message: str,
) -> None:
    with serving(ISSUED[wrong](authority, stranger), version=version) as at:
        assert message in refusal(at.port, files)

        assert at.asked == []


def test_without_a_ca_the_systems_authorities_count(server: Certificate) -> None:
    with serving(server) as at:
        assert refusal(at.port, TlsFiles()).startswith("the system has no authority")


def test_a_certificate_that_is_not_verified_is_a_warning(
    server: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(server) as at:
        way = route(at.port, TlsFiles(verify=False), host="127.0.0.1")
        for _ in range(2):
            identify(way)

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"tcp://127.0.0.1:{at.port} is not verified" in caplog.text


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("expired", "expired.crt: it has expired"),
        ("another authority", "other.crt: it does not know who has signed it"),
    ],
)
def test_a_user_whose_certificate_is_refused_is_told_its_file(  # noqa: PLR0913, PLR0917
    authority: Authority,
    stranger: Authority,
    server: Certificate,
    version: ssl.TLSVersion,
    wrong: str,
    message: str,
) -> None:
    user = ISSUED[wrong](authority, stranger)
    mine = TlsFiles(ca=authority.ca_file, cert=user.certificate, key=user.key)

    with serving(server, user_ca=authority.ca_file, version=version) as at:
        said = refusal(at.port, mine)

    assert said.startswith("the engine refuses the certificate /")
    assert message in said


@pytest.mark.parametrize("version", [V12, V13])
def test_a_user_without_a_certificate_is_told_to_have_one(
    server: Certificate, authority: Authority, version: ssl.TLSVersion
) -> None:
    with serving(server, user_ca=authority.ca_file, version=version) as at:
        said = refusal(at.port, TlsFiles(ca=authority.ca_file))

    assert said.startswith("the engine requires a certificate of its users")


def test_a_certificate_that_a_request_meets_is_named_by_both_adapters(
    server: Certificate, authority: Authority, stranger: Authority
) -> None:
    user = stranger.issue("adapters")
    mine = TlsFiles(ca=authority.ca_file, cert=user.certificate, key=user.key)

    with serving(server, user_ca=authority.ca_file) as at:
        for adapter in (PodmanEngine, DockerEngine):
            url = f"tcp://127.0.0.1:{at.port}"
            with (
                adapter(url, route=route(at.port, mine)) as engine,
                pytest.raises(EngineUnavailable, match=f"at {url}: the engine refuses the cert"),
            ):
                engine.list({})


# The user's files


def test_a_key_of_another_certificate_is_told(authority: Authority, files: TlsFiles) -> None:
    other = authority.issue("mismatch")
    mixed = TlsFiles(ca=files.ca, cert=files.cert, key=other.key)

    assert (
        refusal(1, mixed) == f"the key {other.key} does not belong to the certificate {files.cert}"
    )


def test_a_key_with_a_password_is_refused_without_asking_for_it(authority: Authority) -> None:
    user = authority.issue("secret", password=b"s3cret")
    mine = TlsFiles(ca=user.ca_file, cert=user.certificate, key=user.key)

    assert refusal(1, mine).startswith(f"the key {user.key} has a password; write one without")


def test_files_that_cannot_be_used_are_named(files: TlsFiles, tmp_path: Path) -> None:
    absent, text = tmp_path / "absent.pem", tmp_path / "text.pem"
    text.write_text("no certificate")

    for bad, message in (
        (TlsFiles(ca=absent), f"cannot read {absent}: No such file"),
        (TlsFiles(ca=tmp_path), f"{tmp_path} is not a regular file"),
        (TlsFiles(ca=text), f"{text} has no certificate in PEM format"),
        (TlsFiles(ca=files.ca, cert=absent, key=files.key), f"cannot read {absent}"),
        (TlsFiles(ca=files.ca, cert=files.cert, key=absent), f"cannot read {absent}"),
        (TlsFiles(ca=files.ca, cert=text, key=files.key), f"in {text} or {files.key}"),
        (TlsFiles(ca=files.ca, cert=files.cert, key=text), f"in {files.cert} or {text}"),
        (TlsFiles(ca=files.ca, cert=text), f"in {text}"),
    ):
        assert message in refusal(1, bad)


# The service


def test_a_port_without_a_listener_is_told(files: TlsFiles) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]

        assert refusal(port, files).startswith("no process listens there")
        assert refusal(port, None).startswith("no process listens there")


def test_a_host_that_is_not_known_is_told(files: TlsFiles) -> None:
    assert "host no.such.invalid cannot be found" in refusal(1, files, host="no.such.invalid")
    assert "cannot be found" in refusal(1, files, host="x" * 70 + ".invalid")


@contextmanager
def plain(reply: bytes | None) -> Generator[int]:
    """Answer with *reply* on a port without TLS, or with nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                if reply is None:
                    done.wait(60)
                else:
                    client.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not use TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not use TLS"),
        (b"", "ended the TLS handshake"),
    ],
)
def test_a_service_without_tls_is_told(files: TlsFiles, reply: bytes, message: str) -> None:
    with plain(reply) as port:
        assert message in refusal(port, files)


def test_a_service_that_says_nothing_is_given_up(files: TlsFiles) -> None:
    with plain(None) as port, pytest.raises(EngineUnavailable, match="no answer in the TLS"):
        identify(route(port, files), timeout=0.1)


# The address


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("tcp://gpu", "gpu", 2375),
        ("tcp://gpu:1", "gpu", 1),
        ("tcp://gpu/", "gpu", 2375),
        ("tcp://:2375", "localhost", 2375),
        ("tcp://[::1]:5", "::1", 5),
        ("tcp://[fe80::1%25eth0]", "fe80::1%eth0", 2375),
    ],
)
def test_an_address_has_a_host_and_a_port(
    url: str, host: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialed: list[tuple[str, int]] = []

    def connect(at: tuple[str, int], **_: object) -> socket.socket:
        dialed.append(at)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(EngineUnavailable):
        TlsRoute(EngineAddress(url=url)).dial(1)
    with pytest.raises(EngineUnavailable):
        TlsRoute(EngineAddress(url=url, tls=TlsFiles(verify=False))).dial(1)

    assert dialed == [(host, port), (host, 2376 if port == 2375 and ":2375" not in url else port)]


@pytest.mark.parametrize(
    "url",
    [
        "tcp://",
        "tcp://gpu:x",
        "tcp://gpu:99999",
        "tcp://[::1",
        "tcp://gpu/path",
        "tcp://gpu?x",
        "tcp://g pu",
        "https://gpu",
    ],
)
def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(EngineUnavailable, match="not tcp://host:port"):
        TlsRoute(EngineAddress(url=url))


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(EngineUnavailable, match="has a user or a password") as caught:
        TlsRoute(EngineAddress(url="tcp://me:s3cret@gpu:2376"))

    assert "s3cret" not in str(caught.value)


def test_a_local_engine_needs_no_tls() -> None:
    script = """
import sys
import ramalama_engines.podman.engine, ramalama_engines.discovery.connection
print(*[name for name in sys.modules if name.startswith("ramalama_engines.rest.tls")])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == ""
