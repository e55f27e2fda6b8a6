"""Ask podman to build an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.podman.session import Request
from ramalama_engines.rest.build import build_error, build_query, follow_build, open_context
from ramalama_engines.rest.streams import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from ramalama_engines.podman.session import PodmanSession

_ENGINE = "podman"
_OK = 200
# Podman's default format, OCI's, cannot hold a HEALTHCHECK.
_DOCKER_FORMAT = "application/vnd.docker.distribution.manifest.v2+json"


def build(  # noqa: PLR0913 (the parameters of `Engine.build`, and the session)
    session: PodmanSession,
    context: Path,
    *,
    tag: str,
    containerfile: str,
    build_args: Mapping[str, str],
    on_progress: Callable[[str], None] | None,
) -> None:
    """Build the image *tag* with *session*, which cannot be used afterwards; see `Engine.build`."""
    with open_context(context, tag=tag, engine=_ENGINE) as archive:
        request = build_request(tag, containerfile, build_args, archive)
        answer, chunks = session.open_stream(request)
        if answer.status != _OK:
            raise build_error(answer.error, tag=tag, engine=_ENGINE)
        follow_build(json_lines(chunks), tag=tag, engine=_ENGINE, on_progress=on_progress)


def build_request(
    tag: str, containerfile: str, build_args: Mapping[str, str], archive: BinaryIO
) -> Request:
    """Return the request that builds *tag* from *archive* and streams its progress."""
    query = build_query(tag, containerfile, build_args)
    query |= {"layers": "false", "outputformat": _DOCKER_FORMAT}  # leave no image for each step
    return Request(
        method="post",
        path="build",
        query=query,
        timeout=None,  # a compiler may take long between two lines
        upload=archive,
    )
