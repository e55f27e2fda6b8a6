"""Hugging Face, as far as downloads go.

huggingface_hub and llama.cpp take it for the real one (tests/integration/test_hub_doubles.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.doubles.hub_content import MEMBER, STRANGER, Repository, Visibility, directories, git_oid
from tests.doubles.server import Reply, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.doubles.hub_content import HubFile
    from tests.doubles.server import FileServer, Request

_API = r"/api/models/(?P<name>[^/]+/[^/]+)(?:/(?P<what>[^/?]+)(?:/(?P<revision>[^/?]+))?)?(?:\?.*)?"
_FILE = r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>[^?]+)(?:\?.*)?"
_CDN = "/cdn-lfs/"
_NOTHING = Reply(status=404, body=b"Not Found")


class HuggingFace:
    """Hugging Face at *server*; its large files come from what is another host to clients.

    *page_size* is how many entries a page of a listing has; the true one is 1000.
    """

    def __init__(self, server: FileServer, *, page_size: int = 1000) -> None:
        self.repositories: dict[str, Repository] = {}
        self._server = server
        self._page_size = page_size
        server.routes |= {
            "/api/models": self._search,
            "/api/models/": self._answer_api,
            "/": self._answer_file,
        }

    def add(
        self, name: str, files: Mapping[str, bytes], visibility: Visibility = Visibility.PUBLIC
    ) -> Repository:
        """Make a repository with one commit."""
        repository = Repository(name=name, visibility=visibility)
        repository.push(files)
        self.repositories[name] = repository
        return repository

    def _search(self, request: Request) -> Reply:
        word = request.query.get("search", "").lower()
        names = [
            name
            for name, repository in self.repositories.items()
            if word in name.lower() and _refuse_to_show(repository, _token(request)) is None
        ]
        limit = int(request.query.get("limit", "1000"))
        return Reply.of_json([{"id": name, "modelId": name} for name in names[:limit]])

    def _answer_api(self, request: Request) -> Reply:
        match = re.fullmatch(_API, request.target)
        repository = self.repositories.get(match["name"]) if match else None
        refused = _refuse_to_show(repository, _token(request))
        if match is None or repository is None or refused:
            return refused or _NOTHING
        commit = _resolve(repository, match["revision"])
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {match['revision']}")
        match match["what"]:
            case "tree":
                return self._list(repository, commit, request)
            case "refs":
                return _list_refs(repository)
            case "auth-check":
                return _refuse_at_the_gate(repository, _token(request)) or Reply(body=b"OK")
            case _:
                return _describe(repository, commit)

    def _list(self, repository: Repository, commit: str, request: Request) -> Reply:
        entries = _entries(repository.commits[commit])
        start = int(request.query.get("cursor", "0"))
        page = Reply.of_json(entries[start : start + self._page_size])
        if start + self._page_size >= len(entries):
            return page
        query = f"recursive=true&expand=false&cursor={start + self._page_size}"
        following = f"{self._server.url}/api/models/{repository.name}/tree/{commit}?{query}"
        headers = {**page.headers, "link": f'<{following}>; rel="next"'}
        return Reply(headers=headers, body=page.body)

    def _answer_file(self, request: Request) -> Reply:
        match = re.fullmatch(_FILE, request.target)
        repository = self.repositories.get(match["name"]) if match else None
        token = _token(request)
        refused = _refuse_to_show(repository, token)
        if match is None or repository is None or refused:
            return refused or _NOTHING
        commit = _resolve(repository, match["revision"])
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {match['revision']}")
        file = repository.commits[commit].get(unquote(match["path"]))
        if file is None:
            return _error(404, "EntryNotFound", "Entry not found", x_repo_commit=commit)
        return _refuse_at_the_gate(repository, token) or self._send(file, commit, request)

    def _send(self, file: HubFile, commit: str, request: Request) -> Reply:
        if not file.is_large:
            reply = serve_bytes(file.content, etag=f'"{file.oid}"')(request)
            return Reply(
                status=reply.status,
                headers={**reply.headers, "x-repo-commit": commit},
                body=reply.body,
            )
        place = f"{_CDN}{file.sha256}"
        self._server.routes[place] = serve_bytes(file.content, etag=f'"{file.sha256}"')
        return Reply.redirect(
            f"{self._server.other_url}{place}?X-Amz-Signature=abc",
            x_repo_commit=commit,
            x_linked_etag=f'"{file.sha256}"',
            x_linked_size=str(len(file.content)),
        )


def _token(request: Request) -> str | None:
    return request.headers.get("authorization", "").removeprefix("Bearer ") or None


def _error(status: int, code: str, message: str, **headers: str) -> Reply:
    named = {"x_error_code": code, "x_error_message": message, **headers}
    kept = {name: value for name, value in named.items() if value}
    return Reply.of_json({"error": message}, status=status, **kept)


def _refuse_to_show(repository: Repository | None, token: str | None) -> Reply | None:
    if token not in (None, MEMBER, STRANGER):
        return _error(401, "", "Invalid credentials in Authorization header")
    if repository is None or not repository.is_visible_to(token):
        return _error(404 if token else 401, "RepoNotFound", "Repository not found")
    return None


def _refuse_at_the_gate(repository: Repository, token: str | None) -> Reply | None:
    if repository.is_open_to(token):
        return None
    message = f"Access to model {repository.name} is restricted."
    return _error(403 if token else 401, "GatedRepo", message)


def _resolve(repository: Repository, revision: str | None) -> str | None:
    named = unquote(revision) if revision else "main"
    if named == "main":
        return repository.head
    return named if named in repository.commits else None


def _describe(repository: Repository, commit: str) -> Reply:
    return Reply.of_json(
        {
            "_id": commit[:24],
            "id": repository.name,
            "modelId": repository.name,
            "sha": commit,
            "private": repository.visibility is Visibility.PRIVATE,
            "gated": "auto" if repository.visibility is Visibility.GATED else False,
            "disabled": False,
            "tags": ["gguf"],
            "siblings": [{"rfilename": path} for path in repository.commits[commit]],
        }
    )


def _entries(files: Mapping[str, HubFile]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [
        {"type": "directory", "oid": git_oid(b"tree", path.encode()), "size": 0, "path": path}
        for path in directories(files)
    ]
    for file in files.values():
        entry: dict[str, object] = {"type": "file", "oid": file.oid, "size": len(file.content)}
        if file.is_large:
            pointer = {"oid": file.sha256, "size": len(file.content)}
            entry["lfs"] = {**pointer, "pointerSize": len(file.pointer)}
        found.append({**entry, "path": file.path})
    return found


def _list_refs(repository: Repository) -> Reply:
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head}
    return Reply.of_json({"branches": [main], "tags": [], "converts": []})
