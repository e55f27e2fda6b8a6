"""Where indexes are kept that the user has not named: those of images, and of documents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ramalama_engines.user import InvokingUser


def cache_directory(user: InvokingUser) -> Path:
    """Return the directory, which need not exist; XDG base directories."""
    named = Path(user.env.get("XDG_CACHE_HOME", ""))  # a relative one counts as unset
    return (named if named.is_absolute() else user.home / ".cache") / "ramalama/rag"


def kept_index(user: InvokingUser, name: str) -> Path:
    """Return the file of the index that is kept for *name*, which need not exist."""
    return cache_directory(user) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.db"
