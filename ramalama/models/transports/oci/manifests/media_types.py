"""The media types of manifests, configurations and layers, as various tools use them."""

from __future__ import annotations

from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

# Always complete: docker-registry converts any other type to its oldest format, and fails.
ACCEPT: Final = f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"

OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"

# Layers of images: tar, perhaps followed by "+gzip" or ".gzip".
OCI_LAYER: Final = "application/vnd.oci.image.layer."
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs."

# CNCF ModelPack: CLASS.v1.FORM, weight.v1.raw; its specification, spec.md.
MODELPACK_ARTIFACT: Final = "application/vnd.cncf.model.manifest.v1+json"
MODELPACK_CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
MODELPACK: Final = "application/vnd.cncf.model."

# Docker Model Runner: docker/model-runner, pkg/distribution/types.
DOCKER_MODEL: Final = "application/vnd.docker.ai."

OLLAMA: Final = "application/vnd.ollama.image."
