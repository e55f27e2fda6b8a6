"""Follow an image pull as the engines report it: progress, and failures in the middle of a 200.

Docker, and podman from 4.8 on, send ``{"status", "id", "progressDetail"}``; earlier podman sends
``{"stream": "Copying blob sha256:…"}``. Both put ``{"error"}`` into a stream that began well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ramalama_engines.errors import ImagePullError
from ramalama_engines.rest.http import FailurePattern, explain, members
from ramalama_engines.spec import PullProgress
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ramalama_engines.errors import EngineError

_COPYING = r"Copying (?:blob|config) (?:sha256:)?(?P<digest>[0-9a-f]{12})[0-9a-f]*"


def _failure(words: str, advice: str) -> FailurePattern:
    return FailurePattern(words, ImagePullError, advice)


_FAILURES = (
    _failure(r"short-name", "its name leaves the registry open; write it in full, quay.io/…"),
    _failure(r"no space left on device", "the engine's disk is full; make room there"),
    _failure(
        r"x509|certificate|tls: |HTTP response to HTTPS client",
        "the registry's TLS certificate cannot be verified;"
        " install its CA, or give --tls-verify=false",
    ),
    _failure(
        r"unauthorized|authentication required|no basic auth credentials"
        r"|access .*denied|invalid username/password",
        "the registry wants other credentials; log in, or give --authfile",
    ),
    _failure(
        r"manifest unknown|not found|repository name not known|name unknown",
        "the registry has no such image; check its name and tag",
    ),
    _failure(
        r"connection refused|no such host|dial tcp|i/o timeout|network is unreachable",
        "the registry cannot be reached; check its name and the network",
    ),
)


def pull_progress(
    answers: Iterable[Mapping[str, Any]], *, image: str, engine: str
) -> Iterator[PullProgress]:
    """Yield the steps of a pull from the objects that the engine streams.

    Raises:
        ImagePullError: the stream says that the pull failed.
    """
    for answer in answers:
        if error := answer.get("error"):
            raise pull_error(str(error), image=image, engine=engine)
        if text := answer.get("stream"):
            yield _step_of_text(one_line(str(text)))
        elif status := answer.get("status"):
            yield _step_of_status(one_line(str(status)), answer)


def pull_error(text: str, *, image: str, engine: str) -> EngineError:
    """Say why *image* could not be pulled, from the engine's own *text*."""
    reason = explain(text, _FAILURES, engine=engine) or f"{engine}: {one_line(text)}"
    return ImagePullError(f"cannot pull {one_line(image)}: {reason}", engine=engine)


def _step_of_text(text: str) -> PullProgress:
    blob = re.match(_COPYING, text)
    return PullProgress(layer=blob["digest"] if blob else "", status=text)


def _step_of_status(status: str, answer: Mapping[str, Any]) -> PullProgress:
    counts = members(answer.get("progressDetail"))
    return PullProgress(
        layer=one_line(str(answer.get("id") or "")),
        status=status,
        current=counts.get("current"),
        total=counts.get("total"),
    )
