"""Make sure that an image is there: the pull policy, once for all engines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ramalama_engines.errors import ImageNotFound, ImagePullError
from ramalama_engines.kinds import PullPolicy
from ramalama_engines.spec import PullProgress
from ramalama_values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_engines.engine import Engine
    from ramalama_engines.spec import LocalImage, RegistryAuth

# What a registry, or a proxy before it, says when the same question may do better in a moment.
# Not among them: what has taken its time already (a network that swallows packets), and what
# stays as it is (no such host, nobody listens, Docker Hub's limit of pulls in six hours).
_TRANSIENT = (
    r"TLS handshake timeout|connection reset by peer|unexpected EOF|: EOF\b"
    r"|(?:status|code|HTTP)[^.;]{0,20}\b50[0234]\b|\b50[0234] (?:Internal|Bad|Service|Gateway)"
)


@frozen()
class ImagePull:
    """When to ask the registry for an image, and how.

    Attributes:
        attempts: how often at most; a refused password or a missing tag is never asked for twice.
        pause: seconds before the second attempt, doubled for each further one.
    """

    policy: PullPolicy = PullPolicy.MISSING
    auth: RegistryAuth | None = None
    tls_verify: bool = True
    attempts: int = 3
    pause: float = 1.0


def ensure_image(
    engine: Engine,
    image: str,
    pull: ImagePull,
    *,
    on_progress: Callable[[PullProgress], None] | None = None,
    on_suppressed: Callable[[ImagePullError], None] | None = None,
) -> LocalImage:
    """Return the local image that the policy asks for, pulled where it says so; podman-run(1).

    With the policy "newer" a failed pull of an image that is there goes to *on_suppressed*; it
    is tried once only, since nobody shall wait for a registry that is not needed. Both engines
    compare digests and fetch nothing of an image that they have.

    Raises:
        ImageNotFound: the policy is "never", and the image is not in the local storage; or it was
            removed as soon as it was pulled.
        ImagePullError: the pull failed, and the policy does not suppress that.
        UnsupportedOption: the engine cannot do without TLS verification for this registry.
    """
    # "always" does not ask what is there: a failed pull is an error all the same.
    local = None if pull.policy is PullPolicy.ALWAYS else engine.image(image)
    if local is None:
        if pull.policy is PullPolicy.NEVER:
            msg = f"{engine.kind} has no image {image}, and the pull policy is never"
            raise ImageNotFound(msg, engine=engine.kind)
        _pull_patiently(engine, image, pull, on_progress)
        return _pulled(engine, image)
    if pull.policy is not PullPolicy.NEWER:
        return local
    try:
        _pull_once(engine, image, pull, on_progress)
    except ImagePullError as exc:
        if on_suppressed:
            on_suppressed(exc)
        return local
    return _pulled(engine, image)


def _pulled(engine: Engine, image: str) -> LocalImage:
    local = engine.image(image)
    if local is None:
        msg = f"the image {image} was pulled, and {engine.kind} has lost it since"
        raise ImageNotFound(msg, engine=engine.kind)
    return local


def _pull_once(
    engine: Engine,
    image: str,
    pull: ImagePull,
    on_progress: Callable[[PullProgress], None] | None,
) -> None:
    engine.pull(image, auth=pull.auth, tls_verify=pull.tls_verify, on_progress=on_progress)


def _pull_patiently(
    engine: Engine,
    image: str,
    pull: ImagePull,
    on_progress: Callable[[PullProgress], None] | None,
) -> None:
    """Pull, and pull again after a failure that may pass.

    Podman tries again by itself, three times within three seconds; docker does so for layers but
    not for the manifest, where a registry that is being restarted shows first.
    """
    import tenacity  # noqa: PLC0415 (only a pull needs it)

    def announce(state: tenacity.RetryCallState) -> None:
        if on_progress and state.outcome:
            status = f"trying again: {state.outcome.exception()}"
            on_progress(PullProgress(layer="", status=status))

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        stop=tenacity.stop_after_attempt(pull.attempts),
        wait=tenacity.wait_exponential(multiplier=pull.pause),
        before_sleep=announce,
        reraise=True,
    )
    retrying(_pull_once, engine, image, pull, on_progress)


def _may_pass(exc: BaseException) -> bool:
    return isinstance(exc, ImagePullError) and bool(re.search(_TRANSIENT, str(exc), re.IGNORECASE))
