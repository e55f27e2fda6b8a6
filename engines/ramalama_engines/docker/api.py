"""Send requests to Docker's API, and turn its error answers into exceptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ramalama_engines.docker.failures import error_text, no_such_container, read_answer, refusal
from ramalama_engines.docker.session import NOT_FOUND, DockerSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from requests import Response

_CONTAINER = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # a name or an ID; anything else is neither


class DockerApi(DockerSession):
    """A session with methods for requests about containers."""

    def ask(self, path: str, *, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 (JSON)
        """Return the JSON at *path*."""
        return read_answer(checked(self.send("GET", path, params=params)).content)

    def ask_about(self, container: str) -> Any:  # noqa: ANN401 (JSON)
        """Return the JSON that describes *container*."""
        return read_answer(checked(self.tell(container, "GET", "/json")).content)

    def tell(  # noqa: PLR0913 (what an HTTP request is made of)
        self,
        container: str,
        method: str,
        verb: str = "",
        *,
        params: Mapping[str, str] | None = None,
        upload: Iterable[bytes] | None = None,
        extra_time: float = 0.0,
    ) -> Response:
        """Send a request about *container*, and return the answer, even if it is an error.

        Raises:
            ContainerNotFound: there is no such container.
        """
        path = _path(container, verb)
        response = self.send(method, path, params=params, upload=upload, extra_time=extra_time)
        return _exists(container, response)

    def download(self, container: str, verb: str, *, params: Mapping[str, str]) -> Response:
        """Open a stream of what *container* has, even if it is an error; the caller must close it.

        Raises:
            ContainerNotFound: there is no such container.
        """
        path = _path(container, verb)
        return _exists(container, self.open("GET", path, params=params, read_timeout=self._timeout))

    def follow(
        self,
        container: str,
        method: str,
        verb: str,
        *,
        params: Mapping[str, str],
        read_timeout: float | None = None,
    ) -> Response:
        """Open a stream about *container*; the caller must close it.

        Raises:
            ContainerNotFound: there is no such container.
        """
        path = _path(container, verb)
        response = self.open(method, path, params=params, read_timeout=read_timeout)
        return checked(_exists(container, response))


def checked(response: Response) -> Response:
    """Return *response*; raise EngineError if it is an error."""
    if not response.ok:
        raise refusal(error_text(response))
    return response


def _path(container: str, verb: str) -> str:
    """Return the path of *container*; an invalid name must not lead to another path of the API."""
    if not re.fullmatch(_CONTAINER, container):
        raise no_such_container(container)
    return f"/containers/{container}{verb}"


def _exists(container: str, response: Response) -> Response:
    # A start also answers 404 if a network is missing.
    if response.status_code == NOT_FOUND and f"No such container: {container}" in response.text:
        raise no_such_container(container)
    return response
