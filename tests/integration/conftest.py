"""Real services for the tests of this folder: started when first asked for, once per run."""

from __future__ import annotations

import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

from ramalama_engines import EngineKind
from ramalama_engines.address import EngineAddress, TlsFiles
from ramalama_engines.discovery.connection import open_engine
from tests.lab import assets
from tests.lab.account import Account, make_account
from tests.lab.certificates import Authority, Certificate, make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman, rootless_podman
from tests.lab.registry import Login, Registry, serve_registry
from tests.lab.scratch import scratch_directory
from tests.lab.tls_terminator import tls_terminator

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ramalama_engines import Engine
    from tests.lab.service import EngineService


@pytest.fixture(scope="session")
def lab() -> Generator[Path]:
    """The directory of everything that the run starts; SIGTERM ends it as Ctrl-C does."""

    def leave(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    with scratch_directory() as directory:
        yield directory
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def trusted_certificate(lab: Path) -> Certificate:
    """A server's certificate whose authority the engines of the lab trust."""
    return make_certificate(lab / "trusted")


@pytest.fixture(scope="session")
def account(lab: Path) -> Account:
    """The user that the rootless services run as."""
    return make_account(lab)


@pytest.fixture(scope="session")
def engines_authority(lab: Path) -> Authority:
    """The authority of the engines that listen with TLS, and of their users."""
    return Authority(lab / "engines-authority")


@pytest.fixture(scope="session")
def engines_certificate(engines_authority: Authority) -> Certificate:
    """The certificate of these engines."""
    return engines_authority.issue("engine")


@pytest.fixture(scope="session")
def tls_files(engines_authority: Authority) -> TlsFiles:
    """The files of a user whom these engines let in."""
    user = engines_authority.issue("user", hosts=["user"])
    return TlsFiles(ca=user.ca_file, cert=user.certificate, key=user.key)


@contextmanager
def _in_use(service: EngineService) -> Generator[EngineService]:
    """Lend a service with the CPU image in it; complain when a container of ours is left."""
    assets.ensure_image(service)
    yield service
    with service.client() as client:
        query = {"all": "true", "filters": '{"label": ["ai.ramalama"]}'}
        left = client.get("/containers/json", params=query).raise_for_status().json()
    assert not left, f"the tests left containers in {service.url}: {left}"


@pytest.fixture(scope="session")
def podman_service(lab: Path, trusted_certificate: Certificate) -> Generator[EngineService]:
    """A rootful Podman."""
    network = private_network("p")
    ca_file = trusted_certificate.ca_file
    with (
        rootful_podman(lab / "podman", network=network, ca_file=ca_file) as service,
        _in_use(service),
    ):
        yield service


@pytest.fixture(scope="session")
def docker_service(
    lab: Path, trusted_certificate: Certificate, engines_certificate: Certificate
) -> Generator[EngineService]:
    """A Docker daemon, which also listens with TLS."""
    network = private_network("d")
    ca_file = trusted_certificate.ca_file
    with (
        docker_daemon(
            lab / "docker", network=network, ca_file=ca_file, tls=engines_certificate
        ) as service,
        _in_use(service),
    ):
        yield service


@pytest.fixture(scope="session")
def rootless_podman_service(
    lab: Path, account: Account, trusted_certificate: Certificate
) -> Generator[EngineService]:
    """A rootless Podman on runc."""
    ca_file = trusted_certificate.ca_file
    with (
        rootless_podman(lab / "rootless", account, runtime="runc", ca_file=ca_file) as service,
        _in_use(service),
    ):
        yield service


@pytest.fixture(scope="session")
def rootless_crun_service(
    lab: Path, account: Account, trusted_certificate: Certificate
) -> Generator[EngineService]:
    """A rootless Podman on crun, the only runtime that keeps the user's groups."""
    ca_file = trusted_certificate.ca_file
    with (
        rootless_podman(lab / "crun", account, runtime="crun", ca_file=ca_file) as service,
        _in_use(service),
    ):
        yield service


@pytest.fixture
def podman_engine(podman_service: EngineService) -> Generator[Engine]:
    """A connection to the rootful Podman."""
    with open_engine(EngineKind.PODMAN, podman_service.url) as engine:
        yield engine


@pytest.fixture
def docker_engine(docker_service: EngineService) -> Generator[Engine]:
    """A connection to the Docker daemon."""
    with open_engine(EngineKind.DOCKER, docker_service.url) as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_over_tls(docker_service: EngineService, tls_files: TlsFiles) -> EngineAddress:
    """The address of the Docker daemon for a user elsewhere."""
    return EngineAddress(url=f"tcp://127.0.0.1:{docker_service.tls_port}", tls=tls_files)


@pytest.fixture(scope="session")
def podman_over_tls(
    podman_service: EngineService, engines_certificate: Certificate, tls_files: TlsFiles
) -> Generator[EngineAddress]:
    """The address of the rootful Podman, which has no TLS itself, behind a proxy."""
    with tls_terminator(podman_service.socket, engines_certificate) as port:
        yield EngineAddress(url=f"tcp://localhost:{port}", tls=tls_files)


@pytest.fixture(params=["podman", "docker"])
def engine_service(request: pytest.FixtureRequest) -> EngineService:
    """Each of the two rootful services in turn."""
    service: EngineService = request.getfixturevalue(f"{request.param}_service")
    return service


@pytest.fixture
def engine_url(engine_service: EngineService) -> str:
    """The address of `engine_service`."""
    return engine_service.url


@pytest.fixture
def engine(engine_service: EngineService, request: pytest.FixtureRequest) -> Engine:
    """A connection to `engine_service`."""
    connection: Engine = request.getfixturevalue(f"{engine_service.kind}_engine")
    return connection


@pytest.fixture(scope="session")
def llama_image() -> str:
    """The reference of the CPU image, which every service of the lab has."""
    return assets.IMAGE


@pytest.fixture(scope="session")
def model(lab: Path) -> Path:
    """SmolLM2-135M-Instruct in a file that every user may read."""
    copy = lab / "smollm2.gguf"
    shutil.copyfile(assets.model(), copy)
    copy.chmod(0o644)
    return copy


@pytest.fixture(scope="session")
def embedder(lab: Path) -> Path:
    """all-MiniLM-L6-v2, an embedding model, in a file that every user may read."""
    copy = lab / "minilm.gguf"
    shutil.copyfile(assets.embedder(), copy)
    copy.chmod(0o644)
    return copy


@pytest.fixture(scope="session")
def registry(lab: Path) -> Generator[Registry]:
    """A registry that speaks plain HTTP."""
    with serve_registry(lab / "registry") as service:
        yield service


@pytest.fixture(scope="session")
def tls_registry(lab: Path) -> Generator[Registry]:
    """A registry whose certificate nobody trusts: its authority is private to it."""
    certificate = make_certificate(lab / "private")
    with serve_registry(lab / "tls-registry", certificate=certificate) as service:
        yield service


@pytest.fixture(scope="session")
def trusted_tls_registry(lab: Path, trusted_certificate: Certificate) -> Generator[Registry]:
    """A registry whose certificate the engines of the lab trust."""
    with serve_registry(lab / "trusted-registry", certificate=trusted_certificate) as service:
        yield service


@pytest.fixture(scope="session")
def password_registry(lab: Path, trusted_certificate: Certificate) -> Generator[Registry]:
    """A registry that the engines trust, and that asks for a password."""
    login = Login(username="alice", password="wonder:land")  # noqa: S106 (it guards nothing)
    directory = lab / "password-registry"
    with serve_registry(directory, certificate=trusted_certificate, login=login) as service:
        yield service
