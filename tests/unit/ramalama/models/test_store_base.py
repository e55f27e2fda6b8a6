"""Where the store is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ramalama.models.library import store_base

HOME = Path("/home/ann")


@pytest.mark.parametrize(
    ("env", "uid", "configured", "base"),
    [
        ({}, 1000, None, "/home/ann/.local/share/ramalama"),
        ({"XDG_DATA_HOME": "/data"}, 1000, None, "/data/ramalama"),
        ({"XDG_DATA_HOME": ""}, 1000, None, "/home/ann/.local/share/ramalama"),
        ({"XDG_DATA_HOME": "data"}, 1000, None, "/home/ann/.local/share/ramalama"),
        ({"XDG_DATA_HOME": "/data"}, 0, None, "/var/lib/ramalama"),
        ({"XDG_DATA_HOME": "/data"}, 1000, "/srv/models", "/srv/models"),
        ({}, 0, "/srv/models", "/srv/models"),
        ({}, 1000, "~/models", "/home/ann/models"),
        ({}, 1000, "~", "/home/ann"),
        ({}, 1000, "~bob/models", str(Path.cwd() / "~bob/models")),
        ({}, 1000, "models", str(Path.cwd() / "models")),
    ],
)
def test_the_store_is_where_upstream_has_it(
    env: dict[str, str], uid: int, configured: str | None, base: str
) -> None:
    assert store_base(env, HOME, uid=uid, configured=configured) == Path(base)
