"""Record where a process listens before a server, so that `ramalama ps` shows that address.

    RUN_DIR/IDENTITY-TOKEN.shared/front   {"address": …, "process": IDENTITY}

It is in the directory of the server's users, which is never mounted: a container cannot write it.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ramalama.serving.usage import SharedServer
from ramalama.system.process_identity import ProcessIdentity, ProcessState
from ramalama_engines.registry_auth.json_file import JsonFileError, read_object

if TYPE_CHECKING:
    from collections.abc import Generator

    from ramalama.serving.run_dir import ServerDir

_NAME: Final = "front"
_log = logging.getLogger("ramalama.launch")


@contextmanager
def recorded_front(directory: ServerDir, address: str) -> Generator[None]:
    """Record for the block that this process listens at *address* before a shared server.

    Without the record, everything works but what `ramalama ps` shows, so a failure is only logged.
    """
    path = SharedServer(directory).path / _NAME
    process = ProcessIdentity.of_this_process().format()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"address": address, "process": process}, file)
    except OSError as exc:
        _log.warning("cannot write %s: %s", path, exc.strerror)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def read_front(directory: ServerDir) -> str | None:
    """Return the address at which a process listens before a server; None if none does."""
    try:
        value = read_object(SharedServer(directory).path / _NAME)
    except (OSError, JsonFileError):
        return None
    address, process = value.get("address"), value.get("process")
    if not isinstance(address, str) or not isinstance(process, str):
        return None
    identity = ProcessIdentity.parse(process)
    if identity is None or identity.state() is ProcessState.DEAD:
        return None
    return address
