"""Turn Docker's error messages into exceptions; the daemon has no error codes, only text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramalama_engines.docker.session import BAD_REQUEST, ENGINE
from ramalama_engines.errors import (
    ContainerConflict,
    ContainerNotFound,
    ContainerStartError,
    DeviceNotFound,
    EngineError,
    ImageNotFound,
    ProgramNotFound,
    UnsupportedOption,
)
from ramalama_engines.rest.http import FailurePattern, explain
from ramalama_values.json import parse_json
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from requests import Response

NO_CDI = (
    "resolve CDI devices; Docker 25 and later can, "
    'with {"features": {"cdi": true}} in its daemon.json'
)

_CREATE = (
    FailurePattern(
        r"no such image: (?P<image>.+)",
        ImageNotFound,
        "there is no local image {image}",
    ),
    FailurePattern(
        r'container name "/?(?P<name>[^"]+)" is already in use',
        ContainerConflict,
        "the name {name} is used by another container",
    ),
    FailurePattern(
        r"bind source path does not exist: (?P<path>.+)",
        UnsupportedOption,
        "the mount source {path} does not exist on the engine's host",
    ),
)

_EXEC = r'exec: "(?P<program>(?:[^"\\]|\\.)*)": '

_START = (
    FailurePattern(
        _EXEC + r"(?:executable file not found|.*no such file or directory)",
        ProgramNotFound,
        "the image has no program {program}",
    ),
    FailurePattern(
        _EXEC + r"permission denied",
        ProgramNotFound,
        "{program} in the image cannot be executed",
    ),
    FailurePattern(
        r"Bind for (?P<address>\S+) failed: port is already allocated",
        ContainerConflict,
        "{address} is used by another container",
    ),
    FailurePattern(
        r"listen tcp\d? (?P<address>\S+): bind: address already in use",
        ContainerConflict,
        "{address} is used by another program",
    ),
    FailurePattern(
        r'custom device "(?P<device>[^"]+)": (?P<reason>.+)',
        DeviceNotFound,
        "the container cannot get the device {device}",
    ),
    FailurePattern(
        r"unresolvable CDI devices (?P<names>[^:\n]+)",
        DeviceNotFound,
        "no CDI specification on the engine's host describes {names}",
    ),
    FailurePattern(
        r'CDI host device "(?P<path>[^"]*)"',
        DeviceNotFound,
        "a CDI specification on the engine's host names {path}, which is not a device there",
    ),
)


def error_text(response: Response) -> str:
    """Return the daemon's message in an error answer."""
    try:
        return str(read_answer(response.content)["message"])
    except (EngineError, LookupError, TypeError):
        return response.text


def read_answer(body: bytes) -> Any:  # noqa: ANN401 (JSON)
    """Return the daemon's answer as JSON.

    Raises:
        EngineError: the answer is not JSON.
    """
    try:
        return parse_json(body)
    except ValueError as exc:
        msg = f"{ENGINE}: its answer is not JSON"
        raise EngineError(msg, engine=ENGINE) from exc


def unsupported(what: str) -> UnsupportedOption:
    """Return an error that says what Docker cannot do, and why or what would help."""
    return UnsupportedOption(f"this Docker cannot {what}", engine=ENGINE)


def no_such_container(container: str) -> ContainerNotFound:
    """Return an error that says that there is no *container*."""
    return ContainerNotFound(f"there is no container {container!r}", engine=ENGINE)


def create_failure(text: str, *, status: int) -> EngineError:
    """Return an error that says why a container was not created."""
    found = explain(text, _CREATE, engine=ENGINE)
    if found is None and status == BAD_REQUEST:  # the daemon rejects the request itself
        found = UnsupportedOption(f"{ENGINE}: {one_line(text)}", engine=ENGINE)
    return found or refusal(text)


def start_failure(text: str, *, image: str) -> EngineError:
    """Return an error that says why a container of *image* did not start."""
    found = explain(text, _START, engine=ENGINE)
    kind = type(found) if found else ContainerStartError
    reason = found or f"{ENGINE}: {one_line(text)}"
    return kind(f"cannot start a container of {image}: {reason}", engine=ENGINE)


def refusal(text: str) -> EngineError:
    """Return an error with the daemon's message, for a failure that matches no pattern."""
    return EngineError(f"{ENGINE}: {one_line(text)}", engine=ENGINE)
