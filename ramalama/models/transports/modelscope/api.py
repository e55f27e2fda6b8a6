"""Request information about a repository from ModelScope.

Its answers contain ``Success`` and a message, whatever their status: an error may have status 200.
Source: modelscope_hub, _legacy_api.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ramalama.errors import AccessDenied, ModelPullError, UnknownModel
from ramalama.models.transports.hub import LARGEST_READ
from ramalama.models.transports.json_fields import text
from ramalama_values.json import is_array, is_object
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ramalama.errors import ModelError
    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.transports.hub import Hub
    from ramalama.models.transports.selection.listing import ListedFile

_DEFAULT_REVISION = "master"
_LONGEST_REVISION = 255
_CUT = 3000  # entries; a longer listing is cut off here without a sign
_MOST_LISTINGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScopeApi:
    """A repository of models, ``org/repo``.

    Every method raises `AccessDenied`, `UnknownModel`, or `ModelPullError` if an answer is not
    valid.
    """

    hub: Hub
    repository: str

    @property
    def root(self) -> str:
        """The path of the repository on the hub."""
        return f"/api/v1/models/{self.repository}"

    def default_revision(self) -> str:
        """Return the default branch."""
        revision = text(self._ask(self.root), "Revision") or _DEFAULT_REVISION
        if len(revision) > _LONGEST_REVISION or not revision.isprintable():
            self.hub.reject("names no branch")
        return revision

    def list_files(self, revision: str) -> tuple[ListedFile, ...]:
        """Return all files in all directories, with several requests if there are too many."""
        files: list[ListedFile] = []
        directories, asked = [""], 0
        while directories:
            directory = directories.pop(0)
            entries = self._list(revision, directory, recursive=True)
            if len(entries) >= _CUT:
                entries = self._list(revision, directory, recursive=False)
                directories += self._subdirectories(directory, entries)
            asked += 1
            if len(entries) >= _CUT or asked > _MOST_LISTINGS:
                msg = f"ms://{self.repository} has more files than {self.hub.host} lists"
                raise ModelPullError(msg)
            files.extend(file for entry in entries if (file := self._parse(entry)))
        return tuple(files)

    def read(self, revision: str, file: ListedFile) -> bytes:
        """Return the content of a small file, checked against the listing."""
        limit = min(file.size, LARGEST_READ)
        answer = self.hub.ask(self.path(revision, file.path), limit=limit)
        if not answer.ok:
            raise self._refusal(answer, self._content(answer))
        return self.hub.check(file, answer)

    def path(self, revision: str, file: str) -> str:
        """Return the path of the content on the hub; it may redirect to another host."""
        return f"{self.root}/repo?{urlencode({'Revision': revision, 'FilePath': file})}"

    def _list(self, revision: str, directory: str, *, recursive: bool) -> Sequence[object]:
        query = {"Revision": revision, "Recursive": str(recursive)}
        if directory:
            query["Root"] = directory
        path = f"{self.root}/repo/files?{urlencode(query, errors='replace')}"
        files = self._ask(path).get("Files")
        # Go writes null for a list without elements.
        if files is not None and not is_array(files):
            self.hub.reject("is not a listing")
        return files or ()

    def _subdirectories(self, directory: str, entries: Sequence[object]) -> list[str]:
        below = f"{directory}/" if directory else ""
        paths = [text(entry, "Path") for entry in entries if text(entry, "Type") == "tree"]
        return [path for path in paths if path.startswith(below) and len(path) > len(below)]

    def _parse(self, entry: object) -> ListedFile | None:
        if not is_object(entry) or entry.get("Type") != "blob":
            return None
        return self.hub.listed(
            path=entry.get("Path"), size=entry.get("Size"), sha256=entry.get("Sha256")
        )

    def _ask(self, path: str) -> Mapping[str, object]:
        """Return the ``Data`` of an answer."""
        answer = self.hub.ask(path)
        content = self._content(answer)
        if not answer.ok or content.get("Success") is False:
            raise self._refusal(answer, content)
        data = content.get("Data")
        if not is_object(data):
            self.hub.reject("has no data")
        return data

    def _content(self, answer: HttpAnswer) -> Mapping[str, object]:
        try:
            content = self.hub.read_json(answer)
        except ModelPullError:
            if answer.ok:
                raise
            content = None  # gateways refuse in HTML
        return content if is_object(content) else {}

    def _refusal(self, answer: HttpAnswer, content: Mapping[str, object]) -> ModelError:
        reference, host = f"ms://{self.repository}", self.hub.host
        said = one_line(text(content, "Message")) or f"status {answer.status}"
        kind: type[ModelError]
        hint = None
        match answer.status if not answer.ok else content.get("Code"):
            case 401 | 403:
                kind, line = AccessDenied, f"{host} refuses {reference}: {said}"
                hint = None if self.hub.secrets else "set MODELSCOPE_API_TOKEN to log in"
            case 404 | 10010205001:  # the latter is in the body of the former
                kind, line = UnknownModel, f"{host} has no {reference}, or hides it: {said}"
            case 429:
                kind, line = ModelPullError, f"{host} has had too many requests: {said}"
            case _:
                kind, line = ModelPullError, f"{host} failed for {reference}: {said}"
        return kind(line, hint=hint)
