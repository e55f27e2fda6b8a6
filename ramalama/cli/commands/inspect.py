"""`ramalama inspect`: show the metadata in a model's files."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ramalama.cli.dispatch import VERBS
from ramalama.cli.exit_codes import INVALID
from ramalama.cli.invocation import GlobalArguments, ensure_no_dryrun, invoke, parser
from ramalama.cli.output.terminal import print_error
from ramalama.errors import ModelNotFound
from ramalama.models.formats.gguf_metadata import ArrayOf, read_metadata
from ramalama.models.formats.safetensors import SafetensorsHeader
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.local import open_local
from ramalama_values.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from ramalama.models.formats.gguf_metadata import Value
    from ramalama.models.library import Models
    from ramalama.models.reference.reference import ModelRef
    from ramalama.models.store.stored_model import StoredModel

_WIDTH = 80
_REGISTRIES = {
    Scheme.FILE: "file",
    Scheme.OLLAMA: "ollama",
    Scheme.HUGGINGFACE: "huggingface",
    Scheme.MODELSCOPE: "modelscope",
    Scheme.OCI: "oci",
    Scheme.HTTP: "http",
    Scheme.HTTPS: "https",
}
_EPILOG = """\
examples:
  ramalama inspect smollm2:135m
  ramalama inspect --get general.architecture smollm2:135m
  ramalama inspect --json --all ./granite.gguf
"""


class InspectArguments(GlobalArguments):
    """The parsed arguments of `ramalama inspect`."""

    all: bool
    get: str | None
    json: bool
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The contents of a model's header, named as in the JSON output."""

    facts: Mapping[str, object]
    metadata: Mapping[str, object]
    tensors: Sequence[Mapping[str, object]]


def execute(words: Sequence[str]) -> int:
    """Run `ramalama inspect` with the arguments *words*, and return the exit code."""
    arguments = make_parser().parse_args(words, InspectArguments())
    if ensure_no_dryrun(arguments, ["inspect", arguments.model]):
        return 0
    invocation = invoke(arguments)
    models = invocation.models()
    model = _find(models, invocation.resolve(models, arguments.model))
    header = _gguf(model) if model.directory is None else _safetensors(model)
    if arguments.get is not None:
        return _print_values(header.metadata, arguments.get)
    if arguments.json:
        json.dump(_document(model, header, whole=arguments.all), sys.stdout, indent=4)
        sys.stdout.write("\n")
    else:
        _print_text(model, header, whole=arguments.all)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of `ramalama inspect`."""
    result = parser("inspect", VERBS["inspect"].summary, epilog=_EPILOG)
    result.add_argument("model", metavar="MODEL", help="reference or short name of a pulled model")
    result.add_argument("--all", action="store_true", help="show metadata and tensors, too")
    result.add_argument(
        "--get", metavar="FIELD", help="print one value of the metadata, or all of them: `all`"
    )
    result.add_argument("--json", action="store_true", help="print a JSON object")
    return result


def _find(models: Models, reference: ModelRef) -> StoredModel:
    if reference.scheme is Scheme.FILE:
        return open_local(reference)
    record = models.store.find(reference)
    if record is None:
        msg = f"{reference} is not on this machine"
        raise ModelNotFound(msg, hint="`ramalama pull` downloads it")
    return models.store.open(record)


def _gguf(model: StoredModel) -> _Header:
    metadata = read_metadata(model.weights[0])
    return _Header(
        facts={
            "Format": "GGUF",
            "Version": metadata.version,
            "Endianness": 0 if metadata.byte_order == "little" else 1,
        },
        metadata={key: _shown(value) for key, value in metadata.keys.items()},
        tensors=[
            {
                "name": tensor.name,
                "n_dimensions": len(tensor.dimensions),
                "dimensions": list(tensor.dimensions),
                "type": tensor.type,
                "offset": tensor.offset,
            }
            for tensor in metadata.tensors
        ],
    )


def _safetensors(model: StoredModel) -> _Header:
    headers = [SafetensorsHeader.read(path) for path in model.weights]
    return _Header(
        facts={"Format": "Safetensors"},
        metadata={key: text for header in headers for key, text in header.metadata.items()},
        tensors=[
            {"name": name, "dtype": tensor.dtype, "shape": list(tensor.shape)}
            for header in headers
            for name, tensor in header.tensors.items()
        ],
    )


def _shown(value: Value) -> object:
    return f"[{value.length} elements]" if isinstance(value, ArrayOf) else value


def _document(model: StoredModel, header: _Header, *, whole: bool) -> Mapping[str, object]:
    counts: dict[str, object] = {
        "Metadata": len(header.metadata),
        "Tensors": len(header.tensors),
    }
    if whole:
        counts = {"Metadata": {"data": header.metadata}, "Tensors": header.tensors}
    return {
        "Name": str(model.reference),
        "Path": str(model.directory or model.weights[0]),
        "Registry": _REGISTRIES[model.reference.scheme],
        **header.facts,
        **counts,
    }


def _print_text(model: StoredModel, header: _Header, *, whole: bool) -> None:
    facts = {**_document(model, header, whole=False)}
    facts |= {
        "Metadata": f"{len(header.metadata)} entries",
        "Tensors": f"{len(header.tensors)} entries",
    }
    if "Endianness" in facts:
        facts["Endianness"] = "little" if header.facts["Endianness"] == 0 else "big"
    sys.stdout.write(printable(str(facts.pop("Name"))) + "\n")
    for name, fact in facts.items():
        sys.stdout.write(_line(3, name, fact))
        if whole and name == "Metadata":
            for key in sorted(header.metadata):
                sys.stdout.write(_line(6, key, header.metadata[key]))
    if whole:
        for tensor in header.tensors:
            rest = ", ".join(f"{key} {value}" for key, value in tensor.items() if key != "name")
            sys.stdout.write(_line(6, str(tensor["name"]), rest))


def _line(indent: int, name: str, value: object) -> str:
    text = printable(f"{' ' * indent}{name}: {value}")
    long = name != "Path" and len(text) > _WIDTH
    return (f"{text[: _WIDTH - 3]}..." if long else text) + "\n"


def _print_values(metadata: Mapping[str, object], name: str) -> int:
    if name == "all":
        for key in sorted(metadata):
            sys.stdout.write(printable(f"{key}: {metadata[key]}", keep="\n") + "\n")
        return 0
    if name not in metadata:
        print_error(
            f"Error: the model's metadata have no field {name!r}; `--get all` lists the fields"
        )
        return INVALID
    sys.stdout.write(printable(str(metadata[name]), keep="\n") + "\n")
    return 0
