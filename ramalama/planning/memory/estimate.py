"""Estimate the memory that llama.cpp needs for a model, from its GGUF header.

    weights    the tensors, as in the file
    KV cache   for every layer and every token of context: keys and values of all its KV heads
    computing  for a batch of tokens: logits of the whole vocabulary, activations, attention mask

Compared with the server's own log (SmolLM2 at three contexts, Gemma 3 at two), the KV cache is
exact to the byte and the rest within 3 %. If the architecture is unknown, each of its layers counts
as one that sees the whole context: the estimate may be too high, but not too low.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from ramalama.models.formats.gguf_metadata import ArrayOf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.models.formats.gguf_metadata import GGUFMetadata

_BATCH = 512  # tokens that llama.cpp computes at a time: its default of --ubatch-size
_STEP = 256  # tokens; llama.cpp rounds the context up to a multiple of it
_F16 = 2  # bytes of a number in the cache, by default
_F32 = 4  # bytes
_COPIES = 4  # of the layers with a window, for a short context
_COPY_INTERVAL = 8192  # tokens; the default of --checkpoint-min-step
_ACTIVATIONS = 7  # vectors of the embedding's width that each token of a batch needs at once

# Architectures with a sliding window: in each group of this many layers, the last layer sees the
# whole context.
_ONE_FULL_LAYER_OF = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """The bytes that a server needs for a model, without the server program itself."""

    weights: int
    kv_cache: int
    computing: int

    @property
    def total(self) -> int:
        """The sum of all parts, in bytes."""
        return self.weights + self.kv_cache + self.computing


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer's part of the KV cache.

    Attributes:
        token: bytes for each token that the layer keeps.
        window: how many tokens the layer looks back at most; None means all of them.
    """

    token: int
    window: int | None

    def cache(self, context: int) -> int:
        """Return the bytes of the cache for *context* tokens."""
        if self.window is not None:
            context = min(context, _round_up(self.window + _BATCH))
        return context * self.token


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The properties of a model that determine how much memory it needs.

    Attributes:
        weights: bytes of all its files.
        layers: the parts of the KV cache.
        vocabulary: number of tokens in the vocabulary.
        width: length of an embedding vector.
        trained_context: tokens of context that the model was trained for; None if unknown.
        models: number of models that this is the sum of; see `beside`.
    """

    weights: int
    layers: tuple[Layer, ...]
    vocabulary: int
    width: int
    trained_context: int | None
    models: int = 1

    @classmethod
    def of(cls, metadata: GGUFMetadata, *, weights: int) -> Self | None:
        """Read the shape from the header of the first file; None if the header lacks a value.

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
        """Return the sum of this model and its draft model, for one server that loads both."""
        return replace(
            self,
            weights=self.weights + other.weights,
            layers=self.layers + other.layers,
            vocabulary=self.vocabulary + other.vocabulary,
            width=self.width + other.width,
            models=self.models + other.models,
        )

    def need(self, context: int) -> MemoryEstimate:
        """Estimate the memory for *context* tokens, with a KV cache in half precision."""
        context = _round_up(context)
        numbers = _BATCH * (self.vocabulary + _ACTIVATIONS * self.width)
        return MemoryEstimate(
            weights=self.weights,
            kv_cache=sum(layer.cache(context) for layer in self.layers),
            computing=numbers * _F32 + self.models * _BATCH * context * _F16,
        )

    def checkpoints(self, context: int) -> int:
        """Return the bytes of the copies that llama.cpp keeps of layers with a window.

        It makes a copy every 8192 tokens, and some at the beginnings of messages.
        """
        windows = sum(layer.cache(context) for layer in self.layers if layer.window is not None)
        return windows * (_COPIES + context // _COPY_INTERVAL)

    def largest_context(self, memory: int) -> int:
        """Return the largest context, in tokens, that fits into *memory* bytes.

        It is at most the context that the model was trained for, and 0 if not even the weights fit.
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
        # A layer without heads keeps a small state of fixed size instead.
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
    """Return the number of tokens in the vocabulary; 0 if the header does not contain it."""
    tokens = metadata.keys.get("tokenizer.ggml.tokens")
    if isinstance(tokens, ArrayOf):
        return tokens.length
    if isinstance(tokens, tuple):
        return len(tokens)
    return metadata.number("vocab_size") or 0


def _round_up(tokens: int) -> int:
    return -(-tokens // _STEP) * _STEP
