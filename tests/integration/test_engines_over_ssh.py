"""The contracts over ssh, on Podman; those over TLS run on Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ramalama_engines.address import EngineAddress
from tests.contract.engine_contract import EngineContract
from tests.contract.file_contract import FileContract
from tests.integration.contract_service import OnPodman
from tests.lab.sshd import SshService, sshd

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

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


class _OverSsh(OnPodman):
    @pytest.fixture
    def address(self, engines_sshd: SshService, service: EngineService) -> EngineAddress:
        return EngineAddress(url=engines_sshd.url(service.socket))


class TestPodmanEngine(_OverSsh, EngineContract):
    pass


class TestPodmanFiles(_OverSsh, FileContract):
    pass
