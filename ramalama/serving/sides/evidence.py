"""Gather the evidence about an engine's host: the files that it sees, and whether sockets work.

See `facts` for what counts. Nothing is started: a container that was only created shows its mounts
through the engine's archive API.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from ramalama.serving.sides.facts import HostFacts
from ramalama.serving.sides.upload import each_file
from ramalama.serving.sides.worker import Workers
from ramalama.system.process_identity import ProcessIdentity
from ramalama.system.removal import remove_tree
from ramalama_engines.errors import EngineError, EngineUnavailable, RemoteFileError
from ramalama_engines.spec import BindMount

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ramalama_engines import Engine
    from ramalama_engines.route import RemoteFile, RemoteFiles

_INSIDE = "/probe"
_NAME = "nonce"
_SIZE = 16  # bytes
_NOBODY = 65534  # the user of a server whose files belong to no user of ours
_KERNEL = "/proc/sys/kernel/osrelease"
_LONGEST = 256
_CLEANUP_TIME = 2.0
_OTHERS_WRITE = 0o022


def gather(engine: Engine, run_dir: Path, image: str | None) -> HostFacts:
    """Ask the engine and its host; *image* is local to the engine.

    Without an image, it is assumed that an engine sees the files of its host of ssh, and no others.

    Raises:
        EngineError: the engine or its host does not answer, or refuses.
    """
    info = engine.info
    ssh = engine.ssh
    files = ssh.files if ssh else None
    facts = HostFacts(
        engine=info.id,
        cpus=info.cpus,
        memory=info.memory,
        sees_files=False,
        has_sockets=False,
        uid=_NOBODY,
        gid=_NOBODY,
    )
    if files is not None:
        return _over_ssh(engine, files, facts, image)
    if ssh is None and engine.url.startswith("unix://"):
        return _on_shared_files(engine, run_dir, facts, image)
    return facts


def sees_model(engine: Engine, files: Mapping[Path, str], image: str) -> bool:
    """Return whether a container on *engine* gets the *files*, which are here.

    A directory that is shared with a virtual machine need not have all of them. Their sizes are
    compared, and not their content: the engine is in a virtual machine of this host. The probe
    mounts directories, since Podman 4 does not show a file that is mounted by itself.
    """
    paths = [path.resolve() for path, _ in each_file(files)]
    parents = dict.fromkeys(path.parent for path in paths)
    places = {parent: f"{_INSIDE}/{number}" for number, parent in enumerate(parents)}
    mounts = tuple(BindMount(source=str(path), target=place) for path, place in places.items())
    sizes = {f"{places[path.parent]}/{path.name}": path.stat().st_size for path in paths}
    return _gets(engine, mounts, sizes, image)


def _over_ssh(engine: Engine, files: RemoteFiles, facts: HostFacts, image: str | None) -> HostFacts:
    home = files.home()
    user = files.find(home)
    uid, gid = (user.uid, user.gid) if user else (_NOBODY, _NOBODY)
    run_dir = _private_directory(files, uid)
    kernel = _read_kernel(files)
    sees_files = image is None or _sees_remote(engine, files, run_dir, image)
    same_kernel = kernel is not None and kernel == engine.info.kernel
    return replace(
        facts,
        sees_files=sees_files,
        has_sockets=sees_files and same_kernel,
        uid=uid if sees_files else _NOBODY,
        gid=gid if sees_files else _NOBODY,
        store=f"{home}/.local/share/ramalama/engine-side",
        run_dir=run_dir,
    )


def _private_directory(files: RemoteFiles, uid: int) -> str:
    """Create and return the directory for servers there; see `run_dir` for the one here.

    Raises:
        EngineError: each of the names belongs to another user.
    """
    parents = ("/run",) if uid == 0 else (f"/run/user/{uid}", "/tmp")  # noqa: S108 (checked below)
    for parent in parents:
        path = f"{parent}/ramalama" if parent != "/tmp" else f"/tmp/ramalama-{uid}"  # noqa: S108
        if files.find(parent) is None:
            continue
        with suppress(RemoteFileError):
            files.make_directory(path)
            if is_private(files, path, uid):
                return path
    msg = "the host of the engine has no private directory for sockets, such as /run/user/UID"
    raise EngineError(msg, engine="")


def is_private(files: RemoteFiles, path: str, uid: int) -> bool:
    """Return whether *path* is a directory of the user *uid* that no other one may write to."""
    found = files.find(path)
    return is_own(found, uid) and found.is_directory


def is_own(found: RemoteFile | None, uid: int) -> TypeGuard[RemoteFile]:
    """Return whether *found* belongs to the user *uid*, is no link, and no other may write it."""
    return bool(found and found.uid == uid and not found.is_link and not found.mode & _OTHERS_WRITE)


def _read_kernel(files: RemoteFiles) -> str | None:
    with suppress(RemoteFileError):
        return files.read(_KERNEL, most=_LONGEST).decode("utf-8", "replace").strip()
    return None


def _sees_remote(engine: Engine, files: RemoteFiles, run_dir: str, image: str) -> bool:
    directory = f"{run_dir}/{ProcessIdentity.of_this_process().format()}-{os.urandom(4).hex()}"
    files.make_directory(directory)
    try:
        files.write(f"{directory}/{_NAME}", os.urandom(_SIZE))
        return _sees(engine, directory, image)
    finally:
        files.remove(directory)


def _on_shared_files(
    engine: Engine, run_dir: Path, facts: HostFacts, image: str | None
) -> HostFacts:
    """Ask an engine whose socket on this host may be forwarded into a virtual machine."""
    if image is None:
        return facts
    identity = ProcessIdentity.of_this_process()
    directory = run_dir / f"{identity.format()}-{os.urandom(4).hex()}"
    directory.mkdir(mode=0o700, parents=True)
    try:
        (directory / _NAME).write_bytes(os.urandom(_SIZE))
        sees_files = _sees(engine, str(directory), image)
    finally:
        remove_tree(directory, seconds=_CLEANUP_TIME)
    same_kernel = engine.info.kernel == os.uname().release
    return replace(
        facts,
        sees_files=sees_files,
        has_sockets=sees_files and same_kernel,
        uid=os.getuid() if sees_files else _NOBODY,
        gid=os.getgid() if sees_files else _NOBODY,
    )


def _sees(engine: Engine, directory: str, image: str) -> bool:
    """Return whether a container on *engine* gets our file in *directory*."""
    mount = BindMount(source=directory, target=_INSIDE)
    return _gets(engine, (mount,), {f"{_INSIDE}/{_NAME}": _SIZE}, image)


def _gets(
    engine: Engine, mounts: tuple[BindMount, ...], sizes: Mapping[str, int], image: str
) -> bool:
    """Return whether a container with *mounts* gets files of these *sizes*, by their paths."""
    try:
        with Workers(engine, image, mounts, "").created() as container:
            found = {path: engine.find_in(container, path) for path in sizes}
    except EngineUnavailable:
        raise
    except EngineError:  # Docker refuses a directory that does not exist
        return False
    return all(file is not None and file.size == sizes[path] for path, file in found.items())
