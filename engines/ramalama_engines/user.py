"""The user who runs the program, and where their settings of container tools are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen()
class InvokingUser:
    """The user who needs an engine or a password, and where their files are.

    Attributes:
        env: the environment; an empty variable counts as unset, as in both tools.
        root: the directory that is used as ``/``.
    """

    env: Mapping[str, str]
    home: Path
    uid: int
    root: Path = Path("/")

    @property
    def is_root(self) -> bool:
        """Whether the user is root, who owns the rootful engines."""
        return self.uid == 0

    @property
    def runtime_dir(self) -> Path:
        """The directory for the sockets of the user's services; XDG base directories."""
        named = self.env.get("XDG_RUNTIME_DIR")
        return Path(named) if named else self.root / "run/user" / str(self.uid)

    @property
    def config_dir(self) -> Path:
        """The directory of the user's settings; XDG base directories."""
        named = self.env.get("XDG_CONFIG_HOME")
        return Path(named) if named else self.home / ".config"

    @property
    def docker_dir(self) -> Path:
        """The directory of docker's config.json and its contexts; docker(1), `DOCKER_CONFIG`."""
        named = self.env.get("DOCKER_CONFIG")
        return Path(named) if named else self.home / ".docker"
