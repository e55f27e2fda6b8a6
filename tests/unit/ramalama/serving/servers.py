"""A whole RamaLama on an engine in memory, where a container's program is a FakeModelServer."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.api.client import Ramalama
from ramalama.config.config import Config
from ramalama.config.options import ServeOptions
from ramalama.models.reference.reference import ModelRef
from ramalama.models.reference.scheme import Scheme
from ramalama_accel import Host
from ramalama_engines import BindMount, InvokingUser, LocalImage
from ramalama_engines.fake.engine import FakeEngine, FakeProgram
from tests.unit.ramalama.made_up import GGUF, IMAGE
from tests.unit.ramalama.serving.model_server import FakeModelServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from ramalama.events import Event
    from ramalama_engines import ContainerSpec, EngineError

IMAGE_NAME = "quay.io/ramalama/ramalama:0.25"
PATIENCE = 20.0  # seconds


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until *holds* returns True."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@dataclass(kw_only=True)
class ServerFixture:
    """A place to start servers in, and what came of it.

    *answers* are those of each server's health, and *on_request* is called before each of them;
    *program* replaces the server where it is set, *shell* the shell that runs it, and *beside* what
    stands beside a server, which otherwise answers in its place. *embedder* is an embeddings server
    there.
    """

    root: Path
    answers: Sequence[bytes] = ()
    on_request: Callable[[], None] | None = None
    program: FakeProgram | None = None
    shell: FakeProgram | None = None
    beside: FakeProgram | None = None
    embedder: FakeProgram = field(default_factory=FakeProgram)
    images: Mapping[str, LocalImage] = field(default_factory=lambda: {IMAGE_NAME: IMAGE})
    registry: Mapping[str, LocalImage | EngineError] = field(
        default_factory=dict[str, "LocalImage | EngineError"]
    )
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    config: Config = field(default_factory=Config)
    events: list[Event] = field(default_factory=list["Event"])

    def __post_init__(self) -> None:
        self.engine = FakeEngine(images=self.images, registry=self.registry, script=self._script)
        self._servers: list[FakeModelServer] = []
        self.run_dir = self.root / "run"
        self.model = self.root / "granite.gguf"
        self.model.write_bytes(GGUF)
        self.options = ServeOptions(model=ModelRef(Scheme.FILE, str(self.model)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """End the servers that a test left running, and the threads that watch them."""
        self.engine.close()
        for server in self._servers:
            server.stop()

    def ramalama(self) -> Ramalama:
        """Make the library's handle, on a host without any accelerator."""
        user = InvokingUser(env=self.env, home=self.root, uid=os.getuid(), root=self.root)
        return Ramalama(
            self.config,
            engine=self.engine,
            host=Host(root=self.root, env=self.env),
            user=user,
            run_dir=self.run_dir,
        )

    def is_clean(self) -> bool:
        """Tell whether nothing is left of any server."""
        directories = list(self.run_dir.iterdir()) if self.run_dir.exists() else []
        return not self.engine.list({"ai.ramalama": ""}) and not directories

    def _script(self, spec: ContainerSpec) -> FakeProgram:
        if spec.labels.get("ai.ramalama.companion") == "embeddings":
            return self.embedder
        is_beside = bool(spec.labels.get("ai.ramalama.companion"))
        program = self.beside if is_beside else self.program
        if spec.entrypoint and spec.entrypoint[0] == "sh":
            program = self.shell or program
        if program is not None:
            return program
        if spec.labels.get("ai.ramalama.api") and not is_beside:
            return FakeProgram(logs=("loading the model",))
        server = FakeModelServer(*self.answers, on_request=self.on_request)
        self._servers.append(server)
        socket = socket_of(spec)

        def listen() -> None:
            if spec.entrypoint and spec.entrypoint[0] == "sh":  # removes the old one
                socket.unlink(missing_ok=True)
            server.listen_on_socket(socket)

        return FakeProgram(logs=("loading the model",), on_start=listen, on_end=server.stop)


def socket_of(spec: ContainerSpec) -> Path:
    """Find where the server of a container listens, as the host sees it."""
    sources = (
        mount.source
        for mount in spec.mounts
        if isinstance(mount, BindMount) and mount.target == "/run/ramalama"
    )
    return Path(next(sources, "/nowhere")) / "api.sock"
