"""Names that a container bears, and those of the files in its server's directory."""

from __future__ import annotations

LABEL = "ai.ramalama"
OWNER_LABEL = f"{LABEL}.owner"
MODEL_LABEL = f"{LABEL}.model"
ALIAS_LABEL = f"{LABEL}.alias"
RUNTIME_LABEL = f"{LABEL}.runtime"
INSTANCE_LABEL = f"{LABEL}.instance"
"""Path of the server's directory on the host: see `serving.run_dir` and `serving.usage`."""
PLAN_LABEL = f"{LABEL}.plan"
"""What others with the same wishes find it by; see `planning.digest`."""
HOST_LABEL = f"{LABEL}.host"
PORT_LABEL = f"{LABEL}.port"

SOCKET_NAME = "api.sock"
API_KEY_NAME = "api-key"
