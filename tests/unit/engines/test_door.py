"""What `import ramalama_engines` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from types import UnionType

import pytest

import ramalama_engines


def test_every_public_name_is_there_listed_once_and_in_order() -> None:
    assert ramalama_engines.__all__ == sorted(set(ramalama_engines.__all__))
    for name in ramalama_engines.__all__:
        value = getattr(ramalama_engines, name)
        assert isinstance(value, UnionType) or value.__name__ == name
    assert dir(ramalama_engines) == ramalama_engines.__all__


def test_a_name_that_is_not_public_is_none() -> None:
    name = "Nonsense"
    with pytest.raises(AttributeError, match="'ramalama_engines' has no attribute 'Nonsense'"):
        getattr(ramalama_engines, name)


def test_importing_it_loads_nothing_else_of_ours_and_no_sdk() -> None:
    program = "import sys, ramalama_engines; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    loaded = done.stdout.split()
    assert "ramalama_engines" in loaded
    assert not [name for name in loaded if name.startswith("ramalama_engines.")]
    sdks = {"podman", "docker", "requests", "requests_unixsocket", "urllib3", "tenacity"}
    assert sdks.isdisjoint(loaded)
