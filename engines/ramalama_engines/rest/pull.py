"""Read the progress and the failures of an image pull from the engine's answer.

Docker, and Podman since version 4.8, send ``{"status", "id", "progressDetail"}``; older versions
of Podman send ``{"stream": "Copying blob sha256:…"}``. All of them may send ``{"error"}`` in an
answer whose status is 200.
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


_FAILURES = (
    FailurePattern(
        r"short-name", ImagePullError, "its name has no registry; write it in full, quay.io/…"
    ),
    FailurePattern(
        r"no space left on device",
        ImagePullError,
        "the engine's disk is full; free some space there",
    ),
    FailurePattern(
        r"x509|certificate|tls: |HTTP response to HTTPS client",
        ImagePullError,
        "the registry's TLS certificate cannot be verified;"
        " install its CA, or use --tls-verify=false",
    ),
    FailurePattern(
        r"unauthorized|authentication required|no basic auth credentials"
        r"|access .*denied|invalid username/password",
        ImagePullError,
        "the registry denies access; log in, or use --authfile",
    ),
    FailurePattern(
        r"manifest unknown|not found|repository name not known|name unknown",
        ImagePullError,
        "the registry has no such image; check its name and tag",
    ),
    FailurePattern(
        r"connection refused|no such host|dial tcp|i/o timeout|network is unreachable",
        ImagePullError,
        "the registry cannot be reached; check its name and the network",
    ),
)


def pull_progress(
    answers: Iterable[Mapping[str, Any]], *, image: str, engine: str
) -> Iterator[PullProgress]:
    """Yield the steps of a pull from the objects in the engine's stream.

    Raises:
        ImagePullError: the stream reports that the pull failed.
    """
    for answer in answers:
        if error := answer.get("error"):
            raise pull_error(str(error), image=image, engine=engine)
        if text := answer.get("stream"):
            yield _step_of_text(one_line(str(text)))
        elif status := answer.get("status"):
            yield _step_of_status(one_line(str(status)), answer)


def pull_error(text: str, *, image: str, engine: str) -> EngineError:
    """Return the error for an *image* that could not be pulled; *text* is the engine's message."""
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
