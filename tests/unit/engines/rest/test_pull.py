"""A pull as the engines tell of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ramalama_engines.errors import ImagePullError
from ramalama_engines.podman.pull import pull_request
from ramalama_engines.rest.pull import pull_error, pull_progress
from ramalama_engines.spec import PullProgress, RegistryAuth

PODMAN_4: list[dict[str, Any]] = [
    {"stream": "Trying to pull registry.example/x:1...\n"},
    {"stream": "Copying blob sha256:db1753dbe781a694e6e428661606b35ab97d2fae\n"},
    {"stream": "Copying config sha256:8c52df5ca4659e6ae40612562bb8cf69b33b5376\n"},
    {"images": ["8c52df5ca4659e6a"], "id": "8c52df5ca4659e6a"},
]
DOCKER: list[dict[str, Any]] = [
    {"status": "Pulling from x", "id": "1"},
    {"status": "Downloading", "progressDetail": {"current": 5, "total": 9}, "id": "db1753dbe781"},
    {"status": "Pull complete", "progressDetail": {}, "id": "db1753dbe781"},
    {"status": "Digest: sha256:0\x1b[2J"},
]


def step(
    layer: str, status: str, current: int | None = None, total: int | None = None
) -> PullProgress:
    return PullProgress(layer=layer, status=status, current=current, total=total)


@pytest.mark.parametrize(
    ("answers", "steps"),
    [
        (
            PODMAN_4,
            [
                step("", "Trying to pull registry.example/x:1..."),
                step(
                    "db1753dbe781", "Copying blob sha256:db1753dbe781a694e6e428661606b35ab97d2fae"
                ),
                step(
                    "8c52df5ca465", "Copying config sha256:8c52df5ca4659e6ae40612562bb8cf69b33b5376"
                ),
            ],
        ),
        (
            DOCKER,
            [
                step("1", "Pulling from x"),
                step("db1753dbe781", "Downloading", 5, 9),
                step("db1753dbe781", "Pull complete"),
                step("", r"Digest: sha256:0\x1b[2J"),
            ],
        ),
    ],
    ids=["podman 4", "docker and podman 5"],
)
def test_the_steps_of_a_pull_are_told(
    answers: list[dict[str, Any]], steps: list[PullProgress]
) -> None:
    assert list(pull_progress(answers, image="x:1", engine="podman")) == steps


def test_an_error_in_the_middle_of_a_pull_ends_it() -> None:
    answers = [PODMAN_4[0], {"error": "write /var: no space left on device"}, PODMAN_4[1]]
    steps = pull_progress(answers, image="x:1", engine="podman")

    next(steps)
    with pytest.raises(ImagePullError, match=r"cannot pull x:1: the engine's disk is full.*write"):
        next(steps)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("reading manifest 1 in x: unauthorized: authentication required", "--authfile"),
        ("pull access denied for x", "--authfile"),
        ('Head "http://127.0.0.1:1/v2/x/manifests/1": no basic auth credentials', "--authfile"),
        ("reading manifest 1 in x: manifest unknown", "no such image"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "cannot be reached"),
        ("lookup nowhere.example: no such host", "cannot be reached"),
        ("x509: certificate signed by unknown authority", "--tls-verify=false"),
        ("http: server gave HTTP response to HTTPS client", "--tls-verify=false"),
        ('short-name "x" did not resolve to an alias', "in full"),
        ("something else", "podman: something else"),
    ],
)
def test_a_failed_pull_says_what_to_do_and_what_the_engine_said(text: str, advice: str) -> None:
    message = str(pull_error(text, image="x:1", engine="podman"))

    assert message.startswith("cannot pull x:1: ")
    assert advice in message
    assert text in message


def test_podman_is_asked_whatever_is_local_and_left_to_its_own_idea_of_tls() -> None:
    request = pull_request("registry.example/x:1", auth=None, tls_verify=True)

    assert request.query == {
        "reference": "registry.example/x:1",
        "policy": "always",
        "compatMode": "true",
    }
    assert request.headers is None


def test_podman_is_told_the_password_in_a_header_that_no_repr_shows() -> None:
    auth = RegistryAuth(username="alice", password="p:ä>?")  # noqa: S106 (it guards nothing)
    request = pull_request("x", auth=auth, tls_verify=False)

    assert request.query["tlsVerify"] == "false"
    assert request.headers is not None
    (header,) = request.headers.values()
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "alice",
        "password": "p:ä>?",
    }
    assert header not in repr(request)
