"""Say which host `--engine-side` is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ramalama.cli.output.terminal import print_error

if TYPE_CHECKING:
    from ramalama.api.client import Ramalama


def note_own_host(ramalama: Ramalama, *, quiet: bool) -> None:
    """Say why there are no copies if the engine runs on this host."""
    if not quiet and ramalama.engine_host() is None:
        print_error("The engine runs on this host, where models are used without a copy.")
