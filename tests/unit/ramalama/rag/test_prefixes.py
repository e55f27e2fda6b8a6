"""The words that embedding models want before a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ramalama.models.reference.reference import ModelRef
from ramalama.rag.prefixes import Prefixes, find_prefixes, names_of
from tests.unit.ramalama.made_up import STORED
from tests.unit.ramalama.models.formats.made_gguf import gguf, string

if TYPE_CHECKING:
    from pathlib import Path

NOMIC = Prefixes("search_document: ", "search_query: ")


@pytest.mark.parametrize(
    ("name", "document", "question"),
    [
        ("ollama://nomic-embed-text", "search_document: ", "search_query: "),
        ("hf://nomic-ai/nomic-embed-text-v2-moe-GGUF", "search_document: ", "search_query: "),
        ("Nomic Embed Text v1.5", "search_document: ", "search_query: "),
        ("ollama://embeddinggemma", "title: none | text: ", "task: search result | query: "),
        ("hf://ggml-org/embedding_gemma-300m", "title: none | text: ", "task: search result | "),
        ("hf://intfloat/multilingual-e5-small", "passage: ", "query: "),
        ("hf://x/e5-base-v2-gguf", "passage: ", "query: "),
        ("hf://intfloat/multilingual-e5-large-instruct", "", "Instruct: Given a web search"),
        ("ollama://qwen3-embedding:0.6b", "", "Instruct: Given a web search query"),
        ("ollama://bge-large-en", "", "Represent this sentence"),
        ("ollama://bge-m3", "", ""),
        ("ollama://mxbai-embed-large", "", "Represent this sentence"),
        ("ollama://snowflake-arctic-embed", "", "Represent this sentence"),
        ("ollama://snowflake-arctic-embed2", "", "query: "),
        ("hf://Snowflake/snowflake-arctic-embed-l-v2.0", "", "query: "),
        ("ollama://all-minilm", "", ""),
        ("hf://x/granite-embedding-30m-english", "", ""),
    ],
)
def test_the_name_of_a_model_tells_its_family(name: str, document: str, question: str) -> None:
    found = find_prefixes([name])

    assert found.document == document
    assert found.question.startswith(question)
    assert bool(found.question) is bool(question)


def test_the_header_of_the_file_names_the_model_if_the_reference_does_not(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(gguf({"general.name": string("Nomic Embed Text v1.5")}))
    model = replace(STORED, reference=ModelRef.parse("ollama://mine"), weights=(file,))

    assert find_prefixes(names_of(model)) == NOMIC


def test_a_file_that_cannot_be_read_has_the_name_of_its_reference() -> None:
    assert list(names_of(STORED)) == [str(STORED.reference)]
    assert find_prefixes(names_of(STORED)) == Prefixes()
