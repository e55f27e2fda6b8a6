"""The words that settings have for engines and for pulls."""

from enum import StrEnum


class EngineKind(StrEnum):
    """Which REST API the engine speaks."""

    PODMAN = "podman"
    DOCKER = "docker"


class PullPolicy(StrEnum):
    """When to ask the registry for the image; podman-run(1), `--pull`."""

    ALWAYS = "always"
    MISSING = "missing"
    NEVER = "never"
    NEWER = "newer"
