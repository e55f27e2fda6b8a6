"""The inputs of a plan: what is known of the server, and the environment of its start."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from ramalama.config.api_name import ApiName
from ramalama.planning.labels import EMBEDDINGS, STACK
from ramalama.planning.placement import LocalFiles
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama.config.options import ServeOptions
    from ramalama.models.store.stored_model import StoredModel
    from ramalama.planning.placement import Placement, ServerPaths
    from ramalama.runtimes.base import EmbeddingLimits
    from ramalama.system.process_identity import ProcessIdentity
    from ramalama_accel.values import Accelerator
    from ramalama_engines.spec import LocalImage


@frozen()
class PlanInputs:
    """What is known of a server before it is planned.

    Attributes:
        image: the image as the engine reports it; None before it was looked up, and in a dry run
            if it is not local.
        stack_name: the name of the image of the API before the server; "" if there is none.
        stack: this image; None as for *image*.
        model_memory: bytes of main memory that the model may need; None if unknown.
        embedding: the limits of an embeddings server; None if they are unknown.
        embedder: the embeddings server beside the stack; None if there is none.
    """

    options: ServeOptions
    model: StoredModel
    accelerator: Accelerator
    image_name: str
    image: LocalImage | None = None
    stack_name: str = ""
    stack: LocalImage | None = None
    model_memory: int | None = None
    embedding: EmbeddingLimits | None = None
    embedder: PlanInputs | None = None

    @property
    def companions(self) -> str:
        """The `COMPANIONS_LABEL` of the server."""
        if self.options.api is ApiName.NONE:
            return ""
        return STACK if self.embedder is None else f"{EMBEDDINGS},{STACK}"

    @property
    def has_images(self) -> bool:
        """Whether all images are known."""
        has_stack = not self.stack_name or self.stack is not None
        has_embedder = self.embedder is None or self.embedder.has_images
        return self.image is not None and has_stack and has_embedder

    def with_images(self, find: Callable[[str], LocalImage | None]) -> PlanInputs:
        """Return the same with the images; *find* returns one by its name."""
        return replace(
            self,
            image=find(self.image_name),
            stack=find(self.stack_name) if self.stack_name else None,
            embedder=self.embedder and self.embedder.with_images(find),
        )


@frozen()
class LaunchEnvironment:
    """The host on which a plan is carried out, and the random values of one start.

    Attributes:
        engine: the kind of the engine, for the label.
        rootless: whether root in the container is the invoking user.
        uid, gid: the user of the container; for an engine on this host, the invoking user.
        threads: the default number of threads.
        instance: the server's directory.
        identity: this process, which owns the server.
        container_name: the name of the container if the user gives none.
        api_key: the key for a server that listens on a port, if the user gives none.
        host_port: a free port of the engine's host; for the network mode "host", and where the
            engine would choose another one at each start; otherwise None.
        placement: where the engine finds the files of the server.
        beside: where it finds those of the embeddings server beside it; None is the same place.
    """

    engine: str
    rootless: bool
    uid: int
    gid: int
    threads: int
    instance: ServerPaths
    identity: ProcessIdentity
    container_name: str
    api_key: str = field(repr=False)
    host_port: int | None = None
    placement: Placement = field(default_factory=LocalFiles)
    beside: Placement | None = None
