"""Engines are found through the settings that podman and docker themselves have written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ramalama_engines.discovery.candidates import candidates
from ramalama_engines.user import InvokingUser
from tests.integration.cli import RAMALAMA
from tests.lab.certificates import make_certificate
from tests.lab.service import program
from tests.lab.sshd import SshService, sshd

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tests.lab.service import EngineService

pytestmark = [pytest.mark.engines, pytest.mark.programs("sshd", "ssh-keygen")]


@pytest.fixture(scope="module")
def host(lab: Path) -> Generator[SshService]:
    with sshd(lab / "sshd-of-found-engines") as service:
        yield service


@pytest.fixture
def env(tmp_path: Path, host: SshService) -> dict[str, str]:
    """The environment of a user who has no settings but those of ssh."""
    return {
        "CONTAINERS_CONF": f"{tmp_path}/containers.conf",
        "DOCKER_CONFIG": f"{tmp_path}/docker",
        "HOME": str(host.home),
        "PATH": os.environ["PATH"],
        "RAMALAMA_STORE": f"{tmp_path}/store",
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
        "XDG_RUNTIME_DIR": f"{tmp_path}/run",
    }


def run(*command: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def engine_of(*words: str, env: Mapping[str, str]) -> dict[str, Any]:
    engine: dict[str, Any] = json.loads(run(RAMALAMA, "info", *words, env=env))["Engine"]
    assert "Error" not in engine, engine
    return engine


def test_a_connection_that_podman_has_added_leads_to_the_engine(
    podman_service: EngineService, host: SshService, env: dict[str, str]
) -> None:
    url = host.url(podman_service.url.removeprefix("unix://"))
    add = (program("podman"), "system", "connection", "add", "--identity", str(host.identity))
    conf = Path(env["CONTAINERS_CONF"])
    conf.touch()
    run(*add, "gpu", url, env=env)
    # podman 4.3 loses the path if the host answers.
    conf.write_text(conf.read_text().replace(f'"{host.url()}"', f'"{url}"'))

    engine = engine_of("--connection", "gpu", env=env)

    assert (engine["kind"], engine["url"]) == ("podman", url)
    assert engine["Why"] == "podman connection 'gpu' (--connection)"
    assert engine_of(env=env | {"CONTAINER_CONNECTION": "gpu"})["url"] == url
    assert engine_of("--engine-url", url, env=env)["Why"] == "--engine-url"


def test_a_context_that_docker_has_created_leads_to_the_engine(
    docker_service: EngineService, host: SshService, env: dict[str, str]
) -> None:
    url = host.url(docker_service.url.removeprefix("unix://"))
    docker = program("docker")
    # docker rejects a path after ssh://host, so that its context gets one afterwards.
    run(docker, "context", "create", "gpu", "--docker", f"host={host.url()}", env=env)
    run(docker, "context", "create", "here", "--docker", f"host={docker_service.url}", env=env)
    (meta,) = (
        path
        for path in Path(env["DOCKER_CONFIG"]).glob("contexts/meta/*/meta.json")
        if "ssh:" in path.read_text()
    )
    meta.write_text(meta.read_text().replace(host.url(), url))
    run(docker, "context", "use", "here", env=env)

    here, gpu = engine_of(env=env), engine_of(env=env | {"DOCKER_CONTEXT": "gpu"})

    assert (here["url"], gpu["url"]) == (docker_service.url, url)
    assert gpu["Why"] == "docker context 'gpu' (DOCKER_CONTEXT)"


@pytest.mark.programs("openssl")
def test_the_certificates_of_a_context_are_those_that_docker_has_stored(
    tmp_path: Path, env: dict[str, str]
) -> None:
    made = make_certificate(tmp_path / "made")
    where = f"host=tcp://gpu:2376,ca={made.ca_file},skip-tls-verify=true"
    run(program("docker"), "context", "create", "tls", "--docker", where, env=env)
    user = InvokingUser(env=env | {"DOCKER_CONTEXT": "tls"}, home=tmp_path, uid=os.getuid())

    (found,) = candidates(user)

    tls = found.address.tls
    assert tls is not None
    assert tls.ca is not None
    assert tls.ca.read_bytes() == made.ca_file.read_bytes()
    assert (tls.cert, tls.key, tls.verify) == (None, None, False)
