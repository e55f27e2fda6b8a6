"""The image of a server's container: which one it is, and that it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ramalama._version import __version__
from ramalama.errors import InvalidReference
from ramalama.events import ImagePulling, Notice, ignore
from ramalama_accel.images import VLLM_IMAGES, default_image
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import AcceleratorKind
from ramalama_engines import EngineError, ImageReference, PullPolicy, is_image_id
from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.config.config import Config
    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama_engines import Engine, InvokingUser, LocalImage


@frozen()
class ImageRequest:
    """An image that is wanted, and how it may be pulled; podman-run(1) has the words."""

    name: str
    pull_policy: PullPolicy = PullPolicy.MISSING
    authfile: Path | None = None
    tls_verify: bool = True

    @classmethod
    def of(cls, name: str, options: ServeOptions) -> Self:
        """Ask for the image *name* as *options* have it."""
        return cls(
            name=name,
            pull_policy=options.pull_policy,
            authfile=options.authfile,
            tls_verify=options.tls_verify,
        )


def name_of_image(
    config: Config, asked: str | None, kind: AcceleratorKind, runtime: RuntimeName
) -> str:
    """Choose the image: the call's, else the host's, else the accelerator's for *runtime*."""
    return (
        asked
        or config.image
        or default_image(kind, version=__version__, runtime=runtime, overrides=config.images)
    )


def describe_stand_in(image: str, kind: AcceleratorKind, runtime: RuntimeName) -> str | None:
    """Say that *image* is merely the CPU's, where *runtime* has none for a *kind* that is there."""
    on_cpu = default_image(AcceleratorKind.CPU, version=__version__, runtime=runtime)
    if runtime is not RuntimeName.VLLM or kind in VLLM_IMAGES or image != on_cpu:
        return None
    return (
        f"there is no image of vLLM for {kind}: it computes on the CPU; --runtime llama.cpp uses "
        "the GPU, and so may an image of your own, with --image"
    )


def parse_image(name: str) -> ImageReference | None:
    """Read the name of an image; None for the ID of a local one, which is in no registry.

    Raises:
        InvalidReference: it is neither.
    """
    if is_image_id(name):
        return None
    try:
        return ImageReference.parse(name)
    except ValueError as exc:
        raise InvalidReference(str(exc)) from exc


def fetch_image(
    engine: Engine, user: InvokingUser, request: ImageRequest, *, on_event: EventHook = ignore
) -> LocalImage:
    """Pull the image where its policy says so, with *user*'s credentials, and return it.

    Raises:
        InvalidReference: its name is none.
        EngineError: it is not local, and was not or could not be pulled.
    """
    reference = parse_image(request.name)
    # Most starts end here, and are spared 1.5 ms for passwords that nobody will ask for. Those
    # that the user has named are looked at all the same: they may be misspelt.
    if request.pull_policy is PullPolicy.MISSING and request.authfile is None:
        local = engine.image(request.name)
        if local is not None:
            return local
    return _ensure_image(engine, user, request, reference, on_event)


def _ensure_image(
    engine: Engine,
    user: InvokingUser,
    request: ImageRequest,
    reference: ImageReference | None,
    on_event: EventHook,
) -> LocalImage:
    from ramalama_engines import (  # noqa: PLC0415 (few starts come here)
        FoundAuth,
        ImagePull,
        ensure_image,
        find_auth,
    )

    found = FoundAuth()
    if reference is not None:
        found = find_auth(reference, user, authfile=request.authfile)
    pull = ImagePull(policy=request.pull_policy, auth=found.auth, tls_verify=request.tls_verify)
    try:
        return ensure_image(
            engine,
            request.name,
            pull,
            on_progress=lambda progress: on_event(ImagePulling(request.name, progress)),
            on_suppressed=lambda error: on_event(Notice(f"{error}; using the local image")),
        )
    except EngineError:
        for notice in found.notices:
            on_event(Notice(notice))
        raise
