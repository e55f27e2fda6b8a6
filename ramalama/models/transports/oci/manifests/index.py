"""Choose a manifest of an index.

The files of a model are the same for every platform, so an index of models is used even if it has
none for this machine. An entry that is annotated as a model is preferred, since some indexes hold a
program for several platforms and one model.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ramalama.errors import ModelUnsupported
from ramalama.models.transports.oci.manifests import media_types
from ramalama.models.transports.oci.manifests.image import is_annotated

if TYPE_CHECKING:
    from ramalama.models.transports.oci.manifests.manifest import Descriptor, Index

_ATTESTATION = "vnd.docker.reference.type"
_UNKNOWN = "unknown"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def choose_manifest(index: Index, *, name: str, machine: str | None = None) -> Descriptor:
    """Return the entry to use; *machine* is a value of ``uname -m``, by default this machine's.

    Raises:
        ModelUnsupported: the index has no usable entry.
    """
    entries = [entry for entry in index.manifests if not _is_attestation(entry)]
    if not entries:
        msg = f"{name} is an index without a manifest"
        raise ModelUnsupported(msg)
    machine = machine or os.uname().machine
    architecture = _ARCHITECTURES.get(machine, machine)
    return min(entries, key=lambda entry: _distance(entry, architecture))


def _is_attestation(entry: Descriptor) -> bool:
    """Return whether it is BuildKit's information about how an image was built."""
    unknown = entry.platform is not None and entry.platform.os == _UNKNOWN
    return unknown or _ATTESTATION in entry.annotations


def _distance(entry: Descriptor, architecture: str) -> int:
    if is_annotated(entry.annotations):
        return 0
    if entry.artifact_type == media_types.MODELPACK_ARTIFACT:
        return 1
    if entry.platform is None or entry.platform.architecture == architecture:
        return 2
    return 3
