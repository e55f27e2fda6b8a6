"""Named volumes, and files in containers, through Podman's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ramalama_engines.errors import EngineError
from ramalama_engines.podman.failures import failure
from ramalama_engines.podman.session import Request
from ramalama_engines.rest.archive import (
    COPY_FAILURES,
    first_file,
    no_directory,
    no_file,
    path_stat,
)
from ramalama_engines.rest.http import FailurePattern
from ramalama_engines.rest.tar_end import without_padding
from ramalama_engines.rest.volumes import (
    check_volume_name,
    is_volume_name,
    listed_volumes,
    volume_filters,
    volume_in_use,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ramalama_engines.podman.session import PodmanAnswer, Sessions
    from ramalama_engines.spec import ContainerFile, Volume

_OK = 200
_CREATED = 201
_NO_CONTENT = 204
_NOT_FOUND = 404
_CONFLICT = 409
_ENGINE = "podman"
_STOPPED = FailurePattern(
    r"passing bulk input to subprocess",  # its other process had a failure that is not told
    EngineError,
    "podman could not write all files; is the engine's disk full?",
)


class PodmanStorage:
    """The volumes of a service, and the files in its containers.

    The *path* of a container is that of its resource in the API, which begins with "containers/".
    """

    def __init__(self, sessions: Sessions, *, timeout: float) -> None:
        self._sessions = sessions
        self._timeout = timeout

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume; podman says with status 500 that it exists."""
        check_volume_name(name, engine=_ENGINE)
        body = {"Name": name, "Label": dict(labels)}
        answer = self._call("post", "volumes/create", body=body)
        if answer.status != _CREATED and "already exists" not in answer.error:
            raise failure(answer.error, f"cannot create the volume {name}", COPY_FAILURES)

    def volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        """Return the volumes that have *labels*."""
        answer = self._call("get", "volumes/json", {"filters": volume_filters(labels)})
        if answer.status != _OK:
            raise failure(answer.error, "cannot list volumes")
        return listed_volumes(answer.json, labels)

    def remove_volume(self, name: str) -> None:
        """Remove a volume; podman answers 409 while a container uses it."""
        if not is_volume_name(name):  # no volume has it
            return
        answer = self._call("delete", f"volumes/{name}")
        if answer.status == _CONFLICT:
            raise volume_in_use(name, engine=_ENGINE)
        if answer.status not in {_NO_CONTENT, _NOT_FOUND}:
            raise failure(answer.error, f"cannot remove the volume {name}")

    def copy_into(
        self, path: str, directory: str, archive: Iterable[bytes], *, found: ContainerFile | None
    ) -> None:
        """Send an archive; *found* is what *directory* is.

        Podman 4.3 also answers 200 if there is no such directory.
        """
        if found is None or not found.is_directory:
            raise no_directory(directory, _name(path), engine=_ENGINE)
        request = Request(
            method="put",
            path=f"{path}/archive",
            query={"path": directory},
            timeout=self._timeout,
            upload=without_padding(archive),
        )
        with self._sessions.spend() as session:
            answer = session.exchange(request)
        if answer.status != _OK:
            what = f"cannot copy into {directory} of the container {_name(path)}"
            raise failure(answer.error, what, (*COPY_FAILURES, _STOPPED))

    def find_in(self, path: str, file: str) -> ContainerFile | None:
        """Return what *file* is; None also if the container is missing."""
        answer = self._call("head", f"{path}/archive", {"path": file})
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            text = f"status {answer.status}"
            raise failure(text, f"cannot look for {file} in the container {_name(path)}")
        return path_stat(answer.path_stat, engine=_ENGINE)

    def read_from(self, path: str, file: str, *, most: int) -> Iterator[bytes]:
        """Yield the content of a file; the rest of the archive is not read."""
        request = Request(
            method="get", path=f"{path}/archive", query={"path": file}, timeout=self._timeout
        )
        with self._sessions.spend() as session:
            answer, chunks = session.open_stream(request)
            if answer.status == _NOT_FOUND and "no such container" not in answer.error.lower():
                raise no_file(file, _name(path), engine=_ENGINE)
            if answer.status != _OK:
                what = f"cannot read {file} in the container {_name(path)}"
                raise failure(answer.error, what)
            yield from first_file(chunks, file, most=most, engine=_ENGINE)

    def _call(
        self,
        method: Literal["get", "post", "delete", "head"],
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, object] | None = None,
    ) -> PodmanAnswer:
        request = Request(
            method=method, path=path, query=query or {}, timeout=self._timeout, body=body
        )
        with self._sessions.borrow() as session:
            return session.exchange(request)


def _name(path: str) -> str:
    return path.partition("/")[2]
