"""The image of Llama Stack, made once per machine by its recipe, and a light one in its place.

No registry is asked: the base is made of Debian 13's packages, since OGX needs a newer Python than
Debian 12 has; all else comes from PyPI, by pip, in the build.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ramalama._version import __version__
from ramalama_engines.discovery.connection import open_engine
from ramalama_engines.kinds import EngineKind
from tests.lab import assets
from tests.lab.foreign import debian_mirror, run
from tests.lab.service import LabError, program

if TYPE_CHECKING:
    from tests.lab.service import EngineService

IMAGE: Final = f"quay.io/ramalama/llama-stack:{__version__.rpartition('.')[0]}"

LIGHT: Final = "localhost/light-stack:latest"
"""Answers as a stack does, within a moment: at the socket or the port, to who asks for its health.

It is the CPU image, whose llama-server knows the stack's path of the health check.
"""

DEAF: Final = "localhost/deaf-stack:latest"
"""Runs, and says that it listens, but not where it should."""

BROKEN: Final = "localhost/broken-stack:latest"
"""Ends at once, as a stack does that lacks a module."""

EMPTY: Final = "localhost/empty-stack:latest"
"""Lacks the program that it says it has."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_CONTEXT: Final = _ROOT / "containerfiles"
_RELEASE: Final = "trixie"
_BASE: Final = "localhost/stack-base"
_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"

_LIGHT_RECIPE: Final = """\
FROM {image}
CMD ["sh", "-c", "exec llama-server --host ${{RAMALAMA_SOCKET:-0.0.0.0}} --port 8321"]
"""
_DEAF_RECIPE: Final = """\
FROM {image}
CMD ["sh", "-c", "echo Uvicorn running on http://127.0.0.1:8321; exec sleep 600"]
"""
_BROKEN_RECIPE: Final = """\
FROM {image}
CMD ["sh", "-c", "echo ModuleNotFoundError: No module named ogx; exit 3"]
"""
_EMPTY_RECIPE: Final = """\
FROM {image}
CMD ["ramalama-stack"]
"""
_LIGHT_RECIPES: Final = (
    *((LIGHT, _LIGHT_RECIPE), (DEAF, _DEAF_RECIPE)),
    *((BROKEN, _BROKEN_RECIPE), (EMPTY, _EMPTY_RECIPE)),
)


def ensure_image(engine: EngineService) -> None:
    """Put the image into *engine*; it is built, with that engine, if this machine has none."""
    archive = _archive()
    if archive.exists():
        assets.load(engine, archive, IMAGE)
        return
    _import_base(engine)
    arguments = {"BASE": f"{_BASE}:latest", "PIP_CERT": _CERTIFICATES}
    with open_engine(EngineKind(engine.kind), engine.url) as connection:
        connection.build(
            _CONTEXT,
            tag=IMAGE,
            containerfile="llama-stack/Containerfile",
            build_args=arguments,
        )
    assets.save(engine, archive, IMAGE)


def ensure_light_images(engine: EngineService) -> None:
    """Make `LIGHT` and its like of the CPU image, which *engine* has."""
    with open_engine(EngineKind(engine.kind), engine.url) as connection:
        for name, recipe in _LIGHT_RECIPES:
            with tempfile.TemporaryDirectory() as context:
                text = recipe.format(image=assets.IMAGE)
                Path(context, "Containerfile").write_text(text, encoding="utf-8")
                connection.build(Path(context), tag=name, build_args={})


def _archive() -> Path:
    """Name the archive for the recipe, so that another recipe makes another one."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    files = sorted((_CONTEXT / "llama-stack").iterdir())
    content = b"".join(file.read_bytes() for file in files) + _RELEASE.encode()
    recipe = hashlib.sha256(content).hexdigest()
    return Path(cache) / f"ramalama-dev/stack-{recipe[:16]}.tar"


def _import_base(engine: EngineService) -> None:
    """Make the base: Python, and the authorities that this machine trusts, for pip."""
    with tempfile.TemporaryDirectory() as scratch:
        rootfs = Path(scratch, "rootfs.tar")
        words = (
            *("--quiet", "--variant=apt", "--include=ca-certificates,python3,python3-venv"),
            '--aptopt=Acquire::Check-Valid-Until "false"',  # some mirrors are snapshots
            *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"),
            f"--customize-hook=upload {_CERTIFICATES} {_CERTIFICATES}",
        )
        source = f"deb {debian_mirror()} {_RELEASE} main"
        run([program("mmdebstrap"), *words, _RELEASE, str(rootfs), source])
        query = {"fromSrc": "-", "repo": _BASE, "tag": "latest"}
        kind = {"Content-Type": "application/x-tar"}
        with engine.client() as client, rootfs.open("rb") as content:
            answer = client.post("/images/create", params=query, headers=kind, content=content)
            if client.get(f"/images/{_BASE}:latest/json").is_success:
                return
    msg = f"{engine.url} does not take the base: {answer.text}"
    raise LabError(msg)
