"""The fixtures of the contracts, for one service of the lab and one way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines import EngineKind
from ramalama_engines.discovery.connection import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ramalama_engines import Engine
    from ramalama_engines.address import EngineAddress
    from tests.lab.service import EngineService


class OnService:
    """A base of contracts. A class names the *service*, and its *address* unless it is a socket."""

    @pytest.fixture
    def service(self) -> EngineService:
        raise NotImplementedError

    @pytest.fixture
    def address(self, service: EngineService) -> EngineAddress | str:
        return service.url

    @pytest.fixture
    def engine(self, address: EngineAddress | str, service: EngineService) -> Iterator[Engine]:
        with open_engine(EngineKind(service.kind), address) as engine:
            yield engine

    @pytest.fixture
    def second(self, address: EngineAddress | str, service: EngineService) -> Iterator[Engine]:
        """Another connection to the same service."""
        with open_engine(EngineKind(service.kind), address) as second:
            yield second

    @pytest.fixture
    def volumes(self, service: EngineService) -> Callable[[], set[str]]:
        return lambda: _volumes_of(service)

    @pytest.fixture
    def image(self, llama_image: str) -> str:
        return llama_image


class OnPodman(OnService):
    """A base of contracts that the rootful Podman keeps."""

    @pytest.fixture
    def service(self, podman_service: EngineService) -> EngineService:
        return podman_service


class OnDocker(OnService):
    """A base of contracts that Docker keeps."""

    @pytest.fixture
    def service(self, docker_service: EngineService) -> EngineService:
        return docker_service


def _volumes_of(service: EngineService) -> set[str]:
    """Return the names of all volumes; podman answers null for none."""
    with service.client() as client:
        listed = client.get("/volumes").raise_for_status().json()["Volumes"]
    return {volume["Name"] for volume in listed or ()}
