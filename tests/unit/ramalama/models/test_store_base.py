"""Where the store is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ramalama.errors import ConfigError
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
        ({"DATA": "/data"}, 1000, "$DATA/models", "/data/models"),
        ({"DATA": "~/data"}, 1000, "${DATA}/models", "/home/ann/data/models"),
    ],
)
def test_the_store_is_where_upstream_has_it(
    env: dict[str, str], uid: int, configured: str | None, base: str
) -> None:
    assert store_base(env, HOME, uid=uid, configured=configured) == Path(base)


@pytest.mark.parametrize(
    ("configured", "why"),
    [
        ("models", "is a relative path; begin it with / or ~/"),
        ("~bob/models", "is a relative path"),
        ("$DATA/models", "has a variable that is not set"),
        ("/models/$", "has a variable that is not set"),
        ("$EMPTY", "is a relative path"),
    ],
)
def test_a_store_that_depends_on_the_current_directory_is_refused(
    configured: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=f"the store .* {why}"):
        store_base({"EMPTY": ""}, HOME, uid=1000, configured=configured)
