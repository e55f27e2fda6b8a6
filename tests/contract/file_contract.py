"""What every Engine must do with named volumes, and with files in containers."""

from __future__ import annotations

import io
import tarfile
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import (
    ContainerConflict,
    ContainerNotFound,
    EngineError,
    EngineUnavailable,
    UnsupportedOption,
)
from ramalama_engines.spec import BindMount, ContainerFile, VolumeMount
from tests.contract.containers import LABEL, PATIENCE, Contract, background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import ContainerSpec
    from tests.contract.containers import Containers

MIB = 1 << 20
NO_NAMES = (
    "",
    "..",
    "a",
    "a/b",
    "../containers",
    "a b",
    "x?force=1",
    "-f",
    "é1",
    "ab\n",
    "x" * 300,
)


def archive_of(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o640
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


class FileContract(Contract):
    """Subclasses bring the engine, the image, and `second`: the same engine, to be closed."""

    @pytest.fixture
    def second(self) -> Iterator[Engine]:
        raise NotImplementedError

    @pytest.fixture
    def volume(self, engine: Engine, containers: Containers) -> Iterator[str]:
        """The name of a volume, which is gone after the test."""
        name = f"contract-{uuid.uuid4().hex}"
        engine.create_volume(name, {LABEL: name})
        yield name
        with suppress(EngineUnavailable):  # the test has closed it
            containers.clear()
            engine.remove_volume(name)

    @pytest.fixture
    def writable(self, containers: Containers, volume: str, sleeper: ContainerSpec) -> str:
        """A container that was not started, with the volume at /v."""
        mount = VolumeMount(name=volume, target="/v", read_only=False)
        return containers.create(replace(sleeper, mounts=(mount,)))

    # Volumes

    def test_a_volume_is_listed_by_its_labels_until_it_is_removed(self, engine: Engine) -> None:
        name = f"contract-{uuid.uuid4().hex}"
        engine.create_volume(name, {LABEL: name, "odd": 'a=b "c"'})
        try:
            (listed,) = engine.volumes({LABEL: name})

            assert (listed.name, listed.labels) == (name, {LABEL: name, "odd": 'a=b "c"'})
            if listed.created is not None:
                assert abs(listed.created - datetime.now(tz=UTC)) < timedelta(minutes=5)
            assert listed in engine.volumes({LABEL: ""})
            assert listed in engine.volumes({})
            assert engine.volumes({LABEL: name, "odd": ""}) == (listed,)
            assert engine.volumes({LABEL: name, "odd": "other"}) == ()
        finally:
            engine.remove_volume(name)
        assert engine.volumes({LABEL: name}) == ()

    def test_a_volume_that_exists_keeps_its_labels(self, engine: Engine, volume: str) -> None:
        engine.create_volume(volume, {"other": "label"})

        assert [each.labels for each in engine.volumes({LABEL: volume})] == [{LABEL: volume}]

    def test_a_volume_that_is_not_there_need_not_be_removed(self, engine: Engine) -> None:
        engine.remove_volume(f"contract-{uuid.uuid4().hex}")

    @pytest.mark.parametrize("name", NO_NAMES)
    def test_a_name_that_no_volume_can_have_reaches_no_other_path(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec, name: str
    ) -> None:
        engine.remove_volume(name)
        with pytest.raises(UnsupportedOption):
            engine.create_volume(name, {})
        with pytest.raises(UnsupportedOption):
            containers.create(replace(sleeper, mounts=(VolumeMount(name=name, target="/v"),)))

        assert containers.all() == {}

    def test_a_volume_in_use_stays(self, engine: Engine, writable: str, volume: str) -> None:
        with pytest.raises(ContainerConflict, match=volume):
            engine.remove_volume(volume)

        assert [each.name for each in engine.volumes({LABEL: volume})] == [volume]
        engine.remove(writable)
        engine.remove_volume(volume)
        assert engine.volumes({LABEL: volume}) == ()

    # Files

    def test_a_file_that_was_copied_into_a_volume_is_in_every_container_that_mounts_it(
        self,
        engine: Engine,
        containers: Containers,
        writable: str,
        volume: str,
        sleeper: ContainerSpec,
    ) -> None:
        content = bytes(range(256)) * 1000
        archive = archive_of("a dir/näme", content)

        engine.copy_into(writable, "/v", iter([archive[:100], archive[100:]]))

        mount = VolumeMount(name=volume, target="/w")
        other = containers.create(replace(sleeper, mounts=(mount,)))
        expected = ContainerFile(size=len(content), mode=0o640, is_directory=False)
        assert engine.find_in(other, "/w/a dir/näme") == expected
        assert b"".join(engine.read_from(other, "/w/a dir/näme", most=MIB)) == content
        assert b"".join(engine.read_from(other, "/w/a dir/näme", most=10)) == content[:10]
        found = engine.find_in(other, "/w/a dir")
        assert found is not None
        assert found.is_directory

    def test_a_file_can_be_copied_into_a_running_container(
        self, engine: Engine, writable: str
    ) -> None:
        engine.start(writable)

        engine.copy_into(writable, "/v", [archive_of("x", b"1")])

        assert b"".join(engine.read_from(writable, "/v/x", most=MIB)) == b"1"

    def test_padding_after_the_end_of_an_archive_does_no_harm(
        self, engine: Engine, writable: str
    ) -> None:
        engine.copy_into(writable, "/v", [archive_of("x", b"1"), *[bytes(MIB)] * 8])

        assert b"".join(engine.read_from(writable, "/v/x", most=MIB)) == b"1"

    def test_what_is_not_there_is_none_and_cannot_be_read(
        self, engine: Engine, writable: str
    ) -> None:
        assert engine.find_in(writable, "/v/none") is None
        with pytest.raises(EngineError, match="/v/none"):
            b"".join(engine.read_from(writable, "/v/none", most=MIB))

    def test_a_directory_cannot_be_read_as_a_file(self, engine: Engine, writable: str) -> None:
        with pytest.raises(EngineError, match="/v"):
            b"".join(engine.read_from(writable, "/v", most=MIB))

    @pytest.mark.parametrize("directory", ["/v/none", "/v/file"])
    def test_an_archive_for_a_directory_that_is_not_there_is_refused(
        self, engine: Engine, writable: str, directory: str
    ) -> None:
        engine.copy_into(writable, "/v", [archive_of("file", b"1")])

        with pytest.raises(EngineError, match="there is no directory"):
            engine.copy_into(writable, directory, [archive_of("y", b"1")])

        assert engine.find_in(writable, "/v/none") is None
        assert b"".join(engine.read_from(writable, "/v/file", most=MIB)) == b"1"

    def test_files_of_the_engines_host_are_seen_through_a_bind_mount_before_the_start(
        self, engine: Engine, containers: Containers, sleeper: ContainerSpec, tmp_path: Path
    ) -> None:
        (tmp_path / "nonce").write_bytes(b"0123456789abcdef")
        mount = BindMount(source=str(tmp_path), target="/probe")

        container = containers.create(replace(sleeper, mounts=(mount,)))

        found = engine.find_in(container, "/probe/nonce")
        assert found is not None
        assert (found.size, found.is_directory) == (16, False)
        assert engine.find_in(container, "/probe/other") is None

    # Interruptions

    def test_a_copy_whose_archive_fails_ends_and_the_short_file_tells_its_size(
        self, engine: Engine, writable: str
    ) -> None:
        whole = archive_of("big", bytes(8 * MIB))

        def broken() -> Iterator[bytes]:
            yield whole[: 4 * MIB]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            engine.copy_into(writable, "/v", broken())

        found = engine.find_in(writable, "/v/big")
        assert found is None or found.size < 8 * MIB
        engine.copy_into(writable, "/v", [whole])
        found = engine.find_in(writable, "/v/big")
        assert found is not None
        assert found.size == 8 * MIB

    def test_closing_the_engine_ends_a_copy_in_another_thread(
        self, second: Engine, writable: str
    ) -> None:
        begun = threading.Event()

        closed = threading.Event()

        def archive() -> Iterator[bytes]:
            yield archive_of("big", bytes(16 * MIB))[: 8 * MIB]
            begun.set()
            closed.wait(PATIENCE)
            for _ in range(8):
                yield bytes(MIB)

        copying = background(lambda: second.copy_into(writable, "/v", archive()))
        assert begun.wait(PATIENCE)
        second.close()
        closed.set()

        with pytest.raises(EngineUnavailable):
            copying.result(PATIENCE)

    @pytest.mark.parametrize("path", ["", "relative", "/nul\0", "/../..", "x" * 5000])
    def test_odd_paths_are_errors_of_ours_or_not_there(
        self, engine: Engine, writable: str, path: str
    ) -> None:
        with suppress(EngineError):
            engine.find_in(writable, path)
        with suppress(EngineError):
            b"".join(engine.read_from(writable, path, most=MIB))

    def test_a_container_that_is_gone_has_no_files(self, engine: Engine, writable: str) -> None:
        engine.remove(writable)

        calls: tuple[Callable[[], object], ...] = (
            lambda: engine.find_in(writable, "/v"),
            lambda: list(engine.read_from(writable, "/v/x", most=1)),
            lambda: engine.copy_into(writable, "/v", [archive_of("x", b"1")]),
        )
        for call in calls:
            with pytest.raises(ContainerNotFound):
                call()
