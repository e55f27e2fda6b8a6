"""An embedding model is started for as long as it is needed, and does not always exist."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import pytest

from ramalama.config.defaults import DEFAULT_EMBEDDING_MODEL
from ramalama.errors import (
    EmbeddingFailed,
    EngineFailure,
    ModelPullError,
    ModelUnsupported,
    ServerExited,
    StartCancelled,
)
from ramalama.events import Event, Notice
from ramalama.models.formats.model_files import Digest
from ramalama.models.reference.reference import ModelRef
from ramalama.models.store.stored_model import StoredModel
from ramalama.rag.embedding_server import (
    EmbedderAccess,
    opened_embedder,
    reopened_embedder,
)
from ramalama.rag.values import EmbedderInfo
from ramalama_accel import RuntimeName
from ramalama_chat.client.remote import open_remote
from ramalama_engines import EngineUnavailable
from tests.doubles.embedding_server import MODEL, EmbeddingServer
from tests.unit.ramalama.models.formats.made_gguf import llama, scalar

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    import openai

    from ramalama.config.options import ServeOptions
    from ramalama.serving.server import ModelServer

DIGEST = Digest("ab" * 32)
SETTINGS: Mapping[str, object] = {
    "ctx_size": 256,
    "temp": 0.5,
    "memory": 1 << 30,
    "network": "bridge",
    "image": "quay.io/me/vllm",
    "runtime": RuntimeName.VLLM,
    "threads": 3,
}


@dataclass
class Plan:
    """What an embedder wants to know of a plan."""

    model: StoredModel


@dataclass
class Served:
    """A model server, as far as an embedder uses it."""

    openai_client: openai.OpenAI
    plan: Plan
    model: str = MODEL

    def client(self) -> openai.OpenAI:
        """Return the client."""
        return self.openai_client


@dataclass
class Starts:
    """Starts servers, or fails; what it was asked for, and what was told."""

    directory: Path
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    failure: Exception | None = None
    asked: list[ServeOptions] = field(default_factory=list["ServeOptions"])
    events: list[Event] = field(default_factory=list["Event"])
    running: int = 0
    wanted: str | None = None
    here: tuple[str, ...] = ("ollama://mine",)

    @property
    def access(self) -> EmbedderAccess:
        """What is handed to an embedder."""
        return EmbedderAccess(
            resolve=ModelRef.parse,
            settings=self.settings,
            serve=self.serve,
            digest_of=lambda _: DIGEST,
            wanted=self.wanted,
            is_here=lambda reference: reference in map(ModelRef.parse, self.here),
            on_event=self.events.append,
        )

    @contextmanager
    def serve(self, options: ServeOptions) -> Generator[ModelServer]:
        """Serve a model whose texts may have 24 tokens."""
        self.asked.append(options)
        if self.failure is not None:
            raise self.failure
        file = self.directory / "model.gguf"
        pooling = {"pooling_type": scalar(4, 1)}
        file.write_bytes(llama(architecture="nomic-bert", context=24, instead=pooling))
        model = StoredModel(reference=options.model, weights=(file,))
        with EmbeddingServer() as server:
            client = open_remote(server.url)
            self.running += 1
            try:
                yield cast("ModelServer", Served(client, Plan(model)))
            finally:
                self.running -= 1
                client.close()


@pytest.fixture
def starts(tmp_path: Path) -> Starts:
    return Starts(tmp_path)


def test_a_named_model_is_started_and_says_who_it_is(starts: Starts) -> None:
    with opened_embedder("ollama://nomic-embed-text:v1.5", starts.access) as embedder:
        assert embedder is not None
        assert starts.running == 1
        assert embedder.info == EmbedderInfo(
            model="ollama://library/nomic-embed-text:v1.5",
            digest=str(DIGEST),
            dimension=3,
            document_prefix="search_document: ",
            query_prefix="search_query: ",
        )
        assert embedder.limit == 24 - 2 - 1 - 4  # as the file says, not the server
        assert embedder.embed(["text"]) != [None]

    assert starts.running == 0
    (options,) = starts.asked
    assert options.embeddings


def test_settings_for_chats_and_for_clients_on_a_port_are_not_its_own(starts: Starts) -> None:
    starts.settings = SETTINGS
    for name in ("hf://me/tiny-embedder", None):
        with opened_embedder(name, starts.access):
            pass

    named, default = starts.asked
    for options in (named, default):
        assert options.threads == 3
        assert options.ctx_size is options.temp is options.memory is None
        assert options.network == "none"
    assert (named.runtime, named.image) == (RuntimeName.VLLM, "quay.io/me/vllm")
    assert (default.runtime, default.image) == (RuntimeName.LLAMA_CPP, None)
    assert default.model == ModelRef.parse(DEFAULT_EMBEDDING_MODEL)


FAILURES = [
    ModelPullError("the registry cannot be reached"),
    EngineFailure(EngineUnavailable("no engine answers")),
    ServerExited("the server ended", exit_code=1),
    EmbeddingFailed("it does not answer"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_without_the_default_model_only_words_are_searched_and_a_notice_says_so(
    starts: Starts, failure: Exception
) -> None:
    starts.failure = failure

    with opened_embedder(None, starts.access) as embedder:
        assert embedder is None

    (notice,) = starts.events
    assert isinstance(notice, Notice)
    assert notice.message == (
        f"{DEFAULT_EMBEDDING_MODEL} cannot be used, so only words are searched, not meanings: "
        f"{failure}; "
        "the setting `embedding_model` names another one, such as a file of this machine, or none"
    )


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_a_named_model_that_cannot_be_had_is_an_error(starts: Starts, failure: Exception) -> None:
    starts.failure = failure

    with (
        pytest.raises(type(failure), match=str(failure)),
        opened_embedder("ollama://all-minilm", starts.access),
    ):
        pass


def test_a_start_that_is_cancelled_is_not_one_that_failed(starts: Starts) -> None:
    starts.failure = StartCancelled("the start was cancelled")

    with pytest.raises(StartCancelled), opened_embedder(None, starts.access):
        pass


def test_a_chat_model_that_settings_name_is_an_error(starts: Starts) -> None:
    starts.failure = ModelUnsupported("it is a chat model")

    with pytest.raises(ModelUnsupported), opened_embedder("ollama://smollm2", starts.access):
        pass


def test_none_starts_nothing(starts: Starts) -> None:
    with opened_embedder("none", starts.access) as embedder:
        assert embedder is None

    assert starts.asked == []


KNOWN = EmbedderInfo(
    model="ollama://mine", digest=str(DIGEST), dimension=3, query_prefix="the index's own: "
)


def test_the_model_of_an_index_is_used_with_the_prefixes_of_the_index(starts: Starts) -> None:
    with reopened_embedder(KNOWN, starts.access) as embedder:
        assert embedder.info == KNOWN


@pytest.mark.parametrize("known", [{"digest": f"sha256:{'cd' * 32}"}, {"dimension": 4}])
def test_a_model_that_has_changed_since_is_not_used(
    starts: Starts, known: dict[str, object]
) -> None:
    changed = replace(KNOWN, **known)  # type: ignore[arg-type]  # each row names its fields

    with (
        pytest.raises(EmbeddingFailed, match="ollama://mine is not the model any more"),
        reopened_embedder(changed, starts.access),
    ):
        pass
    assert starts.running == 0


def named(model: str) -> EmbedderInfo:
    return replace(KNOWN, model=model)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("hf://evil/model", "`ramalama pull hf://evil/model` gets it"),
        ("ollama://library/a:b", "`ramalama pull ollama://library/a:b` gets it"),
        ("http://10.0.0.1/a.gguf?x=$(id)", r"`ramalama pull 'http://10.0.0.1/a.gguf\?x=\$\(id\)'`"),
        ("file:///etc/passwd", "RAMALAMA_EMBEDDING_MODEL, names it, too"),
        ("./model.gguf", "no full name"),
        ("/model.gguf", "no full name"),
        ("smollm2", "no full name"),
        ("hf://a\x1b[2J/b\n", "no full name"),
        ("none", "no full name"),
        ("", "no full name"),
    ],
)
def test_a_model_that_only_an_index_names_is_neither_pulled_nor_read(
    starts: Starts, model: str, reason: str
) -> None:
    with (
        pytest.raises(EmbeddingFailed, match=reason) as caught,
        reopened_embedder(named(model), starts.access),
    ):
        pass

    assert starts.asked == []
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("model", ["file:///models/mine.gguf", "hf://me/tiny-embedder"])
def test_a_model_of_the_settings_is_used_for_an_index(starts: Starts, model: str) -> None:
    starts.wanted = model

    with reopened_embedder(named(str(ModelRef.parse(model))), starts.access):
        assert starts.running == 1


@pytest.mark.parametrize("wanted", [None, "none"])
def test_the_default_model_is_used_for_an_index_even_if_it_must_be_pulled(
    starts: Starts, wanted: str | None
) -> None:
    starts.wanted = wanted

    with reopened_embedder(named(str(ModelRef.parse(DEFAULT_EMBEDDING_MODEL))), starts.access):
        assert starts.running == 1
