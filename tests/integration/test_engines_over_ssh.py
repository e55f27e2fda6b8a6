"""The contracts over ssh, on Podman; those over TLS run on Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines import EngineKind
from ramalama_engines.address import EngineAddress
from ramalama_engines.discovery.connection import open_engine
from tests.contract.engine_contract import EngineContract
from tests.contract.file_contract import FileContract
from tests.integration.test_engine_contract import volumes_of
from tests.lab.sshd import SshService, sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from ramalama_engines import Engine
    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.programs("sshd", "ssh-keygen")]


@pytest.fixture(scope="module")
def engines_sshd(lab: Path) -> Generator[SshService]:
    with sshd(lab / "engines-sshd") as service:
        yield service


@pytest.fixture(autouse=True)
def _user(
    engines_sshd: SshService, service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.answers()  # it was started with the home directory of the one who tests
    monkeypatch.setenv("HOME", str(engines_sshd.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


class _OverSsh:
    @pytest.fixture
    def service(self) -> EngineService:
        raise NotImplementedError

    @pytest.fixture
    def address(self, engines_sshd: SshService, service: EngineService) -> EngineAddress:
        return EngineAddress(url=engines_sshd.url(service.socket))

    @pytest.fixture
    def engine(self, address: EngineAddress, service: EngineService) -> Iterator[Engine]:
        with open_engine(EngineKind(service.kind), address) as engine:
            yield engine

    @pytest.fixture
    def second(self, address: EngineAddress, service: EngineService) -> Iterator[Engine]:
        with open_engine(EngineKind(service.kind), address) as second:
            yield second

    @pytest.fixture
    def volumes(self, service: EngineService) -> Callable[[], set[str]]:
        return lambda: volumes_of(service)

    @pytest.fixture
    def image(self, llama_image: str) -> str:
        return llama_image


class _OnPodman(_OverSsh):
    @pytest.fixture
    def service(self, podman_service: EngineService) -> EngineService:
        return podman_service


class TestPodmanEngine(_OnPodman, EngineContract):
    pass


class TestPodmanFiles(_OnPodman, FileContract):
    pass
