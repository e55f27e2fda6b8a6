"""The lab keeps its promises; a failure here explains failures elsewhere."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.service import EngineService, program
from tests.lab.tiny_image import publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.registry import Registry

pytestmark = pytest.mark.engines

SERVICES = ["podman_service", "docker_service", "rootless_podman_service", "rootless_crun_service"]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> EngineService:
    found: EngineService = request.getfixturevalue(request.param)
    return found


def run_container(service: EngineService, *arguments: str) -> str:
    """Run a container with the engine's own command-line client, and return what it prints."""
    address = "--url" if service.kind == "podman" else "--host"
    command = [program(service.kind), address, service.url, "run", "--rm", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_every_service_has_the_image(service: EngineService, llama_image: str) -> None:
    with service.client() as client:
        answer = client.get(f"/images/{llama_image}/json")

    assert answer.json()["Config"]["Cmd"] == ["llama-server"]


def test_every_service_runs_llama_server_without_a_network(
    service: EngineService, llama_image: str
) -> None:
    printed = run_container(service, "--network=none", llama_image, "sh", "-c", "llama-server -h")

    assert "--ctx-size" in printed


def test_the_rootless_services_run_as_the_account_and_not_as_root(
    rootless_podman_service: EngineService, llama_image: str
) -> None:
    printed = run_container(rootless_podman_service, llama_image, "cat", "/proc/self/uid_map")

    assert rootless_podman_service.account is not None
    assert printed.split()[:3] == ["0", str(rootless_podman_service.account.uid), "1"]


def test_the_model_is_readable_for_the_account_of_the_rootless_services(model: Path) -> None:
    assert model.read_bytes()[:4] == b"GGUF"
    assert all(folder.stat().st_mode & 0o001 for folder in model.parents)


@pytest.mark.parametrize("kind", ["registry", "tls_registry", "password_registry"])
def test_a_foreign_client_pulls_from_every_registry_and_pushes_back(
    kind: str, podman_service: EngineService, request: pytest.FixtureRequest
) -> None:
    registry: Registry = request.getfixturevalue(kind)
    publish(registry, "tiny", "1", content=b"one")
    reference = f"{registry.address}/tiny:1"
    podman = [program("podman"), "--url", podman_service.url]
    login = registry.login
    options = ["--tls-verify=false"]
    options += [f"--creds={login.username}:{login.password}"] if login else []
    for arguments in (["pull", reference], ["push", reference, f"{registry.address}/tiny:2"]):
        command = [*podman, arguments[0], *options, *arguments[1:]]
        subprocess.run(command, check=True, capture_output=True)

    with registry.client() as client:
        answer = client.get("/v2/tiny/tags/list")

    assert sorted(answer.json()["tags"]) == ["1", "2"]


def test_a_registry_with_a_password_refuses_strangers(password_registry: Registry) -> None:
    with password_registry.client() as client:
        answer = client.get("/v2/", auth=("alice", "guess"))

    assert answer.status_code == 401


def test_other_content_under_the_same_tag_is_another_image(registry: Registry) -> None:
    digests = {publish(registry, "moving", "1", content=text) for text in (b"a", b"b", b"a")}

    assert len(digests) == 2
