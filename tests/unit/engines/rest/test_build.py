"""A build as the engines tell of it, and what they are sent."""

from __future__ import annotations

import json
import os
import tarfile
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from ramalama_engines.docker.engine import DockerEngine
from ramalama_engines.errors import EngineUnavailable, ImageBuildError
from ramalama_engines.fake.engine import FakeBuild, FakeEngine
from ramalama_engines.image_summary import ImageSummary
from ramalama_engines.podman.build import build_request
from ramalama_engines.rest.build import built_id, follow_build
from ramalama_engines.rest.build_context import pack
from ramalama_engines.rest.images import image_summaries
from tests.unit.engines.dockerd import Reply, serving

if TYPE_CHECKING:
    from pathlib import Path

PODMAN: list[dict[str, Any]] = [
    {"stream": "STEP 1/2: FROM x\n"},
    {"stream": "STEP 2/2: RUN echo a; echo b\n"},
    {"stream": "a\nb\n"},
    {"stream": "COMMIT localhost/x:1\n"},
]
DOCKER: list[dict[str, Any]] = [
    {"stream": "Step 1/2 : FROM x"},
    {"stream": "\n"},
    {"status": "Pulling from x", "id": "1"},
    {"status": "Downloading", "progressDetail": {"current": 5, "total": 9}, "id": "db17"},
    {"status": "Digest: sha256:0"},
    {"stream": " ---> 3aa522e4d2ff\n"},
    {"stream": "\x1b[91mwarning: \x1b[0m\x1b[2J"},
    {"stream": "odd\n"},
    {"aux": {"ID": "sha256:1"}},
    {"stream": "no end"},
]
TOO_OLD = b"client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Containerfile").write_text("FROM scratch\n")
    return folder


def names(archive: tarfile.TarFile) -> list[str]:
    return [entry.name for entry in archive]


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        (
            PODMAN,
            [
                "STEP 1/2: FROM x",
                "STEP 2/2: RUN echo a; echo b",
                "a",
                "b",
                "COMMIT localhost/x:1",
            ],
        ),
        (
            DOCKER,
            [
                "Step 1/2 : FROM x",
                "1: Pulling from x",
                "Digest: sha256:0",
                "---> 3aa522e4d2ff",
                r"warning: \x1b[2Jodd",
                "no end",
            ],
        ),
    ],
    ids=["podman", "docker"],
)
def test_a_build_is_told_in_lines_that_a_terminal_can_show(
    answers: list[dict[str, Any]], lines: list[str]
) -> None:
    told: list[str] = []

    follow_build(answers, tag="x:1", engine="podman", on_progress=told.append)

    assert told == lines


def test_an_error_in_the_middle_of_a_build_ends_it() -> None:
    answers = [*PODMAN[:2], {"error": "\x1b[91mstep failed\x1b[0m"}, *PODMAN[2:]]
    told: list[str] = []

    with pytest.raises(ImageBuildError, match=r"^cannot build x:1: step failed$") as failed:
        follow_build(answers, tag="x:1", engine="podman", on_progress=told.append)

    assert failed.value.engine == "podman"
    assert len(told) == 2


def test_a_build_that_ends_without_an_image_has_failed() -> None:
    with pytest.raises(ImageBuildError, match="without an image"):
        built_id(None, tag="x:1", engine="podman")


# The context


def test_the_folder_is_packed_as_root_s_and_in_order(context: Path) -> None:
    (context / "b").mkdir()
    (context / "b/script").write_text("#!/bin/sh\n")
    (context / "b/script").chmod(0o755)
    (context / "a").write_text("a")
    os.link(context / "a", context / "c")

    with pack(context) as file, tarfile.open(fileobj=file) as archive:
        assert names(archive) == ["Containerfile", "a", "b", "b/script", "c"]
        assert archive.getmember("b/script").mode & 0o777 == 0o755
        assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in archive} == {
            (0, 0, "", "")
        }
        linked = archive.extractfile("c")
        assert linked is not None
        assert linked.read() == b"a"


def test_a_link_out_of_the_folder_is_packed_as_a_link(context: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key").write_text("secret")
    (context / "file").symlink_to(tmp_path / "secret")
    (context / "folder").symlink_to(tmp_path / "secrets")

    with pack(context) as file:
        packed = file.read()

    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        assert names(archive) == ["Containerfile", "file", "folder"]
        assert archive.getmember("file").issym()
        assert archive.getmember("folder").issym()
    assert b"\nsecret" not in packed
    assert packed.count(b"FROM scratch") == 1


def test_the_folder_itself_may_be_a_link(context: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(context)

    with pack(tmp_path / "link") as file, tarfile.open(fileobj=file) as archive:
        assert names(archive) == ["Containerfile"]


def test_what_is_no_file_stays_out(context: Path) -> None:
    os.mkfifo(context / "pipe")

    with pack(context) as file, tarfile.open(fileobj=file) as archive:
        assert names(archive) == ["Containerfile"]


# What the engines are asked


def test_podman_is_asked_for_a_format_that_keeps_health_checks(context: Path) -> None:
    with pack(context) as archive:
        request = build_request("x:1", "Recipe", {"A": "b c"}, archive)

    assert request.query == {
        "t": "x:1",
        "dockerfile": "Recipe",
        "buildargs": '{"A": "b c"}',
        "networkmode": "host",
        "forcerm": "true",
        "layers": "false",
        "outputformat": "application/vnd.docker.distribution.manifest.v2+json",
    }
    assert request.timeout is None


def test_docker_gets_the_whole_context_also_when_it_asks_for_a_newer_api(
    context: Path, tmp_path: Path
) -> None:
    with serving(tmp_path) as dockerd, DockerEngine(dockerd.url) as engine:
        dockerd.answer(
            "POST /build",
            Reply(status=400, body={"message": TOO_OLD.decode()}),
            Reply(lines=({"stream": "done\n"},)),
        )
        dockerd.answer("GET /images/x:1/json", Reply(body={"Id": "sha256:1"}))

        built = engine.build(context, tag="x:1", build_args={"A": "b"})

        old, new = dockerd.about("POST /build")
    assert built == "sha256:1"
    assert (old.version, new.version) == ("1.41", "1.44")
    assert old.body == new.body
    assert new.headers["Content-Type"] == "application/x-tar"
    assert json.loads(new.query["buildargs"]) == {"A": "b"}
    with tarfile.open(fileobj=BytesIO(new.body)) as archive:
        assert names(archive) == ["Containerfile"]


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(status=500, body={"message": "no room"}), ImageBuildError, "x:1: no room"),
        (Reply(lines=({"stream": "a\n"}, {"error": "full"})), ImageBuildError, "x:1: full"),
        (Reply(lines=({"stream": "a\n"},), cut=True), EngineUnavailable, "docker at "),
    ],
    ids=["refused", "failed", "cut"],
)
def test_a_docker_that_does_not_build_says_why(
    context: Path, tmp_path: Path, reply: Reply, error: type[Exception], words: str
) -> None:
    with serving(tmp_path) as dockerd, DockerEngine(dockerd.url) as engine:
        dockerd.answer("POST /build", reply)

        with pytest.raises(error, match=words):
            engine.build(context, tag="x:1", build_args={})


def test_a_build_with_an_invalid_tag_is_refused_without_a_request(
    context: Path, tmp_path: Path
) -> None:
    with serving(tmp_path) as dockerd, DockerEngine(dockerd.url) as engine:
        with pytest.raises(ImageBuildError, match="'a b' is not an image reference"):
            engine.build(context, tag="a b", build_args={})

        assert dockerd.routes() == []


# Lists


@pytest.mark.parametrize(
    ("tags", "listed"),
    [(["a:1", "b:2"], ("a:1", "b:2")), (None, ()), ([], ()), (["<none>:<none>"], ())],
)
def test_an_image_is_listed_with_the_names_that_it_has(
    tags: list[str] | None, listed: tuple[str, ...]
) -> None:
    answer = [{"Id": "sha256:1", "RepoTags": tags, "Size": 7, "Created": 1795365521}]

    created = datetime(2026, 11, 22, 16, 38, 41, tzinfo=UTC)
    assert image_summaries(answer) == (
        ImageSummary(id="sha256:1", names=listed, size=7, created=created),
    )


def test_an_engine_may_write_null_for_an_empty_list() -> None:
    assert image_summaries(None) == ()


# The engine in memory


def test_the_engine_in_memory_remembers_what_was_built(context: Path) -> None:
    engine = FakeEngine()

    built = engine.build(context, tag="x:1", build_args={"A": "b"})

    asked = FakeBuild(
        context=context, tag="x:1", containerfile="Containerfile", build_args={"A": "b"}
    )
    assert list(engine.builds) == [asked]
    assert engine.images() == (ImageSummary(id=built, names=("x:1",)),)
