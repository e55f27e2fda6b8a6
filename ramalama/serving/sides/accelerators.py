"""Look for the accelerators of an engine's host: files and device nodes, for `ramalama_accel`.

Two containers do it. The *finder* has directories of the host and is never started: the engine says
which files are there, and no program of the image sees them. The *lister* runs a small program; it
has /dev, which it only lists, CDI specifications and the device tree, all read-only. A kernel shows
the rest of its hardware in every container.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ramalama.serving.sides.host_listing import LARGEST_OUTPUT, HostListing, read_listing
from ramalama.serving.sides.listing_program import PROGRAM
from ramalama.serving.sides.snapshot import Snapshot
from ramalama.serving.sides.worker import Workers
from ramalama_accel.cdi.specs import read_inventory
from ramalama_accel.probes.ascend import LIBRARY_PATHS, VERSION_FILE
from ramalama_accel.probes.nvidia.cards import WSL_DRIVER
from ramalama_engines.errors import EngineError, EngineUnavailable
from ramalama_engines.kinds import EngineKind
from ramalama_engines.spec import BindMount
from ramalama_values import frozen
from ramalama_values.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from ramalama_accel.host import Host
    from ramalama_engines import Engine

_log = logging.getLogger("ramalama.remote")

_NOBODY = "65534:65534"
_LABEL = "accelerators"
_TIME = 60.0  # seconds; it takes a tenth of one
_MOST_FILES = 256
_LONGEST_REASON = 200
_LARGEST_VERSION = 65536

# Where the finder has the directories of the host that every Linux has.
_FOUND_AT = {
    "/etc": "/host/etc",
    "/usr": "/host/usr",
    "/run": "/host/run",
    "/sys/firmware": "/host/firmware",
}
# Directories that are links to these on nearly every Linux.
_LINKS = {"/var/run": "/run", "/lib": "/usr/lib", "/lib64": "/usr/lib64"}
# What the lister has of them if it exists, and where.
_LISTED_AT = {
    "/etc/cdi": "/probe/etc-cdi",
    "/run/cdi": "/probe/run-cdi",
    "/sys/firmware/devicetree/base": "/probe/tree",
}
_DEV = "/probe/dev"


def look_for_accelerators(engine: Engine, image: str, run_dir: Path) -> Snapshot | None:
    """Look at the host of *engine* with containers of the local *image*, and keep what is there.

    A host that cannot be looked at has no accelerators for some minutes, and the log says why. None
    is returned if nothing can be kept.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    keep = partial(
        Snapshot.write, run_dir, engine.url, engine=engine.info.id, rootless=engine.rootless
    )
    try:
        with _finder(engine, image) as finder:
            listing = _list_files(engine, image, finder)
            return keep(listing, more=finder.more)
    except EngineUnavailable:
        raise
    except (EngineError, ValueError) as exc:
        reason = one_line(str(exc), longest=_LONGEST_REASON)
    _log.warning("could not look for GPUs on the engine's host, so the CPU is used: %s", reason)
    return keep(HostListing(), failure=reason)


@frozen(kw_only=False)
class _Finder:
    """A container that shows directories of the host; "" if the engine refuses to show them."""

    engine: Engine
    container: str

    def exists(self, path: str) -> bool | None:
        """Return whether the host has *path*; None if that is not known."""
        inside = self._inside(path)
        if inside is None:
            return None
        try:
            return self.engine.find_in(self.container, inside) is not None
        except EngineUnavailable:
            raise
        except EngineError:
            return None

    def more(self, host: Host) -> Iterator[tuple[str, bytes]]:
        """Yield the files of vendors' drivers that *host* needs, and those of CDI specifications.

        An engine refuses a specification whose files are missing. What cannot be looked for is
        taken to be there.
        """
        if host.numbers("/dev", "davinci"):
            yield from ((path, self._read(path)) for path in LIBRARY_PATHS if self.exists(path))
        if host.node("/dev/dxg") and self.exists(WSL_DRIVER):
            yield WSL_DRIVER, b""
        needed = [path for device in read_inventory(host).devices.values() for path in device.files]
        for path in islice(dict.fromkeys(needed), _MOST_FILES):
            if self.exists(path) is not False:
                yield path, b""

    def _read(self, path: str) -> bytes:
        inside = self._inside(path)
        if path != VERSION_FILE or inside is None:
            return b""
        return b"".join(self.engine.read_from(self.container, inside, most=_LARGEST_VERSION))

    def _inside(self, path: str) -> str | None:
        for link, target in _LINKS.items():
            if path.startswith(f"{link}/"):
                path = f"{target}{path.removeprefix(link)}"
        for directory, place in _FOUND_AT.items():
            if self.container and path.startswith(f"{directory}/"):
                return f"{place}{path.removeprefix(directory)}"
        return None


@contextmanager
def _finder(engine: Engine, image: str) -> Generator[_Finder]:
    workers = _workers(engine, image, _FOUND_AT)
    with ExitStack() as undo:
        container = ""
        try:
            container = undo.enter_context(workers.created())
        except EngineUnavailable:
            raise
        except EngineError as exc:
            _log.info("the engine does not show the files of its host: %s", exc)
        yield _Finder(engine, container)


def _list_files(engine: Engine, image: str, finder: _Finder) -> HostListing:
    """Run the program.

    Raises:
        EngineError: it cannot be run.
        ValueError: its output is not that of the program.
    """
    places = {path: at for path, at in _LISTED_AT.items() if finder.exists(path)}
    workers = _workers(engine, image, {"/dev": _DEV, **places})
    directories = ("/sys", "/proc", _DEV, *_LISTED_AT.values())
    try:
        with workers.created(("sh", "-c", PROGRAM, "sh", *directories)) as container:
            engine.start(container)
            engine.wait(container, timeout=_TIME)
            return read_listing(engine.logs(container))
    except TimeoutError as exc:
        msg = f"a container of {image} did not end within {_TIME:g} s"
        raise EngineError(msg, engine=engine.kind) from exc


def _workers(engine: Engine, image: str, places: Mapping[str, str]) -> Workers:
    docker = engine.kind is EngineKind.DOCKER
    return Workers(
        engine,
        image,
        tuple(BindMount(source=path, target=place) for path, place in places.items()),
        _LABEL,
        user="0:0" if engine.rootless else _NOBODY,
        # As in the plan of a server: IDs are then the host's.
        userns="host" if docker and not engine.rootless else None,
        # So a node that one of the user's groups may open counts, as on this host.
        keep_groups=engine.rootless and not docker and _runs_crun(engine),
        # It only reads files of the system, which must not get the label of containers.
        selinux_options=("disable",),
        log_size=LARGEST_OUTPUT,
    )


def _runs_crun(engine: Engine) -> bool:
    return PurePosixPath(engine.info.oci_runtime).name == "crun"
