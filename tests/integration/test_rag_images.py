"""An index of documents as an image: made, pushed, and read again by another engine."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.person import Person, make_person
from tests.lab.foreign import skopeo

if TYPE_CHECKING:
    from ramalama_engines.engine import Engine
    from tests.integration.cli import Done
    from tests.lab.registry import Registry
    from tests.lab.service import EngineService

pytestmark = pytest.mark.engines

GUIDE = "# Networks\n\nA container of RamaLama has no network, only a socket.\n"


@pytest.fixture
def person(tmp_path: Path) -> Person:
    person = make_person(tmp_path).having(RAMALAMA_EMBEDDING_MODEL="none")
    (person.home / "docs").mkdir()
    (person.home / "docs/guide.md").write_text(GUIDE)
    return person


@pytest.fixture
def name() -> str:
    """A name that no image has."""
    return f"localhost/docs/{uuid.uuid4().hex}:1"


def rag(person: Person, service: EngineService, *words: str) -> Done:
    return person.run("--engine-url", service.url, "rag", *words)


def sources(person: Person) -> str:
    return str(person.home / "docs")


def test_documents_become_an_image_that_says_what_it_has(
    person: Person, engine_service: EngineService, engine: Engine, name: str
) -> None:
    made = rag(person, engine_service, sources(person), name)

    assert (made.code, made.out) == (0, f"{name}\n")
    assert "1 document, 1 chunk" in made.err
    image = engine.image(name)
    assert image is not None
    assert image.labels["ai.ramalama.rag.documents"] == "1"
    told = json.loads(rag(person, engine_service, "info", "--json", name).out)
    assert (told["documents"], told["sources"]) == (1, [sources(person)])
    listed = rag(person, engine_service, "list", name).out
    assert "guide.md" in listed
    labels = {"ai.ramalama-upload": "rag"}
    assert engine.list(labels) == ()


def test_both_engines_have_the_same_image_of_the_same_documents(  # noqa: PLR0913, PLR0917
    person: Person,
    podman_service: EngineService,
    docker_service: EngineService,
    podman_engine: Engine,
    docker_engine: Engine,
    name: str,
) -> None:
    for service in (podman_service, docker_service):
        assert rag(person, service, sources(person), name).code == 0

    ids = set[str]()
    for engine in (podman_engine, docker_engine):
        image = engine.image(name)
        assert image is not None
        ids.add(image.id.removeprefix("sha256:"))
    assert len(ids) == 1


def test_an_image_is_made_again_with_what_is_new(
    person: Person, engine_service: EngineService, name: str
) -> None:
    rag(person, engine_service, sources(person), name)
    (person.home / "docs/other.md").write_text("# Models\n\nA model is mounted read-only.\n")

    again = rag(person, engine_service, sources(person), name)

    assert "2 documents" in again.err
    assert "1 new" in again.err
    told = json.loads(rag(person, engine_service, "info", "--json", name).out)
    assert told["documents"] == 2


def test_an_image_is_pushed_and_read_by_another_engine(
    person: Person,
    podman_service: EngineService,
    docker_service: EngineService,
    trusted_tls_registry: Registry,
) -> None:
    person.trust(trusted_tls_registry)
    name = f"{trusted_tls_registry.address}/me/docs:1"
    assert rag(person, podman_service, sources(person), name).code == 0

    pushed = person.run("--engine-url", podman_service.url, "push", f"oci://{name}")

    assert pushed.code == 0, pushed.err
    assert "@sha256:" in pushed.out or "sha256:" in pushed.out
    reference = f"docker://{name}"
    described = json.loads(skopeo("inspect", "--tls-verify=false", reference))
    assert described["Labels"]["ai.ramalama.rag.chunks"] == "1"
    other = person.having(XDG_CACHE_HOME=str(person.home / "other"))
    for named in (name, f"{name.removesuffix(':1')}@{described['Digest']}"):
        told = rag(other, docker_service, "list", named)
        assert "guide.md" in told.out, told.err


def test_an_index_in_a_file_is_pushed_without_any_engine(
    person: Person, trusted_tls_registry: Registry, docker_service: EngineService
) -> None:
    person.trust(trusted_tls_registry)
    index = person.home / "docs.db"
    assert person.run("rag", sources(person), str(index)).code == 0
    name = f"{trusted_tls_registry.address}/me/file:1"

    pushed = person.run("--engine-url", "unix:///nowhere", "push", str(index), f"oci://{name}")

    assert pushed.code == 0, pushed.err
    assert "guide.md" in rag(person, docker_service, "list", name).out


@pytest.mark.parametrize("name", ["quay.io/UPPER/case:1", "quay.io/me/docs@sha256:12", "oci://"])
def test_a_name_that_is_none_is_refused_before_anything_is_read(
    person: Person, podman_service: EngineService, name: str
) -> None:
    refused = rag(person, podman_service, sources(person), name)

    assert refused.code == 22, refused.err
    assert refused.err.count("\n") == 1


def test_an_image_without_an_index_is_told(
    person: Person, engine_service: EngineService, llama_image: str
) -> None:
    told = rag(person, engine_service, "info", llama_image)

    assert told.code != 0
    assert "the image has no index" in told.err
    assert told.err.count("\n") == 1


def test_without_an_engine_no_document_is_read(person: Person, name: str) -> None:
    refused = person.run("--engine-url", "unix:///nowhere", "rag", sources(person), name)

    assert refused.code == 125, refused.err
    assert not Path(person.home / ".cache/ramalama/rag").exists()
