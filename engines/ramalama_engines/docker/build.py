"""Ask Docker to build an image, with its classic builder, which only needs HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama_engines.docker.failures import error_text
from ramalama_engines.docker.session import ENGINE
from ramalama_engines.rest.build import build_error, build_query, follow_build, open_context
from ramalama_engines.rest.streams import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ramalama_engines.docker.session import DockerSession


def build(  # noqa: PLR0913 (the parameters of `Engine.build`, and the session)
    session: DockerSession,
    context: Path,
    *,
    tag: str,
    containerfile: str,
    build_args: Mapping[str, str],
    on_progress: Callable[[str], None] | None,
) -> None:
    """Build the image *tag*; see `Engine.build`."""
    query = build_query(tag, containerfile, build_args)
    with (
        open_context(context, tag=tag, engine=ENGINE) as archive,
        session.open("POST", "/build", params=query, upload=archive) as response,
    ):
        if not response.ok:
            raise build_error(error_text(response), tag=tag, engine=ENGINE)
        answers = json_lines(session.chunks(response))
        follow_build(answers, tag=tag, engine=ENGINE, on_progress=on_progress)
