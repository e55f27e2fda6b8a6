"""A model that reads pictures is looked at first, and started when it is needed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from ramalama.errors import ModelUnsupported, ReadingFailed
from ramalama.models.formats.model_files import Digest
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.stored_model import StoredModel
from ramalama.rag.embedding_server import EmbedderAccess
from ramalama.rag.ocr_server import OcrAccess, OcrModel
from ramalama.rag.values import OcrInfo
from ramalama_chat.client.remote import open_remote
from ramalama_chat.errors import ChatError
from tests.doubles.server import FileServer, Reply

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import openai

    from ramalama.config.options import ServeOptions
    from ramalama.serving.server import ModelServer

DIGEST = Digest("ab" * 32)
ANSWER = {"choices": [{"message": {"content": "red"}}]}
NAME = "ollama://library/eye:latest"
INFO = OcrInfo(model=NAME, digest=f"{DIGEST} {DIGEST}")


@dataclass
class Plan:
    """What is asked of a plan."""

    model: StoredModel


@dataclass
class Served:
    """A model server, as far as it is used."""

    openai_client: openai.OpenAI
    plan: Plan
    model: str = "eye"

    def client(self) -> openai.OpenAI:
        """Return the client."""
        return self.openai_client


@dataclass
class Starts:
    """Starts servers; remembers how many."""

    root: Path
    sees: bool = True
    projectors: int = 1
    is_here: bool = True
    answer: object = field(default_factory=lambda: ANSWER)
    asked: list[ServeOptions] = field(default_factory=list["ServeOptions"])
    running: int = 0

    @property
    def access(self) -> OcrAccess:
        """What is handed to the model."""
        servers = EmbedderAccess(
            resolve=ModelRef.parse,
            settings={"ctx_size": 256, "temp": 0.5, "threads": 3},
            serve=self.serve,
            digest_of=lambda _: DIGEST,
            wanted=None,
            is_here=lambda _: self.is_here,
            on_event=lambda _: None,
        )
        return OcrAccess(
            servers=servers, find=lambda each: self.model(each) if self.is_here else None
        )

    def model(self, reference: ModelRef) -> StoredModel:
        """Return the model."""
        projectors = tuple(self.root / f"eye{number}" for number in range(self.projectors))
        return StoredModel(
            reference=reference, weights=(self.root / "weights",), projectors=projectors
        )

    @contextmanager
    def serve(self, options: ServeOptions) -> Generator[ModelServer]:
        """Serve the model."""
        self.asked.append(options)
        kinds = ["text", "image"] if self.sees else ["text"]
        entry = {"id": "eye", "architecture": {"input_modalities": kinds}}
        with FileServer({}) as server:
            server.routes["/v1/models"] = lambda _: Reply.of_json({"data": [entry]})
            server.routes["/v1/chat/completions"] = lambda _: Reply.of_json(self.answer)
            client = open_remote(server.url)
            self.running += 1
            try:
                plan = Plan(self.model(options.model))
                yield cast("ModelServer", Served(client, plan))
            finally:
                self.running -= 1
                client.close()


@pytest.fixture
def starts(tmp_path: Path) -> Starts:
    return Starts(tmp_path)


def test_the_server_starts_with_the_first_picture_and_ends_with_the_block(starts: Starts) -> None:
    with OcrModel("eye", starts.access) as model:
        assert model.info == INFO
        assert starts.running == 0
        assert [model.read(b"\x89PNG"), model.read(b"\x89PNG")] == ["red", "red"]
        assert starts.running == 1

    assert starts.running == 0
    (options,) = starts.asked
    assert (options.ctx_size, options.temp, options.threads) == (None, None, 3)


def test_a_model_without_a_projector_is_refused_before_it_starts(starts: Starts) -> None:
    starts.projectors = 0

    with pytest.raises(ModelUnsupported, match="eye:latest cannot see pictures"):
        OcrModel("eye", starts.access)
    assert starts.asked == []


def test_a_model_that_must_be_pulled_is_asked_at_once_whether_it_sees(starts: Starts) -> None:
    starts.is_here, starts.sees = False, False

    with pytest.raises(ModelUnsupported, match="cannot see pictures"):
        OcrModel("eye", starts.access)
    assert starts.running == 0


def test_a_model_whose_server_says_that_it_does_not_see_is_refused(starts: Starts) -> None:
    starts.sees = False

    with (
        OcrModel("eye", starts.access) as model,
        pytest.raises(ModelUnsupported, match="cannot see pictures"),
    ):
        model.read(b"\x89PNG")
    assert starts.running == 0


def test_the_model_of_an_index_must_be_the_same(starts: Starts) -> None:
    with OcrModel("eye", starts.access, OcrInfo(model=NAME, digest="sha256:other")) as model:
        assert starts.asked == []
        with pytest.raises(ReadingFailed, match="is not the model any more"):
            model.read(b"\x89PNG")
    with OcrModel("eye", starts.access, INFO) as model:
        assert model.read(b"\x89PNG") == "red"


def test_after_a_failure_the_server_is_started_again(starts: Starts) -> None:
    with OcrModel("eye", starts.access) as model:
        starts.answer = "x" * 2_000_000
        with pytest.raises(ChatError):
            model.read(b"\x89PNG")
        assert starts.running == 0
        starts.answer = ANSWER
        assert model.read(b"\x89PNG") == "red"
    assert len(starts.asked) == 2
