"""What every Engine must do with images: list them, and build them."""

from __future__ import annotations

import tarfile
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.models.transports.oci.image_archive import image_archive
from ramalama.models.transports.oci.pack import pack_file
from ramalama_engines.errors import ImageBuildError
from ramalama_engines.spec import ContainerSpec, TmpfsMount
from tests.contract.containers import SLEEP, Containers, Contract
from tests.doubles import made_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ramalama_engines.engine import Engine

FAILING_STEP = "exit 3"
RECIPE = """\
ARG BASE
FROM ${BASE}
ARG WORD
LABEL word="${WORD}"
"""
WITH_VOLUMES = f"{RECIPE}VOLUME /data /var/cache/model\n"


def ids(engine: Engine) -> set[str]:
    return {summary.id for summary in engine.images()}


class Interrupted(Exception):
    """What somebody's progress bar may raise."""


class ImageContract(Contract):
    """Subclasses bring the engine and the image."""

    @pytest.fixture
    def tag(self) -> str:
        """A name that no image has."""
        return f"localhost/contract/{uuid.uuid4().hex}:1"

    def build(self, engine: Engine, context: Path, tag: str, base: str) -> tuple[str, list[str]]:
        lines: list[str] = []
        arguments = {"BASE": base, "WORD": "naïve $(id)"}
        built = engine.build(context, tag=tag, build_args=arguments, on_progress=lines.append)
        return built, lines

    def test_a_local_image_is_listed_by_its_name(self, engine: Engine, image: str) -> None:
        (listed,) = (summary for summary in engine.images() if image in summary.names)

        local = engine.image(image)
        assert local is not None
        assert local.id == listed.id
        assert listed.size >= 0
        assert listed.created is None or listed.created.tzinfo is not None

    def test_a_build_makes_an_image_of_its_name_and_arguments(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "Containerfile").write_text(RECIPE)

        built, lines = self.build(engine, tmp_path, tag, image)

        local = engine.image(tag)
        assert local is not None
        assert (local.id, local.labels["word"]) == (built, "naïve $(id)")
        assert [summary.id for summary in engine.images() if tag in summary.names] == [built]
        assert any("LABEL" in line for line in lines)
        assert all(line == " ".join(line.split()) for line in lines)

    def test_an_archive_becomes_an_image_whose_files_can_be_read(
        self, engine: Engine, containers: Containers, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"abc" * 100_000)
        package = pack_file(tmp_path / "file", inside="a/file", labels={"word": "naïve $(id)"})

        loaded = engine.load(image_archive(package, tag), tag=tag)

        local = engine.image(tag)
        assert local is not None
        assert (local.id, local.labels["word"]) == (loaded, "naïve $(id)")
        spec = ContainerSpec(image=tag, entrypoint=("none",))
        container = containers.create(spec)
        content = engine.read_from(container, "/a/file", most=1 << 20)
        assert b"".join(content) == b"abc" * 100_000

    def test_a_file_below_a_volume_of_the_image_is_read_if_the_volume_is_not_asked_for(
        self, engine: Engine, containers: Containers, tag: str
    ) -> None:
        content = made_image.layer((made_image.entry("a/file"), b"abc"))
        engine.load([made_image.archive(tag, [content], {"Volumes": {"/a": {}}})], tag=tag)

        spec = ContainerSpec(image=tag, entrypoint=("none",), image_volumes=False)
        container = containers.create(spec)

        found = engine.find_in(container, "/a/file")
        assert found is not None
        assert (found.size, found.is_special) == (3, False)
        assert b"".join(engine.read_from(container, "/a/file", most=1 << 20)) == b"abc"

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
    def test_a_link_a_device_and_a_pipe_of_an_image_are_special(
        self, engine: Engine, containers: Containers, tag: str, kind: bytes
    ) -> None:
        odd = made_image.entry("odd", kind, "file" if kind == tarfile.SYMTYPE else "")
        content = made_image.layer((made_image.entry("file"), b"abc"), (odd, b""))
        engine.load([made_image.archive(tag, [content])], tag=tag)

        container = containers.create(ContainerSpec(image=tag, entrypoint=("none",)))

        found = engine.find_in(container, "/odd")
        assert found is not None
        assert (found.is_special, found.is_directory) == (True, False)

    @pytest.mark.parametrize("archive", [b"", b"rubbish" * 1000, bytes(1024)])
    def test_what_is_no_archive_of_an_image_is_refused(
        self, engine: Engine, tag: str, archive: bytes
    ) -> None:
        with pytest.raises(ImageBuildError, match=f"cannot load the image {tag}"):
            engine.load([archive], tag=tag)

        assert engine.image(tag) is None

    def test_an_archive_of_another_image_is_an_error(
        self, engine: Engine, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"abc")
        package = pack_file(tmp_path / "file", inside="file", labels={})

        with pytest.raises(ImageBuildError, match="no image of this name"):
            engine.load(image_archive(package, f"{tag}-other"), tag=tag)

    @pytest.mark.parametrize("status", ["created", "running", "stopped"])
    def test_the_volumes_of_an_image_are_removed_with_its_container(  # noqa: PLR0913, PLR0917
        self,
        engine: Engine,
        containers: Containers,
        image: str,
        tag: str,
        tmp_path: Path,
        volumes: Callable[[], set[str]],
        status: str,
    ) -> None:
        before = volumes()
        container = containers.create(self.with_volumes(engine, tmp_path, tag, image))
        if status != "created":
            engine.start(container)
        if status == "stopped":
            engine.stop(container, timeout=0)
        made = len(volumes() - before)

        engine.remove(container, force=status == "running")

        assert (made, volumes()) == (2, before)

    def test_a_mount_at_the_place_of_a_volume_replaces_it(  # noqa: PLR0913, PLR0917
        self,
        engine: Engine,
        containers: Containers,
        image: str,
        tag: str,
        tmp_path: Path,
        volumes: Callable[[], set[str]],
    ) -> None:
        spec = self.with_volumes(engine, tmp_path, tag, image)
        local = engine.image(tag)
        assert local is not None
        before = volumes()

        containers.start(
            replace(spec, mounts=tuple(TmpfsMount(target=path) for path in local.volumes))
        )

        assert sorted(local.volumes) == ["/data", "/var/cache/model"]
        assert volumes() == before

    def with_volumes(self, engine: Engine, context: Path, tag: str, base: str) -> ContainerSpec:
        """Build an image that declares two volumes, for a container that sleeps."""
        (context / "Containerfile").write_text(WITH_VOLUMES)
        self.build(engine, context, tag, base)
        return ContainerSpec(image=tag, command=SLEEP)

    def test_the_recipe_may_have_another_name_and_a_folder(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub/Recipe").write_text(RECIPE)
        arguments = {"BASE": image, "WORD": "x"}

        built = engine.build(tmp_path, tag=tag, containerfile="sub/Recipe", build_args=arguments)

        local = engine.image(tag)
        assert local is not None
        assert local.id == built

    def test_a_step_that_fails_is_named_and_leaves_no_image(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "Containerfile").write_text(f"{RECIPE}RUN {FAILING_STEP}\n")

        with pytest.raises(ImageBuildError, match=FAILING_STEP):
            self.build(engine, tmp_path, tag, image)

        assert engine.image(tag) is None

    def test_after_an_exception_out_of_the_progress_there_is_no_image(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "Containerfile").write_text(f"{RECIPE}RUN sleep 3\n")

        def interrupt(line: str) -> None:
            raise Interrupted(line)

        arguments = {"BASE": image, "WORD": "x"}
        with pytest.raises(Interrupted):
            engine.build(tmp_path, tag=tag, build_args=arguments, on_progress=interrupt)

        assert engine.image(tag) is None

    def test_without_a_recipe_nothing_is_built(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ImageBuildError, match="Containerfile"):
            self.build(engine, tmp_path, tag, image)

    def test_a_folder_that_is_not_there_is_named(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ImageBuildError, match="no-such-folder"):
            self.build(engine, tmp_path / "no-such-folder", tag, image)

    @pytest.mark.parametrize("tag", ["", "A", "a b", "../x", "-x", "x:y:z", "é", "x\n"])
    def test_a_name_that_no_image_can_have_is_refused(
        self, engine: Engine, image: str, tag: str, tmp_path: Path
    ) -> None:
        (tmp_path / "Containerfile").write_text(RECIPE)
        before = ids(engine)

        with pytest.raises(ImageBuildError, match="not an image reference"):
            self.build(engine, tmp_path, tag, image)

        assert ids(engine) == before
