"""Other programs' models: found where those have them, read before they are believed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.caches import Reused, known_caches, reuse
from ramalama.models.store.caches.base import WantedFile
from ramalama.models.store.cas import ContentStore
from tests.unit.ramalama.models.store.filled import HUB, OLLAMA, digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.models.store.caches.base import Cache

CONTENT = b"GGUF weights"
DIGEST = digest_of(CONTENT)
HEX = DIGEST.hex
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODELSCOPE = ModelRef(Scheme.MODELSCOPE, "acme/tiny.1-GGUF")
REPO = "models--acme--tiny-GGUF"


def wanted(reference: ModelRef = HUB, name: str = "Q8/tiny.gguf") -> WantedFile:
    return WantedFile(reference=reference, name=name, digest=DIGEST, size=len(CONTENT))


def caches_in(home: Path, **env: str) -> tuple[Cache, ...]:
    return known_caches(env, home, root=home / "root")


def fill(path: Path, content: bytes = CONTENT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "reference", "cache"),
    [
        (f".cache/huggingface/hub/{REPO}/blobs/{HEX}", HUB, "Hugging Face"),
        (f".cache/huggingface/hub/models--other--repo/blobs/{HEX}", HUB, "Hugging Face"),
        (f".cache/huggingface/hub/{REPO}/blobs/{HEX}", OLLAMA, "Hugging Face"),
        (f".cache/llama.cpp/{REPO}/blobs/{HEX}", HUB, "Hugging Face"),
        (f".ollama/models/blobs/sha256-{HEX}", OLLAMA, "Ollama"),
        (f".ollama/models/blobs/sha256-{HEX}", HUB, "Ollama"),
        (f"root/usr/share/ollama/.ollama/models/blobs/sha256-{HEX}", OLLAMA, "Ollama"),
        (f".docker/models/blobs/sha256/{HEX}", OLLAMA, "Docker Model Runner"),
        (".lmstudio/models/acme/tiny-GGUF/Q8/tiny.gguf", HUB, "LM Studio"),
        (".cache/lm-studio/models/acme/tiny-GGUF/Q8/tiny.gguf", HUB, "LM Studio"),
        (".cache/llama.cpp/acme_tiny-GGUF_Q8_tiny.gguf", HUB, "llama.cpp"),
        (
            ".cache/modelscope/models/acme--tiny.1-GGUF/snapshots/master/Q8/tiny.gguf",
            MODELSCOPE,
            "ModelScope",
        ),
        (
            ".cache/modelscope/hub/models/acme/tiny___1-GGUF/Q8/tiny.gguf",
            MODELSCOPE,
            "ModelScope",
        ),
        (".cache/modelscope/models/acme/tiny___1-GGUF/Q8/tiny.gguf", MODELSCOPE, "ModelScope"),
    ],
)
def test_a_file_that_another_program_has_is_taken_over_without_a_copy(
    tmp_path: Path, path: str, reference: ModelRef, cache: str
) -> None:
    fill(tmp_path / path)
    contents = ContentStore(tmp_path / "base")

    reused = reuse(contents, caches_in(tmp_path), wanted(reference))

    assert reused == Reused(DIGEST, cache)
    assert contents.path(DIGEST).samefile(tmp_path / path)


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"HF_HUB_CACHE": "/c"}, f"c/{REPO}/blobs/{HEX}"),
        ({"HF_HOME": "/c"}, f"c/hub/{REPO}/blobs/{HEX}"),
        ({"XDG_CACHE_HOME": "/c"}, f"c/huggingface/hub/{REPO}/blobs/{HEX}"),
        ({"LLAMA_CACHE": "/c"}, f"c/{REPO}/blobs/{HEX}"),
        ({"LLAMA_CACHE": "/c"}, "c/acme_tiny-GGUF_Q8_tiny.gguf"),
        ({"OLLAMA_MODELS": "/c"}, f"c/blobs/sha256-{HEX}"),
        ({"OLLAMA_MODELS": "~/m"}, f"home/m/blobs/sha256-{HEX}"),
        ({"OLLAMA_MODELS": ""}, f"home/.ollama/models/blobs/sha256-{HEX}"),
        ({"MODELS_PATH": "/c"}, f"c/blobs/sha256/{HEX}"),
    ],
)
def test_variables_say_where_a_program_has_its_models(
    tmp_path: Path, env: dict[str, str], path: str
) -> None:
    fill(tmp_path / path)
    here = {name: value.replace("/c", f"{tmp_path}/c") for name, value in env.items()}

    caches = known_caches(here, tmp_path / "home", root=tmp_path / "root")

    assert reuse(ContentStore(tmp_path / "base"), caches, wanted()) is not None


def test_a_variable_stands_for_all_places_of_its_program(tmp_path: Path) -> None:
    fill(tmp_path / f".ollama/models/blobs/sha256-{HEX}")

    caches = caches_in(tmp_path, OLLAMA_MODELS="/nowhere")

    assert reuse(ContentStore(tmp_path / "base"), caches, wanted()) is None


def test_a_file_that_is_not_what_its_name_says_is_left_and_the_next_one_taken(
    tmp_path: Path,
) -> None:
    fill(tmp_path / f".ollama/models/blobs/sha256-{HEX}", b"GGUF Weights")
    fill(tmp_path / f".docker/models/blobs/sha256/{HEX}")
    contents = ContentStore(tmp_path / "base")

    reused = reuse(contents, caches_in(tmp_path), wanted())

    assert reused == Reused(DIGEST, "Docker Model Runner")
    assert contents.path(DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        f".ollama/models/blobs/sha256-{HEX}-partial",
        f".cache/huggingface/hub/{REPO}/blobs/{HEX}.incomplete",
        ".lmstudio/models/acme/other/Q8/tiny.gguf",
        ".lmstudio/models/acme/tiny-GGUF/tiny.gguf",
    ],
)
def test_another_file_is_not_taken(tmp_path: Path, path: str) -> None:
    fill(tmp_path / path)

    assert reuse(ContentStore(tmp_path / "base"), caches_in(tmp_path), wanted()) is None


def test_a_file_of_another_size_is_not_even_read(tmp_path: Path) -> None:
    fill(tmp_path / f".ollama/models/blobs/sha256-{HEX}", CONTENT + b"more")
    contents = ContentStore(tmp_path / "base")

    assert reuse(contents, caches_in(tmp_path), wanted()) is None
    assert not contents.directory.exists()


def test_a_link_of_hugging_faces_is_followed_to_the_blob(tmp_path: Path) -> None:
    """A blob may itself be a link, into what all repositories share."""
    shared = tmp_path / ".cache/huggingface/hub/blobs/ab/abcd"
    fill(shared)
    blob = tmp_path / f".cache/huggingface/hub/{REPO}/blobs/{HEX}"
    blob.parent.mkdir(parents=True)
    blob.symlink_to("../../blobs/ab/abcd")
    contents = ContentStore(tmp_path / "base")

    assert reuse(contents, caches_in(tmp_path), wanted()) is not None
    assert contents.path(DIGEST).samefile(shared)
    assert not contents.path(DIGEST).is_symlink()


def test_a_commit_pins_a_file_without_a_digest(tmp_path: Path) -> None:
    snapshot = tmp_path / f".cache/huggingface/hub/{REPO}/snapshots/{COMMIT}"
    fill(snapshot / "config.json", b"{}")
    config = WantedFile(reference=HUB, name="config.json", size=2, revision=COMMIT)

    reused = reuse(ContentStore(tmp_path / "base"), caches_in(tmp_path), config)

    assert reused == Reused(digest_of(b"{}"), "Hugging Face")


@pytest.mark.parametrize(
    ("reference", "revision"),
    [(HUB, None), (HUB, "main"), (HUB, "../../../x"), (OLLAMA, COMMIT), (MODELSCOPE, COMMIT)],
)
def test_nothing_else_pins_one(tmp_path: Path, reference: ModelRef, revision: str | None) -> None:
    for path in (
        f".cache/huggingface/hub/{REPO}/snapshots/main/config.json",
        f".cache/huggingface/hub/{REPO}/snapshots/{COMMIT}/config.json",
        ".cache/huggingface/x/config.json",
        ".lmstudio/models/acme/tiny-GGUF/config.json",
        ".cache/modelscope/models/acme/tiny___1-GGUF/config.json",
    ):
        fill(tmp_path / path, b"{}")
    config = WantedFile(reference=reference, name="config.json", size=2, revision=revision)

    assert reuse(ContentStore(tmp_path / "base"), caches_in(tmp_path), config) is None


@pytest.mark.parametrize("name", ["*", "[a-z]*.gguf", "t?ny.gguf"])
def test_a_name_is_no_pattern(tmp_path: Path, name: str) -> None:
    directory = tmp_path / ".lmstudio/models/acme/tiny-GGUF"
    fill(directory / "tiny.gguf")
    contents = ContentStore(tmp_path / "base")

    assert reuse(contents, caches_in(tmp_path), wanted(name=name)) is None

    fill(directory / name)

    assert reuse(contents, caches_in(tmp_path), wanted(name=name)) is not None


def test_what_may_not_be_read_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / f".ollama/models/blobs/sha256-{HEX}"
    path.mkdir(parents=True)
    loop = tmp_path / f".docker/models/blobs/sha256/{HEX}"
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)

    assert reuse(ContentStore(tmp_path / "base"), caches_in(tmp_path), wanted()) is None


def test_nothing_is_written_into_another_programs_directory(tmp_path: Path) -> None:
    fill(tmp_path / f"home/.ollama/models/blobs/sha256-{HEX}")
    before = sorted((tmp_path / "home").rglob("*"))

    reuse(ContentStore(tmp_path / "base"), caches_in(tmp_path / "home"), wanted())

    assert sorted((tmp_path / "home").rglob("*")) == before


def test_digests_that_git_gives_to_small_files_are_not_mistaken_for_ours(tmp_path: Path) -> None:
    """Hugging Face names a small file's blob for Git's hash; it is found by its commit alone."""
    git = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
    fill(tmp_path / f".cache/huggingface/hub/{REPO}/blobs/{git}", b"{}")
    config = WantedFile(reference=HUB, name="config.json", digest=digest_of(b"{}"), size=2)

    assert reuse(ContentStore(tmp_path / "base"), caches_in(tmp_path), config) is None
