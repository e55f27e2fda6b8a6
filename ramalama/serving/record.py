"""Read and write the records of shared servers, which are found by them without an engine.

    RUN_DIR/IDENTITY-TOKEN.shared/server   {"asked": …, "container": …, "engine": {…}, …}

To import an engine's SDK takes longer than a warm server takes to answer. So a command that asks
for the same plan as before, on the same engine, first looks for a record, and then whether the
recorded server answers. The file holds only what the engine would report. If it is missing,
invalid or out of date, the engine is asked.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Self, cast

from ramalama.serving.run_dir import ServerDir
from ramalama.serving.usage import SUFFIX, SharedServer, process_in
from ramalama_engines.discovery.engine_identity import EngineIdentity
from ramalama_engines.kinds import EngineKind
from ramalama_engines.registry_auth.json_file import JsonFileError, read_object
from ramalama_values import frozen
from ramalama_values.json import is_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAME = "server"
_NAMES = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"  # of containers


@frozen()
class ServerRecord:
    """A shared server as it was after its start; it may no longer run.

    Attributes:
        directory: the directory of the server.
        engine: the engine that it runs on.
        oci_runtimes: the OCI runtimes of the engine; None if they did not matter.
        container: the ID of the container.
        name: the name of the container.
        asked: the digest of the server before its image was looked up; see `server_digest`.
        plan: the digest of the server with its image.
    """

    directory: ServerDir
    engine: EngineIdentity
    oci_runtimes: tuple[str, ...] | None
    container: str
    name: str
    asked: str
    plan: str

    def write(self) -> None:
        """Write the record to its file, atomically.

        Raises:
            OSError: the file cannot be written, or the server is not shared any more.
        """
        directory = SharedServer(self.directory).path
        value = {
            "engine": {
                "kind": self.engine.kind,
                "url": self.engine.url,
                "rootless": self.engine.rootless,
            },
            "oci_runtimes": self.oci_runtimes,
            "container": self.container,
            "name": self.name,
            "asked": self.asked,
            "plan": self.plan,
        }
        unfinished = directory / f"{_NAME}.new"
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
        unfinished.replace(directory / _NAME)

    @classmethod
    def read(cls, directory: ServerDir) -> Self | None:
        """Read the record of the server with this *directory*; None if it is missing or invalid."""
        try:
            value = read_object(SharedServer(directory).path / _NAME)
            return cls._parse(directory, value)
        except (FileNotFoundError, JsonFileError, ValueError):
            return None

    @classmethod
    def _parse(cls, directory: ServerDir, value: dict[str, object]) -> Self:
        engine, runtimes = value.get("engine"), value.get("oci_runtimes")
        if not is_object(engine):
            raise ValueError(_NAME)
        return cls(
            directory=directory,
            engine=EngineIdentity(
                kind=EngineKind(_text(engine, "kind")),
                url=_text(engine, "url"),
                rootless=engine.get("rootless") is True,
            ),
            oci_runtimes=None if runtimes is None else _texts(runtimes),
            container=_text(value, "container", _NAMES),
            name=_text(value, "name", _NAMES),
            asked=_text(value, "asked"),
            plan=_text(value, "plan"),
        )


def server_records(run_dir: Path) -> Sequence[ServerRecord]:
    """Return the records of this user's shared servers, newest first.

    Only this user may write to *run_dir*: see `ramalama.serving.run_dir.ensure_private`.
    """
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(run_dir)  # noqa: PTH208 (names, not paths)
    tokens = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    found: list[tuple[float, ServerRecord]] = []
    for token in tokens:
        directory = ServerDir(run_dir.absolute() / token)
        if process_in(token) and (record := ServerRecord.read(directory)):
            found.append((_written_at(directory), record))
    return [record for _, record in sorted(found, key=lambda each: each[0], reverse=True)]


def _written_at(directory: ServerDir) -> float:
    try:
        return (SharedServer(directory).path / _NAME).stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0


def _text(value: dict[str, object], key: str, pattern: str = ".*") -> str:
    text = value.get(key)
    if not isinstance(text, str) or re.fullmatch(pattern, text) is None:
        raise ValueError(key)
    return text


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(_NAME)  # noqa: TRY004 (likewise)
    return tuple(str(each) for each in cast("list[object]", value))
