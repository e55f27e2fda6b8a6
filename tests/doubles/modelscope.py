"""ModelScope, as far as downloads go.

modelscope_hub takes it for the real one (tests/integration/test_hub_doubles.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.doubles.hub_content import MEMBER, Repository, Visibility, directories, git_oid
from tests.doubles.server import Reply, serve_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.doubles.hub_content import HubFile
    from tests.doubles.server import FileServer, Request

_API = r"/api/v1/models/(?P<name>[^/]+/[^/?]+)(?P<what>/revisions|/repo/files|/repo)?(?:\?.*)?"
_STORAGE = "/oss/"
_UNKNOWN = 10010205001
_BRANCH = "master"


class ModelScope:
    """ModelScope at *server*; its large files come from what is another host to clients.

    *cut* is how many entries a listing has at most; the true one's has 3000.
    """

    def __init__(self, server: FileServer, *, cut: int = 3000) -> None:
        self.repositories: dict[str, Repository] = {}
        self._server = server
        self._cut = cut
        server.routes["/api/v1/models/"] = self._answer

    def add(
        self, name: str, files: Mapping[str, bytes], visibility: Visibility = Visibility.PUBLIC
    ) -> Repository:
        """Make a repository with one commit."""
        repository = Repository(name=name, visibility=visibility)
        repository.push(files)
        self.repositories[name] = repository
        return repository

    def _answer(self, request: Request) -> Reply:
        match = re.fullmatch(_API, request.target)
        repository = self.repositories.get(match["name"]) if match else None
        if match is None or repository is None:
            return refusal(404, _UNKNOWN, "record not found")
        if not repository.is_open_to(_token(request)):
            return refusal(403, 10010206001, "user has no permission")
        if (revision := request.query.get("Revision", _BRANCH)) != _BRANCH:
            return refusal(404, 10010205002, f"revision {revision} not found")
        return self._tell(repository, match["what"], request)

    def _tell(self, repository: Repository, what: str | None, request: Request) -> Reply:
        match what:
            case "/revisions":
                branches = [{"Revision": _BRANCH, "CreatedAt": 1_700_000_000}]
                return _data({"RevisionMap": {"Branches": branches, "Tags": []}})
            case "/repo/files":
                return self._list(repository, request.query)
            case "/repo":
                return self._send(repository, request)
            case _:
                return _data({"Name": repository.name.partition("/")[2], "Revision": _BRANCH})

    def _list(self, repository: Repository, query: Mapping[str, str]) -> Reply:
        root = query.get("Root", "")
        below = f"{root}/" if root else ""
        entries = [
            entry
            for entry in _entries(repository.files)
            if (path := str(entry["Path"])).startswith(below)
            and (query.get("Recursive") == "True" or "/" not in path.removeprefix(below))
        ]
        return _data({"Files": entries[: self._cut] or None})

    def _send(self, repository: Repository, request: Request) -> Reply:
        file = repository.files.get(request.query.get("FilePath", ""))
        if file is None:
            return refusal(404, 10010205003, "file not found")
        if not file.is_large:
            return serve_bytes(file.content, etag=f'"{file.oid}"')(request)
        place = f"{_STORAGE}{file.sha256}"
        self._server.routes[place] = serve_bytes(file.content, etag=f'"{file.sha256}"')
        target = f"{self._server.other_url}{place}?Signature=abc"
        return Reply.redirect(target, x_linked_etag=f'"{file.sha256}"')


def refusal(status: int, code: int, message: str) -> Reply:
    """Say no, as ModelScope does; also with *status* 200."""
    body = {"Code": code, "Success": False, "Message": message, "RequestId": "1"}
    return Reply.of_json(body, status=status)


def _data(data: Mapping[str, object]) -> Reply:
    return Reply.of_json({"Code": 200, "Success": True, "Message": "success", "Data": data})


def _token(request: Request) -> str | None:
    """Return the token, which has to come both ways."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    session = request.headers.get("cookie", "")
    return MEMBER if bearer == MEMBER and f"m_session_id={MEMBER}" in session else None


def _entries(files: Mapping[str, HubFile]) -> list[dict[str, object]]:
    trees = [
        _entry(path, Type="tree", Size=0, Sha256="", Revision=git_oid(b"tree", path.encode()))
        for path in directories(files)
    ]
    blobs = [
        _entry(
            file.path,
            Type="blob",
            Size=len(file.content),
            Sha256=file.sha256,
            Revision=file.oid,
            IsLFS=file.is_large,
        )
        for file in files.values()
    ]
    return trees + blobs


def _entry(path: str, **rest: object) -> dict[str, object]:
    return {"Name": path.rpartition("/")[2], "Path": path, **rest}
