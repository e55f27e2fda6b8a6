"""Find the directory of the store, which is the same as upstream RamaLama's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM = Path("/var/lib/ramalama")


def store_base(
    env: Mapping[str, str], home: Path, *, uid: int, configured: str | None = None
) -> Path:
    """Return the directory as an absolute path; it need not exist.

    *configured* is the setting ``store``, which may begin with ``~``; a relative XDG_DATA_HOME
    counts as unset (XDG base directories).
    """
    if configured:
        if configured == "~" or configured.startswith("~/"):
            return home / configured[2:]
        return Path(configured).absolute()
    if uid == 0:
        return _SYSTEM
    named = Path(env.get("XDG_DATA_HOME", ""))
    return (named if named.is_absolute() else home / ".local/share") / "ramalama"
