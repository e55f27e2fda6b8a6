"""What `import ramalama_engines` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import ramalama_engines


def test_every_public_name_is_listed_once_and_in_order() -> None:
    names = {
        name
        for name, value in vars(ramalama_engines).items()
        if not name.startswith("_") and not isinstance(value, type(sys))
    }

    assert ramalama_engines.__all__ == sorted(names)


def test_importing_it_loads_no_sdk_and_no_http() -> None:
    program = "import sys, ramalama_engines; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    heavy = {
        "podman",
        "docker",
        "requests",
        "requests_unixsocket",
        "urllib3",
        "tenacity",
        "ramalama",
    }
    assert heavy & set(done.stdout.split()) == set()
    assert "ramalama_engines.connect" in done.stdout.split()
