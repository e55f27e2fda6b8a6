"""The contracts, kept by the adapters that drive real services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.connection import open_engine
from tests.contract.engine_contract import EngineContract
from tests.contract.file_contract import FileContract
from tests.contract.image_contract import ImageContract
from tests.contract.sandbox_contract import SandboxContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ramalama_engines.engine import Engine
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines


def volumes_of(service: EngineService) -> set[str]:
    """Return the names of all volumes; podman answers null for none."""
    with service.client() as client:
        listed = client.get("/volumes").raise_for_status().json()["Volumes"]
    return {volume["Name"] for volume in listed or ()}


class _OnPodman:
    @pytest.fixture
    def engine(self, podman_engine: Engine) -> Engine:
        return podman_engine

    @pytest.fixture
    def volumes(self, podman_service: EngineService) -> Callable[[], set[str]]:
        return lambda: volumes_of(podman_service)

    @pytest.fixture
    def image(self, llama_image: str) -> str:
        return llama_image


class _OnDocker:
    @pytest.fixture
    def engine(self, docker_engine: Engine) -> Engine:
        return docker_engine

    @pytest.fixture
    def volumes(self, docker_service: EngineService) -> Callable[[], set[str]]:
        return lambda: volumes_of(docker_service)

    @pytest.fixture
    def image(self, llama_image: str) -> str:
        return llama_image


class _WithSecond:
    @pytest.fixture
    def second(self, engine: Engine) -> Iterator[Engine]:
        """Another connection to the same service."""
        with open_engine(engine.kind, engine.url) as second:
            yield second


class TestPodmanEngine(_WithSecond, _OnPodman, EngineContract):
    pass


class TestDockerEngine(_WithSecond, _OnDocker, EngineContract):
    pass


class TestPodmanFiles(_WithSecond, _OnPodman, FileContract):
    pass


class TestDockerFiles(_WithSecond, _OnDocker, FileContract):
    pass


class TestPodmanSandbox(_OnPodman, SandboxContract):
    pass


class TestDockerSandbox(_OnDocker, SandboxContract):
    pass


class TestPodmanImages(_OnPodman, ImageContract):
    pass


class TestDockerImages(_OnDocker, ImageContract):
    pass
