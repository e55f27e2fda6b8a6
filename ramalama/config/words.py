"""The words that stand for members of enumerations, for type checkers; not used at run time."""

from __future__ import annotations

from typing import Literal

ApiWord = Literal["none", "llama-stack", "ogx"]
EngineWord = Literal["podman", "docker"]
PullWord = Literal["always", "missing", "never", "newer"]
RuntimeWord = Literal["llama.cpp", "vllm"]
