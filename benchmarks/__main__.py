"""`make bench`: every benchmark that needs no more than this machine, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import (
    bench_detection,
    bench_download,
    bench_first_token,
    bench_models,
    bench_openai_import,
    bench_start,
    bench_store,
    bench_warm,
)
from ramalama_engines import EngineKind
from tests.lab import assets
from tests.lab.certificates import make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory

if TYPE_CHECKING:
    from tests.lab.service import EngineService


def main() -> None:
    """Run them all; the engines are started for it, which takes root."""
    bench_start.main([])
    bench_openai_import.main()
    bench_detection.main()
    bench_store.main()
    bench_models.main([])
    bench_download.main([])
    with scratch_directory() as scratch:
        ca_file = make_certificate(scratch / "certificate").ca_file
        network = private_network("p")
        with rootful_podman(scratch / "podman", network=network, ca_file=ca_file) as service:
            podman = f"--root {scratch}/podman/storage --runroot {scratch}/podman/run"
            settings = f"env CONTAINERS_CONF={scratch}/podman/containers.conf"
            _first_token(EngineKind.PODMAN, service, f"--command-line={settings} podman {podman}")
        network = private_network("d")
        with docker_daemon(scratch / "docker", network=network, ca_file=ca_file) as service:
            _first_token(EngineKind.DOCKER, service)


def _first_token(kind: EngineKind, service: EngineService, *more: str) -> None:
    assets.ensure_image(service)
    words = ["--engine", kind, "--socket", str(service.socket), "--model", str(assets.model())]
    bench_first_token.main([*words, *more])
    bench_warm.main(words)


if __name__ == "__main__":
    main()
