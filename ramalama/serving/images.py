"""Choose the image of a server's container, and pull it if necessary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ramalama._version import __version__
from ramalama.config.api_name import ApiName
from ramalama.errors import InvalidReference
from ramalama.events import ImagePulling, Notice, ignore
from ramalama_accel.images import STACK_IMAGE, VLLM_IMAGES, default_image, tagged
from ramalama_accel.runtime_name import RuntimeName
from ramalama_accel.values import AcceleratorKind
from ramalama_engines.errors import EngineError
from ramalama_engines.image_reference import ImageReference, is_image_id
from ramalama_engines.kinds import PullPolicy
from ramalama_values import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from ramalama.config.config import Config
    from ramalama.config.options import ServeOptions
    from ramalama.events import EventHook
    from ramalama_engines import Engine, InvokingUser, LocalImage


@frozen()
class ImageRequest:
    """An image, and how it may be pulled; the options are those of podman-run(1)."""

    name: str
    pull_policy: PullPolicy = PullPolicy.MISSING
    authfile: Path | None = None
    tls_verify: bool = True

    @classmethod
    def of(cls, name: str, options: ServeOptions) -> Self:
        """Make a request for the image *name* with the pull options of *options*."""
        return cls(
            name=name,
            pull_policy=options.pull_policy,
            authfile=options.authfile,
            tls_verify=options.tls_verify,
        )


def name_of_image(
    config: Config, asked: str | None, kind: AcceleratorKind, runtime: RuntimeName
) -> str:
    """Return the image of the call, or of the settings, or the default one for *kind*."""
    return (
        asked
        or config.image
        or default_image(kind, version=__version__, runtime=runtime, overrides=config.images)
    )


def name_of_stack(options: ServeOptions) -> str:
    """Return the image of the API before the server; "" if there is none."""
    if options.api is ApiName.NONE:
        return ""
    return options.stack_image or tagged(STACK_IMAGE, version=__version__)


def describe_stand_in(image: str, kind: AcceleratorKind, runtime: RuntimeName) -> str | None:
    """Return a notice if *image* is for the CPU because *runtime* has none for *kind*."""
    on_cpu = default_image(AcceleratorKind.CPU, version=__version__, runtime=runtime)
    if runtime is not RuntimeName.VLLM or kind in VLLM_IMAGES or image != on_cpu:
        return None
    return (
        f"there is no image of vLLM for {kind}: it computes on the CPU; to use the GPU, use "
        "--runtime llama.cpp, or your own image with --image"
    )


def parse_image(name: str) -> ImageReference | None:
    """Parse the name of an image; None for the ID of a local image.

    Raises:
        InvalidReference: *name* is neither a name nor an ID.
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
    """Return the image; pull it first, with the credentials of *user*, if its policy requires it.

    Raises:
        InvalidReference: the name is invalid.
        EngineError: the image is not local, and could not or must not be pulled.
    """
    reference = parse_image(request.name)
    # Most starts return here, and save the 1.5 ms that it takes to read credentials. A file that
    # the user has named is read in any case, because its name may be misspelt.
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
