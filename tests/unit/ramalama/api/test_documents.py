"""The documents of a server are offered to the stack before it, if that has vector stores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.config.api_name import ApiName
from ramalama.events import Notice
from ramalama_engines import LocalImage
from tests.unit.ramalama.made_up import IMAGE
from tests.unit.ramalama.models.formats.made_gguf import llama, scalar
from tests.unit.ramalama.rag.index.made_index import write
from tests.unit.ramalama.serving.servers import IMAGE_NAME, ServerFixture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

STACK_NAME = "quay.io/ramalama/llama-stack:0.25"


@pytest.fixture
def servers(run_dir: Path) -> Generator[ServerFixture]:
    images = {IMAGE_NAME: IMAGE, STACK_NAME: LocalImage(id="sha256:2")}
    with ServerFixture(root=run_dir, images=images) as made:
        made.options = replace(made.options, api=ApiName.LLAMA_STACK)
        yield made


def told_when_offered(servers: ServerFixture) -> list[str]:
    index = write(servers.root / "guide.db")
    options = replace(servers.options, rag=index)
    ramalama = servers.ramalama()
    with ramalama.serve(options) as server:
        ramalama.offer_documents(server, str(index), on_event=servers.events.append)
    assert servers.is_clean()
    return [each.message for each in servers.events if isinstance(each, Notice)]


def test_a_stack_that_does_not_take_them_is_told_and_the_server_goes_on(
    servers: ServerFixture,
) -> None:
    model = servers.root / "embedder.gguf"
    model.write_bytes(llama(architecture="bert", instead={"pooling_type": scalar(4, 1)}))
    servers.config = replace(servers.config, embedding_model=str(model))

    (told,) = told_when_offered(servers)

    assert told.startswith("guide is no vector store of the stack: ")


def test_a_stack_without_an_embedding_model_is_not_asked(servers: ServerFixture) -> None:
    assert told_when_offered(servers) == []


def test_without_a_stack_nothing_is_offered(servers: ServerFixture) -> None:
    servers.options = replace(servers.options, api=ApiName.NONE)

    assert told_when_offered(servers) == []
