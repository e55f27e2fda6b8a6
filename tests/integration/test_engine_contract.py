"""Both contracts, kept by the adapters that drive real services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.discovery.connection import open_engine
from tests.contract.engine_contract import EngineContract
from tests.contract.image_contract import ImageContract
from tests.contract.sandbox_contract import SandboxContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama_engines.engine import Engine

pytestmark = pytest.mark.engines


class _OnPodman:
    @pytest.fixture
    def engine(self, podman_engine: Engine) -> Engine:
        return podman_engine

    @pytest.fixture
    def image(self, llama_image: str) -> str:
        return llama_image


class _OnDocker:
    @pytest.fixture
    def engine(self, docker_engine: Engine) -> Engine:
        return docker_engine

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


class TestPodmanSandbox(_OnPodman, SandboxContract):
    pass


class TestDockerSandbox(_OnDocker, SandboxContract):
    pass


class TestPodmanImages(_OnPodman, ImageContract):
    pass


class TestDockerImages(_OnDocker, ImageContract):
    pass
