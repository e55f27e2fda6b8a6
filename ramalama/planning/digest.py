"""Compute the digest of a server: two servers with the same digest can replace each other.

No plan is needed. The digest covers the options that shape a server, the model, the accelerator,
the image and the user in the container. It does not cover what belongs to one start: the name, the
API key, the directory, a random free port. Files are identified by device, inode, size and time of
change. So a replaced model gives another digest, and a second link to the same file does not.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from ramalama._version import __version__
from ramalama.planning.mounts import model_files
from ramalama.runtimes.base import context_size, temperature

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
    *("runtime", "api", "ctx_size", "ngl", "threads", "temp", "seed", "parallel", "runtime_args"),
    "embeddings",
    *("network", "port", "host"),
    *("env", "devices", "privileged", "keep_groups", "selinux", "oci_runtime", "memory"),
})  # fmt: skip
"""The fields of `ServeOptions` that are part of the digest."""

OTHER_OPTIONS = frozenset({
    *("model", "draft"),  # their files are part of the digest
    *("image", "stack_image"),  # the IDs of the images are part of the digest
    *("pull_policy", "authfile", "tls_verify", "force"),  # only matter for the start
    *("name", "api_key"),  # belong to one server
    "rag",  # what is asked, not what is served
})  # fmt: skip
"""All other fields of `ServeOptions`."""

SHAPING_ACCELERATOR = frozenset({
    *("kind", "cdi_devices", "device_paths", "library_paths", "groups", "oci_runtime", "env"),
})  # fmt: skip
"""The fields of `Accelerator` that are part of the digest, besides the number of `gpus`."""

OTHER_ACCELERATOR = frozenset({"gpus", "driver_version", "reason"})
"""All other fields of `Accelerator`; some change all the time, such as free memory."""

_UNUSED_WITHOUT_DEVICES = frozenset({"kind", "cdi_devices", "device_paths", "env"})


def server_digest(inputs: PlanInputs, here: LaunchEnvironment) -> str:
    """Return the SHA-256 digest of the server that *inputs* describe, in hexadecimal.

    If *inputs* have no image yet, the name of the image is used. The version of RamaLama is part of
    the digest, because another version may plan the same server differently.
    """
    options, model = inputs.options, inputs.model
    mounted, files = model_files(model)
    shape = (
        __version__,
        _shape_of_options(options, mounted, here.threads),
        _shape_of_accelerator(inputs.accelerator, without=options.devices == ()),
        inputs.image.id if inputs.image else inputs.image_name,
        inputs.stack.id if inputs.stack else inputs.stack_name,
        server_digest(inputs.embedder, here) if inputs.embedder else None,
        (here.rootless, here.uid, here.gid),
        mounted,
        tuple((place, _identity(path)) for path, place in files.items()),
        tuple(_files_in(model)),
        tuple(map(_identity, inputs.accelerator.library_paths)),
    )
    return hashlib.sha256(repr(shape).encode()).hexdigest()


def _shape_of_options(
    options: ServeOptions, model: MountedModel, threads: int
) -> list[tuple[str, object]]:
    """Return the options in the digest; an option with its default value equals a missing one."""
    in_effect: dict[str, object] = {
        "ctx_size": context_size(options, model.parameters),
        "temp": temperature(options, model),
        "threads": options.threads or threads,
        "env": sorted(options.env.items()),
    }
    return [(name, in_effect.get(name, getattr(options, name))) for name in sorted(SHAPING_OPTIONS)]


def _shape_of_accelerator(accelerator: Accelerator, *, without: bool) -> list[tuple[str, object]]:
    """Return the fields of the accelerator in the digest; *without* is for no devices."""
    names = SHAPING_ACCELERATOR - _UNUSED_WITHOUT_DEVICES if without else SHAPING_ACCELERATOR
    values: dict[str, object] = {"env": sorted(accelerator.env.items())}
    listed = [(name, values.get(name, getattr(accelerator, name))) for name in sorted(names)]
    return [*listed, ("gpus", 0 if without else len(accelerator.gpus))]


def _files_in(model: StoredModel) -> Iterator[tuple[str, _Identity | None]]:
    directory = model.directory
    if directory and directory.is_dir():  # in a dry run, it may not exist
        for name in sorted(os.listdir(directory)):  # noqa: PTH208 (names, not paths)
            yield name, _identity(directory / name)


def _identity(path: str | Path) -> _Identity | None:
    """Return values that change with the content of a file; None if it does not exist."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a path or its text)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
