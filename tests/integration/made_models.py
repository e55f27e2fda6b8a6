"""Models that a server takes, made of another one, of zeros, or of numbers that are given."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final

from ramalama.models.formats.gguf_metadata import parse_metadata
from tests.unit.ramalama.models.formats.made_gguf import array, gguf, scalar, string, tensor, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.unit.ramalama.models.formats.made_gguf import Entry

_FIXED_SIZE: Final = 24
_ALIGNMENT: Final = 32
_U16, _U32, _I32, _F32, _BOOL = 2, 4, 5, 6, 7
_WIDTH: Final = 576  # of SmolLM2's embeddings


def split(whole: bytes, count: int) -> list[bytes]:
    """Cut a model into *count* files, as llama.cpp's gguf-split does: the keys are in the first."""
    metadata = parse_metadata(whole, name="the model")
    tensors = metadata.tensors
    data = memoryview(whole)[aligned(metadata.size) :]
    ends = [*(each.offset for each in tensors[1:]), len(data)]
    keys = whole[_FIXED_SIZE : whole.index(text(tensors[0].name))]
    parts: list[bytes] = []
    for number in range(count):
        share = range(number * len(tensors) // count, (number + 1) * len(tensors) // count)
        infos, content = b"", bytearray()
        for each, end in ((tensors[position], ends[position]) for position in share):
            infos += tensor(each.name, each.dimensions, len(content), kind=each.type)
            content += data[each.offset : end]
        own = keys if number == 0 else b""
        header = gguf(
            {
                "split.no": scalar(_U16, number),
                "split.count": scalar(_U16, count),
                "split.tensors.count": scalar(_I32, len(tensors)),
            },
            key_count=3 + (len(metadata.keys) if own else 0),
            tensor_count=len(share),
        )
        parts.append(_padded(header + own + infos) + content)
    return parts


def shortened(whole: bytes) -> bytes:
    """Return SmolLM2 with the first of its thirty layers alone; it speaks without sense."""
    metadata = parse_metadata(whole, name="the model")
    tensors = metadata.tensors
    data = memoryview(whole)[aligned(metadata.size) :]
    ends = [*(each.offset for each in tensors[1:]), len(data)]
    keys = whole[_FIXED_SIZE : whole.index(text(tensors[0].name))]
    layers = text("llama.block_count") + b"".join(map(_number, (_U32, 30)))
    assert layers in keys
    keys = keys.replace(layers, layers[:-4] + _number(1))
    infos, content, count = b"", bytearray(), 0
    for each, end in zip(tensors, ends, strict=True):
        if not each.name.startswith("blk.") or each.name.startswith("blk.0."):
            infos += tensor(each.name, each.dimensions, len(content), kind=each.type)
            content += data[each.offset : end]
            count += 1
    header = gguf({}, key_count=len(metadata.keys), tensor_count=count)
    return _padded(header + keys + infos) + content


def make_projector(learnt: Mapping[str, bytes] | None = None) -> bytes:
    """Make what turns pictures into SmolLM2's embeddings: one layer, and a token for a picture.

    *learnt* are the contents of tensors; the others are zero, and with none pictures are all alike.
    """
    numbers = {
        "image_size": 64,
        "patch_size": 16,
        "embedding_length": 64,
        "feed_forward_length": 128,
        "projection_dim": _WIDTH,
        "block_count": 1,
        "attention.head_count": 2,
    }
    halves = array(_F32, [scalar(_F32, 0.5)[1]] * 3)
    keys = {
        "general.architecture": string("clip"),
        "general.type": string("mmproj"),
        "clip.has_vision_encoder": scalar(_BOOL, True),  # noqa: FBT003 (a value of that type)
        "clip.projector_type": string("gemma3"),
        "clip.use_gelu": scalar(_BOOL, True),  # noqa: FBT003 (see above)
        "clip.vision.attention.layer_norm_epsilon": scalar(_F32, 1e-6),
        "clip.vision.image_mean": halves,
        "clip.vision.image_std": halves,
        **{f"clip.vision.{name}": scalar(_U32, number) for name, number in numbers.items()},
    }
    layer = {
        **{f"attn_{name}.weight": (64, 64) for name in ("q", "k", "v", "out")},
        **{f"attn_{name}.bias": (64,) for name in ("q", "k", "v", "out")},
        **{f"ln{number}.{name}": (64,) for number in (1, 2) for name in ("weight", "bias")},
        "ffn_up.weight": (64, 128),
        "ffn_up.bias": (128,),
        "ffn_down.weight": (128, 64),
        "ffn_down.bias": (64,),
    }
    shapes = {
        "v.patch_embd.weight": (16, 16, 3, 64),
        "v.patch_embd.bias": (64,),
        "v.position_embd.weight": (64, 16),
        "v.post_ln.weight": (64,),
        "v.post_ln.bias": (64,),
        **{f"v.blk.0.{name}": shape for name, shape in layer.items()},
        "mm.input_projection.weight": (_WIDTH, 64),
        "mm.soft_emb_norm.weight": (64,),
    }
    return _made(keys, shapes, learnt or {})


def make_adapter() -> bytes:
    """Make a LoRA adapter for SmolLM2 that changes nothing."""
    keys = {
        "general.architecture": string("llama"),
        "general.type": string("adapter"),
        "adapter.type": string("lora"),
        "adapter.lora.alpha": scalar(_F32, 1.0),
    }
    name = "blk.0.attn_q.weight"
    return _made(keys, {f"{name}.lora_a": (_WIDTH, 4), f"{name}.lora_b": (4, _WIDTH)}, {})


def aligned(position: int) -> int:
    """Return where the next tensor may begin, from *position* on."""
    return -(-position // _ALIGNMENT) * _ALIGNMENT


def _made(
    keys: Mapping[str, Entry], shapes: Mapping[str, Sequence[int]], contents: Mapping[str, bytes]
) -> bytes:
    """Make a file whose tensors are of 32-bit numbers, zero where *contents* have none."""
    infos, data = b"", bytearray()
    for name, shape in shapes.items():
        infos += tensor(name, shape, len(data))
        data += _padded(contents.get(name, bytes(prod(shape) * 4)))
    header = gguf(keys, tensor_count=len(shapes))
    return _padded(header + infos) + data


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _padded(content: bytes) -> bytes:
    return content.ljust(aligned(len(content)), b"\0")
