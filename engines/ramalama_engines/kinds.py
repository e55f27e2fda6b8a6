"""The kinds of engines and the pull policies, by the names that settings use."""

from enum import StrEnum


class EngineKind(StrEnum):
    """The REST API that an engine offers."""

    PODMAN = "podman"
    DOCKER = "docker"


class PullPolicy(StrEnum):
    """When to ask the registry for an image; podman-run(1), `--pull`."""

    ALWAYS = "always"
    MISSING = "missing"
    NEVER = "never"
    NEWER = "newer"
