"""A store that belongs to another user is listed, read and opened, but not changed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.ramalama.models.store.filled import OLLAMA, publish

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# No mode stops root unless it gives its capabilities away. It keeps the one to read what is another
# user's, which this very file may be.
_GIVEN_AWAY = ("setpriv", "--bounding-set=-all,+dac_read_search", "--inh-caps=-all")
_UNPRIVILEGED = _GIVEN_AWAY if os.geteuid() == 0 else ()
_USE = """
import sys
from pathlib import Path
from ramalama.errors import StoreError
from ramalama.models.reference.reference import ModelRef, Scheme
from ramalama.models.store.store import ModelStore
store = ModelStore(Path(sys.argv[1]))
(listed,) = store.list()
with store.using():
    record = store.find(listed.reference)
    print(listed.complete, store.open(record).weights[0].read_bytes())
try:
    store.remove(listed.reference)
except StoreError as exc:
    print(exc)
"""


@pytest.fixture
def base(tmp_path: Path) -> Generator[Path]:
    """Yield a store that cannot be written to."""
    base = tmp_path / "shared"
    publish(base, OLLAMA, b"weights")
    yield base
    _set_modes(base, writable=True)


def _set_modes(base: Path, *, writable: bool) -> None:
    for directory, _, files in os.walk(base):
        os.chmod(directory, 0o755 if writable else 0o555)  # noqa: PTH101 (walk gives texts)
        for name in files:
            if "locks" in directory or name.endswith(".json"):
                os.chmod(os.path.join(directory, name), 0o644 if writable else 0o444)  # noqa: PTH101, PTH118 (as above)


@pytest.mark.programs(*_UNPRIVILEGED[:1])
@pytest.mark.parametrize("locks", ["locks that were used", "no locks", "not even their directory"])
def test_a_store_that_is_not_ours_to_write_is_listed_and_opened(base: Path, locks: str) -> None:
    directory = base / "cas/locks"
    if locks != "locks that were used":
        for path in directory.iterdir():
            path.unlink()
    if locks == "not even their directory":
        directory.rmdir()
    _set_modes(base, writable=False)

    done = subprocess.run(
        [*_UNPRIVILEGED, sys.executable, "-c", _USE, str(base)],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    opened, refused = done.stdout.splitlines()
    assert opened == "True b'weights'"
    assert refused.startswith(f"the store {base} cannot be used: Permission denied")
