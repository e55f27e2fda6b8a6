"""How much memory llama.cpp will need for a model; pure arithmetic on its GGUF header.

    weights    the tensors, as they lie in the file
    KV cache   for every layer and every token of context: keys and values of all its KV heads
    computing  for a batch of tokens: logits of the whole vocabulary, activations, the mask

Held against the server's own log (SmolLM2 at three contexts, Gemma 3 at two) the KV cache is right
to the byte and the rest within 3 %. Where an architecture is not known, its layers are taken for
the costly kind: the estimate may be too high, never too low.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from ramalama.models.formats.gguf_metadata import ArrayOf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.models.formats.gguf_metadata import GGUFMetadata

_BATCH = 512  # tokens that llama.cpp computes at a time, its --ubatch-size
_STEP = 256  # tokens of context that it rounds up to
_F16 = 2  # bytes; the cache's numbers unless told otherwise
_F32 = 4
_ACTIVATIONS = 7  # rows of the embedding's width that a batch holds at once

# Architectures with a sliding window: of so many layers one sees everything, the last of them.
_ONE_FULL_LAYER_OF = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes that a server needs, apart from its program."""

    weights: int
    kv_cache: int
    computing: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv_cache + self.computing


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer's part of the cache: *token* bytes for each token that it keeps.

    *window* is the most tokens that it looks back; None is all of them.
    """

    token: int
    window: int | None

    def cache(self, context: int) -> int:
        """Bytes for a context of so many tokens."""
        if self.window is not None:
            context = min(context, _round_up(self.window + _BATCH))
        return context * self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What of a model decides how much memory it takes.

    Attributes:
        weights: bytes of all its files.
        vocabulary: number of tokens that it knows.
        width: of its embeddings, in numbers.
        trained_context: tokens that it was made for; None where it does not tell.
        models: how many models this is the sum of, see `beside`.
    """

    weights: int
    layers: tuple[Layer, ...]
    vocabulary: int
    width: int
    trained_context: int | None
    models: int = 1

    @classmethod
    def of(cls, metadata: GGUFMetadata, *, weights: int) -> Self | None:
        """Take it from the header of the (first) file; None where that does not tell enough.

        *weights* are the bytes of all files of the model.
        """
        width = metadata.number("embedding_length")
        layers = tuple(_layers(metadata))
        if not width or not layers:
            return None
        return cls(
            weights=weights,
            layers=layers,
            vocabulary=count_tokens(metadata),
            width=width,
            trained_context=metadata.number("context_length"),
        )

    def beside(self, other: Self) -> Self:
        """Return the sum of this model and of one that guesses ahead for it, in one server."""
        return replace(
            self,
            weights=self.weights + other.weights,
            layers=self.layers + other.layers,
            vocabulary=self.vocabulary + other.vocabulary,
            width=self.width + other.width,
            models=self.models + other.models,
        )

    def need(self, context: int) -> MemoryEstimate:
        """Estimate for a context of so many tokens, kept in half precision."""
        context = _round_up(context)
        numbers = _BATCH * (self.vocabulary + _ACTIVATIONS * self.width)
        return MemoryEstimate(
            weights=self.weights,
            kv_cache=sum(layer.cache(context) for layer in self.layers),
            computing=numbers * _F32 + self.models * _BATCH * context * _F16,
        )

    def largest_context(self, memory: int) -> int:
        """Return how many tokens fit into so many bytes, 0 if the weights alone do not.

        At most what the model was made for.
        """
        low, high = 0, (self.trained_context or 0) // _STEP
        while low < high:
            middle = (low + high + 1) // 2
            if self.need(middle * _STEP).total <= memory:
                low = middle
            else:
                high = middle - 1
        return low * _STEP


def _layers(metadata: GGUFMetadata) -> Iterator[Layer]:
    count = metadata.number("block_count") or 0
    width = metadata.number("embedding_length") or 0
    heads = metadata.per_layer("attention.head_count", count)
    kv_heads = metadata.per_layer("attention.head_count_kv", count) or heads
    if not heads:
        return
    for index, (head_count, kv_count) in enumerate(zip(heads, kv_heads, strict=True)):
        # A layer without heads keeps a state of fixed size instead, next to nothing.
        head = width // head_count if head_count else 0
        key = metadata.number("attention.key_length") or head
        value = metadata.number("attention.value_length") or head
        yield Layer(token=kv_count * (key + value) * _F16, window=_window(metadata, index))


def _window(metadata: GGUFMetadata, layer: int) -> int | None:
    window = metadata.number("attention.sliding_window")
    period = _ONE_FULL_LAYER_OF.get(metadata.architecture or "")
    if not window or period is None or layer % period == period - 1:
        return None
    return window


def count_tokens(metadata: GGUFMetadata) -> int:
    """Return the size of the vocabulary; 0 where the header does not tell."""
    tokens = metadata.keys.get("tokenizer.ggml.tokens")
    if isinstance(tokens, ArrayOf):
        return tokens.length
    if isinstance(tokens, tuple):
        return len(tokens)
    return metadata.number("vocab_size") or 0


def _round_up(tokens: int) -> int:
    return -(-tokens // _STEP) * _STEP
