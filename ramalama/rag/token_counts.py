"""Count tokens with the tokenizer of a model server.

llama-server has /tokenize for one text, given as text or as a list of texts and numbers of tokens.
A number that no token has stands between the texts here, so that one request counts many. vLLM has
/tokenize for one text, too, with other fields. Other servers have none: tokens are estimated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ramalama.errors import EmbeddingFailed
from ramalama.rag.chunks import estimate
from ramalama_values.json import is_array, is_count, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Ask = Callable[[str, Mapping[str, object]], object]
    """Sends a body to a path outside of /v1, and returns the answer; None if it is refused."""

T = TypeVar("T")

_PATH = "tokenize"
_BETWEEN = -1  # no token has this number
_MOST_TEXTS = 64
_MOST_CHARACTERS = 200_000


class TokenCounter:
    """Counts the tokens of texts, without those that mark their beginning and end.

    Attributes:
        is_exact: whether the server counts.
    """

    def __init__(self, ask: Ask, model: str) -> None:
        self._ask = ask
        self._model = model
        self._count = self._choose()
        self.is_exact = self._count != estimate

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text.

        Raises:
            EmbeddingFailed: the server does not answer, or not as it should.
        """
        return self._count(texts)

    def ends(self) -> int:
        """Return how many tokens the server adds to a text; 2 if it does not say."""
        bare, whole = (
            self._count_one({"content": "a", "add_special": each}) for each in (False, True)
        )
        return whole - bare if whole and bare else 2

    def _choose(self) -> Callable[[Sequence[str]], list[int]]:
        if self._count_joined(["a", "b"]) is not None:
            return self._by_llama_cpp
        if self._count_by_vllm("a") is not None:
            return self._by_vllm
        return estimate

    def _by_llama_cpp(self, texts: Sequence[str]) -> list[int]:
        counts: list[int] = []
        for some in _portions(texts):
            counts += _known(self._count_joined(some))
        return counts

    def _by_vllm(self, texts: Sequence[str]) -> list[int]:
        return [_known(self._count_by_vllm(text)) for text in texts]

    def _count_joined(self, texts: Sequence[str]) -> list[int] | None:
        content: list[object] = []
        for text in texts:
            content += [text, _BETWEEN]
        tokens = self._tokens({"content": content})
        if tokens is None or tokens.count(_BETWEEN) != len(texts):
            return None
        counts = [0]
        for token in tokens:
            if token == _BETWEEN:
                counts.append(0)
            else:
                counts[-1] += 1
        return counts[:-1]

    def _count_one(self, body: Mapping[str, object]) -> int | None:
        tokens = self._tokens(body)
        return None if tokens is None else len(tokens)

    def _tokens(self, body: Mapping[str, object]) -> list[object] | None:
        answer = self._ask(_PATH, body)
        tokens = answer.get("tokens") if is_object(answer) else None
        return tokens if is_array(tokens) else None

    def _count_by_vllm(self, text: str) -> int | None:
        body = {"model": self._model, "prompt": text, "add_special_tokens": False}
        answer = self._ask(_PATH, body)
        count = answer.get("count") if is_object(answer) else None
        return count if is_count(count) else None


def _known(counted: T | None) -> T:
    if counted is None:
        msg = "the embedding model does not count tokens any more"
        raise EmbeddingFailed(msg)
    return counted


def _portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the texts in portions that are not too large for one request."""
    some: list[str] = []
    length = 0
    for text in texts:
        if some and (len(some) == _MOST_TEXTS or length + len(text) > _MOST_CHARACTERS):
            yield some
            some, length = [], 0
        some.append(text)
        length += len(text)
    if some:
        yield some
