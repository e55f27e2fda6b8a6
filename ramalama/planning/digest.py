"""Which servers are the same: a digest of all that shapes one, taken without planning any.

It is made of the options that shape a server, the model, the accelerator, the image and the user in
the container. What belongs to one start alone is left out: a name, a key, a directory, a port that
happened to be free. Files count by what the kernel knows of them, so a model that was replaced is
another one, and one that is linked elsewhere is not.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.planning.mounts import mount_model
from ramalama.runtimes.arguments import context_size, temperature

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.inputs import LaunchEnvironment, PlanInputs
    from ramalama.runtimes.base import MountedModel
    from ramalama_accel.values import Accelerator

_Identity = tuple[int, int, int, int]

SHAPING_OPTIONS = frozenset({
    *("runtime", "ctx_size", "ngl", "threads", "temp", "seed", "parallel", "runtime_args"),
    *("network", "port", "host"),
    *("env", "devices", "privileged", "keep_groups", "selinux", "oci_runtime"),
})  # fmt: skip
"""Fields of `ServeOptions` that make another server of one."""

OTHER_OPTIONS = frozenset({
    *("model", "draft"),  # the files that they stand for count
    "image",  # counts as the image that it stands for
    *("pull_policy", "authfile", "tls_verify", "force"),  # how things are fetched
    *("name", "api_key"),  # belong to one server
})  # fmt: skip
"""All its other fields."""

SHAPING_ACCELERATOR = frozenset({
    *("kind", "cdi_devices", "device_paths", "library_paths", "groups", "oci_runtime", "env"),
})  # fmt: skip
"""Fields of `Accelerator` that make another server; of `gpus` their number does."""

OTHER_ACCELERATOR = frozenset({"gpus", "driver_version", "reason"})
"""All its other fields, of which some change with the time of day: free memory does."""

_UNUSED_WITHOUT_DEVICES = frozenset({"kind", "cdi_devices", "device_paths", "env"})


def server_digest(inputs: PlanInputs, here: LaunchEnvironment) -> str:
    """Return the digest of the server that *inputs* describe, in hexadecimal.

    Before the image is looked up its name stands for it. A new version may plan the same server in
    another way, so the version counts, too.
    """
    options, model = inputs.options, inputs.model
    mounted, mounts = mount_model(model, relabel=False)
    shape = (
        __version__,
        _shape_of_options(options, mounted, here.threads),
        _shape_of_accelerator(inputs.accelerator, without=options.devices == ()),
        inputs.image.id if inputs.image else inputs.image_name,
        (here.rootless, here.uid, here.gid),
        mounted,
        tuple((mount.target, _identity(mount.source)) for mount in mounts),
        tuple(_files_in(model)),
        tuple(map(_identity, inputs.accelerator.library_paths)),
    )
    return hashlib.sha256(repr(shape).encode()).hexdigest()


def _shape_of_options(
    options: ServeOptions, model: MountedModel, threads: int
) -> list[tuple[str, object]]:
    """List the options that count; one that asks for the default is the same as none."""
    in_effect: dict[str, object] = {
        "ctx_size": context_size(options, model.parameters),
        "temp": temperature(options, model),
        "threads": options.threads or threads,
        "env": sorted(options.env.items()),
    }
    return [(name, in_effect.get(name, getattr(options, name))) for name in sorted(SHAPING_OPTIONS)]


def _shape_of_accelerator(accelerator: Accelerator, *, without: bool) -> list[tuple[str, object]]:
    """List what counts of the accelerator for a server that is given no devices, or some."""
    names = SHAPING_ACCELERATOR - _UNUSED_WITHOUT_DEVICES if without else SHAPING_ACCELERATOR
    values: dict[str, object] = {"env": sorted(accelerator.env.items())}
    listed = [(name, values.get(name, getattr(accelerator, name))) for name in sorted(names)]
    return [*listed, ("gpus", 0 if without else len(accelerator.gpus))]


def _files_in(model: StoredModel) -> Iterator[tuple[str, _Identity | None]]:
    directory = model.directory
    if directory and directory.is_dir():  # a dry run may have made it up
        for name in sorted(os.listdir(directory)):  # noqa: PTH208 (names, not paths)
            yield name, _identity(directory / name)


def _identity(path: str | Path) -> _Identity | None:
    """Return what changes with a file's content; None where there is none to be mounted (yet)."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a path or its text)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
