"""Start a new server: fit the options to the memory, get the image, plan, launch and record."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ramalama.events import ImageReady
from ramalama.planning.digest import server_digest
from ramalama.planning.labels import INSTANCE_LABEL, PLAN_LABEL
from ramalama.planning.memory.embedding import fit_limits, server_memory
from ramalama.planning.memory.fit import fit, model_memory
from ramalama.planning.mounts import model_files
from ramalama.serving.images import ImageRequest, fetch_image
from ramalama.serving.run_dir import ServerDir
from ramalama.serving.sides.upload import Upload
from ramalama_chat.client.endpoint import UnixEndpoint
from ramalama_engines.discovery.engine_identity import EngineIdentity
from ramalama_engines.errors import EngineError
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from ramalama.models.formats.model_files import Digest
    from ramalama.planning.inputs import PlanInputs
    from ramalama.planning.memory.capacity import MemoryCapacity
    from ramalama.serving.launch import Launcher
    from ramalama.serving.request import StartRequest
    from ramalama.serving.server import ModelServer
    from ramalama.serving.sides.side import EngineSide
    from ramalama_engines import Engine, InvokingUser, LocalImage

_log = logging.getLogger("ramalama.start")


@frozen()
class NewServer:
    """A server that can be started.

    Attributes:
        side: the host of the engine.
        digest_of: returns the digest of a file of the model; needed if that is another host.
        user: the user whose credentials are used for the image's registry.
        oci_runtimes: the OCI runtimes of the engine; None if they do not matter.
    """

    request: StartRequest
    inputs: PlanInputs
    launcher: Launcher
    engine: Engine
    side: EngineSide
    digest_of: Callable[[Path], Digest]
    user: InvokingUser
    oci_runtimes: tuple[str, ...] | None

    def start(self, capacity: MemoryCapacity, undo: ExitStack) -> ModelServer:
        """Start the server and wait until it answers; its clean-up is added to *undo*."""
        asked, tell = self.inputs, self.request.tell
        options = fit(asked.options, asked.model, capacity, on_event=tell)
        # The variables that `fit` adds are in its estimate; those of the user are not.
        fitted = replace(asked.options, ctx_size=options.ctx_size)
        if asked.embedding is None:
            memory = model_memory(fitted, asked.model, capacity)
        else:
            limits = fit_limits(options, asked.model, asked.embedding, capacity, on_event=tell)
            asked = replace(asked, embedding=limits)
            memory = server_memory(replace(asked, options=fitted), capacity)
        if asked.embedder is not None:
            asked = replace(asked, embedder=self._fitted(asked.embedder, capacity))
        known = self.with_images(asked)
        if asked.embedder is not None:
            self.launcher.bring_beside(self._upload(asked.embedder))
        self.launcher.bring(self._upload(asked))
        # Computed before the start, while the files are those that will be served. Only a shared
        # server needs it.
        recorded = server_digest(asked, self.launcher.here) if self.request.shares else None
        digest = server_digest(known, self.launcher.here)
        inputs = replace(known, options=options, model_memory=memory)
        plan = self.launcher.plan(inputs, digest=digest)
        server = self.launcher.launch(plan, undo)
        if recorded is not None and isinstance(server.endpoint, UnixEndpoint):
            self._record(server, recorded)
        return server

    def with_images(self, inputs: PlanInputs | None = None) -> PlanInputs:
        """Return *inputs* with the images, pulled if their policy requires it.

        See `images.fetch_image`. None stands for the inputs of this server.
        """
        return (inputs or self.inputs).with_images(cache(self._fetch))

    def _fitted(self, embedder: PlanInputs, capacity: MemoryCapacity) -> PlanInputs:
        """Return the embeddings server beside with what it takes of the memory."""
        limits = fit_limits(
            embedder.options,
            embedder.model,
            embedder.embedding,
            capacity,
            on_event=self.request.tell,
        )
        fitted = replace(embedder, embedding=limits)
        return replace(fitted, model_memory=server_memory(fitted, capacity))

    def _upload(self, inputs: PlanInputs) -> Upload:
        _, files = model_files(inputs.model)
        return Upload(
            model=str(inputs.model.reference),
            files=files,
            digest_of=self.digest_of,
            image=inputs.image_name,
            tell=self.request.tell,
        )

    def _fetch(self, name: str) -> LocalImage:
        request = ImageRequest.of(name, self.inputs.options)
        image = fetch_image(self.engine, self.user, request, on_event=self.request.tell)
        self.request.tell(ImageReady(name))
        return image

    def _record(self, server: ModelServer, asked: str) -> None:
        """Write the record by which the next command finds the server without asking the engine."""
        from ramalama.serving.record import ServerRecord  # noqa: PLC0415 (only for reuse)

        labels = server.plan.container.labels
        try:
            ServerRecord(
                directory=ServerDir(Path(labels[INSTANCE_LABEL])),
                engine=EngineIdentity.of(self.engine),
                oci_runtimes=self.oci_runtimes,
                container=server.container,
                name=server.name,
                asked=asked,
                plan=labels[PLAN_LABEL],
            ).write()
        except (EngineError, OSError) as exc:
            _log.info("could not write the record of %s: %s", server.name, exc)
