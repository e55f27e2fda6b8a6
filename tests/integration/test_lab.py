"""The lab keeps its promises; a failure here explains failures elsewhere."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.podman import rootless_podman
from tests.lab.scratch import remove_abandoned
from tests.lab.service import EngineService, program
from tests.lab.tiny_image import publish

if TYPE_CHECKING:
    from tests.lab.account import Account
    from tests.lab.certificates import Certificate
    from tests.lab.registry import Registry

pytestmark = pytest.mark.engines

SERVICES = ["podman_service", "docker_service", "rootless_podman_service", "rootless_crun_service"]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> EngineService:
    found: EngineService = request.getfixturevalue(request.param)
    return found


def ask(service: EngineService, *arguments: str) -> str:
    """Give a command to the engine's own command-line client, and return what it prints."""
    address = "--url" if service.kind == "podman" else "--host"
    command = [program(service.kind), address, service.url, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def read_all(host: str, port: int) -> bytes:
    """Read what the server sends, trying again until it listens and says something."""
    while True:
        with suppress(ConnectionError), socket.create_connection((host, port)) as connection:
            if received := connection.makefile("rb").read():
                return received
        time.sleep(0.05)


def test_every_service_has_the_image(service: EngineService, llama_image: str) -> None:
    with service.client() as client:
        answer = client.get(f"/images/{llama_image}/json")

    assert answer.json()["Config"]["Cmd"] == ["llama-server"]


def test_every_service_runs_llama_server_without_a_network(
    service: EngineService, llama_image: str
) -> None:
    printed = ask(service, "run", "--rm", "--network=none", llama_image, "llama-server", "--help")

    assert "--ctx-size" in printed


def test_every_service_publishes_ports_on_loopback(
    service: EngineService, llama_image: str
) -> None:
    server = ["sh", "-c", "while nc -l -p 8080 -e echo hello; do :; done"]
    # A shell as the first process hears no other signal, and would be waited for.
    options = ["--detach", "--publish=127.0.0.1::8080", "--stop-signal=KILL"]
    container = ask(service, "run", *options, llama_image, *server)
    try:
        port = ask(service, "port", container, "8080").rpartition(":")[2]
        answer = read_all("127.0.0.1", int(port))
    finally:
        ask(service, "rm", "--force", container)

    assert answer == b"hello\n"


def test_the_rootless_services_run_as_the_account_and_not_as_root(
    rootless_podman_service: EngineService, llama_image: str
) -> None:
    uid_map = "/proc/self/uid_map"
    printed = ask(rootless_podman_service, "run", "--rm", llama_image, "cat", uid_map)

    assert rootless_podman_service.account is not None
    assert printed.split()[:3] == ["0", str(rootless_podman_service.account.uid), "1"]


def test_a_rootless_service_starts_where_its_user_may_not_be(
    lab: Path,
    account: Account,
    trusted_certificate: Certificate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    ca_file = trusted_certificate.ca_file

    with rootless_podman(lab / "closed", account, runtime="runc", ca_file=ca_file) as service:
        assert service.answers()


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


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    undone = tmp_path / "undone"
    script = f"""
import subprocess
from tests.lab.scratch import scratch_directory, undo_at_the_end
with scratch_directory() as directory:
    undo_at_the_end(directory, "touch", {str(undone)!r})
    child = subprocess.Popen(["sleep", "1000"], env={{"LAB": str(directory)}})
    print(directory, child.pid, flush=True)
    child.wait()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        directory, child = run.stdout.readline().split()
        run.kill()
    remove_abandoned()

    assert undone.exists()
    assert not Path(directory).exists()
    assert not Path("/proc", child, "cwd").exists()
