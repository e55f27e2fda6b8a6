"""The four pull policies, as podman-run(1) words them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from ramalama_engines.errors import EngineUnavailable, ImageNotFound, ImagePullError
from ramalama_engines.fake.engine import FakeEngine, FakePull
from ramalama_engines.kinds import PullPolicy
from ramalama_engines.pull_policy import ImagePull, ensure_image
from ramalama_engines.spec import LocalImage, RegistryAuth

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramalama_engines.spec import PullProgress

IMAGE = "quay.io/ramalama/ramalama:0.25"
OLD = LocalImage(id="sha256:01d")
NEW = LocalImage(id="sha256:7e3")
UNREACHABLE = ImagePullError("dial tcp: connect: connection refused")
ABSENT = ImagePullError("manifest unknown")


@pytest.mark.parametrize(
    ("policy", "local", "remote", "outcome", "pulls"),
    [
        ("always", None, NEW, NEW, 1),
        ("always", None, ABSENT, ABSENT, 1),
        ("always", None, UNREACHABLE, UNREACHABLE, 1),
        ("always", OLD, OLD, OLD, 1),
        ("always", OLD, NEW, NEW, 1),
        ("always", OLD, ABSENT, ABSENT, 1),
        ("always", OLD, UNREACHABLE, UNREACHABLE, 1),
        ("missing", None, NEW, NEW, 1),
        ("missing", None, ABSENT, ABSENT, 1),
        ("missing", None, UNREACHABLE, UNREACHABLE, 1),
        ("missing", OLD, OLD, OLD, 0),
        ("missing", OLD, NEW, OLD, 0),
        ("missing", OLD, ABSENT, OLD, 0),
        ("missing", OLD, UNREACHABLE, OLD, 0),
        ("never", None, NEW, ImageNotFound, 0),
        ("never", None, ABSENT, ImageNotFound, 0),
        ("never", None, UNREACHABLE, ImageNotFound, 0),
        ("never", OLD, OLD, OLD, 0),
        ("never", OLD, NEW, OLD, 0),
        ("never", OLD, ABSENT, OLD, 0),
        ("never", OLD, UNREACHABLE, OLD, 0),
        ("newer", None, NEW, NEW, 1),
        ("newer", None, ABSENT, ABSENT, 1),
        ("newer", None, UNREACHABLE, UNREACHABLE, 1),
        ("newer", OLD, OLD, OLD, 1),
        ("newer", OLD, NEW, NEW, 1),
        ("newer", OLD, ABSENT, OLD, 1),
        ("newer", OLD, UNREACHABLE, OLD, 1),
    ],
)
def test_each_policy_pulls_and_fails_as_the_manual_page_says(
    *,
    policy: str,
    local: LocalImage | None,
    remote: LocalImage | ImagePullError,
    outcome: LocalImage | ImagePullError | type[ImageNotFound],
    pulls: int,
) -> None:
    engine = FakeEngine(images={IMAGE: local} if local else {}, registry={IMAGE: remote})
    suppressed: list[ImagePullError] = []

    def ensure() -> LocalImage:
        pull = ImagePull(policy=PullPolicy(policy))
        return ensure_image(engine, IMAGE, pull, on_suppressed=suppressed.append)

    if isinstance(outcome, LocalImage):
        assert ensure() == outcome
    else:
        expected = outcome if isinstance(outcome, type) else type(outcome)
        with pytest.raises(expected) as caught:
            ensure()
        assert isinstance(outcome, type) or caught.value is outcome
    assert len(engine.pulls) == pulls
    kept_in_spite_of_failure = policy == "newer" and local and isinstance(remote, ImagePullError)
    assert suppressed == ([remote] if kept_in_spite_of_failure else [])


def test_the_registry_is_told_who_we_are_and_how_to_be_trusted() -> None:
    engine = FakeEngine(registry={IMAGE: NEW})
    auth = RegistryAuth(username="me", password="secret")  # noqa: S106
    steps: list[PullProgress] = []

    ensure_image(engine, IMAGE, ImagePull(auth=auth, tls_verify=False), on_progress=steps.append)

    assert engine.pulls == (FakePull(image=IMAGE, auth=auth, tls_verify=False),)
    assert [step.current for step in steps] == [0, 100]


def test_a_suppressed_failure_needs_no_listener() -> None:
    engine = FakeEngine(images={IMAGE: OLD}, registry={IMAGE: UNREACHABLE})

    assert ensure_image(engine, IMAGE, ImagePull(policy=PullPolicy.NEWER)) == OLD


def test_an_engine_that_goes_away_is_no_pull_error_and_never_suppressed() -> None:
    gone = EngineUnavailable("gone")
    engine = FakeEngine(images={IMAGE: OLD}, registry={IMAGE: gone})

    with pytest.raises(EngineUnavailable):
        ensure_image(engine, IMAGE, ImagePull(policy=PullPolicy.NEWER))


def test_never_says_which_image_is_missing_where() -> None:
    with pytest.raises(ImageNotFound) as caught:
        ensure_image(FakeEngine(), IMAGE, ImagePull(policy=PullPolicy.NEVER))

    assert str(caught.value) == f"podman has no image {IMAGE}, and the pull policy is never"
    assert caught.value.engine == "podman"


class FlakyEngine(FakeEngine):
    """Its first pulls fail, each in the way that is given; then they succeed."""

    def __init__(self, *failures: str) -> None:
        super().__init__(registry={IMAGE: NEW})
        self.failures = list(failures)
        self.tries = 0

    def pull(
        self,
        image: str,
        *,
        auth: RegistryAuth | None = None,
        tls_verify: bool = True,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> str:
        self.tries += 1
        if self.failures:
            raise ImagePullError(self.failures.pop(0))
        return super().pull(image, auth=auth, tls_verify=tls_verify, on_progress=on_progress)


@pytest.mark.parametrize(
    "failure",
    [
        'docker: Get "https://quay.io/v2/": net/http: TLS handshake timeout',
        'docker: Get "https://quay.io/v2/": EOF',
        "docker: read tcp 10.0.0.1:40404->3.2.1.0:443: read: connection reset by peer",
        "docker: received unexpected HTTP status: 503 Service Unavailable",
        "docker: error parsing HTTP 502 response body: invalid character '<'",
        "podman: pinging container registry quay.io: StatusCode: 504, <html>",
        "podman: reading blob sha256:5003: unexpected EOF",
    ],
)
def test_a_failure_that_may_pass_is_announced_and_tried_again(failure: str) -> None:
    engine = FlakyEngine(failure, failure)
    steps: list[PullProgress] = []

    found = ensure_image(engine, IMAGE, ImagePull(pause=0), on_progress=steps.append)

    assert (found, engine.tries) == (NEW, 3)
    assert [step.status for step in steps[:2]] == [f"trying again: {failure}"] * 2


@pytest.mark.parametrize(
    "failure",
    [
        "docker: unauthorized: authentication required",
        "docker: manifest for quay.io/a:500 not found: manifest unknown",
        "docker: dial tcp: lookup quay.io: no such host",
        "docker: dial tcp 127.0.0.1:5000: connect: connection refused",
        "docker: dial tcp 3.2.1.0:443: i/o timeout",
        "docker: toomanyrequests: You have reached your pull rate limit",
        "podman: x509: certificate signed by unknown authority",
        "podman: writing blob: no space left on device",
        "podman: reading manifest 503 in quay.io/a: manifest unknown",
    ],
)
def test_a_failure_that_stays_is_not_tried_again(failure: str) -> None:
    engine = FlakyEngine(failure)

    with pytest.raises(ImagePullError, match=re.escape(failure)):
        ensure_image(engine, IMAGE, ImagePull(pause=0))
    assert engine.tries == 1


def test_after_the_last_attempt_its_own_failure_is_told() -> None:
    engine = FlakyEngine(*(f"unexpected EOF ({n})" for n in "abc"))

    with pytest.raises(ImagePullError, match=r"\(b\)"):
        ensure_image(engine, IMAGE, ImagePull(attempts=2, pause=0))
    assert engine.tries == 2


def test_a_registry_that_is_not_needed_is_not_waited_for() -> None:
    engine = FlakyEngine()
    engine.pull(IMAGE)
    engine.failures.append("unexpected EOF")

    found = ensure_image(engine, IMAGE, ImagePull(policy=PullPolicy.NEWER))

    assert (found, engine.tries) == (NEW, 2)


def test_ctrl_c_during_a_pull_ends_it_at_once() -> None:
    engine = FlakyEngine("unexpected EOF")

    def interrupt(step: PullProgress) -> None:
        raise KeyboardInterrupt(step.status)

    with pytest.raises(KeyboardInterrupt, match="trying again"):
        ensure_image(engine, IMAGE, ImagePull(), on_progress=interrupt)
    assert engine.tries == 1
