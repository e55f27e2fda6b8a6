"""The contracts, kept by the adapters that drive real services."""

from __future__ import annotations

import pytest

from tests.contract.engine_contract import EngineContract
from tests.contract.file_contract import FileContract
from tests.contract.image_contract import ImageContract
from tests.contract.sandbox_contract import SandboxContract
from tests.integration.contract_service import OnDocker, OnPodman

pytestmark = pytest.mark.engines


class TestPodmanEngine(OnPodman, EngineContract):
    pass


class TestDockerEngine(OnDocker, EngineContract):
    pass


class TestPodmanFiles(OnPodman, FileContract):
    pass


class TestDockerFiles(OnDocker, FileContract):
    pass


class TestPodmanSandbox(OnPodman, SandboxContract):
    pass


class TestDockerSandbox(OnDocker, SandboxContract):
    pass


class TestPodmanImages(OnPodman, ImageContract):
    pass


class TestDockerImages(OnDocker, ImageContract):
    pass
