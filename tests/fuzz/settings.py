"""What a model's author meant it to have: settings in files beside the weights."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from ramalama.config.options import ServeOptions
from ramalama.models.formats.model_files import Digest, FileKind
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.open import open_model
from ramalama.models.store.records import ModelRecord, StoredFile
from ramalama.planning.memory.transformers_config import read_shape
from ramalama.runtimes.base import ListenAddress, MountedModel, ServerEnvironment
from ramalama.runtimes.llama_cpp import LlamaCpp
from ramalama.runtimes.vllm import Vllm
from ramalama_accel.values import AcceleratorKind
from tests.fuzz.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = ModelRef(Scheme.OLLAMA, "library/fuzz", "latest")
_PULLED = datetime(2026, 1, 1, tzinfo=UTC)
_KINDS = {
    "params": FileKind.PARAMETERS,
    "messages": FileKind.MESSAGES,
    "template": FileKind.GO_TEMPLATE,
    "system": FileKind.SYSTEM,
    "config.json": FileKind.OTHER,
    "generation_config.json": FileKind.OTHER,
}
_SURROUNDINGS = ServerEnvironment(
    listen=ListenAddress(host="/run/api.sock"), threads=4, kind=AcceleratorKind.CPU, image=None
)
_NUMBERS = frozenset({
    "--ctx-size", "--frequency-penalty", "--max-model-len", "--min-p", "--presence-penalty",
    "--repeat-last-n", "--repeat-penalty", "--temp", "--top-k", "--top-p", "--typical",
})  # fmt: skip
_MEMORY = 2**35  # bytes of some machine


def opened_model(data: bytes) -> None:
    """Open a model all of whose settings are *data*, and write its server's command line."""
    weights = FileKind.GGUF if data[:1] < b"\x80" else FileKind.SAFETENSORS
    with TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "weights").write_bytes(b"GGUF")
        for name in _KINDS:
            (directory / name).write_bytes(data[1:])
        files = {"weights": weights, **_KINDS}
        record = ModelRecord(
            reference=_REFERENCE,
            files=tuple(_file(name, kind) for name, kind in files.items()),
            pulled=_PULLED,
        )
        model = open_model(record, directory)
        shape = read_shape(directory, weights=4)
    assert all(isinstance(text, str) for message in model.messages for text in message)
    _check_commands(model.parameters)
    if shape:
        assert 4 <= shape.need(4096).total <= shape.need(8192).total
        assert 0 <= shape.largest_context(_MEMORY) <= (shape.trained_context or 0)


def _file(name: str, kind: FileKind) -> StoredFile:
    return StoredFile(name=name, kind=kind, digest=Digest("0" * 64), size=4)


def _check_commands(parameters: Mapping[str, object]) -> None:
    """Make sure that servers are told numbers where they expect some."""
    model = MountedModel(weights="/weights", alias="fuzz", parameters=parameters)
    options = ServeOptions(model=_REFERENCE)
    for runtime in (LlamaCpp(), Vllm()):
        argv = runtime.server(model, options, _SURROUNDINGS).argv
        for flag, word in pairwise(argv):
            assert flag not in _NUMBERS or math.isfinite(float(word))
            assert flag != "--override-generation-config" or _is_strict_json(word)


def _is_strict_json(text: str) -> bool:
    json.loads(text, parse_constant=_refuse)
    return True


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(constant)


def seeds() -> tuple[bytes, ...]:
    """Return what Ollama and transformers write."""
    parameters = {
        "num_ctx": 4096,
        "stop": ["<|im_end|>", "x"],
        **dict.fromkeys(("temperature", "top_k", "top_p", "min_p", "seed", "repeat_last_n"), 1),
        **dict.fromkeys(("repeat_penalty", "presence_penalty", "frequency_penalty"), 0.5),
        "repetition_penalty": 1.1,
        "penalize_newline": True,
    }
    shape = {
        "hidden_size": 576,
        "max_position_embeddings": 8192,
        "num_attention_heads": 9,
        "num_hidden_layers": 30,
        "num_key_value_heads": 3,
        "head_dim": 64,
        "vocab_size": 49152,
    }
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    values = (parameters, shape, {"text_config": shape}, messages)
    contents = [json.dumps(value).encode() for value in values]
    return tuple(
        form + content for content in (*contents, b"<|im_start|>") for form in (b"\0", b"\xff")
    )


TARGETS: Mapping[str, Target] = {
    "settings": Target(run=opened_model, seeds=seeds, has_json=True, short=300),
}
