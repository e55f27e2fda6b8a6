"""Values that many of these tests start from."""

from __future__ import annotations

from pathlib import Path

from ramalama.config.options import ServeOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama.models.store.stored_model import StoredModel
from ramalama.planning.inputs import LaunchEnvironment, PlanInputs
from ramalama.serving.run_dir import ServerDir
from ramalama.system.process_identity import ProcessIdentity
from ramalama_accel import Accelerator, AcceleratorKind
from ramalama_engines import LocalImage
from tests.unit.ramalama.models.formats.made_gguf import gguf, string

GGUF = gguf({"tokenizer.chat_template": string("{{ messages }}")})
WITHOUT_TEMPLATE = gguf({"general.name": string("chat_template")})
MODEL = ModelRef(Scheme.FILE, "/models/granite.gguf")
STORED = StoredModel(reference=MODEL, weights=(Path("/models/granite.gguf"),))
OPTIONS = ServeOptions(model=MODEL)
IMAGE = LocalImage(id="sha256:1", entrypoint=("llama-server",))

# What a container with a socket runs before its server.
FRESH_SOCKET = ("sh", "-c", '[ ! -S "$0" ] || rm -f "$0"; exec "$@"', "/run/ramalama/api.sock")
CPU = Accelerator(kind=AcceleratorKind.CPU)
LEASE = ProcessIdentity(host="0123abcd", pid=42, start=4711)
INPUTS = PlanInputs(
    options=OPTIONS,
    model=STORED,
    accelerator=CPU,
    image_name="quay.io/ramalama/ramalama:0.25",
    image=IMAGE,
)
HERE = LaunchEnvironment(
    engine="podman",
    rootless=False,
    uid=1000,
    gid=1001,
    instance=ServerDir(Path("/run/user/1000/ramalama/0123abcd-42-4711-00ff")),
    identity=LEASE,
    container_name="ramalama-0a1b2c3d4e",
    threads=4,
    api_key="the-secret-key",
)
