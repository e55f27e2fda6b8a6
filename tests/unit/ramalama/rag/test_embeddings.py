"""Texts become vectors: in batches, several at a time, whatever the server answers."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ramalama.errors import EmbeddingFailed
from ramalama.rag.embeddings import ServerEmbedder
from ramalama.rag.values import EmbedderInfo
from ramalama_chat.client.remote import open_remote
from tests.doubles.embedding_server import MODEL, EmbeddingServer, refusal, vector_of, vectors
from tests.doubles.server import Reply

if TYPE_CHECKING:
    from array import array
    from collections.abc import Generator, Sequence

    from tests.doubles.server import Request

PLAIN = EmbedderInfo(model="file:///tiny.gguf", dimension=0)
PREFIXED = EmbedderInfo(
    model="nomic", dimension=0, document_prefix="search_document: ", query_prefix="search_query: "
)


@contextmanager
def embedder(
    server: EmbeddingServer,
    identity: EmbedderInfo = PLAIN,
    limit: int | None = None,
    patience: float = 60.0,
) -> Generator[ServerEmbedder]:
    client = open_remote(server.url)
    asked = {"identity": identity, "limit": limit, "patience": patience}
    try:
        with ServerEmbedder(client, model=MODEL, **asked) as opened:  # type: ignore[arg-type]
            yield opened
    finally:
        client.close()


def is_direction_of(vector: array[float] | None, text: str) -> bool:
    expected = vector_of(text)
    length = math.hypot(*expected)
    return vector is not None and list(vector) == pytest.approx([x / length for x in expected])


def test_each_text_gets_its_vector_of_length_1_in_order() -> None:
    texts = [f"{'word ' * (number % 7)}{number}" for number in range(50)]
    with EmbeddingServer() as server, embedder(server) as opened:
        found = opened.embed(texts)

    assert all(map(is_direction_of, found, texts))
    assert [math.hypot(*vector or ()) for vector in found] == pytest.approx([1.0] * 50)
    assert opened.info == EmbedderInfo(model="file:///tiny.gguf", dimension=3)


def test_texts_are_sent_in_batches_of_16_and_as_many_at_a_time_as_the_server_has_slots() -> None:
    texts = [str(number) for number in range(100)]
    with EmbeddingServer(delay=0.02) as server, embedder(server) as opened:
        opened.embed(texts)

    assert sorted(map(len, server.batches)) == [4, *[16] * 6]
    assert server.most_at_once == 2


def test_a_text_that_is_too_long_has_no_vector_and_all_others_of_its_batch_have() -> None:
    texts = ["short", "word " * 40, "also short"]
    with EmbeddingServer() as server, embedder(server) as opened:
        first, long, last = opened.embed(texts)

    assert is_direction_of(first, "short")
    assert long is None
    assert is_direction_of(last, "also short")


def test_texts_that_are_all_too_long_have_no_vectors_while_the_server_works() -> None:
    with EmbeddingServer() as server, embedder(server) as opened:
        assert opened.embed(["word " * 40, "word " * 50]) == [None, None]


def test_a_server_that_refuses_everything_has_failed() -> None:
    broken = False

    def refuse(_texts: Sequence[str]) -> Reply | None:
        return refusal(500, "out of memory") if broken else None

    with EmbeddingServer(instead=refuse) as server, embedder(server) as opened:
        broken = True
        with pytest.raises(EmbeddingFailed, match="out of memory"):
            opened.embed(["a text", "another"])


def test_a_key_that_is_not_accepted_is_told_at_once() -> None:
    with (
        EmbeddingServer(instead=lambda _: refusal(401, "Invalid API Key")) as server,
        pytest.raises(EmbeddingFailed, match="Invalid API Key; set RAMALAMA_API_KEY"),
        embedder(server),
    ):
        pass
    assert len(server.asked("/v1/embeddings")) == 1


def test_a_server_that_is_busy_is_asked_again() -> None:
    turns = iter([None, refusal(503, "busy"), refusal(429, "busy"), None])

    with EmbeddingServer(instead=lambda _: next(turns)) as server, embedder(server) as opened:
        (vector,) = opened.embed(["text"])

    assert is_direction_of(vector, "text")


def test_a_server_that_is_gone_has_failed() -> None:
    with EmbeddingServer() as server:
        client = open_remote(server.url)
        opened = ServerEmbedder(client, model=MODEL, identity=PLAIN)
    with opened, pytest.raises(EmbeddingFailed, match="cannot be reached"):
        opened.embed(["text"])
    client.close()


def test_prefixes_stand_before_texts_and_questions_and_make_the_limit_smaller() -> None:
    with EmbeddingServer() as server, embedder(server, PREFIXED) as opened:
        (text,) = opened.embed(["a text"])
        question = opened.embed_question("what?")

    assert is_direction_of(text, "search_document: a text")
    assert is_direction_of(question, "search_query: what?")
    assert opened.limit == 32 - 2 - 1 - 4


def test_a_question_that_is_too_long_is_cut() -> None:
    with EmbeddingServer() as server, embedder(server, PREFIXED) as opened:
        opened.embed_question("word " * 1000)

    ((sent,),) = server.batches
    assert 20 < len(sent.split()) <= 30


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("llama.cpp", [2, 0, 3]), ("vllm", [2, 0, 3]), ("other", [3, 0, 2])],
)
def test_the_server_counts_the_tokens_or_else_they_are_estimated(
    kind: str, counts: list[int]
) -> None:
    server = EmbeddingServer(kind)  # type: ignore[arg-type]  # one of its words
    with server, embedder(server) as opened:
        assert opened.count(["two words!", "", "one two"[:3] + " 2 3"]) == counts


def test_many_texts_are_counted_with_few_requests() -> None:
    texts = [f"{'word ' * (number % 5)}" for number in range(200)]
    with EmbeddingServer() as server, embedder(server) as opened:
        before = len(server.asked("/tokenize"))
        counts = opened.count(texts)
        asked = len(server.asked("/tokenize")) - before

    assert counts == [number % 5 for number in range(200)]
    assert asked == 4


@pytest.mark.parametrize(
    ("kind", "given", "limit"),
    [("llama.cpp", None, 26), ("vllm", None, 26), ("other", None, 506), ("llama.cpp", 20, 14)],
)
def test_the_limit_is_the_callers_or_the_servers_or_else_a_usual_one(
    kind: str, given: int | None, limit: int
) -> None:
    server = EmbeddingServer(kind)  # type: ignore[arg-type]  # one of its words
    with server, embedder(server, limit=given) as opened:
        assert opened.limit == limit


def test_half_of_a_character_is_replaced() -> None:
    with EmbeddingServer() as server, embedder(server) as opened:
        assert opened.embed(["\ud83e"]) != [None]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply.of_json({}), "sent no vectors"),
        (Reply.of_json([]), "sent no vectors"),
        (Reply.of_json({"data": 7}), "sent no vectors"),
        (vectors([[1.0, 2.0, 3.0]]), "sent 1 vectors for 2 texts"),
        (Reply.of_json({"data": [1, 2]}), "sent a vector that is not one"),
        (vectors([[1.0, 2.0], [1.0, 2.0, 3.0]]), "different dimensions"),
        (vectors([[1.0, 2.0], [1.0, 2.0]]), "of another dimension than before"),
        (vectors([[1.0] * 8193] * 2), "has not 1 to 8192 numbers"),
        (vectors([[1.0] * 8193] * 2, as_text=False), "has not 1 to 8192 numbers"),
        (vectors([[], []]), "has not 1 to 8192 numbers"),
        (Reply.of_json({"data": [{"embedding": "é"}] * 2}), "has not 1 to 8192 numbers"),
        (Reply.of_json({"data": [{"embedding": "AAA="}] * 2}), "has not 1 to 8192 numbers"),
        (Reply.of_json({"data": [{"embedding": ["1"]}] * 2}), "has not 1 to 8192 numbers"),
        (Reply.of_json({"data": [{"embedding": [10**400]}] * 2}), "has not 1 to 8192 numbers"),
        (
            Reply.of_json({"data": [{"embedding": [1.0], "index": 0}] * 2}),
            "does not say which vector is whose",
        ),
        (
            Reply.of_json({"data": [{"embedding": [1.0], "index": 9}] * 2}),
            "does not say which vector is whose",
        ),
        (Reply(body=b"<html>"), "not JSON"),
        (Reply(body=b"[" * 100_000), "not JSON"),
        (Reply(body=b" " * (17 << 20)), "an answer of more than"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused(reply: Reply, words: str) -> None:
    with (
        EmbeddingServer(instead=lambda texts: reply if len(texts) == 2 else None) as server,
        embedder(server) as opened,
        pytest.raises(EmbeddingFailed, match=words),
    ):
        opened.embed(["a", "b"])


@pytest.mark.parametrize("number", [0.0, math.nan, math.inf, -math.inf, 3e38])
def test_a_vector_without_a_direction_is_none(number: float) -> None:
    reply = vectors([[number] * 3, [1.0, 0.0, 0.0]])
    with (
        EmbeddingServer(instead=lambda texts: reply if len(texts) == 2 else None) as server,
        embedder(server) as opened,
    ):
        first, second = opened.embed(["a", "b"])

    assert (first is None) is (number != 3e38)
    assert second is not None


def test_a_question_without_a_direction_has_failed() -> None:
    with (
        EmbeddingServer(
            instead=lambda texts: vectors([[0.0] * 3]) if texts == ["why?"] else None
        ) as server,
        embedder(server) as opened,
        pytest.raises(EmbeddingFailed, match="a vector without a direction"),
    ):
        opened.embed_question("why?")


def test_a_server_that_knows_no_base64_may_send_digits() -> None:
    with (
        EmbeddingServer(
            instead=lambda texts: vectors([vector_of(each) for each in texts], as_text=False)
        ) as server,
        embedder(server) as opened,
    ):
        (vector,) = opened.embed(["text"])

    assert is_direction_of(vector, "text")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/tokenize"])
def test_a_server_that_stops_to_answer_is_not_waited_for_without_end(path: str) -> None:
    stopped, held = threading.Event(), threading.Event()
    with EmbeddingServer() as server:
        answer = server.routes[path]

        def answer_or_hang(request: Request) -> Reply:
            if stopped.is_set():
                held.wait(10)
            return answer(request)

        server.routes[path] = answer_or_hang
        with embedder(server, patience=0.5) as opened:
            stopped.set()
            begin = time.monotonic()
            with pytest.raises(EmbeddingFailed, match="stopped answering"):
                opened.embed_question("how?")
            assert time.monotonic() - begin < 5
            held.set()
