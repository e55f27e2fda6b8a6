"""Request information about a repository from Hugging Face."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ramalama.errors import UnknownModel
from ramalama.models.transports.hub import LARGEST_ANSWER, LARGEST_READ
from ramalama.models.transports.huggingface.refusals import refusal
from ramalama.models.transports.json_fields import text
from ramalama_values.json import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramalama.errors import ModelError
    from ramalama.models.http.client import HttpAnswer
    from ramalama.models.transports.hub import Hub, Token
    from ramalama.models.transports.selection.listing import ListedFile

_DEFAULT_BRANCH = "main"
_COMMIT = r"[0-9a-f]{40}"
_FIRST_PAGE = "recursive=true&expand=false"
_NEXT = r'<([^<>]*)>\s*;[^,]*\brel\s*=\s*"?next\b'  # RFC 8288
_MOST_PAGES = 100  # of 1000 files each
_MOST_FILES = 100_000
_MISSING = 404
_ID = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
_MOST_OTHERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A commit of a repository; *gated* says that its author restricts access."""

    commit: str
    gated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFaceApi:
    """A repository of models, ``org/repo``.

    Every method raises `AccessDenied`, `UnknownModel`, or `ModelPullError` if an answer is not
    valid.
    """

    hub: Hub
    repository: str
    token: Token | None

    def pin(self, revision: str | None) -> Pin:
        """Return the commit of *revision* (percent-encoded); None means the default branch."""
        # The branch could be omitted at the hub itself, but the mirror olah would fail then.
        path = f"/api/models/{self.repository}/revision/{revision or _DEFAULT_BRANCH}"
        answer = self.hub.ask(path)
        if answer.headers.get("x-error-code") == "RepoNotFound":
            raise self._with_others(self._refusal(answer))
        if not answer.ok:
            raise self._refusal(answer)
        info = self.hub.read_json(answer)
        commit = text(info, "sha")
        if not is_object(info) or re.fullmatch(_COMMIT, commit) is None:
            self.hub.reject("names no commit")
        return Pin(commit=commit, gated=bool(info.get("gated")))

    def check_access(self) -> None:
        """Check whether the user has access; a gated repository shows its listing to everyone."""
        path = f"/api/models/{self.repository}/auth-check"
        answer = self.hub.ask(path)
        # Mirrors may not support this request; then the download will report the error.
        if not answer.ok and answer.status != _MISSING:
            raise self._refusal(answer)

    def list_files(self, commit: str) -> tuple[ListedFile, ...]:
        """Return all files of the repository, in all directories."""
        path = f"/api/models/{self.repository}/tree/{commit}"
        files: list[ListedFile] = []
        query, asked = _FIRST_PAGE, set[str]()
        while query:
            if query in asked or len(asked) == _MOST_PAGES or len(files) > _MOST_FILES:
                self.hub.reject(f"lists hf://{self.repository} without end")
            asked.add(query)
            answer = self._ask(f"{path}?{query}")
            files.extend(self._parse_page(self.hub.read_json(answer)))
            query = _next_query(answer)
        return tuple(files)

    def read(self, commit: str, file: ListedFile) -> bytes:
        """Return the content of a small file, checked against the listing."""
        answer = self._ask(self.path(commit, file), limit=min(file.size, LARGEST_READ))
        return self.hub.check(file, answer)

    def path(self, commit: str, file: ListedFile) -> str:
        """Return the path of the content on the hub; it may redirect to another host."""
        return f"/{self.repository}/resolve/{commit}/{quote(file.path)}"

    def _ask(self, path: str, *, limit: int = LARGEST_ANSWER) -> HttpAnswer:
        answer = self.hub.ask(path, limit=limit)
        if not answer.ok:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: HttpAnswer) -> ModelError:
        return refusal(answer, repository=self.repository, token=self.token, host=self.hub.host)

    def _with_others(self, error: ModelError) -> ModelError:
        """Add models with similar names to the error, if the hub answers at once."""
        name = self.repository.partition("/")[2]
        found = self.hub.ask_in_passing(f"/api/models?search={quote(name)}&limit={_MOST_OTHERS}")
        ids = [text(entry, "id") for entry in found] if is_array(found) else []
        others = tuple(
            f"hf://{each}"
            for each in ids[:_MOST_OTHERS]
            if re.fullmatch(_ID, each) and each != self.repository
        )
        if not others:
            return error
        hint = f"did you mean {' or '.join(others)}?"
        return UnknownModel(str(error), hint=hint, alternatives=others)

    def _parse_page(self, page: object) -> Iterator[ListedFile]:
        if not is_array(page):
            self.hub.reject("is not a listing")
        for entry in page:
            if is_object(entry) and entry.get("type") == "file":
                lfs = entry.get("lfs")
                found = self.hub.listed(
                    path=entry.get("path"),
                    size=(lfs if is_object(lfs) else entry).get("size"),
                    sha256=text(lfs, "oid"),
                    oid=entry.get("oid"),
                )
                if found:
                    yield found


def _next_query(answer: HttpAnswer) -> str:
    """Return the query of the next page, "" on the last one.

    Only the query of the link is used: a mirror may return links to the hub that it mirrors, and
    the token must not go to a host that a link names.
    """
    match = re.search(_NEXT, answer.headers.get("link", ""))
    # Split by hand: urlsplit raises for an invalid host.
    return match[1].partition("#")[0].partition("?")[2] if match else ""
