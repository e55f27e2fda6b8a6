"""Named volumes, and files in containers, through Docker's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.docker.api import checked
from ramalama_engines.docker.failures import error_text, refusal
from ramalama_engines.docker.session import BAD_REQUEST, CONFLICT, ENGINE, NOT_FOUND
from ramalama_engines.rest.archive import (
    COPY_FAILURES,
    first_file,
    no_directory,
    no_file,
    path_stat,
)
from ramalama_engines.rest.http import PATH_STAT, explain
from ramalama_engines.rest.volumes import (
    check_volume_name,
    is_volume_name,
    listed_volumes,
    volume_filters,
    volume_in_use,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from requests import Response

    from ramalama_engines.docker.api import DockerApi
    from ramalama_engines.spec import ContainerFile, Volume


class DockerStorage:
    """The volumes of a daemon, and the files in its containers."""

    def __init__(self, api: DockerApi) -> None:
        self._api = api

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a volume; if it exists, the daemon answers as if it had created it."""
        check_volume_name(name, engine=ENGINE)
        body = {"Name": name, "Labels": dict(labels)}
        _written(self._api.send("POST", "/volumes/create", body=body))

    def volumes(self, labels: Mapping[str, str]) -> Sequence[Volume]:
        """Return the volumes that have *labels*."""
        answer = self._api.ask("/volumes", params={"filters": volume_filters(labels)})
        return listed_volumes(answer.get("Volumes"), labels)

    def remove_volume(self, name: str) -> None:
        """Remove a volume; the daemon answers 409 while a container uses it."""
        if not is_volume_name(name):  # no volume has it
            return
        response = self._api.send("DELETE", f"/volumes/{name}")
        if response.status_code == CONFLICT:
            raise volume_in_use(name, engine=ENGINE)
        if response.status_code != NOT_FOUND:
            checked(response)

    def copy_into(self, container: str, directory: str, archive: Iterable[bytes]) -> None:
        """Send an archive."""
        found = self.find_in(container, directory)
        if found is None or not found.is_directory:
            raise no_directory(directory, container, engine=ENGINE)
        params = {"path": directory}
        content = iter(archive)  # requests takes a list for the fields of a form
        _written(self._api.tell(container, "PUT", "/archive", params=params, upload=content))

    def find_in(self, container: str, path: str) -> ContainerFile | None:
        """Return what *path* is.

        An error has no words, so that of a missing container, or that of a daemon which wants a
        newer version of the API, is found by asking about the container.
        """
        params = {"path": path}
        response = self._api.tell(container, "HEAD", "/archive", params=params)
        if response.status_code in (BAD_REQUEST, NOT_FOUND):
            self._api.ask_about(container)
        if response.status_code == BAD_REQUEST:
            response = self._api.tell(container, "HEAD", "/archive", params=params)
        if response.status_code == NOT_FOUND:
            return None
        if not response.ok:
            text = f"cannot look for {path}: status {response.status_code}"
            raise refusal(text)
        return path_stat(response.headers.get(PATH_STAT, ""), engine=ENGINE)

    def read_from(self, container: str, path: str, *, most: int) -> Iterator[bytes]:
        """Yield the content of a file; the rest of the archive is not read."""
        with self._api.download(container, "/archive", params={"path": path}) as response:
            if response.status_code == NOT_FOUND:
                raise no_file(path, container, engine=ENGINE)
            chunks = self._api.chunks(checked(response))
            yield from first_file(chunks, path, most=most, engine=ENGINE)


def _written(response: Response) -> Response:
    """Return the answer to a request that writes to the daemon's disk."""
    if not response.ok and (found := explain(error_text(response), COPY_FAILURES, engine=ENGINE)):
        raise found
    return checked(response)
