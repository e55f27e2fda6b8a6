"""Keep what was found of the accelerators of an engine's host, in a directory below RUN_DIR.

    host-HEX.accelerators/about.json   the ID of the engine, or why nothing was found
    host-HEX.accelerators/devices      the character devices, as in `host_listing`
    host-HEX.accelerators/root/        the files at their paths; a device is an empty file

A snapshot is made under a name of this process, so that it is removed if the process is killed, and
gets its own name when it is complete.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from ramalama.serving.sides.facts import SUFFIX as FACTS_SUFFIX
from ramalama.serving.sides.facts import VALID, place_of
from ramalama.serving.sides.host_listing import HostListing, is_plain, read_listing
from ramalama.system.process_identity import ProcessIdentity
from ramalama.system.removal import remove_tree
from ramalama_accel.host import DeviceNode, DeviceUser, Host
from ramalama_values import frozen
from ramalama_values.json import is_object, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_log = logging.getLogger("ramalama.remote")

SUFFIX = ".accelerators"

_VERSION = 1
_ABOUT = "about.json"
_DEVICES = "devices"
_ROOT = "root"
_LARGEST = 1 << 20
_FAILURE_VALID = 600.0  # seconds
_CLEANUP_TIME = 2.0

_ROOT_USER = DeviceUser(uid=0, gids=frozenset())
# What a rootless engine sees has other IDs than on the host. So the container tried whether the
# user may open a node; the node gets a mode that says so.
_ANY_USER = DeviceUser(uid=65534, gids=frozenset())
_OPEN = DeviceNode(mode=0o666, uid=0, gid=0)
_LOCKED = DeviceNode(mode=0o600, uid=0, gid=0)


def _nothing_more(_host: Host) -> Iterable[tuple[str, bytes]]:
    return ()


@frozen()
class Snapshot:
    """What was found of the accelerators of an engine's host.

    Attributes:
        directory: where it is.
        devices: the character devices, and the processor architecture.
        rootless: whether the engine was, so that IDs of users and groups are not the host's.
        failure: why nothing was found; "" if the host was looked at.
    """

    directory: Path
    devices: HostListing
    rootless: bool = False
    failure: str = ""

    @classmethod
    def read(cls, run_dir: Path, url: str, *, engine: str) -> Self | None:
        """Return what was found for the engine with this ID; None if that is nothing, or old."""
        directory = _directory(run_dir, url)
        try:
            with (directory / _ABOUT).open("rb") as file:
                age = time.time() - os.fstat(file.fileno()).st_mtime
                about = parse_json(file.read(_LARGEST))
            devices = read_listing((directory / _DEVICES).read_text().splitlines())
        except (OSError, ValueError):
            return None
        if not is_object(about) or (about.get("version"), about.get("engine")) != (
            _VERSION,
            engine,
        ):
            return None
        failure = str(about.get("failure", ""))
        if age > (_FAILURE_VALID if failure else VALID):
            return None
        rootless = about.get("rootless") is True
        return cls(directory=directory, devices=devices, rootless=rootless, failure=failure)

    @classmethod
    def write(  # noqa: PLR0913 (what is kept)
        cls,
        run_dir: Path,
        url: str,
        listing: HostListing,
        *,
        engine: str,
        rootless: bool,
        more: Callable[[Host], Iterable[tuple[str, bytes]]] = _nothing_more,
        failure: str = "",
    ) -> Self | None:
        """Keep a *listing* for the engine with this ID; return None if that fails.

        *more* gets a host of the listing, and returns further files, which have any path but below
        /sys. If it raises an exception, nothing is kept.
        """
        directory = _directory(run_dir, url)
        identity = ProcessIdentity.of_this_process()
        new = run_dir / f"{identity.format()}-{os.urandom(4).hex()}"
        made = cls(directory=new, devices=listing, rootless=rootless, failure=failure)
        try:
            made._fill(engine, more)
            remove_snapshot(run_dir, url)
            new.rename(directory)
        except OSError as exc:
            other = cls.read(run_dir, url, engine=engine)  # of another process, at the same time
            if other is None:
                _log.warning("could not keep what was found on the engine's host: %s", exc)
            return other
        finally:
            remove_tree(new, seconds=_CLEANUP_TIME)
        return replace(made, directory=directory)

    def _fill(self, engine: str, more: Callable[[Host], Iterable[tuple[str, bytes]]]) -> None:
        new, listing = self.directory, self.devices
        new.mkdir(mode=0o700, parents=True)
        _write_files(new / _ROOT, listing)
        for path, content in more(self.host({})):
            _write_file(new / _ROOT, path, content)
        (new / _DEVICES).write_text(_format_devices(listing))
        about = {"version": _VERSION, "engine": engine, "rootless": self.rootless}
        (new / _ABOUT).write_text(json.dumps({**about, "failure": self.failure}))

    def host(self, env: Mapping[str, str]) -> Host:
        """Return the host of an engine, for a user with *env* here."""
        nodes = dict(self.devices.nodes)
        if self.rootless:
            opens = self.devices.openable
            nodes = {path: _OPEN if path in opens else _LOCKED for path in nodes}
        return Host(
            root=self.directory / _ROOT,
            env=env,
            machine=self.devices.machine,
            user=_ANY_USER if self.rootless else _ROOT_USER,
            nodes=nodes,
        )


def host_at(run_dir: Path, url: str, *, engine: str, env: Mapping[str, str]) -> Host:
    """Return the host of the engine with this ID at *url*, as far as it is known."""
    found = Snapshot.read(run_dir, url, engine=engine)
    return unknown_host(run_dir, url) if found is None else found.host(env)


def unknown_host(run_dir: Path, url: str) -> Host:
    """Return a host of which nothing is known, so that no accelerator is found on it."""
    root = _directory(run_dir, url) / "none"  # it never exists
    return Host(root=root, machine="", user=_ROOT_USER, nodes={})


def remove_snapshot(run_dir: Path, url: str) -> None:
    """Remove what is kept of the host of the engine at *url*, at once for other processes."""
    _remove(_directory(run_dir, url))


def remove_old_snapshots(run_dir: Path) -> None:
    """Remove the snapshots that are old, or of hosts whose facts were forgotten."""
    for directory in run_dir.glob(f"*{SUFFIX}"):
        if not (_is_fresh(directory) and directory.with_suffix(FACTS_SUFFIX).exists()):
            _remove(directory)


def _is_fresh(directory: Path) -> bool:
    try:
        return time.time() - (directory / _ABOUT).stat().st_mtime <= VALID
    except OSError:
        return False


def _remove(directory: Path) -> None:
    identity = ProcessIdentity.of_this_process()
    old = directory.with_name(f"{identity.format()}-{os.urandom(4).hex()}")
    with suppress(OSError):
        directory.rename(old)
        remove_tree(old, seconds=_CLEANUP_TIME)


def _directory(run_dir: Path, url: str) -> Path:
    return place_of(run_dir, url).with_suffix(SUFFIX)


def _write_files(root: Path, listing: HostListing) -> None:
    root.mkdir()
    for path in listing.directories:
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for path, content in listing.files.items():
        _write_file(root, path, content)
    for path in listing.nodes:
        _write_file(root, path, b"")
    for path, target in listing.links.items():
        (root / path.lstrip("/")).symlink_to(target)


def _write_file(root: Path, path: str, content: bytes) -> None:
    """Create a file; do nothing if its path is odd, or leads to a link or another file."""
    if not is_plain(path):
        return
    place = root / path.lstrip("/")
    with suppress(FileExistsError, NotADirectoryError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(content)


def _format_devices(listing: HostListing) -> str:
    lines = [f"machine {listing.machine}"] if listing.machine else []
    lines += [
        f"c {node.mode:o} {node.uid} {node.gid} {path}" for path, node in listing.nodes.items()
    ]
    lines += [f"o {path}" for path in listing.openable]
    return "".join(f"{line}\n" for line in (*lines, "end"))
