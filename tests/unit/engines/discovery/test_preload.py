from __future__ import annotations

import subprocess
import sys

import pytest

ADAPTERS = {"podman": "ramalama_engines.podman.engine", "docker": "ramalama_engines.docker.engine"}

PROGRAM = """\
import sys, threading
from ramalama_engines.discovery.preload import import_meanwhile
from ramalama_engines.kinds import EngineKind

url, kind = sys.argv[1:]
import_meanwhile(EngineKind(kind) if kind else None, url)
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print(*sys.modules, sep="\\n")
"""


def imported(url: str, kind: str = "") -> set[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, url, kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name for name, module in ADAPTERS.items() if module in done.stdout.split("\n")}


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        ("ssh://me@gpu/run/user/1000/podman/podman.sock", "", {"podman"}),
        ("ssh://me@gpu/var/run/docker.sock", "", {"docker"}),
        ("ssh://me@gpu/var/run/docker.sock", "podman", {"podman"}),
        ("ssh://me@gpu", "docker", {"docker"}),
    ],
)
def test_the_adapter_of_the_expected_engine_is_imported(
    url: str, kind: str, expected: set[str]
) -> None:
    assert imported(url, kind) == expected


@pytest.mark.parametrize(
    "url", ["ssh://docker@podman.example", "ssh://me@gpu/docker/podman.sock", "ssh://me@gpu/x.sock"]
)
def test_without_a_word_about_the_kind_nothing_is_imported(url: str) -> None:
    assert imported(url) == set()
