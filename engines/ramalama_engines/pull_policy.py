"""Make sure that an image is local: the pull policy, the same for all engines."""

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

# Messages of a registry, or of a proxy before it, for failures that another attempt may avoid.
# Failures that take long (a network that drops packets) are not among them, nor those that last (no
# such host, connection refused, Docker Hub's limit of pulls in six hours).
_TRANSIENT = (
    r"TLS handshake timeout|connection reset by peer|unexpected EOF|: EOF\b"
    r"|(?:status|code|HTTP)[^.;]{0,20}\b50[0234]\b|\b50[0234] (?:Internal|Bad|Service|Gateway)"
)


@frozen()
class ImagePull:
    """When to ask the registry for an image, and how.

    Attributes:
        attempts: the most attempts; a refused password or a missing tag is tried only once.
        pause: seconds before the second attempt, doubled for each further attempt.
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
    """Return the local image, pulled if the policy requires it; podman-run(1), `--pull`.

    With the policy "newer", the failed pull of an image that is local is passed to *on_suppressed*.
    Such a pull is tried only once, since the registry is not needed. Both engines compare digests
    and download nothing of an image that they have.

    Raises:
        ImageNotFound: the policy is "never" and the image is not local, or it was removed right
            after it was pulled.
        ImagePullError: the pull failed, and the policy does not suppress that.
        UnsupportedOption: the engine cannot skip TLS verification for this registry.
    """
    # "always" does not check for a local image: a failed pull is an error in any case.
    local = None if pull.policy is PullPolicy.ALWAYS else engine.image(image)
    if local is None:
        if pull.policy is PullPolicy.NEVER:
            msg = f"{engine.kind} has no image {image}, and the pull policy is never"
            raise ImageNotFound(msg, engine=engine.kind)
        _pull_with_retries(engine, image, pull, on_progress)
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
        msg = f"the image {image} was pulled, but {engine.kind} does not have it any more"
        raise ImageNotFound(msg, engine=engine.kind)
    return local


def _pull_once(
    engine: Engine,
    image: str,
    pull: ImagePull,
    on_progress: Callable[[PullProgress], None] | None,
) -> None:
    engine.pull(image, auth=pull.auth, tls_verify=pull.tls_verify, on_progress=on_progress)


def _pull_with_retries(
    engine: Engine,
    image: str,
    pull: ImagePull,
    on_progress: Callable[[PullProgress], None] | None,
) -> None:
    """Pull, and pull again after a transient failure.

    Podman retries by itself, three times within three seconds. Docker retries for layers but not
    for the manifest, which is the first request to fail while a registry restarts.
    """
    import tenacity  # noqa: PLC0415 (only a pull needs it)

    def announce(state: tenacity.RetryCallState) -> None:
        if on_progress and state.outcome:
            status = f"trying again: {state.outcome.exception()}"
            on_progress(PullProgress(layer="", status=status))

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_transient),
        stop=tenacity.stop_after_attempt(pull.attempts),
        wait=tenacity.wait_exponential(multiplier=pull.pause),
        before_sleep=announce,
        reraise=True,
    )
    retrying(_pull_once, engine, image, pull, on_progress)


def _is_transient(exc: BaseException) -> bool:
    return isinstance(exc, ImagePullError) and bool(re.search(_TRANSIENT, str(exc), re.IGNORECASE))
