"""The invoking user, as far as the settings of container tools go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen()
class InvokingUser:
    """Who asks for an engine or a password, and where their files are.

    Attributes:
        env: the environment; a variable that is set to nothing counts as unset, as both tools hold.
        root: what stands for ``/``.
    """

    env: Mapping[str, str]
    home: Path
    uid: int
    root: Path = Path("/")

    @property
    def is_root(self) -> bool:
        """Whether the user owns the rootful engines."""
        return self.uid == 0

    @property
    def runtime_dir(self) -> Path:
        """Where the user's own services put their sockets; XDG base directories."""
        named = self.env.get("XDG_RUNTIME_DIR")
        return Path(named) if named else self.root / "run/user" / str(self.uid)

    @property
    def config_dir(self) -> Path:
        """Where the user's settings are; XDG base directories."""
        named = self.env.get("XDG_CONFIG_HOME")
        return Path(named) if named else self.home / ".config"

    @property
    def docker_dir(self) -> Path:
        """Where docker keeps config.json and its contexts; docker(1), `DOCKER_CONFIG`."""
        named = self.env.get("DOCKER_CONFIG")
        return Path(named) if named else self.home / ".docker"
