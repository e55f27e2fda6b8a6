"""Tests of a program that asks a model: ``pytest test_with_pytest.py``.

Without a container engine: ``pytest --ramalama-record=none``, once the answers are recorded by
``pytest --ramalama-record=once`` where there is one.
"""

import os

import pytest

import ramalama
from ramalama.testing import Reply, fake_server

MODEL = os.environ.get("MODEL", "smollm2:135m")


def explain(server: ramalama.ServedModel, word: str) -> str:
    """Explain a word, or apologize; this is the program."""
    try:
        return "".join(server.chat().ask(f"Explain: {word}", max_tokens=64, temperature=0))
    except ramalama.ChatError:
        return "I cannot explain that now."


def test_the_program_says_what_the_model_says() -> None:
    with fake_server({"seal": "An animal that lives in the sea."}) as server:
        assert explain(server, "seal") == "An animal that lives in the sea."
        assert server.questions[0].body["max_tokens"] == 64


@pytest.mark.parametrize("reply", [Reply.failure(500), Reply.death(after="An animal")])
def test_the_program_apologizes_when_the_server_fails(reply: Reply) -> None:
    with fake_server(reply) as server:
        assert explain(server, "seal") == "I cannot explain that now."


@pytest.mark.ramalama(model=MODEL, ctx_size=1024)
def test_a_real_model_explains(ramalama_server: ramalama.ServedModel) -> None:
    assert len(explain(ramalama_server, "seal").split()) > 3
