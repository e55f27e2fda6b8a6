"""What is known of the host of an engine, and the probe that finds it out.

Whether an engine sees the files of a host is not told by its address: it may run in a virtual
machine, with some directories shared. So a container that is created but never started gets one of
our directories, and the engine is asked for a file in it. A socket needs more than a shared
directory: the same kernel at both ends. The answers are kept in RUN_DIR until the next boot.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from ramalama_values import frozen
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = 1
_LARGEST = 64 * 1024
SUFFIX = ".json"
VALID = 24 * 3600.0  # seconds; a virtual machine may get other memory


@frozen()
class HostFacts:
    """What is known of the host of an engine that may be another one than this.

    Attributes:
        engine: the engine's own ID.
        cpus, memory: processors, and bytes of memory.
        sees_files: whether the engine sees the files of this host; over ssh, those of that one.
        has_sockets: whether a UNIX socket in a server's directory can be reached from here.
        uid, gid: the user of the files.
        store, run_dir: directories of the engine's host for models and servers; "" if it has none.
    """

    engine: str
    cpus: int
    memory: int
    sees_files: bool
    has_sockets: bool
    uid: int
    gid: int
    store: str = ""
    run_dir: str = ""

    @classmethod
    def read(cls, run_dir: Path, url: str) -> Self | None:
        """Return what is known of the engine at *url*; None if that is nothing, or is old."""
        path = place_of(run_dir, url)
        try:
            with path.open("rb") as file:
                if abs(time.time() - os.fstat(file.fileno()).st_mtime) > VALID:
                    return None
                value = parse_json(file.read(_LARGEST))
        except (OSError, ValueError):
            return None
        if not is_object(value) or value.pop("version", None) != _VERSION:
            return None
        expected = asdict(_EXAMPLE)
        if {name: type(each) for name, each in value.items()} != {
            name: type(each) for name, each in expected.items()
        }:
            return None
        return cls(**value)  # type: ignore[arg-type]  # each has its type

    def write(self, run_dir: Path, url: str) -> None:
        """Keep the facts for other processes of this user; they are not kept if that fails."""
        path = place_of(run_dir, url)
        new = path.with_suffix(f".{os.urandom(4).hex()}")
        with suppress(OSError):
            run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_text(json.dumps({"version": _VERSION, **asdict(self)}), encoding="utf-8")
            new.replace(path)


_EXAMPLE = HostFacts(engine="", cpus=0, memory=0, sees_files=False, has_sockets=False, uid=0, gid=0)


def forget(run_dir: Path, url: str) -> None:
    """Forget what is known of the engine at *url*, because it turned out to be wrong."""
    place_of(run_dir, url).unlink(missing_ok=True)


def place_of(run_dir: Path, url: str) -> Path:
    """Return the path of the file about the engine at *url*."""
    return run_dir / f"host-{hashlib.sha256(url.encode()).hexdigest()[:16]}{SUFFIX}"
