"""What makes two servers the same: a digest over everything that shapes one.

It is taken of a plan in which nothing belongs to one start alone: no name, no lease, no directory,
no key, no port that happened to be free. Files count by what the kernel knows of them, so a model
that was replaced is another one, and one that is linked elsewhere is not.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ramalama_engines.spec import BindMount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ramalama.planning.plan import LaunchPlan
    from ramalama_engines.spec import LocalImage, Mount

_Identity = tuple[int, int, int, int]


def plan_digest(plan: LaunchPlan, image: LocalImage | None, *, instance: Path) -> str:
    """Return the digest of a plan that was made for nobody in particular, in hexadecimal.

    *instance* is the server's directory in it, whose place on the host says nothing.
    """
    spec = plan.container
    shape = replace(
        spec,
        image=image.id if image else spec.image,
        name=None,
        labels={},
        env=dict(sorted(spec.env.items())),
        mounts=tuple(_without_place(mount) for mount in spec.mounts),
    )
    files = tuple(_files(plan, instance))
    # A value's repr has all of its fields, those that are added one day, too.
    return hashlib.sha256(repr((shape, plan.alias, files)).encode()).hexdigest()


def _without_place(mount: Mount) -> Mount:
    return replace(mount, source="") if isinstance(mount, BindMount) else mount


def _files(plan: LaunchPlan, instance: Path) -> Iterator[tuple[str, _Identity | None]]:
    for mount in plan.container.mounts:
        if isinstance(mount, BindMount) and mount.source != str(instance):
            yield mount.target, _identity(mount.source)
    directory = plan.model.directory
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
