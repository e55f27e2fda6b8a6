"""A made-up host that an engine in memory runs on: its containers list the host's files."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama_engines import EngineKind, LocalImage
from ramalama_engines.fake import FakeEngine
from ramalama_engines.fake.engine import FakeProgram
from ramalama_engines.spec import BindMount, ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ramalama_accel import Host

IMAGE = "localhost/llama"


def engine_on(host: Host, *, rootless: bool = False) -> FakeEngine:
    """Return an engine on *host*, which `made_up_hosts` has made."""
    link(host.root, "run/cdi", "var/run/cdi")
    link(host.root, "sys/firmware/devicetree/base", "proc/device-tree")
    return make_engine(
        lambda spec: FakeProgram(logs=tuple(list_files(host, spec)), exit_code=0),
        root=host.root,
        rootless=rootless,
    )


def make_engine(
    script: Callable[[ContainerSpec], FakeProgram],
    *,
    root: Path,
    rootless: bool = False,
    images: Sequence[str] = (IMAGE,),
    url: str = "tcp://far.example:2376",
) -> FakeEngine:
    """Return an engine at an address that is not of this host, and that has *images*."""
    info = replace(
        FakeEngine(kind=EngineKind.PODMAN).info,
        url=url,
        rootless=rootless,
        oci_runtime="/usr/bin/crun",
    )
    return FakeEngine(
        images=dict.fromkeys(images, LocalImage(id="1")), info=info, root=root, script=script
    )


def link(root: Path, path: str, target: str) -> None:
    """Give a directory another path, as on a real host, if it exists."""
    if (root / target).exists() and not (root / path).exists():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(root / target)


def list_files(host: Host, spec: ContainerSpec) -> list[str]:
    """Run the program of *spec* with the directories of *host*.

    No test can make device nodes without being root, so they are added here.
    """
    if spec.entrypoint == ("true",):
        return []
    places = {
        mount.target: f"{host.root}{mount.source}"
        for mount in spec.mounts
        if isinstance(mount, BindMount)
    }
    option, program, name, sys, proc, *others = spec.command
    directories = (
        f"{host.root}{sys}",
        f"{host.root}{proc}",
        *(places.get(at, at) for at in others),
    )
    done = subprocess.run(
        ("/bin/sh", option, program, name, *directories), capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines.pop() == "end"
    nodes = host.nodes or {}
    return [
        f"machine {host.machine}",
        *lines[1:],
        *(f"c {node.mode:o} {node.uid} {node.gid} {path}" for path, node in nodes.items()),
        *(f"o {path}" for path in nodes if host.may_use(path)),
        "end",
    ]
