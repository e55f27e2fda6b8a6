"""Copying into containers where something goes wrong, or where there is much to copy."""

from __future__ import annotations

import resource
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from ramalama_engines import BindMount, ContainerSpec, EngineError, VolumeMount
from tests.contract.file_contract import archive_of
from tests.lab.service import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama_engines import Engine

pytestmark = pytest.mark.engines

MIB = 1 << 20


@pytest.fixture
def small_disk(lab: Path) -> Iterator[Path]:
    """A directory with room for 1 MiB."""
    directory = lab / f"small-{uuid.uuid4().hex}"
    directory.mkdir()
    subprocess.run([program("mount"), "-ttmpfs", "-osize=1m", "tmpfs", directory], check=True)
    yield directory
    subprocess.run([program("umount"), "--lazy", directory], check=True)


def test_a_full_disk_is_told(engine: Engine, small_disk: Path, llama_image: str) -> None:
    mount = BindMount(source=str(small_disk), target="/v", read_only=False)
    container = engine.create(ContainerSpec(image=llama_image, mounts=(mount,)))
    try:
        with pytest.raises(EngineError, match="disk"):
            engine.copy_into(container, "/v", [archive_of("big", bytes(16 * MIB))])

        found = engine.find_in(container, "/v/big")
        assert found is None or found.size <= MIB
    finally:
        engine.remove(container, force=True)


def test_a_large_file_takes_little_memory(engine: Engine, llama_image: str) -> None:
    name = f"large-{uuid.uuid4().hex}"
    mount = VolumeMount(name=name, target="/v", read_only=False)
    container = engine.create(ContainerSpec(image=llama_image, mounts=(mount,)))
    head = archive_of("big", b"")
    assert len(head) > 512

    def archive() -> Iterator[bytes]:
        whole = bytearray(head[:512])
        whole[124:136] = b"%011o\0" % (256 * MIB)
        whole[148:156] = b"        "
        whole[148:156] = b"%06o\0 " % sum(whole)
        yield bytes(whole)
        for _ in range(256):
            yield bytes(MIB)
        yield bytes(1024)

    try:
        engine.copy_into(container, "/v", [archive_of("small", b"1")])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        engine.copy_into(container, "/v", archive())
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

        found = engine.find_in(container, "/v/big")
        assert found is not None
        assert found.size == 256 * MIB
        assert grown < 32 * 1024  # KiB
    finally:
        engine.remove(container, force=True)
        engine.remove_volume(name)
