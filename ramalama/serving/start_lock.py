"""Lock the start of a server by its digest, so that only one process starts it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ramalama.serving.request import start_cancelled
from ramalama.serving.run_dir import ensure_private
from ramalama.serving.usage import START_SUFFIX
from ramalama.system.locks import LockCancelled, locked

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator
    from pathlib import Path


def _unlink(path: Path, *, opener: int) -> None:
    if os.getpid() == opener:  # not in a process that was forked meanwhile
        path.unlink(missing_ok=True)


@contextmanager
def starting(
    run_dir: Path, digest: str, *, on_wait: Callable[[], None], cancel: threading.Event | None
) -> Generator[None]:
    """Keep other processes and threads from starting a server with *digest* during the block.

    *on_wait* is called once if another process or thread holds the lock.

    Raises:
        ConfigError: other users may write to the directory.
        StartCancelled: *cancel* was set while this call waited.
    """
    ensure_private(run_dir)
    path = run_dir / f"{digest}{START_SUFFIX}"
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, on_wait=on_wait, cancel=cancel, permissions=0o600))
        except LockCancelled as exc:
            raise start_cancelled() from exc
        stack.callback(_unlink, path, opener=os.getpid())
        yield
