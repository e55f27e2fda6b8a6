"""`make bench`: every benchmark that has a floor, one after the other. See benchmarks/README.md.

It takes about ten minutes, root for engines of its own, a machine that does nothing else, and
programs that Debian has. With ``--rounds 1`` it takes a few minutes and says that all of it works.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks import (
    bench_detection,
    bench_download,
    bench_first_token,
    bench_models,
    bench_openai_import,
    bench_rag,
    bench_rag_ask,
    bench_ssh,
    bench_start,
    bench_store,
    bench_tokens,
    bench_warm,
)
from ramalama_engines import EngineKind
from tests.lab import assets
from tests.lab.certificates import make_certificate
from tests.lab.dockerd import docker_daemon
from tests.lab.network import private_network
from tests.lab.podman import rootful_podman
from tests.lab.scratch import scratch_directory
from tests.lab.service import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from tests.lab.service import EngineService

# Where a name is not that of Debian's package, the package comes second.
_PROGRAMS: Final = {
    "curl": "curl",
    "nginx": "nginx-light",
    "docker-registry": "docker-registry",
    "podman": "podman",
    "runc": "runc",
    "dockerd": "docker.io",
    "docker": "docker.io",
    "ip": "iproute2",
    "sshd": "openssh-server",
    "scp": "openssh-client",
}
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def main(words: Sequence[str] | None = None) -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, help="of each benchmark, instead of its own number")
    arguments = parser.parse_args(words)
    rounds = () if arguments.rounds is None else (f"--rounds={arguments.rounds}",)
    if lacking := _what_is_lacking():
        sys.exit(f"benchmarks: {lacking}")
    try:
        model = str(assets.model())  # fetched now, if it must be, and not in five minutes
        _without_engine(rounds)
        _with_engines(model, rounds)
    except (LabError, subprocess.CalledProcessError) as exc:
        sys.exit(f"benchmarks: {exc}")


def _what_is_lacking() -> str | None:
    if os.geteuid() != 0:
        return "the engines are started for this alone, which takes root: sudo make bench"
    packages = {
        package
        for program, package in _PROGRAMS.items()
        if shutil.which(program, path=_PATH) is None
    }
    if packages:
        return f"apt-get install {' '.join(sorted(packages))}"
    return None


def _without_engine(rounds: Sequence[str]) -> None:
    for module in (
        bench_start,
        bench_openai_import,
        bench_detection,
        bench_store,
        bench_models,
        bench_download,
        bench_rag,
        bench_ssh,
    ):
        _say(module)
        module.main([*rounds])


def _with_engines(model: str, rounds: Sequence[str]) -> None:
    with scratch_directory() as scratch:
        ca_file = make_certificate(scratch / "certificate").ca_file
        network = private_network("p")
        with rootful_podman(scratch / "podman", network=network, ca_file=ca_file) as service:
            podman = f"--root {scratch}/podman/storage --runroot {scratch}/podman/run"
            settings = f"env CONTAINERS_CONF={scratch}/podman/containers.conf"
            command_line = f"--command-line={settings} podman {podman}"
            _with_engine(service, model, rounds, command_line)
        network = private_network("d")
        with docker_daemon(scratch / "docker", network=network, ca_file=ca_file) as service:
            _with_engine(service, model, rounds)


def _with_engine(
    service: EngineService, model: str, rounds: Sequence[str], *for_first_token: str
) -> None:
    assets.ensure_image(service)
    kind = EngineKind(service.kind)
    words = ["--engine", kind, "--socket", str(service.socket), "--model", model, *rounds]
    _say(bench_first_token, kind)
    bench_first_token.main([*words, *for_first_token])
    _say(bench_warm, kind)
    bench_warm.main(words)
    _say(bench_tokens, kind)
    bench_tokens.main(words)
    _say(bench_rag_ask, kind)
    bench_rag_ask.main([*words, "--embedder", str(assets.embedder())])


def _say(module: ModuleType, *kind: str) -> None:
    name = module.__name__.rpartition(".")[2]
    print(f"\n{' on '.join((name, *kind))}: {(module.__doc__ or '').splitlines()[0]}", flush=True)


if __name__ == "__main__":
    main()
