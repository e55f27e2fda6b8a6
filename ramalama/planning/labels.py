"""The labels of a server's container, and the file names in the server's directory.

An engine adds the labels of an image to those of its containers. So every label that is read must
be set on every container, to "" if there is nothing to say: otherwise an image could say it.
"""

from __future__ import annotations

LABEL = "ai.ramalama"
OWNER_LABEL = f"{LABEL}.owner"
MODEL_LABEL = f"{LABEL}.model"
ALIAS_LABEL = f"{LABEL}.alias"
RUNTIME_LABEL = f"{LABEL}.runtime"
ENGINE_LABEL = f"{LABEL}.engine"
INSTANCE_LABEL = f"{LABEL}.instance"
"""The path of the server's directory on the host: see `serving.run_dir`, `serving.usage`."""
PLAN_LABEL = f"{LABEL}.plan"
"""The digest by which other processes find the server for reuse; see `planning.digest`."""
HOST_LABEL = f"{LABEL}.host"
PORT_LABEL = f"{LABEL}.port"

API_LABEL = f"{LABEL}.api"
"""Of a server: what stands before it, see `ApiName`."""
COMPANION_LABEL = f"{LABEL}.companion"
"""What a container is beside a server, whose `INSTANCE_LABEL` it has; "" for the server itself."""
COMPANIONS_LABEL = f"{LABEL}.companions"
"""Of a server: the ends of the names of the containers beside it, separated by commas."""

UPLOAD_LABEL = f"{LABEL}-upload"
"""Of the containers and volumes that bring a model to another host; these are no servers."""

SOCKET_NAME = "api.sock"
API_KEY_NAME = "api-key"
CONFIG_NAME = "config.yaml"


STACK = "stack"
EMBEDDINGS = "embeddings"
"""A server of an embedding model beside the one that answers; also its `COMPANION_LABEL`."""


def companion_names(server: str, companions: str) -> tuple[str, ...]:
    """Return the names of the containers beside *server*, by its `COMPANIONS_LABEL`."""
    return tuple(f"{server}-{each}" for each in companions.split(",") if each)
