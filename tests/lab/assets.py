"""What takes long to make, made once per machine: the CPU image and the models."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ramalama._version import __version__
from tests.lab.minilm import ensure_directory, ensure_minilm
from tests.lab.service import LabError

if TYPE_CHECKING:
    from tests.lab.service import EngineService

IMAGE: Final = f"quay.io/ramalama/ramalama:{__version__.rpartition('.')[0]}"

_ROOT: Final = Path(__file__).resolve().parents[2]
_RECIPE: Final = (
    _ROOT / "containerfiles/ramalama/Containerfile",
    _ROOT / "scripts/build-image",
    _ROOT / "scripts/engine_api.py",
)


def model() -> Path:
    """Return the path of SmolLM2, which is fetched at the first time; its sum is checked."""
    script = _ROOT / "scripts/fetch_model.py"
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, check=True)
    return Path(done.stdout.decode().strip())


def embedder() -> Path:
    """Return the path of all-MiniLM-L6-v2, which is made at the first time; its sum is checked."""
    return ensure_minilm(model().parent)


def embedder_directory() -> Path:
    """Return the same model in safetensors, as Hugging Face's hub has it."""
    return ensure_directory(model().parent)


def ensure_image(engine: EngineService) -> None:
    """Put the CPU image into *engine*; it is built, with that engine, if this machine has none."""
    archive = _archive()
    if archive.exists():
        load(engine, archive, IMAGE)
        return
    subprocess.run([str(_ROOT / "scripts/build-image"), engine.url, IMAGE], check=True)
    save(engine, archive, IMAGE)


def _archive() -> Path:
    """Name the image's archive for its recipe, so that another recipe makes another one."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    recipe = hashlib.sha256(b"".join(file.read_bytes() for file in _RECIPE)).hexdigest()
    return Path(cache) / f"ramalama-dev/image-{recipe[:16]}.tar"


def load(engine: EngineService, archive: Path, image: str) -> None:
    """Load *image* from the archive that `save` has written."""
    with engine.client() as client, archive.open("rb") as content:
        answer = client.post("/images/load", params={"quiet": "true"}, content=content)
        if client.get(f"/images/{image}/json").is_success:
            return
    msg = f"{engine.url} does not take {archive}: {answer.text}"
    raise LabError(msg)


def save(engine: EngineService, archive: Path, image: str) -> None:
    """Save *image* to *archive*, which is whole or not there."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(f".{os.getpid()}.part")
    with engine.client() as client, client.stream("GET", f"/images/{image}/get") as answer:
        answer.raise_for_status()
        with part.open("wb") as file:
            file.writelines(answer.iter_bytes())
    part.replace(archive)
