"""Clients that nobody here wrote take our doubles for the hubs; our client takes their mirror."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import UnknownModel
from ramalama.models.formats.model_files import Digest
from ramalama.models.http.client import ask, open_http
from ramalama.models.options import ModelFormat
from ramalama.models.reference.reference import ModelRef
from ramalama.models.transports.huggingface.transport import HuggingFaceTransport
from tests.doubles.hub import HuggingFace
from tests.doubles.hub_content import MEMBER, STRANGER, Visibility
from tests.doubles.modelscope import ModelScope
from tests.doubles.server import FileServer
from tests.integration.hub_clients import HuggingFaceHub, ModelScopeHub
from tests.lab.llama_server import serve_from_hub
from tests.lab.olah import commit_repository, serve_olah
from tests.lab.pypi import Installation, install

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

FILES = {
    "README.md": b"# Tiny",
    "config.json": b"{}",
    "sub/deep/notes.txt": b"notes",
    "sub/tiny-Q8_0.gguf": b"GGUF" * 5000,
    "tiny-Q4_K_M.gguf": b"GGUF" * 3000,
}
SAFETENSORS_FILES = {"config.json": b"{}", "model.safetensors": b"weights"}
LARGE = frozenset({"tiny-Q4_K_M.gguf", "model.safetensors"})

GATED = ["granted", "granted", "GatedRepoError", "GatedRepoError"]
UNSEEN = ["RepositoryNotFoundError"] * 4
REVISION = "RevisionNotFoundError"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Who asks for what."""

    visibility: Visibility
    token: str | None = None
    revision: str = "main"
    file: str = "config.json"


@pytest.fixture
def server() -> Generator[FileServer]:
    with FileServer() as running_server:
        yield running_server


@pytest.fixture(scope="module")
def installed_for_hugging_face(lab: Path) -> Installation:
    return install(lab / "huggingface_hub", "huggingface_hub==2.4.0")


@pytest.fixture
def huggingface_hub(
    installed_for_hugging_face: Installation, server: FileServer, tmp_path: Path
) -> HuggingFaceHub:
    return HuggingFaceHub(installed=installed_for_hugging_face, endpoint=server.url, home=tmp_path)


@pytest.fixture(scope="module")
def installed_for_modelscope(lab: Path) -> Installation:
    return install(lab / "modelscope_hub", "modelscope_hub==0.5.1")


@pytest.fixture
def modelscope_hub(
    installed_for_modelscope: Installation, server: FileServer, tmp_path: Path
) -> ModelScopeHub:
    return ModelScopeHub(installed=installed_for_modelscope, endpoint=server.url, home=tmp_path)


@pytest.fixture(scope="module")
def mirror(lab: Path) -> Generator[str]:
    """The address of somebody else's mirror, with two repositories."""
    olah = install(lab / "olah", "olah==0.5.4")
    repositories = lab / "mirror"
    commit_repository(repositories, "acme/tiny", FILES, large=LARGE)
    commit_repository(repositories, "acme/vllm", SAFETENSORS_FILES, large=LARGE)
    with serve_olah(olah, lab / "olah-state", repositories) as url:
        yield url


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_huggingface_hub_searches_the_double(
    huggingface_hub: HuggingFaceHub, server: FileServer
) -> None:
    hub = HuggingFace(server)
    for name in ("acme/tiny", "acme/huge", "other/tiny-GGUF", "third/tiny"):
        hub.add(name, FILES)

    assert huggingface_hub.search("tiny") == ["acme/tiny", "other/tiny-GGUF"]


@pytest.mark.parametrize("visibility", Visibility)
def test_huggingface_hub_downloads_what_the_double_has(
    visibility: Visibility, huggingface_hub: HuggingFaceHub, server: FileServer
) -> None:
    HuggingFace(server, page_size=2).add("acme/tiny", FILES, visibility)

    digests = huggingface_hub.download("acme/tiny", MEMBER)

    assert digests == {path: sha256(content) for path, content in FILES.items()}
    assert {request.path for request in server.requests if request.host == "localhost"} == {
        f"/cdn-lfs/{digest}" for path, digest in digests.items() if path.endswith(".gguf")
    }


@pytest.mark.parametrize(
    ("question", "outcomes"),
    [
        (Question(visibility=Visibility.PUBLIC), ["granted"] * 4),
        (
            Question(visibility=Visibility.PUBLIC, file="none.gguf"),
            ["granted", "granted", "granted", "RemoteEntryNotFoundError"],
        ),
        (
            Question(visibility=Visibility.PUBLIC, revision="nope"),
            [REVISION, REVISION, "granted", REVISION],
        ),
        (Question(visibility=Visibility.PUBLIC, token="hf_old"), ["HfHubHTTPError"] * 4),  # noqa: S106 (no secret)
        (Question(visibility=Visibility.GATED), GATED),
        (Question(visibility=Visibility.GATED, token=STRANGER), GATED),
        (Question(visibility=Visibility.GATED, token=MEMBER), ["granted"] * 4),
        (Question(visibility=Visibility.PRIVATE), UNSEEN),
        (Question(visibility=Visibility.PRIVATE, token=STRANGER), UNSEEN),
    ],
)
def test_huggingface_hub_understands_why_the_double_refuses(
    question: Question, outcomes: list[str], huggingface_hub: HuggingFaceHub, server: FileServer
) -> None:
    HuggingFace(server).add("acme/tiny", FILES, question.visibility)

    found = huggingface_hub.ask("acme/tiny", question.revision, question.file, question.token)

    assert found == outcomes


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.PRIVATE])
def test_modelscope_hub_downloads_what_the_double_has(
    visibility: Visibility, modelscope_hub: ModelScopeHub, server: FileServer
) -> None:
    ModelScope(server).add("acme/tiny", FILES, visibility)

    digests = modelscope_hub.download("acme/tiny", MEMBER)

    assert digests == {path: sha256(content) for path, content in FILES.items()}


@pytest.mark.parametrize(
    ("repository", "token", "outcome"),
    [
        ("acme/many", None, "3100"),
        ("acme/none", None, "NotExistError"),
        ("acme/own", None, "PermissionDeniedError"),
        ("acme/own", "ms-old", "PermissionDeniedError"),
        ("acme/own", MEMBER, "5"),
    ],
)
def test_modelscope_hub_understands_what_the_double_says(
    repository: str,
    token: str | None,
    outcome: str,
    modelscope_hub: ModelScopeHub,
    server: FileServer,
) -> None:
    hub = ModelScope(server)
    hub.add("acme/many", {f"{n // 1000}/{n}.txt": b"text" for n in range(3100)})
    hub.add("acme/own", FILES, Visibility.PRIVATE)

    assert modelscope_hub.list_files(repository, token) == outcome


def test_llama_server_runs_a_model_that_it_fetches_from_the_double(
    server: FileServer, podman_service: EngineService, model: Path
) -> None:
    weights = model.read_bytes()
    files = {"smollm2-Q8_0.gguf": b"GGUF", "smollm2-Q4_1.gguf": weights}
    HuggingFace(server).add("acme/smollm2", files, Visibility.PRIVATE)

    with serve_from_hub(podman_service, server.url, "acme/smollm2:q4_1", MEMBER):
        asked = {(request.host, request.path) for request in server.requests}

    assert ("127.0.0.1", "/api/models/acme/smollm2/refs") in asked
    assert ("localhost", f"/cdn-lfs/{sha256(weights)}") in asked


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ("hf://acme/tiny", ["tiny-Q4_K_M.gguf"]),
        ("hf://acme/tiny:Q8_0", ["sub/tiny-Q8_0.gguf"]),
        ("hf://acme/tiny@main/sub/tiny-Q8_0.gguf", ["sub/tiny-Q8_0.gguf"]),
        ("hf://acme/vllm", ["model.safetensors", "config.json"]),
    ],
)
def test_our_client_takes_olah_for_a_mirror(
    reference: str, names: list[str], mirror: str, tmp_path: Path
) -> None:
    with open_http() as client:
        transport = HuggingFaceTransport(client=client, env={"HF_ENDPOINT": mirror}, home=tmp_path)
        model = transport.find(ModelRef.parse(reference), ModelFormat.GGUF)
        contents = [ask(client, file.blob.locate().url).body for file in model.files]

    published = {**FILES, **SAFETENSORS_FILES}
    assert [file.name for file in model.files] == names
    assert contents == [published[name] for name in names]
    assert [file.blob.digest for file in model.files] == [
        Digest(sha256(content)) for content in contents
    ]


def test_our_client_understands_what_olah_does_not_have(mirror: str, tmp_path: Path) -> None:
    with open_http() as client:
        transport = HuggingFaceTransport(client=client, env={"HF_ENDPOINT": mirror}, home=tmp_path)

        with pytest.raises(UnknownModel, match=r"^hf://acme/none does not exist at 127"):
            transport.find(ModelRef.parse("hf://acme/none"), ModelFormat.GGUF)
