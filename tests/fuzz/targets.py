"""What is fuzzed: each target takes any bytes, and raises only where something is wrong with us.

A refusal is what bytes of a stranger's deserve; anything else that is raised, a wait of seconds,
or memory by the gigabyte is a defect.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that reads bytes.

    Attributes:
        run: is given the bytes.
        seeds: makes inputs from which a fuzzer finds its way to all others.
        has_json: the fuzzer changes the values of JSON in an input, too, not its bytes alone.
        short: how many inputs take half a second or so.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    has_json: bool = False
    short: int = 500


# By name, the module that has it in its own TARGETS; nothing else is imported for it.
HOMES: Mapping[str, str] = {
    "gguf": "tests.fuzz.headers",
    "memory": "tests.fuzz.headers",
    "safetensors": "tests.fuzz.headers",
    "tar": "tests.fuzz.archives",
    "layers": "tests.fuzz.archives",
    "manifest": "tests.fuzz.manifests",
    "settings": "tests.fuzz.settings",
    "engines": "tests.fuzz.engines",
    "log": "tests.fuzz.logs",
    "base": "tests.fuzz.bases",
    "answer": "tests.fuzz.answer_streams",
    "oci": "tests.fuzz.transports",
    "ollama": "tests.fuzz.transports",
    "huggingface": "tests.fuzz.transports",
    "modelscope": "tests.fuzz.transports",
    "url": "tests.fuzz.transports",
    "markdown": "tests.fuzz.documents",
    "html": "tests.fuzz.documents",
    "csv": "tests.fuzz.documents",
    "text": "tests.fuzz.documents",
    "pdf": "tests.fuzz.documents",
    "docx": "tests.fuzz.documents",
    "index": "tests.fuzz.indexes",
    "proxied-request": "tests.fuzz.proxied",
    "proxied-question": "tests.fuzz.proxied",
    "proxied-answer": "tests.fuzz.proxied",
    "passage": "tests.fuzz.proxied",
}


def find_target(name: str, *, module: str | None = None) -> Target:
    """Import the target *name*, from its own module or from *module*."""
    targets = import_module(module or HOMES[name]).TARGETS
    return cast("Mapping[str, Target]", targets)[name]
