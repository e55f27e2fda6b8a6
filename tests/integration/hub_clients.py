"""What other people's clients of hubs are made to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.lab.pypi import Installation

_PRINT_DIGESTS: Final = """
import hashlib, json, pathlib
found = [path for path in pathlib.Path(directory).rglob("*") if path.is_file()]
digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps({path.relative_to(directory).as_posix(): digest(path) for path in found}))
"""
_HUGGING_FACE_DOWNLOADS: Final = f"""
import sys
from huggingface_hub import snapshot_download
_, repository, cache = sys.argv
directory = snapshot_download(repository, cache_dir=cache)
{_PRINT_DIGESTS}
"""
_HUGGING_FACE_ASKS: Final = """
import json, sys
from huggingface_hub import HfApi
_, repository, revision, file, cache = sys.argv
api = HfApi()
def outcome(call):
    try:
        call()
    except Exception as refusal:
        return type(refusal).__name__
    return "granted"
print(json.dumps([
    outcome(lambda: api.model_info(repository, revision=revision)),
    outcome(lambda: list(api.list_repo_tree(repository, revision=revision))),
    outcome(lambda: api.auth_check(repository)),
    outcome(lambda: api.hf_hub_download(repository, file, revision=revision, cache_dir=cache)),
]))
"""
_HUGGING_FACE_SEARCHES: Final = """
import json, sys
from huggingface_hub import HfApi
print(json.dumps([each.id for each in HfApi().list_models(search=sys.argv[1], limit=2)]))
"""
_MODELSCOPE_DOWNLOADS: Final = f"""
import sys
from modelscope_hub import HubApi
_, repository, cache = sys.argv
directory = HubApi().download_repo(repository, "model", cache_dir=cache)
{_PRINT_DIGESTS}
"""
_MODELSCOPE_LISTS: Final = """
import sys
from modelscope_hub import HubApi
try:
    print(len([file for file in HubApi().list_repo_files(sys.argv[1], "model") if file.size]))
except Exception as refusal:
    print(type(refusal).__name__)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceHub:
    """huggingface_hub, which believes the hub to be at *endpoint*."""

    installed: Installation
    endpoint: str
    home: Path

    def download(self, repository: str, token: str | None) -> dict[str, str]:
        """Download all of a repository; return the SHA-256 of each file."""
        script, cache = _HUGGING_FACE_DOWNLOADS, str(self.home / "cache")
        printed = self.installed.run(script, repository, cache, env=self._env(token))
        return dict[str, str](json.loads(printed))

    def ask(self, repository: str, revision: str, file: str, token: str | None) -> list[str]:
        """Describe, list, check access, download a file; return "granted" or the error of each."""
        arguments = (repository, revision, file, str(self.home / "cache"))
        printed = self.installed.run(_HUGGING_FACE_ASKS, *arguments, env=self._env(token))
        return list[str](json.loads(printed))

    def search(self, word: str) -> list[str]:
        """Return the first two repositories that have *word* in their names."""
        printed = self.installed.run(_HUGGING_FACE_SEARCHES, word, env=self._env(None))
        return list[str](json.loads(printed))

    def _env(self, token: str | None) -> Mapping[str, str]:
        home = str(self.home)
        env = {"HF_ENDPOINT": self.endpoint, "HF_HOME": home, "HOME": home}
        return env if token is None else {**env, "HF_TOKEN": token}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScopeHub:
    """modelscope_hub, which believes the hub to be at *endpoint*."""

    installed: Installation
    endpoint: str
    home: Path

    def download(self, repository: str, token: str | None) -> dict[str, str]:
        """Download all of a repository; return the SHA-256 of each file."""
        script, cache = _MODELSCOPE_DOWNLOADS, str(self.home / "cache")
        printed = self.installed.run(script, repository, cache, env=self._env(token))
        return dict[str, str](json.loads(printed))

    def list_files(self, repository: str, token: str | None) -> str:
        """Return how many files there are, or the error."""
        return self.installed.run(_MODELSCOPE_LISTS, repository, env=self._env(token)).split()[-1]

    def _env(self, token: str | None) -> Mapping[str, str]:
        env = {"MODELSCOPE_ENDPOINT": self.endpoint, "HOME": str(self.home)}
        return env if token is None else {**env, "MODELSCOPE_API_TOKEN": token}
