"""An environment with this source tree, what the examples need, and clients that others wrote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Final

from tests.lab.pypi import Installation
from tests.lab.service import LabError

_ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = _ROOT / "examples"
_REQUIREMENTS: Final = EXAMPLES / "requirements.txt"


def environment() -> Installation:
    """Return it, made if this machine has none from this recipe, which takes a minute."""
    directory = _directory()
    complete = directory / "complete"
    if not complete.exists():
        shutil.rmtree(directory, ignore_errors=True)
        venv.create(directory, with_pip=True)
        options = ("--quiet", "--no-compile", "--disable-pip-version-check")
        what = ("--requirement", str(_REQUIREMENTS), "--editable", str(_ROOT))
        pip = Installation(directory).program("pip")
        done = subprocess.run(
            [pip, "install", *options, *what], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise LabError(done.stderr)
        complete.touch()
    return Installation(directory)


def _directory() -> Path:
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    recipe = [
        str(_ROOT),
        sys.version,
        _REQUIREMENTS.read_text(encoding="utf-8"),
        settings["project"]["dependencies"],
        settings["tool"]["hatch"]["build"]["dev-mode-dirs"],
    ]
    digest = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / f"ramalama-dev/examples-{digest[:16]}"
